"""Recompute what was published from what is stored: the same inputs must give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from feeds.units import MS
from oracle.model.canonical_json import digest, dump
from oracle.model.publication import Seal
from oracle.model.spec import RULES_VERSION
from oracle.model.state import FeedState
from oracle.model.types import Report, Result
from oracle.report.compose import cross
from oracle.report.wire import decode_items, encode_items
from oracle.round.step import step
from oracle.sign.agreed_reports import median_reports
from oracle.sign.eip712 import BadSignature, observed_digest, recover, sealed_digest
from oracle.sign.messages import Agreement
from oracle.storage.database import Database, last_published
from oracle.storage.round_rows import stored_result
from oracle.storage.withdrawn import StoredRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was recomputed, and whether it is what is stored."""

    what: str
    ok: bool
    detail: str


def verify(database: Database, feed: str, round_s: int) -> Iterator[Check]:
    """Recompute one round of one feed: every operator's fold, the signatures, the agreed report.

    Yields a check for each; the caller decides what to do with one that failed.
    """
    operators = database.operators(feed)
    for operator in operators:
        yield verify_fold(database, operator, feed, round_s)
    yield from _verify_published(database, operators, feed, round_s)
    record = database.record(feed, round_s)
    if record is None:
        yield Check(what="record", ok=True, detail="no record was published for this round")
        return
    agreement = database.agreement(round_s, record.seal.target) if record.seal is not None else None
    if record.seal is not None and agreement is None:
        yield Check(
            what="seal", ok=False, detail="the record says that it is sealed, and what was sealed is not stored"
        )
    if agreement is not None:
        yield from verify_agreement(agreement)
    if record.seal is not None:
        yield _who_signed(record.seal, record.operators)
    agreed_reports = _agreed(agreement) if agreement is not None else {}

    def published(name: str) -> Report | None:
        return agreed_reports.get(name) or _own(database, record.operators, name, round_s)

    legs = [published(leg) for leg in record.legs]
    reports = [leg for leg in legs if leg is not None]
    expected = cross(reports) if legs and len(reports) == len(legs) else published(feed)
    yield _same("published report", expected, record.report)


def verify_fold(database: Database, operator: str, feed: str, round_s: int) -> Check:
    """Fold from the checkpoint to the round, and compare every byte on the way."""
    what = f"fold of {operator}"
    start = database.checkpoint(operator, feed, round_s)
    if start is None:
        return Check(what=what, ok=False, detail=f"no checkpoint at or before {round_s}")
    rows = database.results_since(operator, feed, start[0], round_s)
    return _folded(database, what, rows, start[1])


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


def verify_agreement(agreement: Agreement) -> Iterator[Check]:
    """What was sealed in a round: the signed values, what follows from them, and the signatures over it."""
    if not agreement.values:
        yield Check(
            what="signed values", ok=True, detail="it was sealed by others: not all of their values were heard here"
        )
    else:
        yield _verify_values(agreement)
        yield _verify_items(agreement)
    yield _verify_seals(agreement)


def _agreed(agreement: Agreement) -> dict[str, Report]:
    by_index = decode_items(agreement.items, agreement.round_time_s)
    names = dict(zip(agreement.indexes, agreement.feeds, strict=True))
    return {names[i]: report for i, report in by_index.items() if i in names}


def _verify_values(agreement: Agreement) -> Check:
    at = (agreement.signers.domain, agreement.signers.epoch, agreement.round_time_s)
    for values in agreement.values:
        try:
            signer = recover(observed_digest(*at, values.items, terms=values.terms), values.signature)
        except BadSignature as e:
            return Check(what="signed values", ok=False, detail=f"{values.operator}: {e}")
        if signer != values.address or signer not in agreement.signers.signers:
            return Check(what="signed values", ok=False, detail=f"{values.operator} did not sign its values")
    return Check(what="signed values", ok=True, detail=f"{len(agreement.values)} operators signed theirs")


def _verify_items(agreement: Agreement) -> Check:
    """The lower medians of the values, of all feeds but those that were dropped, are what was sealed."""
    reports = {v.address: decode_items(v.items, v.round_time_s) for v in agreement.values}
    by_index = median_reports(reports, agreement.signers)
    expected = encode_items({i: r for i, r in by_index.items() if i not in agreement.dropped})
    ok = expected == agreement.items
    text = f"{len(by_index) - len(agreement.dropped)} feeds follow from the values" if ok else "the values give others"
    return Check(what="sealed items", ok=ok, detail=text)


def _verify_seals(agreement: Agreement) -> Check:
    signers = agreement.signers
    at = (signers.domain, signers.epoch, agreement.round_time_s, agreement.step)
    signed = []
    for address, seal in agreement.seals:
        try:
            signer = recover(sealed_digest(*at, agreement.items), seal)
        except BadSignature as e:
            return Check(what="seal", ok=False, detail=f"0x{address.hex()}: {e}")
        if signer != address or address not in signers.signers:
            return Check(what="seal", ok=False, detail=f"0x{address.hex()} did not sign it")
        signed.append(address)
    weight = signers.weight_of(signed)
    detail = f"weight {weight} of {sum(signers.weights)} signed, {signers.threshold} are needed"
    return Check(what="seal", ok=weight >= signers.threshold, detail=detail)


def _who_signed(seal: Seal, operators: Sequence[str]) -> Check:
    """Who stands behind the record, who does not, and why: for people."""
    told = [f"signed, with values of it: {', '.join(operators)}"]
    told += [f"{a.operator} did not sign: {a.why}" for a in seal.missing]
    told += [f"{a.operator} does not vouch for it: {a.why}" for a in seal.refused]
    return Check(what="signers", ok=True, detail="; ".join(told))


def _own(database: Database, operators: Sequence[str], feed: str, round_s: int) -> Report | None:
    """What is published without an agreement: the report, kept or not, of the first operator of the process."""
    result = database.result(operators[0], feed, round_s) if operators else None
    return getattr(result, "report", None) or getattr(result, "kept", None)


def _same(what: str, expected: Report | None, published: Report) -> Check:
    ok = expected is not None and dump(expected) == dump(published)
    return Check(
        what=what, ok=ok, detail=digest(published) if ok else f"recomputes to {expected}, published {published}"
    )
