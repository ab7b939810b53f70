"""Measures of a run: its largest error, its delay, its harm, and how our status changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from feeds.units import BPS
from lab.outcome.book import Harm, LendingBook
from lab.play.peers import PeerStatement
from lab.play.run import Moment
from lab.scenario.attack import Attack, AttackMeter, Cheapest
from lab.scenario.source_series import Path
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
    a status) that shows it; None if nothing happened, or it was ``missed`` altogether. ``cheapest``: of a case with attacks, those to
    which it gave in.
    """

    error_bps: int | None
    excess_bps: int | None
    ok_error_bps: int | None
    ok_excess_bps: int | None
    delay_ms: int | None
    missed: bool
    harm: Harm | None
    cheapest: tuple[Cheapest, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON."""
        attacks = {"attacks": [c.document() for c in self.cheapest]} if self.cheapest else {}
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
            **attacks,
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


class Meter:
    """Compares what a design publishes with a case's truth, moment by moment."""

    def __init__(self, truth: Path | None, length_ms: int, attacks: Sequence[Attack] = ()) -> None:
        self._truth, self._length_ms = truth, length_ms
        self._first_price: int | None = None
        self._began: int | None = None
        self._event_ms: int | None = None
        self._shown_ms: int | None = None
        self._error: int | None = None
        self._excess: int | None = None
        self._ok_error: int | None = None
        self._ok_excess: int | None = None
        self._book: LendingBook | None = None
        self._attacks = AttackMeter(attacks)
        self.low: int | None = None
        self.high: int | None = None

    def add(self, t_ms: int, statement: PeerStatement) -> None:
        """A time (ms since the case began), each later than the one before, and what a consumer of the design reads at it."""
        price = statement.price_wad
        if price and statement.is_open:
            self.low = price if self.low is None else min(self.low, price)
            self.high = price if self.high is None else max(self.high, price)
        if self._truth is None:
            return
        truth = self._truth.at(t_ms) or self._truth.first
        if self._book is None:
            self._began = truth
            lowest = self._truth.lowest(t_ms, self._length_ms)
            self._book = LendingBook(truth, truth if lowest is None else lowest)
        self._book.add(price, truth, is_open=statement.is_open)
        if self._first_price is None and price:
            self._first_price = price
        self._follow_event(t_ms, statement, truth)
        error = apart(price, truth) if price and statement.is_open else None
        self._attacks.add(t_ms, error, statement.status)
        if error is not None:
            excess = None if statement.spread_bps is None else max(0, apart(truth, price or 0) - statement.spread_bps)
            self._error, self._excess = _most(self._error, error), _most(self._excess, excess)
            if statement.status is Status.OK:
                self._ok_error, self._ok_excess = _most(self._ok_error, error), _most(self._ok_excess, excess)

    def _follow_event(self, t_ms: int, statement: PeerStatement, truth: int) -> None:
        if self._event_ms is None and self._began and apart(truth, self._began) >= STEP_BPS:
            self._event_ms = t_ms
        if self._event_ms is None or self._shown_ms is not None:
            return
        if statement.status is not Status.OK or _shows(statement.price_wad, self._first_price):
            self._shown_ms = t_ms

    def outcome(self) -> Outcome:
        """What it came to; NOTHING where the case has no truth."""
        if self._truth is None or self._book is None:
            return NOTHING
        event, shown = self._event_ms, self._shown_ms
        return Outcome(
            error_bps=self._error,
            excess_bps=self._excess,
            ok_error_bps=self._ok_error,
            ok_excess_bps=self._ok_excess,
            delay_ms=None if event is None or shown is None else shown - event,
            missed=event is not None and shown is None,
            harm=self._book.harm(),
            cheapest=self._attacks.cheapest(),
        )


def own_statement(m: Moment) -> PeerStatement:
    """What a consumer of our own feed reads at a moment."""
    return PeerStatement(
        price_wad=m.price_wad or None, spread_bps=m.spread_bps, status=m.status if m.price_wad else Status.HALT
    )


def change_between(before: Moment, after: Moment) -> Change | None:
    """The change of status from a moment to the next; None where there is none."""
    if before.status is after.status:
        return None
    return Change(t_ms=after.t_ms, before=before.status, after=after.status, codes=after.codes, texts=after.texts)


def _most(known: int | None, new: int | None) -> int | None:
    return known if new is None else new if known is None else max(known, new)


def apart(price: int, truth: int) -> int:
    """Distance of a price from the truth in bps of the truth, rounded up."""
    return -(-abs(price - truth) * BPS // truth)


def _shows(price: int | None, first: int | None) -> bool:
    """Whether a price shows at least half of an event."""
    return bool(price and first) and abs((price or 0) - (first or 0)) * BPS >= (first or 0) * STEP_BPS // 2
