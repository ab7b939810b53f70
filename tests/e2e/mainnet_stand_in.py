"""A stand-in for Ethereum that answers what the default config reads there: every coin is worth one ether, an ether 4000 dollars.

Where it is told to, prices of Uniswap's pools wander by a few basis points from block to block. It speaks JSON-RPC over
HTTP. Pools answer as the venues' documents state them (tests/feeds/pools), each at the address and
with the coins that the source names; rates answer one, other oracles the same prices.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from demo.world.aggregate3 import SELECTOR, CallResult, asked_calls, encoded
from feeds.chains import multicall
from feeds.chains.abi import address, calldata, selector
from feeds.errors import FeedError, Reverted
from feeds.pools.balancer_v3 import BalancerV3
from feeds.pools.curve_crypto import CurveCrypto
from feeds.pools.curve_ng import CurveNg
from feeds.pools.curve_plain import CurvePlain
from feeds.pools.fluid_dex import FluidDex
from feeds.pools.maverick import MaverickV1
from feeds.pools.uniswap_v3 import UniswapV3
from feeds.pools.uniswap_v4 import UniswapV4
from feeds.rates.chainlink import Chainlink
from feeds.rates.flag import FlagCall
from feeds.types import Call, Reply
from feeds.units import WAD
from oracle.config.resolve import ResolvedConfig
from oracle.config.source_plans import SourcePlan
from tests.feeds.pools.balancer_v3_reference import Pool as BalancerPool
from tests.feeds.pools.balancer_v3_reference import array
from tests.feeds.pools.curve_reference import Crypto, Stable, number, word, words
from tests.feeds.pools.quoted_reference import FLUID, Fluid, Maverick

ETHER_USD = 4_000
BLOCK_S = 12
_DEEP = 50_000 * WAD
_HALF = 25_000 * WAD
_SPACINGS = {100: 1, 500: 10, 3_000: 60, 10_000: 200}
_COIN = selector("coins(uint256)")
_ROUND = selector("latestRoundData()")
_DECIMALS = selector("decimals()")

Contract = Callable[[Call], Reply]


@dataclass
class MainnetStandIn:
    """One endpoint.

    Attributes:
        resolved: the config whose contracts there are.
        now_ms: its clock, from which blocks follow.
        block_s: seconds between blocks.
        wander_bps: how far prices of pools go to either side; the same at every endpoint of the same block.
    """

    resolved: ResolvedConfig
    now_ms: Callable[[], int] = lambda: time.time_ns() // 10**6
    block_s: int = BLOCK_S
    wander_bps: float = 0.0
    contracts: dict[tuple[bytes, bytes], Contract] = field(default_factory=dict)
    url: str = ""
    unknown: set[str] = field(default_factory=set)
    runner: web.AppRunner | None = None

    def __post_init__(self) -> None:
        for plan in self.resolved.sources:
            if plan.adapter is not None:
                self._learn(plan)
        for name, answer in (
            ("getCurrentBlockTimestamp()", lambda _: word(self._block()[1])),
            ("getBlockNumber()", lambda _: word(self._block()[0])),
        ):
            self.contracts[address(multicall.ADDRESS), selector(name)] = answer

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/", self._answer)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self.runner is not None:
            await self.runner.cleanup()

    # --- JSON-RPC ----------------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())
        answers = [self._one(a) for a in asked] if isinstance(asked, list) else self._one(asked)
        return web.Response(body=orjson.dumps(answers), content_type="application/json")

    def _one(self, asked: dict[str, Any]) -> dict[str, Any]:
        head = {"jsonrpc": "2.0", "id": asked.get("id")}
        method, params = asked["method"], asked.get("params", [])
        if method == "eth_chainId":
            return head | {"result": "0x1"}
        if method == "eth_blockNumber":
            return head | {"result": hex(self._block()[0])}
        if method == "eth_getBlockByNumber":
            return head | {"result": self._block_document(params[0])}
        if method == "eth_getCode":
            return head | {"result": "0x6001"}
        if method == "eth_call":
            return head | {"result": "0x" + self._call(params[0]).hex()}
        return head | {"error": {"code": -32601, "message": f"the method {method} does not exist"}}

    def _block(self) -> tuple[int, int]:
        """Number and time in seconds of the newest block."""
        at_s = self.now_ms() // 1_000
        return at_s // self.block_s, at_s - at_s % self.block_s

    def _root(self, place: str) -> int:
        """The root of a pool's price now, by 2^96."""
        phase = int(place[-4:], 16)
        turn = self._block()[0] + phase
        away = 0.7 * math.sin(turn / 97) + 0.2 * math.sin(turn / 13) + 0.1 * math.sin(turn / 3)
        return int((1 << 96) * (1 + away * self.wander_bps / 20_000))

    def _block_document(self, tag: str) -> dict[str, Any]:
        number_ = int(tag, 16) if tag.startswith("0x") else self._block()[0]
        return {
            "number": hex(number_), "timestamp": hex(number_ * self.block_s), "hash": f"0x{number_:064x}",
            "parentHash": f"0x{number_ - 1:064x}",
        }  # fmt: skip

    def _call(self, call: dict[str, Any]) -> bytes:
        data = bytes.fromhex(call.get("data", call.get("input", "0x"))[2:])
        to = bytes.fromhex(call["to"][2:])
        if to == address(multicall.ADDRESS) and data[:4] == SELECTOR:
            replies = [self.reply(c) for c in asked_calls(data)]
            return encoded([CallResult(isinstance(r, bytes), r if isinstance(r, bytes) else b"") for r in replies])
        reply = self.reply(Call(to=to, data=data))
        return reply if isinstance(reply, bytes) else b""

    def reply(self, call: Call) -> Reply:
        """What a contract answers."""
        contract = self.contracts.get((call.to, call.data[:4])) or self.contracts.get((call.to, b""))
        if contract is None:
            self.unknown.add(f"{call.to.hex()} {call.data[:4].hex()}")
            return Reverted("nothing there")
        return contract(call)

    # --- contracts ---------------------------------------------------------------------------------------------------

    def _learn(self, plan: SourcePlan) -> None:
        adapter: Any = plan.adapter
        if isinstance(adapter, UniswapV3):
            self.contracts[address(adapter.pool), b""] = _v3(adapter, lambda: self._root(adapter.pool))
        elif isinstance(adapter, UniswapV4):
            view = self._shared(adapter.state_view, at=slice(4, 36))
            view.pools[adapter.key_hash] = _v4(adapter, lambda: self._root(adapter.key_hash.hex()))
        elif isinstance(adapter, BalancerV3):
            self._learn_balancer_v3(adapter)
        elif isinstance(adapter, CurvePlain | CurveNg | CurveCrypto):
            self.contracts[address(adapter.pool), b""] = _with_coins(_curve(adapter), adapter.coins)
        elif isinstance(adapter, FluidDex):
            self._shared(adapter.resolver, at=slice(16, 36)).pools[address(adapter.pool)] = _fluid(adapter)
        elif isinstance(adapter, MaverickV1):
            held = (adapter.base, adapter.quote) if adapter.base_is_a else (adapter.quote, adapter.base)
            pool = Maverick(a=_DEEP, b=_DEEP, tokens=(held[0].lower(), held[1].lower()))
            for place in (adapter.pool, adapter.quoter, adapter.base, adapter.quote):
                self.contracts.setdefault((address(place), b""), pool.answer)
        elif isinstance(adapter, Chainlink):
            price = (ETHER_USD if plan.spec.pair.quote == "USD" else 1) * WAD
            self.contracts[address(adapter.feed), _ROUND] = lambda _: words(9, price, *([self._block()[1]] * 2), 9)
            self.contracts[address(adapter.feed), _DECIMALS] = lambda _: word(18)
        elif isinstance(adapter, FlagCall):
            data = calldata(adapter.function, adapter.args)
            self.contracts[address(adapter.contract), data[:4]] = lambda _: words(
                *[int(adapter.means == "open")] * (adapter.returns + 1)
            )
        else:
            self._learn_ones(adapter.read())

    def _shared(self, contract: str, *, at: slice) -> _Shared:
        """A contract that is asked for many pools, named in its calldata."""
        place = address(contract), b""
        held = self.contracts.get(place)
        if not isinstance(held, _Shared):
            held = self.contracts[place] = _Shared(at)
        return held

    def _learn_balancer_v3(self, adapter: BalancerV3) -> None:
        tokens = sorted(address(t) for t in (adapter.base, adapter.quote))
        pool = BalancerPool(
            live=(_DEEP, _DEEP), overrides={"getPoolTokens": array(*(int.from_bytes(t, "big") for t in tokens))}
        )
        vault = self._shared(adapter.vault, at=slice(16, 36))
        vault.pools[address(adapter.pool)] = vault.whole = pool.answer
        self.contracts[address(adapter.pool), b""] = pool.answer
        for share, wrapped in ((adapter.base, adapter.base_wraps), (adapter.quote, adapter.quote_wraps)):
            if wrapped:
                asset = int.from_bytes(address(wrapped), "big")
                self.contracts[address(share), selector("asset()")] = lambda _, asset=asset: word(asset)  # type: ignore[misc]
                self.contracts[address(share), selector("convertToAssets(uint256)")] = lambda c: word(number(c.data, 0))
                self.contracts[address(share), selector("maxRedeem(address)")] = lambda _: word(_DEEP)

    def _learn_ones(self, reading: Any) -> None:
        """Everything that a rate asks for is one, in eighteen decimals, whichever word of the answer it is."""
        calls = next(reading)
        try:
            while True:
                for call in calls:
                    self.contracts.setdefault((call.to, call.data[:4]), lambda _: words(*[WAD] * 16))
                calls = reading.send(tuple(words(*[WAD] * 16) for _ in calls))
        except (StopIteration, FeedError):
            return


@dataclass
class _Shared:
    """A contract that is asked for many pools, each named in its calldata. ``whole``: what it says of itself."""

    at: slice
    pools: dict[bytes, Contract] = field(default_factory=dict)
    whole: Contract | None = None

    def __call__(self, call: Call) -> Reply:
        pool = self.pools.get(call.data[self.at], self.whole)
        return Reverted("no such pool") if pool is None else pool(call)


def _fluid(adapter: FluidDex) -> Contract:
    first, second = sorted((adapter.base, adapter.quote), key=address)
    level = (_DEEP, _DEEP, 2 * _DEEP, 2 * _DEEP)
    pool = Fluid(collateral=level, debt=level, tokens=(first, second), limits=(10**26,) * 4)

    def answer(call: Call) -> Reply:
        reply = pool.answer(call)
        if FLUID.get(call.data[:4], "").startswith("getPoolReserves") and isinstance(reply, bytes):
            return word(int.from_bytes(address(adapter.pool), "big")) + reply[32:]
        return reply

    return answer


def _v3(adapter: UniswapV3, root: Callable[[], int]) -> Contract:
    """A pool whose whole liquidity lies everywhere."""
    first, second = sorted(int.from_bytes(address(t), "big") for t in (adapter.base, adapter.quote))
    fee = adapter.fee or 500
    answers = {
        selector("liquidity()"): word(100 * _DEEP),
        selector("token0()"): word(first),
        selector("token1()"): word(second),
        selector("tickSpacing()"): word(_SPACINGS.get(fee, 10)),
        selector("fee()"): word(fee),
        selector("ticks(int24)"): words(*[0] * 8),
    }
    return _priced(answers, selector("slot0()"), lambda: words(root(), _tick(root()), 0, 1, 1, 0, 1))


def _v4(adapter: UniswapV4, root: Callable[[], int]) -> Contract:
    answers = {
        selector("getLiquidity(bytes32)"): word(100 * _DEEP),
        selector("getTickLiquidity(bytes32,int24)"): words(0, 0),
    }
    return _priced(answers, selector("getSlot0(bytes32)"), lambda: words(root(), _tick(root()), 0, adapter.fee))


def _priced(answers: Mapping[bytes, Reply], asks: bytes, price: Callable[[], Reply]) -> Contract:
    return lambda call: price() if call.data[:4] == asks else answers.get(call.data[:4], Reverted("no such function"))


def _tick(root: int) -> int:
    return math.floor(2 * math.log(root / (1 << 96)) / math.log(1.0001))


def _curve(adapter: CurvePlain | CurveNg | CurveCrypto) -> Contract:
    held = (_DEEP,) * len(adapter.coins)
    if isinstance(adapter, CurveCrypto):
        return Crypto(held=held).answer
    gives = frozenset({"ng"}) if isinstance(adapter, CurveNg) else frozenset[str]()
    return Stable(held=held, rates=(WAD,) * len(held), gives=gives).answer


def _with_coins(answer: Contract, coins: Iterable[str]) -> Contract:
    held = [word(int(c, 16)) for c in coins]
    return lambda call: held[number(call.data, 0)] if call.data[:4] == _COIN else answer(call)
