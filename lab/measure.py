"""Measures of a run: its largest error, its delay, its harm, and how our status changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from feeds.units import BPS
from lab.book import Harm, harm
from lab.case import Case
from lab.peers import PeerStatement
from lab.run import Moment
from oracle.model.status import Status

OURS = "lrt-oracle"
STEP_BPS = 200
"""A truth this far from where it began is an event; the delay is counted from then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One design over one case.

    ``error_bps``: the largest distance of a published price from the truth (a price during a halt does not
    count as published); ``excess_bps``: how far the truth lay outside of the price and its stated spread, in bps of the price, at
    least 0, None for a design that states none. ``ok_error_bps``, ``ok_excess_bps``: the same while the status is ok; a design without a status is always ok.
    ``delay_ms``: from the moment at which the truth first lay 2 % from where it began until the design published a price (or
    a status) that shows it; None if nothing happened, or it was ``missed`` altogether.
    """

    error_bps: int | None
    excess_bps: int | None
    ok_error_bps: int | None
    ok_excess_bps: int | None
    delay_ms: int | None
    missed: bool
    harm: Harm | None

    def document(self) -> dict[str, int | bool | None]:
        """As JSON."""
        return {
            "error_bps": self.error_bps,
            "excess_bps": self.excess_bps,
            "ok_error_bps": self.ok_error_bps,
            "ok_excess_bps": self.ok_excess_bps,
            "delay_ms": self.delay_ms,
            "missed": self.missed,
            "wrong_liquidations": self.harm.wrong if self.harm else None,
            "under_water": self.harm.under_water if self.harm else None,
            "drained": self.harm.drained if self.harm else None,
        }


NOTHING = Outcome(
    error_bps=None, excess_bps=None, ok_error_bps=None, ok_excess_bps=None, delay_ms=None, missed=False, harm=None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of our status."""

    t_ms: int
    before: Status
    after: Status
    codes: tuple[str, ...]
    texts: tuple[str, ...]


def ours(case: Case, moments: Sequence[Moment]) -> Outcome:
    """Our own pipeline over the case."""
    statements = [
        PeerStatement(
            price_wad=m.price_wad or None, spread_bps=m.spread_bps, status=m.status if m.price_wad else Status.HALT
        )
        for m in moments
    ]
    return measured(case, moments, statements)


def measured(case: Case, moments: Sequence[Moment], statements: Sequence[PeerStatement]) -> Outcome:
    """Compare what a design published at each moment with the case's truth; NOTHING where the case has none."""
    if case.truth is None:
        return NOTHING
    truths = [case.truth.at(m.t_ms) or case.truth.points[0][1] for m in moments]
    published = [(s, s.price_wad, t) for s, t in zip(statements, truths, strict=True) if s.price_wad and s.is_open]
    while_ok = [row for row in published if row[0].status is Status.OK]
    first = next((s.price_wad for s in statements if s.price_wad), None)
    shows_event = [s.status is not Status.OK or _shows(s.price_wad, first) for s in statements]
    event = next((i for i, t in enumerate(truths) if apart(t, truths[0]) >= STEP_BPS), None)
    shown = None if event is None else next((i for i in range(event, len(shows_event)) if shows_event[i]), None)
    return Outcome(
        error_bps=_error(published),
        excess_bps=_excess(published),
        ok_error_bps=_error(while_ok),
        ok_excess_bps=_excess(while_ok),
        delay_ms=None if event is None or shown is None else (shown - event) * case.cadence_ms,
        missed=event is not None and shown is None,
        harm=harm([(s.price_wad, s.is_open) for s in statements], truths),
    )


def changes(moments: Sequence[Moment]) -> tuple[Change, ...]:
    """Every change of our status."""
    return tuple(
        Change(t_ms=b.t_ms, before=a.status, after=b.status, codes=b.codes, texts=b.texts)
        for a, b in pairwise(moments)
        if a.status is not b.status
    )


def apart(price: int, truth: int) -> int:
    """Distance of a price from the truth in bps of the truth, rounded up."""
    return -(-abs(price - truth) * BPS // truth)


def _error(published: Sequence[tuple[PeerStatement, int, int]]) -> int | None:
    return max((apart(price, truth) for _, price, truth in published), default=None)


def _excess(published: Sequence[tuple[PeerStatement, int, int]]) -> int | None:
    """The spread is a share of the price, so the distance is measured in that too."""
    known = [max(0, apart(truth, price) - s.spread_bps) for s, price, truth in published if s.spread_bps is not None]
    return max(known, default=None)


def _shows(price: int | None, first: int | None) -> bool:
    """Whether a price shows at least half of an event."""
    return bool(price and first) and abs((price or 0) - (first or 0)) * BPS >= (first or 0) * STEP_BPS // 2
