"""A process's database of one feed, as its rounds fill it, and questions asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from feeds.types import Kind, Observation, Outcome, Print
from feeds.units import MS, WAD, Wad
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import parse
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.types import FeedRound, FoldedFeed, Result
from oracle.query.ask import DirectRounds, ask
from oracle.query.plan import QueryLimits
from oracle.query.question import parsed
from oracle.report.compose import published_after
from oracle.round.step import step
from oracle.storage.database import Database
from oracle.storage.limits import DatabaseLimits
from oracle.storage.reading import DatabaseReader
from tests.oracle.oracle_build import T0, failed
from tests.oracle.storage.stored_rounds import record_of

FEED = "ETH/USD"
SYMBOLS = {"coinbase": "ETH-USD", "kraken": "ETH/USD", "gemini": "ETHUSD", "bitstamp": "ethusd"}
S0, INTERVAL_S = T0 // MS, 10
DEPTHS = {"coinbase": 400, "kraken": 300, "gemini": 20, "bitstamp": 5_000}
MUTE = range(70, 78)
"""Rounds in which one venue alone answers: long enough for a halt."""


def table(path: Path | str = "x.db", **feed: Any) -> dict[str, Any]:
    sources = [{"type": v, "symbol": s} for v, s in SYMBOLS.items()]
    bands = {"watch_dwell_s": 20, "depeg_dwell_s": 40, "leave_dwell_s": 60}
    return {
        "oracle": {"database": str(path), "round_interval_s": INTERVAL_S},
        "feeds": {FEED: {"sources": sources, "bands": bands, "halt_after_s": 40, **feed}},
    }


def world(**feed: Any) -> ResolvedConfig:
    return resolve(parse(table(**feed)))


def price_at(venue: str, number: int) -> Wad:
    """What each venue states in each round; a fixed walk, each venue beside the others, gemini far off now and then."""
    walk = 2_000 * WAD + (number * 7_919 % 101 - 50) * WAD // 1_000
    beside = (list(SYMBOLS).index(venue) - 1) * WAD // 500
    off = 150 * WAD if venue == "gemini" and number % 9 == 4 and number >= 60 else 0
    return Wad(walk + beside + off)


def outcomes(spec: FeedSpec, number: int, *, prints: bool) -> list[Outcome]:
    at_ms = T0 + number * INTERVAL_S * MS
    mute = set(SYMBOLS) - {"kraken"} if number in MUTE else set()
    return [
        failed(s.name, at_ms)
        if s.name in mute
        else Observation(
            pair=s.pair, source=s.name, group=s.group, kind=Kind.MARKET, price_wad=price_at(s.name, number),
            observed_at_ms=at_ms - 500, depth_wad=DEPTHS[s.name] * WAD // (1 + number % 3 if s.name == "coinbase" else 1),
            prints=trades(s.name, number) if prints else (),
            prints_from_ms=T0 - 1_000_000 if prints else 0, depth_modelled=s.name == "bitstamp",
        )
        for s in spec.sources
    ]  # fmt: skip


def trades(venue: str, number: int) -> tuple[Print, ...]:
    """Three trades of a venue in a round, of different volumes, one of them far off now and then."""
    at_ms, price = T0 + number * INTERVAL_S * MS - 2_000, price_at(venue, number)
    off = 90 * WAD if venue == "coinbase" and number % 10 == 3 else 0
    return tuple(
        Print(
            at_ms=at_ms + i * 700,
            price_wad=Wad(price + i * WAD // 100 + (off if i == 1 else 0)),
            volume_wad=(1 + (number + i) % 4) * WAD,
        )
        for i in range(3)
    )


def filled(path: Path, resolved: ResolvedConfig, rounds: int, *, every: int = 20, prints: bool = False) -> list[Result]:
    """Fold rounds and store them as a process does; what each brought."""
    database, spec = Database(path, DatabaseLimits(checkpoint_every=every)), resolved.specs[FEED]
    state, published, made = FeedState(), None, []
    for number in range(rounds):
        result, after = step(
            spec, state, outcomes(spec, number, prints=prints), {}, T0 + number * INTERVAL_S * MS, published
        )
        records = [replace(record_of(result), feed=FEED, mode=spec.mode)] if isinstance(result, FeedRound) else []
        database.save_round(
            [FoldedFeed(operator="a", spec=spec, before=state, after=after, result=result)], [], records, []
        )
        report = result.report if isinstance(result, FeedRound) else result.kept
        published = published_after(published, report, result.round_time_s)
        made.append(result)
        state = after
    database.close()
    return made


def asked(
    path: Path, resolved: ResolvedConfig, question: Mapping[str, Any], limits: QueryLimits | None = None
) -> dict[str, Any]:
    """The answer of a database to a question about its feed."""
    database = DatabaseReader(path)
    try:
        base, _, quote = FEED.partition("/")
        whole = parsed({"base": base, "quote": quote, **question})
        return asyncio.run(ask(resolved, whole, DirectRounds(database), limits))
    finally:
        database.close()
