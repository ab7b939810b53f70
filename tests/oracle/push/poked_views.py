"""Views to poke: ModeView of mode 4 over both prices of a feed, and the Multicall3 of the npm package, on a test chain."""

from __future__ import annotations

from typing import Any

from eth_utils.address import to_checksum_address

import contracts
from demo.world import npm
from demo.world.chain import LocalChain, account
from demo.world.deploy import MULTICALL3

RAMP_S = 1_000
_MARKET, _REDEMPTION, _UNLESS_DEPEG, _DECIMALS, _HEARTBEAT_S = 0, 1, 4, 18, 3_600


async def put_multicall3(url: str) -> None:
    """Its code, where it is on nearly every chain."""
    async with LocalChain(url) as chain:
        # a call without a recipient answers with the code that the creation code would leave
        runtime = await chain.rpc("eth_call", {"from": account(0).address, "data": npm.multicall3()}, "latest")
        await chain.rpc("anvil_setCode", MULTICALL3, runtime)


async def put_view(url: str, store: str, feed: str) -> str:
    """A view of a feed that has both prices; its address. The chain must mine by itself."""
    async with LocalChain(url) as chain:

        async def create(name: str, *args: Any) -> str:
            compiled = contracts.load(name)
            artifact = npm.NpmArtifact(abi=compiled.abi, bytecode="0x" + compiled.bytecode.hex())
            return str((await chain.create(account(0), artifact, *args)).address)

        token = feed.encode().ljust(32, b"\0")
        legs = [
            await create("FeedView", to_checksum_address(store), token, mode, _DECIMALS, _HEARTBEAT_S)
            for mode in (_MARKET, _REDEMPTION)
        ]
        return await create("ModeView", *legs, _UNLESS_DEPEG, RAMP_S, _DECIMALS)


async def ramp(url: str, view: str, block: str = "latest") -> int:
    """Millionths of the market price that a view has in a block."""
    async with LocalChain(url) as chain:
        made = chain.contract(contracts.load("ModeView").abi, view)
        data = made.encode_abi("rampPpm", args=[])
        return int(await chain.rpc("eth_call", {"to": view, "data": data}, block), 16)
