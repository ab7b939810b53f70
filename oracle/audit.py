"""Recompute what was published from what is stored: the same inputs must give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from feeds.units import MS
from oracle.codec import digest, dump
from oracle.eip712 import BadSignature, observed_digest, recover
from oracle.pipeline import step
from oracle.records import followed
from oracle.report import cross
from oracle.sign import agreed
from oracle.store import Agreement, Store
from oracle.types import RULES_VERSION, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was recomputed, and whether it is what is stored."""

    what: str
    ok: bool
    detail: str


def verify(store: Store, feed: str, round_s: int) -> Iterator[Check]:
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


def verify_fold(store: Store, operator: str, feed: str, round_s: int) -> Check:
    """Fold from the checkpoint to the round, and compare every byte on the way."""
    what = f"fold of {operator}"
    start = store.checkpoint(operator, feed, round_s)
    if start is None:
        return Check(what=what, ok=False, detail=f"no checkpoint at or before {round_s}")
    first_s, state = start
    count = 0
    for body, result in store.results_since(operator, feed, first_s, round_s):
        if result.rules_version != RULES_VERSION:
            text = f"round {result.round_time_s} was made by rules {result.rules_version}, this is {RULES_VERSION}"
            return Check(what=what, ok=False, detail=text)
        if digest(state) != result.state_before:
            return Check(what=what, ok=False, detail=f"state before round {result.round_time_s} differs")
        legs = {leg.feed: leg for leg in result.legs}
        now_ms = result.round_time_s * MS
        again, state = step(store.spec(result.spec_hash), state, result.outcomes, legs, now_ms, result.published)
        if dump(again) != body:
            return Check(what=what, ok=False, detail=f"round {result.round_time_s} recomputes to other bytes")
        count += 1
    return Check(what=what, ok=count > 0, detail=f"{count} rounds from the checkpoint, bit for bit")


def _verify_published(store: Store, operators: Sequence[str], feed: str, round_s: int) -> Iterator[Check]:
    """What each operator was told that was published is what the round before left behind."""
    before = store.newest(feed, round_s)
    if before is None:
        return
    fair = followed(before.published, store.record(feed, before.round_time_s), before.round_time_s)
    given = {name: store.result(name, feed, round_s) for name in operators}
    wrong = [name for name, result in given.items() if result is not None and result.published != fair]
    text = f"{', '.join(wrong)} began with something else" if wrong else f"as round {before.round_time_s} left it"
    yield Check(what="published before", ok=not wrong, detail=text)


def _agreed(agreement: Agreement) -> dict[str, Report]:
    by_index = agreed(agreement.values, agreement.signers)
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


def _own(store: Store, operators: Sequence[str], feed: str, round_s: int) -> Report | None:
    """What is published where nobody can agree: the report, kept or not, of the first operator of the process."""
    result = store.result(operators[0], feed, round_s) if operators else None
    return getattr(result, "report", None) or getattr(result, "kept", None)


def _same(what: str, fair: Report | None, published: Report) -> Check:
    ok = fair is not None and dump(fair) == dump(published)
    return Check(what=what, ok=ok, detail=digest(published) if ok else f"recomputes to {fair}, published {published}")
