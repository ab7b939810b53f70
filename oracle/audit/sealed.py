"""What was sealed in a round: the signed values, what follows from them, the signatures over it, and what a record says of that.

Proven are items, step, round, epoch and store by the signatures over them, and by the values' signatures what was common to all
who agreed: rules, set, weights and feeds. When a round was sealed, and who vouched for which feed, is what this process saw.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping

from oracle.agree.terms import CommonRules, binding
from oracle.audit.checks import Check
from oracle.model.publication import Record, Seal
from oracle.model.types import Report
from oracle.report.wire import decode_items, encode_items
from oracle.sign.agreed_reports import median_reports
from oracle.sign.eip712 import BadSignature, observed_digest, recover, sealed_digest
from oracle.sign.messages import Agreement
from oracle.storage.database import Database


def verify_sealed(database: Database, record: Record) -> Generator[Check, None, Mapping[str, Report]]:
    """Check what a record rests on; returns the sealed reports by feed, none of a record that nobody signed."""
    seal, round_s = record.seal, record.report.round_time_s
    if (seal is None) != (record.signed_at_ms is None):
        yield Check(
            what="seal", ok=False, detail="the record says when it was signed and not by whom, or the other way round"
        )
    if seal is None:
        return {}
    agreement = database.agreement(round_s, seal.target)
    if agreement is None:
        yield Check(
            what="seal", ok=False, detail="the record says that it is sealed, and what was sealed is not stored"
        )
        return {}
    yield from verify_agreement(agreement, database.agreement_of_set(agreement))
    yield _verify_signers(record, seal, agreement)
    return sealed_reports(agreement)


def sealed_reports(agreement: Agreement) -> Mapping[str, Report]:
    """What was sealed, by feed."""
    by_index = decode_items(agreement.items, agreement.round_time_s)
    return {f: by_index[i] for f, i in _indexes(agreement).items() if i in by_index}


def verify_agreement(agreement: Agreement, of_set: Agreement | None = None) -> Iterator[Check]:
    """The values, the set, the items and the signatures of a sealed round.

    Args:
        agreement: as it is stored.
        of_set: another round of the same store and epoch of which all values are stored, for one without.
    """
    if agreement.values:
        yield _verify_values(agreement)
        yield _verify_set(agreement)
        yield _verify_items(agreement)
    else:
        yield Check(
            what="signed values", ok=True, detail="it was sealed by others: not all of their values were heard here"
        )
        yield _compare_set(agreement, of_set)
    yield _verify_seals(agreement)


def _indexes(agreement: Agreement) -> dict[str, int]:
    return dict(zip(agreement.feeds, agreement.indexes, strict=True))


def _members(agreement: Agreement) -> dict[bytes, int]:
    """Weight of each member that has some."""
    return {a: w for a, w in zip(agreement.signers.signers, agreement.signers.weights, strict=True) if w}


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


def _verify_set(agreement: Agreement) -> Check:
    """Each signed its values on the same terms: the hash of rules, store, set with its weights, and feeds."""
    rules = CommonRules(version=agreement.version, digest=agreement.rules)
    terms = binding(rules, agreement.signers, _indexes(agreement))
    ok = all(v.terms == terms for v in agreement.values)
    text = "the values were signed for this set, these weights and feeds"
    return Check(
        what="signer set",
        ok=ok,
        detail=text if ok else "the values were signed for another set, or other feeds or rules",
    )


def _compare_set(agreement: Agreement, of_set: Agreement | None) -> Check:
    """Signatures of a seal say nothing of weights: those of a round whose values are known are held against them."""
    if of_set is None:
        text = "as this process read it from the store: no round of this epoch is stored whose values say the same"
        return Check(what="signer set", ok=True, detail=text)
    ok = _verify_set(of_set).ok and _verify_values(of_set).ok and of_set.signers == agreement.signers
    ok = ok and not _contradict(_indexes(agreement), _indexes(of_set))
    text = f"{'the same' if ok else 'not the same'} as of round {of_set.round_time_s}, whose values were signed for it"
    return Check(what="signer set", ok=ok, detail=text)


def _contradict(first: Mapping[str, int], second: Mapping[str, int]) -> bool:
    """Whether a feed has two indexes, or an index two feeds; feeds may have been added."""
    both = set(first.items()) | set(second.items())
    return len({f for f, _ in both}) < len(both) or len({i for _, i in both}) < len(both)


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


def _verify_signers(record: Record, seal: Seal, agreement: Agreement) -> Check:
    """What a record says of who signed follows from the signatures; who is missing, and why, for people."""
    faults = [*_wrong_numbers(seal, agreement), *_wrong_names(record, seal, agreement)]
    if faults:
        return Check(what="signers", ok=False, detail="; ".join(faults))
    told = [f"signed, with values of it: {', '.join(record.operators)}"]
    told += [f"{a.operator} did not sign: {a.why}" for a in seal.missing]
    told += [f"{a.operator} does not vouch for it: {a.why}" for a in seal.refused]
    return Check(what="signers", ok=True, detail="; ".join(told))


def _wrong_numbers(seal: Seal, agreement: Agreement) -> Iterator[str]:
    signers = agreement.signers
    follows = {
        "epoch": (signers.epoch, seal.epoch),
        "weight": (signers.weight_of([a for a, _ in agreement.seals]), seal.weight),
        "threshold": (signers.threshold, seal.threshold),
        "total": (sum(signers.weights), seal.total),
        "attempt": (agreement.step // 2 + 1, seal.attempt),
    }
    for name, (expected, said) in follows.items():
        if expected != said:
            yield f"{name} {said} in the record, {expected} by what was sealed"


def _wrong_names(record: Record, seal: Seal, agreement: Agreement) -> Iterator[str]:
    """Names are known of those whose values are stored; of the others it is known how many they are."""
    members, signed = _members(agreement), {a for a, _ in agreement.seals}
    names = {v.address: v.operator for v in agreement.values}
    missing = [a.operator for a in seal.missing]
    if len(missing) != len(members.keys() - signed):
        yield f"{len(missing)} are missing in the record, {len(members.keys() - signed)} by the signatures"
    for address, name in names.items():
        if address in members and (name in missing) != (address not in signed):
            yield f"{name} {'signed' if address in signed else 'did not sign'}"
    had = _with_values(record, agreement)
    expected = tuple(names[a] for a in members if a in signed and a in had)
    if set(record.operators) & set(missing) or (expected and record.operators != expected):
        yield f"signed, with values of it, have {', '.join(expected)}, not {', '.join(record.operators)}"


def _with_values(record: Record, agreement: Agreement) -> Collection[bytes]:
    """Whose values have the feed, or a leg of it."""
    indexes = _indexes(agreement)
    wanted = {indexes[f] for f in record.legs or (record.feed,) if f in indexes}
    return {v.address for v in agreement.values if wanted & decode_items(v.items, v.round_time_s).keys()}
