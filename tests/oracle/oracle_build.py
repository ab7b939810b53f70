"""Specs and observations for the tests of the core."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from feeds.errors import NoData
from feeds.types import Failure, Kind, Observation, Pair
from feeds.units import WAD, Wad
from oracle.model.spec import Bands, FeedSpec, Mode, SourceSpec

PAIR = Pair(base="wdivETH", quote="ETH")
T0 = 1_700_000_000_000


def wad(x: str) -> Wad:
    whole, _, fraction = x.partition(".")
    return Wad(int(whole) * WAD + int((fraction + "0" * 18)[:18]))


def source(name: str, **changes: Any) -> SourceSpec:
    return replace(SourceSpec(name=name, pair=PAIR, kind=Kind.MARKET, group=name, max_age_s=30), **changes)


BANDS = Bands(
    watch_bps=50,
    watch_leave_bps=25,
    depeg_bps=200,
    depeg_leave_bps=100,
    watch_dwell_s=2,
    depeg_dwell_s=4,
    leave_dwell_s=6,
    slash_hold_s=60,
)


def spec(**changes: Any) -> FeedSpec:
    base = FeedSpec(
        feed="wdivETH/ETH",
        pair=PAIR,
        sources=(
            source("coinbase"),
            source("kraken"),
            source("binance"),
            source("rate", kind=Kind.REDEMPTION, group="chain:local"),
        ),
        method="median",
        outliers="mad",
        outlier_floor_bps=50,
        window_s=60,
        mode=Mode.MIN,
        min_groups=2,
        max_age_s=30,
        max_spread_bps=1_000,
        heartbeat_s=60,
        push_bps=50,
        halt_after_s=10,
        bands=BANDS,
        has_market=True,
        has_redemption=True,
    )
    return replace(base, **changes)


def seen(name: str, price: str, at_ms: int = T0, kind: Kind = Kind.MARKET, **changes: Any) -> Observation:
    base = Observation(pair=PAIR, source=name, group=name, kind=kind, price_wad=wad(price), observed_at_ms=at_ms)
    return replace(base, **changes)


def failed(name: str, at_ms: int = T0) -> Failure:
    return Failure(pair=PAIR, source=name, error=NoData("nothing yet", symbol=name), failed_at_ms=at_ms)


def outcomes(price: str, rate: str = "1.05", at_ms: int = T0) -> list[Observation]:
    market = [seen(n, price, at_ms) for n in ("coinbase", "kraken", "binance")]
    return [*market, seen("rate", rate, at_ms, kind=Kind.REDEMPTION)]
