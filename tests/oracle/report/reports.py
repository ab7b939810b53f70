"""Reports for tests: any that fits the wire, and one that looks like a price."""

from __future__ import annotations

from hypothesis import strategies as st

from feeds.units import Bps, Wad
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.report.wire import MAX_PRICE, MAX_SPREAD_BPS
from tests.oracle.oracle_build import wad

reports = st.builds(
    Report,
    market_wad=st.integers(0, MAX_PRICE).map(Wad),
    redemption_wad=st.integers(0, MAX_PRICE).map(Wad),
    spread_bps=st.integers(0, MAX_SPREAD_BPS).map(Bps),
    status=st.sampled_from(Status),
    why=st.sampled_from([w for w in Why if w is w.klass]),
    round_time_s=st.integers(1, (1 << 32) - 1),
    market_age_s=st.integers(0, 65_535),
    redemption_age_h=st.integers(0, 255),
    status_only=st.booleans(),
)


def report(market: str = "1.05", redemption: str = "1.06", status: Status = Status.OK, spread: int = 5) -> Report:
    return Report(
        market_wad=wad(market),
        redemption_wad=wad(redemption),
        spread_bps=Bps(spread),
        status=status,
        why=Why.NONE if status is Status.OK else Why.DISCOUNT,
        round_time_s=1_700_000_000,
        market_age_s=3,
        redemption_age_h=7,
    )
