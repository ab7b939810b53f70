"""`bench storage`: what rounds of the shipped config take on disk, by kind, before and after they are packed, and how long that takes.

The feeds, sources and rules are those of ``config.toml``; what the sources say wanders by itself, with no network. Everything after
that is the real thing: folds, records, the database, its packs and minutes. Nobody signs.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from demo.bench.tools import at_percent
from feeds.chains.endpoint import Head
from feeds.chains.reader import ChainRead
from feeds.observe import Observer, SourceKey
from feeds.types import Depth, Kind, Pair, Quote, Tick
from feeds.units import MS, WAD, Wad
from oracle.config.feed_sources import sources_of
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.retention import retention_of
from oracle.config.sections import load
from oracle.config.source_plans import SourcePlan
from oracle.model.state import FeedState
from oracle.round.rounds import Member, Round, Rounds
from oracle.storage.database import Database
from oracle.storage.sizes import database_size

CONFIG = Path(__file__).parents[2] / "config.toml"
_START_S = 1_800_000_000
_IN_ETHER = {"ETH": 1.0, "WETH": 1.0, "USD": 0.00025, "USDT": 0.00025, "USDC": 0.00025}
_STAKED = 1.05
_ONES = {Kind.SUPPLY: 1_000 * WAD, Kind.BACKING: 1_000 * WAD, Kind.OPEN: WAD}
_BLOCK_S = 12
_SILENT, _DEPTH_READ = 0.3, 0.2
_FINE, _COARSE = 10**12, 10**16
_US = 1_000


class _Market:
    """What every source says, a little different each time."""

    def __init__(self, resolved: ResolvedConfig) -> None:
        self._resolved, self._random = resolved, random.Random(1)
        self.observer = Observer(sources_of(resolved))
        self._levels = dict(_IN_ETHER)

    def put(self, at_ms: int) -> None:
        """Quote everything; venues that say nothing new keep what they said, chains once a block."""
        for name, level in self._levels.items():
            self._levels[name] = level * (1 + self._random.gauss(0, 0.00005)) if name not in {"ETH", "WETH"} else level
        for plan in self._resolved.sources:
            if plan.venue is not None and plan.symbol is not None and self._random.random() > _SILENT:
                self._put_quote(plan.venue, plan.symbol, plan.spec.pair, at_ms)
        for chain in {p.chain for p in self._resolved.sources if p.adapter is not None}:
            number = at_ms // (_BLOCK_S * MS)
            plans = [p for p in self._resolved.sources if p.chain == chain and p.adapter is not None]
            results = {SourceKey(p.feed, p.spec.name): self._read(p) for p in plans}
            chain_id = self._resolved.config.chains[chain or ""].chain_id
            head = Head(chain_id=chain_id, number=number, block_hash="0x1", time_ms=number * _BLOCK_S * MS)
            self.observer.put_read(chain or "", ChainRead(head=head, results=results))

    def _worth(self, pair: Pair) -> float:
        base, quote = (self._levels.setdefault(n, _STAKED) for n in (pair.base, pair.quote))
        return base / quote

    def _put_quote(self, venue: str, symbol: str, pair: Pair, at_ms: int) -> None:
        price = self._worth(pair) * (1 + self._random.gauss(0, 0.0002))
        tick = _FINE if price < 100 else _COARSE  # noqa: PLR2004 - dollars have two places
        middle = int(price * WAD) // tick * tick
        quote = Quote(
            price_wad=Wad(middle), bid_wad=Wad(middle - tick), ask_wad=Wad(middle + tick), last_wad=Wad(middle),
            volume_wad=self._random.randrange(10**23), stated_at_ms=at_ms - self._random.randrange(1, 4_000),
        )  # fmt: skip
        self.observer.latest.put(venue, Tick(symbol=symbol, result=quote), at_ms - self._random.randrange(MS))
        if self._random.random() < _DEPTH_READ:
            self.observer.put_depth(venue, symbol, self._depth(), at_ms)

    def _read(self, plan: SourcePlan) -> Quote:
        if plan.spec.kind in _ONES:
            return Quote(price_wad=Wad(_ONES[plan.spec.kind]))
        worth = self._worth(plan.spec.pair)
        if plan.spec.kind is not Kind.MARKET:
            return Quote(price_wad=Wad(int(round(worth, 3) * WAD)))
        middle, depth = int(worth * (1 + self._random.gauss(0, 0.00005)) * WAD), self._depth()
        return Quote(
            price_wad=Wad(middle), bid_wad=Wad(middle - middle // 3_000), ask_wad=Wad(middle + middle // 3_000),
            depth_half_wad=depth.half_wad, depth_wad=depth.one_wad, depth_two_wad=depth.two_wad,
        )  # fmt: skip

    def _depth(self) -> Depth:
        one = self._random.randrange(10**20, 10**21)
        return Depth(half_wad=one // 2, one_wad=one, two_wad=2 * one)


def _rounds(resolved: ResolvedConfig, count: int, operators: int) -> Iterator[Round]:
    market, specs = _Market(resolved), resolved.specs
    members = [
        Member(name=f"operator {i}", specs=specs, states={f: FeedState() for f in specs}) for i in range(operators)
    ]
    rounds, interval_s = Rounds(specs, members), resolved.config.oracle.round_interval_s
    for round_s in range(_START_S, _START_S + count * interval_s, interval_s):
        market.put(round_s * MS)
        observed = {f: market.observer.observe(f, round_s * MS, (round_s - interval_s) * MS) for f in specs}
        done = rounds.finish(rounds.fold(round_s, observed, now_ms=round_s * MS + 40), {})
        yield done
        rounds.commit(done)


async def storage(rounds: int = 600, operators: int = 1, config: Path = CONFIG) -> dict[str, Any]:
    """Measure so many rounds.

    Args:
        rounds: how many are made.
        operators: that fold them here.
        config: whose feeds.
    """
    resolved = resolve(replace(load(config), operators=(), targets={}, network=None))
    save_us, pack_us, keep_us = [], [], []
    with tempfile.TemporaryDirectory(prefix="lrt-oracle-bench-") as folder:
        database = Database(Path(folder) / "oracle.db")
        for done in _rounds(resolved, rounds, operators):
            begun = time.perf_counter_ns()
            database.save_round(done.feeds, done.agreements, done.records, done.transitions)
            save_us.append((time.perf_counter_ns() - begun) // _US)
        tables = ("rounds", "records")
        plain = {t: database.connection.execute(f"SELECT sum(length(body)) FROM {t}").fetchone()[0] for t in tables}  # noqa: S608 - our own names
        while (job := database.packer.next()) is not None:
            begun = time.perf_counter_ns()
            body = job.packed()
            packed = time.perf_counter_ns()
            database.packer.keep(job, body)
            pack_us.append((packed - begun) // _US)
            keep_us.append((time.perf_counter_ns() - packed) // _US)
        found = database_size(database.connection, retention_of(resolved.config))
        database.close()
    return {
        "feeds": len(resolved.specs),
        "rounds": rounds,
        "operators": operators,
        "bytes_a_round": {t: plain[t] // rounds for t in tables},
        "bytes_a_day": {k.name: k.a_day for k in found.kinds if k.a_day},
        "settles_at": found.settles_at,
        "save_round_ms": _ms(save_us),
        "pack_ms": _ms(pack_us),
        "write_pack_ms": _ms(keep_us),
    }


def _ms(spent_us: list[int]) -> dict[str, float]:
    ordered = sorted(spent_us) or [0]
    return {"p50": at_percent(ordered, 50) / _US, "p99": at_percent(ordered, 99) / _US}
