"""Recompute what was published from what is stored: the same inputs must give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from feeds.units import MS, deviation_bps_away
from oracle.audit.checks import Check
from oracle.audit.sealed import sealed_reports, verify_sealed
from oracle.model.canonical_json import digest, dump
from oracle.model.publication import Record
from oracle.model.spec import RELEASES, RULES_VERSION
from oracle.model.state import FeedState
from oracle.model.types import Report, Result
from oracle.report.compose import cross, cross_price, price_of
from oracle.round.step import step
from oracle.storage.database import Database, last_published
from oracle.storage.round_rows import stored_result
from oracle.storage.withdrawn import StoredRow


def verify(database: Database, feed: str, round_s: int) -> Iterator[Check]:
    """Recompute one round of one feed: every operator's fold, the signatures, the agreed report.

    Yields a check for each; the caller decides what to do with one that failed.
    """
    older = database.older.of(feed, round_s)
    if older:
        yield from (_other_rules(f"fold of {o.operator}", round_s, o.rules) for o in older)
        return
    operators = database.operators(feed)
    record = database.record(feed, round_s)
    is_sealed = record is not None and record.seal is not None
    for operator in operators:
        if is_sealed and database.result(operator, feed, round_s) is None:
            yield Check(
                what=f"fold of {operator}", ok=True, detail="it made no round then: this one was learned from others"
            )
        else:
            yield verify_fold(database, operator, feed, round_s)
    yield from _verify_published(database, operators, feed, round_s)
    if record is None:
        yield Check(what="record", ok=True, detail="no record was published for this round")
        return
    agreed = yield from verify_sealed(database, record)
    names = record.legs or (feed,)
    reports = [r for n in names if (r := agreed.get(n) if is_sealed else _published(database, record, n)) is not None]
    complete = len(reports) == len(names)
    yield _same(
        "published report", (cross(reports) if record.legs else reports[0]) if complete else None, record.report
    )
    yield _verify_price(database, record)


def verify_fold(database: Database, operator: str, feed: str, round_s: int) -> Check:
    """Fold from the checkpoint to the round, and compare every byte on the way."""
    what = f"fold of {operator}"
    start = database.checkpoint(operator, feed, round_s)
    if start is None:
        return Check(what=what, ok=False, detail=f"no checkpoint at or before {round_s}")
    rows = database.results_since(operator, feed, start[0], round_s)
    if rows and rows[-1][1].rules_version != RULES_VERSION:
        return _other_rules(what, round_s, rows[-1][1].rules_version)
    return _folded(database, what, rows, start[1])


def _other_rules(what: str, round_s: int, rules: int) -> Check:
    release = RELEASES.get(rules)
    by = f"release {release} recomputes it" if release else f"a version that makes rules {rules} recomputes it"
    text = (
        f"round {round_s} was made by rules {rules}, this version makes rules {RULES_VERSION}: {by} (docs/upgrade.md)"
    )
    return Check(what=what, ok=False, detail=text, rules=rules)


def refold(database: Database, rows: Sequence[tuple[bytes, Result]], state: FeedState) -> FeedState | str:
    """Fold stored rounds of one operator and feed from a state; the state after them, or what does not fit."""
    for body, result in rows:
        if result.rules_version != RULES_VERSION:
            return f"round {result.round_time_s} was made by rules {result.rules_version}, this is {RULES_VERSION}"
        if digest(state) != result.state_before:
            return f"state before round {result.round_time_s} differs"
        legs = {leg.feed: leg for leg in result.legs}
        now_ms = result.round_time_s * MS
        again, state = step(database.spec(result.spec_hash), state, result.outcomes, legs, now_ms, result.published)
        if dump(again) != body:
            return f"round {result.round_time_s} recomputes to other bytes"
    return state


def verify_withdrawn(database: Database, feed: str, round_s: int) -> Iterator[Check]:
    """The same for rounds of this time that were withdrawn: they stay what they were, and are marked as withdrawn."""
    for withdrawal in database.withdrawn.of(feed, round_s):
        text = f"round {round_s} was withdrawn with all after {withdrawal.after_s} (at {withdrawal.at_ms} ms): {withdrawal.why}"
        yield Check(what="withdrawn", ok=True, detail=text)
        rows = [r for r in database.withdrawn.rows("round", feed, round_s, withdrawal.id) if r.round_s == round_s]
        for row in rows:
            yield _verify_row(database, feed, row)


def _verify_row(database: Database, feed: str, last: StoredRow) -> Check:
    """Fold to a withdrawn round. The one before it may be withdrawn too, or not: the hashes of the states tell."""
    what = f"fold of {last.operator}, withdrawn"
    checkpoints = {digest(s): s for s in database.checkpoints(last.operator, feed, last.round_s)}
    withdrawn = [r for r in database.withdrawn.rows("round", feed, last.round_s) if r.operator == last.operator]
    known = [(r.body, stored_result(r.kind, r.body)) for r in withdrawn]
    known += database.results_since(last.operator, feed, 0, last.round_s)
    after = {result.state_after: (body, result) for body, result in known}
    chain = [(last.body, stored_result(last.kind, last.body))]
    while (start := checkpoints.get(chain[0][1].state_before)) is None:
        before = after.get(chain[0][1].state_before)
        if before is None or before[1].round_time_s >= chain[0][1].round_time_s:
            return Check(what=what, ok=False, detail=f"what was before round {chain[0][1].round_time_s} is not kept")
        chain.insert(0, before)
    return _folded(database, what, chain, start)


def _folded(database: Database, what: str, rows: Sequence[tuple[bytes, Result]], state: FeedState) -> Check:
    after = refold(database, rows, state)
    if isinstance(after, str):
        return Check(what=what, ok=False, detail=after)
    return Check(what=what, ok=bool(rows), detail=f"{len(rows)} rounds from the checkpoint, bit for bit")


def _verify_published(database: Database, operators: Sequence[str], feed: str, round_s: int) -> Iterator[Check]:
    """What each operator took as published before is what the round before left behind."""
    before = database.newest(feed, round_s)
    if before is None:
        return
    # a round that was learned while this one was made may be in it or not
    expected = [last_published(database, feed, round_s, known_ms) for known_ms in (1 << 60, round_s * MS)]
    results = {name: database.result(name, feed, round_s) for name in operators}
    wrong = [name for name, result in results.items() if result is not None and result.published not in expected]
    text = f"{', '.join(wrong)} began with something else" if wrong else f"as round {before.round_time_s} left it"
    yield Check(what="published before", ok=not wrong, detail=text)


def _verify_price(database: Database, record: Record) -> Check:
    """The price in the feed's mode follows from the report and the ramp; of a cross from its legs."""
    report, expected = record.report, price_of(record.report, record.mode, record.ramp_ppm)
    if record.legs:
        legs = [database.record(leg, report.round_time_s) for leg in record.legs]
        first, second = legs if len(legs) == len(record.legs) else (None, None)
        if first is None or second is None:
            return Check(what="price", ok=False, detail="a leg has no record of this round")
        expected = cross_price(first.price_wad, second.report)
    both = report.market_wad and report.redemption_wad
    deviation = deviation_bps_away(report.market_wad, report.redemption_wad) if both else None
    ok = (expected, deviation) == (record.price_wad, record.deviation_bps)
    text = "it follows from the report" if ok else f"the report gives {expected}, {deviation} bps from redemption"
    return Check(what="price", ok=ok, detail=text)


def _published(database: Database, record: Record, name: str) -> Report | None:
    """What a record that nobody signed is made of: the own view of a feed, or what was sealed of a leg."""
    round_s = record.report.round_time_s
    leg = database.record(name, round_s) if record.legs else None
    agreement = database.agreement(round_s, leg.seal.target) if leg is not None and leg.seal is not None else None
    return _own(database, record.operators, name, round_s) if agreement is None else sealed_reports(agreement).get(name)


def _own(database: Database, operators: Sequence[str], feed: str, round_s: int) -> Report | None:
    """What is published without an agreement: the report, kept or not, of the first operator of the process."""
    result = database.result(operators[0], feed, round_s) if operators else None
    return getattr(result, "report", None) or getattr(result, "kept", None)


def _same(what: str, expected: Report | None, published: Report) -> Check:
    ok = expected is not None and dump(expected) == dump(published)
    return Check(
        what=what, ok=ok, detail=digest(published) if ok else f"recomputes to {expected}, published {published}"
    )
