"""Our v3 arithmetic and layouts against the forks' own pools, as npm ships them: equal to the last unit."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from demo.world.npm import NpmArtifact
from feeds.chains.endpoint import Head
from feeds.errors import FeedError
from feeds.pools.uniswap_v3 import UniswapV3
from feeds.pools.v3_math import MAX_TICK, Q96, sqrt_at_tick
from feeds.units import WAD, mul_div_down, mul_div_up
from tests.feeds.pools import npm_pools
from tests.feeds.pools.conftest import Pools

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
LOWEST, HIGHEST = sqrt_at_tick(-MAX_TICK) + 1, sqrt_at_tick(MAX_TICK) - 1
START = Q96 * 101 // 100
ALGEBRA_POOL_HASH = "6ec6c9c8091d160c0aa74b2b14ba9c1717e95093bd3ac085cee99a49aab294a4"
FORKS = ("uniswap", "pancake", "algebra", "integral")
POOL_CODE = {
    "uniswap": ("@uniswap/v3-core", "UniswapV3Pool"),
    "pancake": ("@pancakeswap/v3-core", "PancakeV3Pool"),
    "algebra": ("@cryptoalgebra/core", "AlgebraPool"),
    "integral": ("@cryptoalgebra/integral-core", "AlgebraPool"),
}
MINT = {True: "mint(address,address,int24,int24,uint128,bytes)", False: "mint(address,int24,int24,uint128,bytes)"}


@dataclass(frozen=True)
class Fork:
    """One pool of each fork, supplied and traded in through one caller contract."""

    pools: Pools
    caller: Any
    where: dict[str, Any]

    def pair(self) -> tuple[str, str]:
        first, second = sorted((self.pools.world.weth, self.pools.world.lrt), key=lambda a: int(a, 16))
        return first, second

    async def run(self, dialect: str, signature: str, *args: Any) -> None:
        kinds = signature.partition("(")[2][:-1].split(",")
        data = keccak(text=signature)[:4] + encode(kinds, args)
        owner = self.pools.world.accounts.owner
        await self.pools.chain.send(owner, self.caller, "run", self.where[dialect].address, data, gas=5_000_000)
        await self.pools.chain.settle()

    async def mint(self, dialect: str, low: int, high: int, liquidity: int) -> None:
        algebra = dialect in {"algebra", "integral"}
        to = (self.caller.address,) * (2 if algebra else 1)
        await self.run(dialect, MINT[algebra], *to, low, high, liquidity, b"")

    async def swap(self, dialect: str, amount: int, *, zero_in: bool) -> None:
        limit = LOWEST if zero_in else HIGHEST
        signature = "swap(address,bool,int256,uint160,bytes)"
        await self.run(dialect, signature, self.caller.address, zero_in, amount, limit, b"")

    async def asked(self, dialect: str, amount: int, *, zero_in: bool, head: Head) -> tuple[int, int]:
        """Amounts in and out that the pool itself states."""
        order = (self.where[dialect].address, zero_in, amount, LOWEST if zero_in else HIGHEST)
        zero, one = await self.pools.call(self.caller, "ask", *order, head=head)
        return (zero, -one) if zero_in else (one, -zero)

    def adapter(self, dialect: str, notional: str, *, inverted: bool, **params: Any) -> UniswapV3:
        base, quote = self.pair()[::-1] if inverted else self.pair()
        return UniswapV3(
            pool=self.where[dialect].address, base=base, quote=quote, notional=notional, dialect=dialect,
            **{"max_slippage_bps": 10_000, **params},
        )  # fmt: skip


async def from_factory(pools: Pools, dialect: str) -> str:
    """A pool that Algebra's own factory makes: 1 with its vault, Integral with a deployer that it must know before."""
    chain, owner = pools.chain, pools.world.accounts.owner
    package = POOL_CODE[dialect][0]
    factory_code, deployer_code = (npm_pools.hardhat(package, n) for n in ("AlgebraFactory", "AlgebraPoolDeployer"))
    pair = (pools.world.weth, pools.world.lrt)
    if dialect == "algebra":
        # the package's factory knows the hash of mainnet's build of the pool, and ships another build
        built = keccak(hexstr=npm_pools.hardhat(package, "AlgebraPool").bytecode).hex()
        factory_code = replace(factory_code, bytecode=factory_code.bytecode.replace(ALGEBRA_POOL_HASH, built))
        deployer = await chain.create(owner, deployer_code)
        factory = await chain.create(owner, factory_code, deployer.address, owner.address)
        await chain.send(owner, deployer, "setFactory", factory.address)
        await chain.send(owner, factory, "createPool", *pair, gas=29_000_000)
    else:
        nonce = int(await chain.rpc("eth_getTransactionCount", owner.address, "latest"), 16) + 1
        ahead = keccak(rlp_pair(bytes.fromhex(owner.address[2:]), nonce))[12:]
        factory = await chain.create(owner, factory_code, to_checksum_address(ahead))
        await chain.create(owner, deployer_code, factory.address)
        await chain.send(owner, factory, "createPool", *pair, b"", gas=29_000_000)
    await chain.settle()
    return str(await chain.call(factory, "poolByPair", *pair))


def rlp_pair(address: bytes, nonce: int) -> bytes:
    """RLP of [address, nonce], of which the address of a created contract is made."""
    number = b"\x80" if nonce == 0 else nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    number = number if len(number) == 1 and nonce < 128 else bytes([0x80 + len(number)]) + number
    body = bytes([0x94]) + address + number
    return bytes([0xC0 + len(body)]) + body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fork(pools: Pools) -> AsyncIterator[Fork]:
    chain, owner, world = pools.chain, pools.world.accounts.owner, pools.world
    caller = await chain.create(owner, npm_pools.caller())
    pair = sorted((world.weth, world.lrt), key=lambda a: int(a, 16))
    erc20 = chain.contract([{"type": "function", "name": "transfer", "stateMutability": "nonpayable", "outputs": [],
                             "inputs": [{"name": "", "type": t} for t in ("address", "uint256")]}], world.weth)  # fmt: skip
    for token in pair:
        await chain.send(owner, chain.contract(erc20.abi, token), "transfer", caller.address, 200_000 * WAD)
    await chain.settle()
    where = {}
    for dialect in FORKS:
        code: NpmArtifact = npm_pools.hardhat(*POOL_CODE[dialect])
        if dialect in {"algebra", "integral"}:
            address = await from_factory(pools, dialect)
        else:
            given = (owner.address, *pair, 500, 10)
            address = await chain.call(caller, "deploy", bytes.fromhex(code.bytecode[2:]), given)
            await chain.send(owner, caller, "deploy", bytes.fromhex(code.bytecode[2:]), given, gas=12_000_000)
            await chain.settle()
        where[dialect] = chain.contract(code.abi, address)
        await chain.send(owner, where[dialect], "initialize", START, gas=3_000_000)
        await chain.settle()
    yield Fork(pools, caller, where)


async def assert_exact(fork: Fork, dialect: str, seed: int, *, inverted: bool, **params: Any) -> int:
    rng = random.Random(seed)
    sizes = [rng.randrange(10**6, 10 ** rng.randint(12, 20) * 4) for _ in range(6)]
    read = {str(n): fork.adapter(dialect, f"{Decimal(n).scaleb(-18):f}", inverted=inverted, **params) for n in sizes}
    head, results = await fork.pools.quotes(**read)
    agreed = 0
    for text, quote in results.items():
        amount = int(text)
        if isinstance(quote, FeedError):
            assert quote.code in {"THIN", "OUT_OF_RANGE", "NOT_POSITIVE"}, f"{dialect} {text}: {quote}"
            continue
        paid, received = await fork.asked(dialect, amount, zero_in=not inverted, head=head)
        cost, bought = await fork.asked(dialect, -amount, zero_in=inverted, head=head)
        assert (paid, bought) == (amount, amount)
        assert quote.bid_wad == mul_div_down(received, WAD, amount), f"{dialect} {text}"
        assert quote.ask_wad == mul_div_up(cost, WAD, amount), f"{dialect} {text}"
        agreed += 1
    return agreed


@pytest.mark.parametrize("dialect", FORKS)
async def test_prices_at_size_equal_the_pools_own(fork: Fork, dialect: str) -> None:
    """Random positions, swaps in between; sizes that cross ticks and sizes of a few wei, in both orientations."""
    rng = random.Random(FORKS.index(dialect))
    spacing = await fork.pools.chain.call(fork.where[dialect], "tickSpacing")
    edge = 6_000 // spacing * spacing
    await fork.mint(dialect, -edge, edge, 10**23)
    agreed = 0
    for turn in range(4):
        for _ in range(3):
            low = (200 + rng.randint(-300, 250)) // spacing * spacing
            width = spacing * rng.randint(1, 4)
            await fork.mint(dialect, low, low + width, rng.randrange(10**18, 5 * 10**23))
        agreed += await assert_exact(fork, dialect, turn, inverted=False)
        agreed += await assert_exact(fork, dialect, turn + 50, inverted=True)
        await fork.swap(dialect, rng.randrange(1, 40 * WAD), zero_in=bool(turn % 2))
    assert agreed >= 40
