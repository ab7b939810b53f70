"""Gas of other oracles, run unmodified from their npm packages on the same chain: API3, RedStone, Tellor.

Every update is read back: API3's multicall and RedStone's adapter skip what they do not take, and would be cheap then.
Sources: Api3ServerV1 and its base contracts (@api3/airnode-protocol-v1 3.4.0), MultiFeedAdapterWithoutRounds and
CalldataExtractor (@redstone-finance 0.6.1), TellorFlex (usingtellor 5.0.5).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from demo.bench.gas_tools import (
    STEP_S,
    BenchChain,
    BenchError,
    PushGas,
    ReadGas,
    address_text,
    called,
    compiled,
    full_signature,
    keys,
    push_floor,
)
from demo.world import npm
from oracle.sign import curve
from oracle.sign.eip712 import address_of

_PRICE = 1_050_000_000_000_000_000
_API3 = npm.ROOT / "node_modules" / "@api3" / "airnode-protocol-v1" / "dist" / "src" / "contracts" / "factories"
_TELLOR = npm.ROOT / "node_modules" / "usingtellor" / "artifacts" / "tellorflex" / "contracts" / "TellorFlex.sol"
_REDSTONE = npm.ROOT / "demo" / "peers" / "RedStone.sol"
_REDSTONE_SETTINGS = {"optimizer": {"enabled": True, "runs": 200}}
_BYTECODE = re.compile(r"_bytecode = \"(0x[0-9a-f]+)\"")
_WARM_UPS = 3
REDSTONE_EACH, REDSTONE_ONE = "RedStone, a package a feed", "RedStone, one package of all feeds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api3Beacons:
    """Beacon sets: each source of a token signs its own value, and the set's median is taken on chain."""

    server: Any
    sources: Sequence[curve.PrivateKey]

    def update(self, tokens: int, price: int, time_s: int) -> bytes:
        """Calldata that updates every source of every token, then the sets."""
        calls: list[bytes] = []
        for token in range(tokens):
            calls += [self._beacon(key, token, price + place, time_s) for place, key in enumerate(self.sources)]
            if len(self.sources) > 1:
                calls.append(called("updateBeaconSetWithBeacons(bytes32[])", self.beacons(token)))
        return calls[0] if len(calls) == 1 else called("tryMulticall(bytes[])", calls)

    def beacons(self, token: int) -> list[bytes]:
        """Ids of the token's sources."""
        return [keccak(address_of(key) + _template(token)) for key in self.sources]

    def feed(self, token: int) -> bytes:
        """Id of what a consumer reads."""
        beacons = self.beacons(token)
        return keccak(encode(["bytes32[]"], [beacons])) if len(beacons) > 1 else beacons[0]

    def _beacon(self, key: curve.PrivateKey, token: int, price: int, time_s: int) -> bytes:
        data = encode(["int256"], [price])
        inner = keccak(_template(token) + time_s.to_bytes(32, "big") + data)
        signature = full_signature(key, keccak(b"\x19Ethereum Signed Message:\n32" + inner))
        function = "updateBeaconWithSignedData(address,bytes32,uint256,bytes,bytes)"
        return called(function, address_text(address_of(key)), _template(token), time_s, data, signature)


async def api3(ground: BenchChain, shapes: Sequence[tuple[int, int]]) -> AsyncIterator[PushGas | ReadGas]:
    """Rows for (tokens, sources); each source's value is a slot of its own, and the set's another."""
    registry = await ground.create(_factory("access-control-registry", "AccessControlRegistry"))
    abi = [_constructor("address", "string", "address")]
    bytecode = _factory("api3-server-v1", "Api3ServerV1").bytecode
    server = await ground.create(npm.NpmArtifact(abi, bytecode), registry.address, "Api3ServerV1 admin", ground.payer)
    peer = Api3Beacons(server=server, sources=())
    for tokens, sources in shapes:
        peer = Api3Beacons(server=server, sources=keys(sources))

        def batch(price: int, time_s: int, peer: Api3Beacons = peer, tokens: int = tokens) -> bytes:
            return peer.update(tokens, price, time_s)

        gas, data, price = await _steady(ground, server.address, batch)
        read = called("readDataFeedWithId(bytes32)", peer.feed(tokens - 1))
        await _check_price(ground, server.address, read, price + (sources - 1) // 2)
        slots = tokens * (sources + (sources > 1))
        floor = push_floor(data, signatures=tokens * sources, slots=slots)
        yield PushGas(system="API3", tokens=tokens, signers=sources, gas=gas, calldata=len(data), floor=floor)
    read = called("readDataFeedWithId(bytes32)", peer.feed(0))
    yield await ground.cold("API3", "Api3ServerV1.readDataFeedWithId", server.address, read)


async def redstone(ground: BenchChain, shapes: Sequence[tuple[int, int]]) -> AsyncIterator[PushGas | ReadGas]:
    """Rows for (tokens, signers), k of k, in both forms of package. Without the label that relayers append."""
    sources = {_REDSTONE.name: _REDSTONE.read_text(encoding="utf-8")}
    artifact = compiled(sources, _REDSTONE_SETTINGS, "solc19")[f"{_REDSTONE.name}:RedStone"]
    adapters: dict[int, str] = {}
    read = called("getValueForDataFeed(bytes32)", _feed(0))
    for tokens, signers in shapes:
        if signers not in adapters:
            members = [address_text(address_of(key)) for key in keys(13)]
            adapters[signers] = (await ground.create(artifact, signers, members)).address
        to = adapters[signers]
        for system, joined in ((REDSTONE_EACH, False), (REDSTONE_ONE, True)):

            def batch(price: int, time_s: int, shape: tuple[int, int, bool] = (tokens, signers, joined)) -> bytes:
                return redstone_update(*shape, price, time_s)

            gas, data, price = await _steady(ground, to, batch)
            await _check_price(ground, to, called("getValueForDataFeed(bytes32)", _feed(tokens - 1)), price)
            checks = signers if joined else signers * tokens
            floor = push_floor(data, signatures=checks, slots=tokens)
            yield PushGas(system=system, tokens=tokens, signers=signers, gas=gas, calldata=len(data), floor=floor)
    call = "MultiFeedAdapterWithoutRounds.getValueForDataFeed"
    yield await ground.cold("RedStone", call, next(iter(adapters.values())), read)


def redstone_update(tokens: int, signers: int, joined: bool, price: int, time_s: int) -> bytes:
    """Calldata of an update: the call, then signed packages of one or of all feeds, then their number and a marker."""
    feeds = [_feed(i) for i in range(tokens)]
    groups = [feeds] if joined else [[feed] for feed in feeds]
    packages = b"".join(_package(key, group, price, time_s) for group in groups for key in keys(signers))
    count = (len(groups) * signers).to_bytes(2, "big")
    marker = bytes(3) + bytes.fromhex("000002ed57011e0000")
    return called("updateDataFeedsValuesPartial(bytes32[])", feeds) + packages + count + marker


async def tellor(ground: BenchChain) -> AsyncIterator[PushGas | ReadGas]:
    """One reporter, one value: there are no batches, and nothing is aggregated."""
    token = await ground.create(npm.own("DemoLRT"), 10**18)
    abi = [_constructor("address", "uint256", "uint256", "uint256", "uint256", "bytes32")]
    bytecode = npm.read(_TELLOR / "TellorFlex.json").bytecode
    flex = await ground.create(npm.NpmArtifact(abi, bytecode), token.address, 1, 1, 10**18, 1, keccak(b"TRB"))
    await ground.fund(token.address, 10**18)
    for to, data in (
        (token.address, called("approve(address,uint256)", flex.address, 2**256 - 1)),
        (flex.address, called("init(address)", token.address)),
        (flex.address, called("depositStake(uint256)", 10**15)),
    ):
        await ground.send(to, data)
    query = encode(["string", "bytes"], ["SpotPrice", encode(["string", "string"], ["weeth", "eth"])])

    def batch(price: int, _time_s: int) -> bytes:
        value = encode(["uint256"], [price])
        return called("submitValue(bytes32,bytes,uint256,bytes)", keccak(query), value, 0, query)

    gas, data, price = await _steady(ground, flex.address, batch)
    read = called("getDataBefore(bytes32,uint256)", keccak(query), ground.now_s + 1)
    if price.to_bytes(32, "big") not in await ground.ask(flex.address, read):
        raise BenchError("TellorFlex does not hold the value that was submitted")
    floor = push_floor(data, signatures=0, slots=1)
    yield PushGas(system="Tellor", tokens=1, signers=1, gas=gas, calldata=len(data), floor=floor)
    yield await ground.cold("Tellor", "TellorFlex.getDataBefore", flex.address, read)


async def _steady(ground: BenchChain, to: str, batch: Callable[[int, int], bytes]) -> tuple[int, bytes, int]:
    """Gas, calldata and price of the last of some updates; ``batch`` makes one of a price and a time (s)."""
    gas, data, price = 0, b"", 0
    for update in range(_WARM_UPS + 1):
        price = _PRICE + update * 7_919_191
        data = batch(price, ground.now_s + STEP_S)
        gas = await ground.send(to, data)
    return gas, data, price


async def _check_price(ground: BenchChain, to: str, read: bytes, price: int) -> None:
    """BenchError unless a read's first word is the price."""
    answer = int.from_bytes((await ground.ask(to, read))[:32], "big")
    if answer != price:
        raise BenchError(f"{to} answers {answer} and was sent {price}: the update was not taken")


def _package(key: curve.PrivateKey, feeds: Sequence[bytes], price: int, time_s: int) -> bytes:
    points = b"".join(feed + price.to_bytes(32, "big") for feed in feeds)
    body = points + (time_s * 1_000).to_bytes(6, "big") + (32).to_bytes(4, "big") + len(feeds).to_bytes(3, "big")
    return body + full_signature(key, keccak(body))


def _factory(folder: str, name: str) -> npm.NpmArtifact:
    """Creation code that API3's package carries inside its factories."""
    path = _API3 / folder / f"{name}__factory.js"
    if not path.is_file():
        raise npm.MissingPackage(path)
    bytecode = _BYTECODE.search(path.read_text(encoding="utf-8"))
    if bytecode is None:
        raise npm.MissingPackage(path)
    return npm.NpmArtifact([_constructor()], bytecode[1])


def _constructor(*kinds: str) -> dict[str, Any]:
    return {"type": "constructor", "inputs": [{"name": f"a{i}", "type": kind} for i, kind in enumerate(kinds)]}


def _feed(token: int) -> bytes:
    return f"TOKEN{token}/ETH".encode().ljust(32, b"\0")


def _template(token: int) -> bytes:
    return keccak(f"template of token {token}".encode())
