"""Recompute what was published from what is stored: the same inputs must give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from feeds.units import MS
from oracle.model.canonical_json import digest, dump
from oracle.model.spec import RULES_VERSION
from oracle.model.state import FeedState
from oracle.model.types import Report, Result
from oracle.report.compose import cross, published_after_record
from oracle.report.wire import decode_items
from oracle.round.step import step
from oracle.sign.agreed_reports import median_reports
from oracle.sign.eip712 import BadSignature, observed_digest, recover
from oracle.sign.messages import Agreement
from oracle.storage.database import Database, stored_result
from oracle.storage.withdrawn import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was recomputed, and whether it is what is stored."""

    what: str
    ok: bool
    detail: str


def verify(store: Database, feed: str, round_s: int) -> Iterator[Check]:
    """Recompute one round of one feed: every operator's fold, the signatures, the agreed report.

    Yields a check for each; the caller decides what to do with one that failed.
    """
    operators = store.operators(feed)
    for operator in operators:
        yield verify_fold(store, operator, feed, round_s)
    yield from _verify_published(store, operators, feed, round_s)
    record = store.record(feed, round_s)
    if record is None:
        yield Check(what="record", ok=True, detail="no record was published for this round")
        return
    agreement = store.agreement(round_s)
    if agreement is not None:
        yield _verify_values(agreement)
    agreed_reports = _agreed(agreement) if agreement is not None else {}

    def published(name: str) -> Report | None:
        return agreed_reports.get(name) or _own(store, record.operators, name, round_s)

    legs = [published(leg) for leg in record.legs]
    found = [leg for leg in legs if leg is not None]
    fair = cross(found) if legs and len(found) == len(legs) else published(feed)
    yield _same("published report", fair, record.report)


def verify_fold(store: Database, operator: str, feed: str, round_s: int) -> Check:
    """Fold from the checkpoint to the round, and compare every byte on the way."""
    what = f"fold of {operator}"
    start = store.checkpoint(operator, feed, round_s)
    if start is None:
        return Check(what=what, ok=False, detail=f"no checkpoint at or before {round_s}")
    rows = store.results_since(operator, feed, start[0], round_s)
    return _folded(store, what, rows, start[1])


def refold(store: Database, rows: Sequence[tuple[bytes, Result]], state: FeedState) -> FeedState | str:
    """Fold stored rounds of one operator and feed from a state; the state after them, or what does not fit."""
    for body, result in rows:
        if result.rules_version != RULES_VERSION:
            return f"round {result.round_time_s} was made by rules {result.rules_version}, this is {RULES_VERSION}"
        if digest(state) != result.state_before:
            return f"state before round {result.round_time_s} differs"
        legs = {leg.feed: leg for leg in result.legs}
        now_ms = result.round_time_s * MS
        again, state = step(store.spec(result.spec_hash), state, result.outcomes, legs, now_ms, result.published)
        if dump(again) != body:
            return f"round {result.round_time_s} recomputes to other bytes"
    return state


def verify_withdrawn(store: Database, feed: str, round_s: int) -> Iterator[Check]:
    """The same for rounds of this time that were disowned: they stay what they were, and say so."""
    for one in store.withdrawn.of(feed, round_s):
        text = f"round {round_s} was disowned with all after {one.after_s} (at {one.at_ms} ms): {one.why}"
        yield Check(what="withdrawn", ok=True, detail=text)
        rows = [r for r in store.withdrawn.rows("round", feed, round_s, one.id) if r.round_s == round_s]
        for row in rows:
            yield _verify_row(store, feed, row)


def _verify_row(store: Database, feed: str, last: Stored) -> Check:
    """Fold to a disowned round. What was before it may be disowned too, or not: the hashes of the states say which it was."""
    what = f"fold of {last.operator}, withdrawn"
    marks = {digest(s): s for s in store.checkpoints(last.operator, feed, last.round_s)}
    apart = [r for r in store.withdrawn.rows("round", feed, last.round_s) if r.operator == last.operator]
    known = [(r.body, stored_result(r.kind, r.body)) for r in apart]
    known += store.results_since(last.operator, feed, 0, last.round_s)
    after = {result.state_after: (body, result) for body, result in known}
    chain = [(last.body, stored_result(last.kind, last.body))]
    while (mark := marks.get(chain[0][1].state_before)) is None:
        before = after.get(chain[0][1].state_before)
        if before is None or before[1].round_time_s >= chain[0][1].round_time_s:
            return Check(what=what, ok=False, detail=f"what was before round {chain[0][1].round_time_s} is not kept")
        chain.insert(0, before)
    return _folded(store, what, chain, mark)


def _folded(store: Database, what: str, rows: Sequence[tuple[bytes, Result]], state: FeedState) -> Check:
    after = refold(store, rows, state)
    if isinstance(after, str):
        return Check(what=what, ok=False, detail=after)
    return Check(what=what, ok=bool(rows), detail=f"{len(rows)} rounds from the checkpoint, bit for bit")


def _verify_published(store: Database, operators: Sequence[str], feed: str, round_s: int) -> Iterator[Check]:
    """What each operator was told that was published is what the round before left behind."""
    before = store.newest(feed, round_s)
    if before is None:
        return
    fair = published_after_record(before.published, store.record(feed, before.round_time_s), before.round_time_s)
    given = {name: store.result(name, feed, round_s) for name in operators}
    wrong = [name for name, result in given.items() if result is not None and result.published != fair]
    text = f"{', '.join(wrong)} began with something else" if wrong else f"as round {before.round_time_s} left it"
    yield Check(what="published before", ok=not wrong, detail=text)


def _agreed(agreement: Agreement) -> dict[str, Report]:
    reports = {v.address: decode_items(v.items, v.round_time_s) for v in agreement.values}
    by_index = median_reports(reports, agreement.signers)
    names = dict(zip(agreement.indexes, agreement.feeds, strict=True))
    return {names[i]: report for i, report in by_index.items() if i in names}


def _verify_values(agreement: Agreement) -> Check:
    signers = agreement.signers
    for one in agreement.values:
        digest_ = observed_digest(signers.domain, signers.epoch, agreement.round_time_s, one.items)
        try:
            signer = recover(digest_, one.signature)
        except BadSignature as e:
            return Check(what="signed values", ok=False, detail=f"{one.operator}: {e}")
        if signer != one.address or signer not in signers.signers:
            return Check(what="signed values", ok=False, detail=f"{one.operator} did not sign its values")
    return Check(what="signed values", ok=True, detail=f"{len(agreement.values)} operators signed theirs")


def _own(store: Database, operators: Sequence[str], feed: str, round_s: int) -> Report | None:
    """What is published where nobody can agree: the report, kept or not, of the first operator of the process."""
    result = store.result(operators[0], feed, round_s) if operators else None
    return getattr(result, "report", None) or getattr(result, "kept", None)


def _same(what: str, fair: Report | None, published: Report) -> Check:
    ok = fair is not None and dump(fair) == dump(published)
    return Check(what=what, ok=ok, detail=digest(published) if ok else f"recomputes to {fair}, published {published}")
