"""Verified rounds of one feed and its kin, made without a network: what a follower hands on."""

from __future__ import annotations

from functools import lru_cache

from feeds.units import Bps, Wad, deviation_bps_away
from oracle.follow.follower import VerifiedRound
from oracle.model.publication import Absent, Record, Seal, Silent
from oracle.model.spec import Mode
from oracle.model.status import Reason, Status, Why
from oracle.model.types import Report
from oracle.report.compose import price_of
from oracle.sign.messages import Agreement
from tests.oracle.serve.memory_service import record, sealed_by_two
from tests.oracle.sign.sign_world import SIGNERS

DOMAIN = SIGNERS.domain
NOON_S = 1_700_006_400 - 1_700_006_400 % 86_400 + 43_200
OWN, STRANGE = "wdivETH/ETH", "weETH/ETH@base#fast"


@lru_cache(maxsize=1)
def _sealed() -> Agreement:
    return sealed_by_two(record(OWN, NOON_S))


def report_of(round_s: int, price: int, status: int) -> Report:
    """Of a feed at a round; a halt has no price of its own."""
    return Report(
        market_wad=Wad(price), redemption_wad=Wad(price + 5), spread_bps=Bps(7), status=Status(status),
        why=Why.NONE if status == 1 else Why.DISCOUNT, round_time_s=round_s, market_age_s=2, redemption_age_h=5,
    )  # fmt: skip


def verified(
    round_s: int, *, price: int = 10**18, status: int = 1, source: str = "one", text: str = "0.96 % below redemption",
    silent: bool = False, feeds: tuple[str, ...] = (OWN,),
) -> VerifiedRound:  # fmt: skip
    """A round of these feeds. Nothing reads its signatures again, so that they are those of another round."""
    report = report_of(round_s, price, status)
    agreement = Agreement(
        target="local", round_time_s=round_s, signers=SIGNERS, feeds=feeds, indexes=tuple(range(len(feeds))), values=(),
        items=round_s.to_bytes(8, "big") + price.to_bytes(12, "big"), step=2, seals=_sealed().seals,
    )  # fmt: skip
    seal = Seal(
        target="home", epoch=SIGNERS.epoch, weight=2, threshold=SIGNERS.threshold, total=sum(SIGNERS.weights), attempt=2,
        sealed_ms=310, missing=(Absent(operator="gamma", why="it is not connected"),),
    )  # fmt: skip
    reasons = () if status == 1 else (Reason(code=Why.DISCOUNT, text=text),)
    records = tuple(
        Record(
            feed=f, mode=Mode.MIN, report=report, price_wad=price_of(report, Mode.MIN),
            deviation_bps=deviation_bps_away(report.market_wad, report.redemption_wad) if price else None, reasons=reasons,
            observed_at_ms=(round_s - 2) * 1_000, computed_at_ms=round_s * 1_000 + 40, signed_at_ms=round_s * 1_000 + 60,
            operators=("alpha", "beta"), seal=seal,
        )
        for f in feeds
    )  # fmt: skip
    quiet = tuple(Silent(feed=f, why=Why.NO_QUORUM, text=text) for f in feeds) if silent else ()
    return VerifiedRound(
        domain=DOMAIN, round_time_s=round_s, agreement=agreement, records=() if silent else records, silent=quiet, source=source,
        received_ms=round_s * 1_000 + 400,
    )  # fmt: skip
