"""Whether a case's results are as expected: a sentence for everything that is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from feeds.units import WAD, wad_text
from lab.case import Case
from lab.expect import ExpectedStatus
from lab.measure import changes, ours
from lab.run import Moment
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError

_PLACES = 6


def failures(case: Case, moments: Sequence[Moment]) -> list[str]:
    """Expectations of the case that do not hold. A case about a config has no moments: it must be refused."""
    if case.config:
        return list(_refusal(case))
    return [*_statuses(case, moments), *_prices(case, moments), *_reasons(case, moments)]


def refusal(case: Case) -> list[str]:
    """What the config of a case is refused with, as the program would at its start; empty if it would run."""
    try:
        resolve(parse(case.config))
    except ConfigError as e:
        return [f"{p.key}: {p.text}" for p in e.problems]
    return []


def _refusal(case: Case) -> Iterable[str]:
    problems, wanted = refusal(case), case.expected.refused or ""
    if not problems:
        yield "the config was accepted, a refusal was expected"
    elif not any(wanted in text for text in problems):
        yield f"the refusal says {'; '.join(problems)!r}, {wanted!r} was expected"


def _statuses(case: Case, moments: Sequence[Moment]) -> Iterable[str]:
    expected = case.expected
    for by in expected.by:
        if not any(m.status >= by.status for m in _within(moments, by)):
            yield f"never {by.status.word} between {_s(by.from_ms)} and {_s(by.to_ms)}"
    for never in expected.never:
        worse = next((m for m in _within(moments, never) if m.status > never.status), None)
        if worse is not None:
            why = "; ".join(worse.texts)
            yield f"{worse.status.word} at {_s(worse.t_ms)} ({why}), no worse than {never.status.word} was expected"
    count = len(changes(moments))
    if expected.most_changes is not None and count > expected.most_changes:
        yield f"{count} changes of status, at most {expected.most_changes} were expected"


def _prices(case: Case, moments: Sequence[Moment]) -> Iterable[str]:
    expected = case.expected
    error = ours(case, moments).error_bps
    if expected.max_error_bps is not None and error is not None and error > expected.max_error_bps:
        yield f"a price {error} bps from the truth, at most {expected.max_error_bps} were expected"
    published = [m.market_wad for m in moments if m.fresh and m.market_wad]
    low, high = min(published, default=WAD), max(published, default=WAD)
    if published and expected.below is not None and low <= expected.below:
        yield f"a market price of {wad_text(low, _PLACES)} was published, more than {wad_text(expected.below, _PLACES)} was expected"
    if published and expected.above is not None and high >= expected.above:
        yield f"a market price of {wad_text(high, _PLACES)} was published, less than {wad_text(expected.above, _PLACES)} was expected"
    for start, stop in expected.abstains:
        fresh = next((m for m in moments if start <= m.t_ms < stop and m.fresh), None)
        if fresh is not None:
            yield f"a price was published at {_s(fresh.t_ms)}, none was expected"


def _reasons(case: Case, moments: Sequence[Moment]) -> Iterable[str]:
    given = {c for m in moments for c in m.codes}
    yield from (f"{code} was never given as a reason" for code in case.expected.codes if code not in given)
    refused = {c for m in moments for c in m.rejected}
    yield from (f"no source was rejected as {code}" for code in case.expected.rejected if code not in refused)


def _within(moments: Sequence[Moment], expected: ExpectedStatus) -> list[Moment]:
    return [m for m in moments if expected.from_ms <= m.t_ms <= expected.to_ms]


def _s(t_ms: int) -> str:
    return f"{t_ms // 1_000} s"
