"""A process with feeds that are converted by each other, pools and several operators: rounds as it makes and stores them, and its moments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from feeds.types import Kind, Observation, Outcome, Print
from feeds.units import MS, WAD, Wad
from oracle.config.resolve import ResolvedConfig, resolve, subset
from oracle.config.sections import parse
from oracle.model.spec import SourceSpec
from oracle.model.state import FeedState
from oracle.query.ask import DirectRounds, LiveMoments, ask
from oracle.query.plan import QueryLimits
from oracle.query.question import parsed
from oracle.round.live import Live
from oracle.round.rounds import Member, Rounds
from oracle.storage.database import Database
from oracle.storage.limits import DatabaseLimits
from oracle.storage.reading import DatabaseReader
from oracle.storage.round_rows import RoundRows
from tests.oracle.oracle_build import T0, failed

T = TypeVar("T")
INTERVAL_S = 10
S0 = T0 // MS
OF_TRADES = {"window_s": 120, "max_age_s": 30}
_LAG_MS, _SPACING_MS = 500, 3_100


def table(
    path: Path | str = "x.db", operators: Sequence[str] = (), without: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """Ether and the coin that it is also quoted in, a staked token on exchanges, a restaked one in pools, two stable coins."""

    def source(venue: str, symbol: str, **more: str) -> dict[str, str]:
        return {"type": venue, "symbol": symbol, **more}

    ether = [source("coinbase", "ETH-USD"), source("kraken", "ETH/USD"), source("gemini", "ETHUSD")]
    ether.append(source("binance", "ETHUSDT", pair="ETH/USDT", convert="USDT/USD"))
    staked = [source("okx", "STETH-ETH"), source("bybit", "STETHETH"), source("bitget", "STETHETH")]
    staked.append(source("coinbase", "STETH-USD", pair="stETH/USD", convert="ETH/USD"))
    stable = [source("binance", "USDCUSDT"), source("okx", "USDC-USDT"), source("bybit", "USDCUSDT")]
    pools = ("uniswap_v3 WETH/weETH 0.05%", "uniswap_v3 WETH/weETH 0.01%", "fluid weETH/ETH", "rate")
    sections: dict[str, Any] = {
        "USDT/USD": {"sources": [source("coinbase", "USDT-USD"), source("kraken", "USDT/USD")]},
        "ETH/USD": {"sources": ether, "method": "dia_vwapir", **OF_TRADES},
        "stETH/ETH": {"sources": staked, "method": "dia_mair", **OF_TRADES},
        "USDC/USDT": {"sources": stable, "method": "dia_mair", "halt_after_s": 40, **OF_TRADES},
        "weETH/ETH": {"catalog": list(pools), "notional": "50", "mode": "market"},
    }
    made: dict[str, Any] = {
        "oracle": {"database": str(path), "round_interval_s": INTERVAL_S},
        "chains": {"ethereum": {"chain_id": 1, "endpoints": ["https://a.example", "https://b.example"]}},
        "feeds": sections,
    }
    if operators:
        made["operators"] = [
            {"name": n, "keyfile": f"{n}.json", "journal": f"{n}.journal", "without": list((without or {}).get(n, ()))}
            for n in operators
        ]
    return made


LEVELS = {
    "USDT/USD": "0.9995", "ETH/USD": "2000", "ETH/USDT": "2001", "stETH/ETH": "0.9991", "stETH/USD": "1998",
    "USDC/USDT": "1.0002", "weETH/ETH": "1.09",
}  # fmt: skip


def price_at(source: SourceSpec, at_ms: int) -> Wad:
    """What a source states at a time: a level, a walk of tenths of a per mille, each source beside the others; pools stand still."""
    level = int(float(LEVELS[str(source.pair)]) * 10_000) * WAD // 10_000
    beside = len(source.name) % 5 - 2
    walk = 0 if source.kind is not Kind.MARKET or source.on_chain else (at_ms // 7_000) * 7_919 % 9 - 4
    return Wad(level + level * (walk + 2 * beside) // 10_000)


def depth_of(source: SourceSpec, at_ms: int) -> int:
    """Base units: by the length of the name, and of one exchange less and less."""
    return (10 * len(source.name) - (at_ms - T0) // 60_000 * (7 if source.name == "coinbase" else 0)) * WAD


def trades(source: SourceSpec, after_ms: int, until_ms: int) -> tuple[Print, ...]:
    """The trades of a source in a time, of different volumes; some far off, two in one second now and then."""
    first = max(0, (after_ms - T0) // _SPACING_MS)
    found: list[Print] = []
    for number in range(first, (until_ms - T0) // _SPACING_MS + 1):
        at_ms = T0 + number * _SPACING_MS + 37 * (len(source.name) % 7)
        twice = (at_ms, at_ms + 300) if number % 4 == 1 else (at_ms,)
        for place, at in enumerate(twice):
            price = price_at(source, at)
            off = price * (12 if number % 11 == 5 else 0) // 10_000
            volume = (1 + (number * 3 + place + len(source.name)) % 5) * WAD // 2
            if after_ms < at <= until_ms:
                found.append(Print(at_ms=at, price_wad=Wad(price + off + place * price // 50_000), volume_wad=volume))
    return tuple(found)


class Markets:
    """The process.

    Args:
        path: of its database.
        without: what each operator here does not use, by name.
        limits: of its database.

    Attributes:
        resolved: its config.
        silent: sources that say nothing.
        asked_after: after which times trades of each feed were wanted for a moment.
    """

    def __init__(
        self, path: Path, without: Mapping[str, Sequence[str]] | None = None, limits: DatabaseLimits | None = None
    ) -> None:
        self.path, self.resolved = path, resolve(parse(table(path, tuple(without or ()), without)))
        operators = without or {"a": ()}
        self.database = Database(path, limits or DatabaseLimits(checkpoint_every=20))
        specs = self.resolved.specs
        members = [
            Member(n, {f: subset(s, w) for f, s in specs.items()}, {f: FeedState() for f in specs})
            for n, w in operators.items()
        ]
        self.rounds = Rounds(specs, members)
        self.silent: set[str] = set()
        self.asked_after: dict[str, list[int]] = {}
        self.round_s, self.now_ms = 0, S0 * MS

    def observe(self, feed: str, now_ms: int, after_ms: int = 0) -> tuple[Outcome, ...]:
        return tuple(self._outcome(s, feed, now_ms, after_ms) for s in self.resolved.specs[feed].sources)

    def _outcome(self, source: SourceSpec, feed: str, now_ms: int, after_ms: int) -> Outcome:
        if source.name in self.silent:
            return failed(source.name, now_ms)
        chain = {"chain_id": 1, "block": now_ms // 12_000} if source.group.startswith("chain:") else {}
        of_trades = self.resolved.config.feeds[feed].method.startswith("dia_")
        at_ms = now_ms - now_ms % 12_000 if chain else now_ms - _LAG_MS - now_ms % 100
        return Observation(
            pair=source.pair, source=source.name, group=source.group, kind=source.kind, price_wad=price_at(source, at_ms),
            observed_at_ms=at_ms, depth_wad=depth_of(source, now_ms) if source.kind is Kind.MARKET else None,
            prints=trades(source, after_ms, now_ms) if of_trades else (), prints_from_ms=1, **chain,
        )  # fmt: skip

    def play(self, first: int, many: int) -> None:
        """Make rounds of these numbers and store them."""
        for number in range(first, first + many):
            self.make(S0 + number * INTERVAL_S)

    def make(self, round_s: int) -> None:
        """Make a round of a time and store it."""
        before, self.round_s = self.round_s, round_s
        now_ms = round_s * MS
        observed = {f: self.observe(f, now_ms, before * MS) for f in self.resolved.specs}
        done = self.rounds.finish(self.rounds.fold(round_s, observed, now_ms=now_ms), {})
        self.database.save_round(list(done.feeds), [], list(done.records), [])
        self.rounds.commit(done)

    def moments(self, *, later_ms: int) -> LiveMoments:
        """Of the process so long after its newest round."""
        self.now_ms = max(S0, self.round_s) * MS + later_ms
        member = self.rounds.members[0]

        def observe(feed: str, now_ms: int, after_ms: int) -> tuple[Outcome, ...]:
            self.asked_after.setdefault(feed, []).append(after_ms)
            return self.observe(feed, now_ms, after_ms)

        live = Live(self.resolved.specs, member.states.__getitem__, observe, self.rounds.published)
        live.refresh(self.resolved.specs, self.now_ms)
        self.asked_after.clear()
        return LiveMoments(live=live, now_ms=lambda: self.now_ms)

    def asked(
        self,
        pair: str,
        moments: LiveMoments | None = None,
        *,
        limits: QueryLimits | None = None,
        resolved: ResolvedConfig | None = None,
        after_read: Callable[[int], None] = lambda _: None,
        **question: Any,
    ) -> dict[str, Any]:
        """The answer to a question. ``after_read``: called after each read of the database, with how many there were."""
        base, _, quote = pair.partition("/")
        with closing(DatabaseReader(self.path)) as reader:
            direct, numbers = DirectRounds(reader), count(1)

            async def read(wanted: Callable[[RoundRows], T]) -> T:
                found = await direct(wanted)
                after_read(next(numbers))
                return found

            whole = parsed({"base": base, "quote": quote, **question})
            return asyncio.run(ask(resolved or self.resolved, whole, read, limits, moments))
