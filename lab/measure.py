"""What a run is worth: its largest error, its delay, its harm, and whether the case's expectations hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from feeds.types import Kind, Observation
from feeds.units import BPS
from lab.book import Harm, harm
from lab.case import Case, Said
from lab.designs.base import Design, Quote
from lab.designs.registry import DESIGNS
from lab.run import Moment
from oracle.types import Status

OURS = "lrt-oracle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One design over one case.

    ``error_bps``: the largest distance of a published price from the truth (status halt is not published); ``excess_bps``:
    beyond the stated spread, where a design states one. ``delay_ms``: from the moment at which the truth first lay 2 % from
    where it began until the design said a price (or a status) that shows it; None if it never did, or nothing happened.
    """

    error_bps: int | None
    excess_bps: int | None
    delay_ms: int | None
    harm: Harm | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of our status."""

    t_ms: int
    before: Status
    after: Status
    codes: tuple[str, ...]
    texts: tuple[str, ...]


_STEP_BPS = 200


def ours(case: Case, moments: Sequence[Moment]) -> Outcome:
    """Our own pipeline over the case."""
    truths = _truths(case, moments)
    if truths is None:
        return Outcome(error_bps=None, excess_bps=None, delay_ms=None, harm=None)
    told = [(m, t) for m, t in zip(moments, truths, strict=True) if m.price_wad and m.status is not Status.HALT]
    errors = [(_apart(m.price_wad, t), m.spread_bps) for m, t in told]
    prices = [(m.price_wad or None, m.status is not Status.HALT) for m in moments]
    seen = [m.status > Status.OK or _shows(m.price_wad, moments[0].price_wad) for m in moments]
    return Outcome(
        error_bps=max((e for e, _ in errors), default=None),
        excess_bps=max((e - s for e, s in errors), default=None),
        delay_ms=_delay(case, truths, seen),
        harm=harm(prices, truths),
    )


def theirs(case: Case, moments: Sequence[Moment], name: str) -> Outcome:
    """Another design on the same quotes."""
    truths = _truths(case, moments)
    published = publications(moments, DESIGNS[name]())
    if truths is None:
        return Outcome(error_bps=None, excess_bps=None, delay_ms=None, harm=None)
    errors = [_apart(p, t) for p, t in zip(published, truths, strict=True) if p]
    first = next((p for p in published if p), None)
    seen = [p is not None and first is not None and _shows(p, first) for p in published]
    return Outcome(
        error_bps=max(errors, default=None),
        excess_bps=None,
        delay_ms=_delay(case, truths, seen),
        harm=harm([(p, True) for p in published], truths),
    )


def publications(moments: Sequence[Moment], design: Design) -> list[int | None]:
    """What a design publishes at each moment."""
    return [design.step(m.t_ms, quotes(m)) for m in moments]


def quotes(moment: Moment) -> list[Quote]:
    """The market sources of a moment as another design sees them: those that answer in the feed's own unit."""
    out = []
    for seen in moment.outcomes:
        if isinstance(seen, Observation) and seen.kind is Kind.MARKET:
            half = 0
            if seen.bid_wad and seen.ask_wad:
                half = (seen.ask_wad - seen.bid_wad) * BPS // (2 * seen.price_wad)
            out.append(
                Quote(
                    source=seen.source,
                    price_wad=seen.price_wad,
                    depth_wad=seen.depth_wad or 0,
                    half_spread_bps=half,
                    age_ms=0,
                )
            )
    return out


def changes(moments: Sequence[Moment]) -> tuple[Change, ...]:
    """Every change of our status."""
    return tuple(
        Change(t_ms=b.t_ms, before=a.status, after=b.status, codes=b.codes, texts=b.texts)
        for a, b in pairwise(moments)
        if a.status is not b.status
    )


def failures(case: Case, moments: Sequence[Moment]) -> list[str]:
    """Expectations of the case that do not hold, a sentence each."""
    return list(_failures(case, moments))


def _failures(case: Case, moments: Sequence[Moment]) -> Iterable[str]:
    expected = case.expected
    for said in expected.by:
        if not any(m.status >= said.status for m in _within(moments, said)):
            yield f"never {said.status.word} between {said.from_ms} and {said.to_ms} ms"
    for said in expected.never:
        worse = next((m for m in _within(moments, said) if m.status > said.status), None)
        if worse is not None:
            yield f"{worse.status.word} at {worse.t_ms} ms ({', '.join(worse.texts)}), no worse than {said.status.word} was expected"
    count = len(changes(moments))
    if expected.most_changes is not None and count > expected.most_changes:
        yield f"{count} changes of status, at most {expected.most_changes} were expected"
    yield from _prices(case, moments)
    given = {c for m in moments for c in m.codes}
    yield from (f"{code} was never given as a reason" for code in expected.codes if code not in given)
    refused = {c for m in moments for c in m.rejected}
    yield from (f"no source was rejected as {code}" for code in expected.rejected if code not in refused)


def _prices(case: Case, moments: Sequence[Moment]) -> Iterable[str]:
    expected = case.expected
    error = ours(case, moments).error_bps
    if expected.max_error_bps is not None and error is not None and error > expected.max_error_bps:
        yield f"a price {error} bps from the truth, at most {expected.max_error_bps} were expected"
    fresh = [m for m in moments if m.fresh and m.market_wad]
    if (
        expected.below is not None
        and (low := min((m.market_wad for m in fresh), default=expected.below + 1)) <= expected.below
    ):
        yield f"a market price of {low / 10**18:g} was published, never {expected.below / 10**18:g} or less was expected"
    if expected.above is not None and (high := max((m.market_wad for m in fresh), default=0)) >= expected.above:
        yield f"a market price of {high / 10**18:g} was published, never {expected.above / 10**18:g} or more was expected"
    for start, stop in expected.abstains:
        spoke = next((m for m in moments if start <= m.t_ms < stop and m.fresh), None)
        if spoke is not None:
            yield f"a price was published at {spoke.t_ms} ms, none was expected"


def _within(moments: Sequence[Moment], said: Said) -> list[Moment]:
    return [m for m in moments if said.from_ms <= m.t_ms <= said.to_ms]


def _truths(case: Case, moments: Sequence[Moment]) -> list[int] | None:
    if case.truth is None:
        return None
    return [case.truth.at(m.t_ms) or case.truth.points[0][1] for m in moments]


def _apart(price: int, truth: int) -> int:
    return -(-abs(price - truth) * BPS // truth)


def _shows(price: int, first: int) -> bool:
    """Whether a price has gone half of the way of a 2 % step."""
    return first > 0 and abs(price - first) * BPS >= first * _STEP_BPS // 2


def _delay(case: Case, truths: Sequence[int], seen: Sequence[bool]) -> int | None:
    start = next((i for i, t in enumerate(truths) if _apart(t, truths[0]) >= _STEP_BPS), None)
    if start is None:
        return None
    found = next((i for i in range(start, len(seen)) if seen[i]), None)
    return None if found is None else (found - start) * case.cadence_ms


def table(outcomes: Mapping[str, Outcome]) -> dict[str, dict[str, int | None]]:
    """Outcomes as plain numbers, for JSON."""
    return {
        name: {
            "error_bps": o.error_bps,
            "excess_bps": o.excess_bps,
            "delay_ms": o.delay_ms,
            "wrong_liquidations": o.harm.wrong if o.harm else None,
            "under_water": o.harm.under_water if o.harm else None,
        }
        for name, o in outcomes.items()
    }
