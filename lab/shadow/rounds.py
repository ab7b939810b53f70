"""Stored rounds as a shadow report needs them: our prices and status, and what each reference said in the same round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from feeds.types import Failure, Kind, Outcome
from feeds.units import MS, Wad
from oracle.model.spec import FeedSpec
from oracle.model.status import Reason, Status
from oracle.model.types import Abstained, Report, Result
from oracle.report.compose import price_of
from oracle.storage.round_rows import RoundRows

NO_PRICE = Wad(0)
TOO_OLD = "STALE"
"""The code of a reference whose answer was written too long ago, or was not read for too long."""
NOT_ASKED = "NOT_ASKED"
"""The code of a reference that the round was made without: the config had none of that name then."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceWord:
    """What a reference said in a round.

    ``price_wad`` 0: nothing, for the reason ``fault``. ``age_ms``: how old the statement was: of a chain the block that was
    read, of others their own time; of one that was too old the age for which it was refused. None: not known.
    """

    price_wad: Wad = NO_PRICE
    age_ms: int | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRound:
    """One round. Prices are 0 where the round has none of its own; a halt's are those of an earlier round, and so 0 here.

    ``status``: published; None before the first price. ``why``: the code for which there is no price. ``groups``: behind the market.
    """

    at_s: int
    price_wad: Wad
    market_wad: Wad
    redemption_wad: Wad
    spread_bps: int
    status: Status | None
    reasons: tuple[Reason, ...]
    why: str
    text: str
    groups: int
    spec_hash: str
    words: tuple[ReferenceWord, ...]

    def own(self, side: Kind) -> Wad:
        """The one of our prices that a reference is compared with."""
        return self.redemption_wad if side is Kind.REDEMPTION else self.market_wad


def stored_rounds(
    stored: RoundRows, operator: str, spec: FeedSpec, references: Sequence[str], span: tuple[int, int]
) -> Iterator[ShadowRound]:
    """The rounds of a feed, ascending.

    Args:
        stored: the database.
        operator: whose rounds.
        spec: of the feed.
        references: names of its references.
        span: the first and the last round_time.
    """
    next_s, last_s = span
    status: Status | None = None
    while rows := stored.results_since(operator, spec.feed, next_s, last_s, _AT_ONCE):
        for _, result in rows:
            made = shadow_round(spec, result, references, status)
            status = made.status
            yield made
        next_s = rows[-1][1].round_time_s + 1


def shadow_round(spec: FeedSpec, result: Result, references: Sequence[str], before: Status | None) -> ShadowRound:
    """One stored round. ``before``: the status that was published before it, which an abstention alone leaves as it is."""
    said = {o.source: o for o in result.outcomes}
    words = tuple(_word(said.get(name), result.round_time_s * MS) for name in references)
    if isinstance(result, Abstained):
        kept, own = result.kept, Reason(code=result.why, text=result.text)
        reasons = result.reasons if own in result.reasons else (own, *result.reasons)
        return ShadowRound(
            at_s=result.round_time_s, price_wad=NO_PRICE, market_wad=NO_PRICE, redemption_wad=NO_PRICE, spread_bps=0,
            status=before if kept is None else kept.status, reasons=reasons, why=result.why.name, text=result.text,
            groups=0, spec_hash=result.spec_hash, words=words,
        )  # fmt: skip
    report, verdict = result.report, result.verdict
    price, market, redemption = _fresh(spec, report, verdict.ramp_ppm)
    return ShadowRound(
        at_s=result.round_time_s, price_wad=price, market_wad=market, redemption_wad=redemption,
        spread_bps=report.spread_bps, status=report.status, reasons=verdict.reasons,
        why="HALT" if report.repeats_prices else "", text="halted: the prices are those of an earlier round" if report.repeats_prices else "",
        groups=result.market.groups_behind if result.market is not None else 0, spec_hash=result.spec_hash, words=words,
    )  # fmt: skip


def _fresh(spec: FeedSpec, report: Report, ramp_ppm: int) -> tuple[Wad, Wad, Wad]:
    if report.repeats_prices:
        return NO_PRICE, NO_PRICE, NO_PRICE
    return price_of(report, spec.mode, ramp_ppm), report.market_wad, report.redemption_wad


def _word(said: Outcome | None, at_ms: int) -> ReferenceWord:
    if said is None:
        return ReferenceWord(fault=NOT_ASKED)
    if isinstance(said, Failure):
        age = said.error.facts.get("age_ms")
        return ReferenceWord(age_ms=age if isinstance(age, int) else None, fault=said.error.code)
    return ReferenceWord(price_wad=said.price_wad, age_ms=max(0, at_ms - said.observed_at_ms))
