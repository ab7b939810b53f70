"""Whether a round that was told is proven: signatures over its items, their weight by the chain's own set, records that follow. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from feeds.units import Wad, deviation_bps_away
from oracle.follow.told_round import (
    RefusedRound,
    RefusedWhy,
    ToldRecord,
    ToldRound,
    ToldSeal,
    raw_bytes,
    short,
)
from oracle.judge.verdict import ramp_ppm
from oracle.model.publication import Absent, Record, Seal, Silent
from oracle.model.spec import FeedSpec
from oracle.model.state import Memory
from oracle.model.status import Reason, Why
from oracle.model.types import Report
from oracle.report.compose import cross, cross_price, price_of
from oracle.report.wire import MAX_U16, decode_items
from oracle.serve.documents import price_text
from oracle.sign.eip712 import BadSignature, recover, sealed_digest
from oracle.sign.messages import Agreement, SignerSet

_WHOLE_PPM, _MS = 1_000_000, 1_000
_LATEST_MS = 1 << 45
_NO_VALUE = "too few operators gave a value that counts"


def verified_agreement(told: ToldRound, target: str, signers: SignerSet, feeds: Mapping[str, int]) -> Agreement:
    """What was sealed, proven.

    Args:
        told: as it was told.
        target: name of the store here.
        signers: whose round it is by the chain, with the weights that count.
        feeds: index of each feed in the store, by the chain.

    Raises:
        RefusedRound: it is not proven.
    """
    sealed = told.sealed
    if told.epoch != signers.epoch:
        text = f"it is signed for epoch {told.epoch}, and the round is of epoch {signers.epoch}"
        raise RefusedRound(RefusedWhy.SIGNER_SET, text)
    if signers.has_expired(sealed.round):
        raise RefusedRound(RefusedWhy.SIGNER_SET, signers.expired_text)
    indexes = {i: f for f, i in feeds.items()}
    if not reports_of(told.items, sealed.round).keys() <= indexes.keys():
        raise RefusedRound(RefusedWhy.STORE, "it has feeds that the store does not have")
    seals = tuple(sorted(_seals(told, signers)))
    if len({a for a, _ in seals}) < len(seals):
        raise RefusedRound(RefusedWhy.SIGNATURE, "one of its signers is listed twice")
    weight = signers.weight_of([a for a, _ in seals])
    if weight < signers.threshold:
        raise RefusedRound(RefusedWhy.WEIGHT, f"weight {weight} signed it, and {signers.threshold} is needed")
    return Agreement(
        target=target,
        round_time_s=sealed.round,
        signers=signers,
        feeds=tuple(feeds),
        indexes=tuple(feeds.values()),
        values=(),
        items=told.items,
        step=sealed.step,
        seals=seals,
        dropped=tuple(feeds[f] for f in sealed.dropped if f in feeds),
    )


def reports_of(items: bytes, round_time_s: int) -> Mapping[int, Report]:
    """The reports in items; RefusedRound where they are none."""
    try:
        return decode_items(items, round_time_s)
    except ValueError as e:
        raise RefusedRound(RefusedWhy.FORM, str(e)) from None


def _seals(told: ToldRound, signers: SignerSet) -> Iterator[tuple[bytes, bytes]]:
    sealed = told.sealed
    digest = sealed_digest(signers.domain, signers.epoch, sealed.round, sealed.step, told.items)
    for one in sealed.signers:
        if one.signature is None:
            continue
        address, signature = raw_bytes(one.address, 20), raw_bytes(one.signature, 64)
        if address not in signers.members:
            raise RefusedRound(RefusedWhy.SIGNER_SET, f"0x{address.hex()} is no signer of epoch {signers.epoch}")
        try:
            is_its = recover(digest, signature) == address
        except BadSignature:
            is_its = False
        if not is_its:
            raise RefusedRound(RefusedWhy.SIGNATURE, f"0x{address.hex()} did not sign it")
        yield address, signature


def verified_records(
    told: ToldRound, agreement: Agreement, specs: Mapping[str, FeedSpec], last: Mapping[str, Record]
) -> tuple[Record, ...]:
    """The records of a proven round: every number follows from what was sealed, the words are as they were told.

    Args:
        told: as it was told.
        agreement: what is proven of it.
        specs: feeds that are wanted, legs before what needs them.
        last: the record of each feed before this round, as far as it is known here: in ``redemption_unless_depeg`` the way
            to the market goes on from there, not from what is told.

    Raises:
        RefusedRound: a record says something else than what was sealed.
    """
    by_index = reports_of(agreement.items, agreement.round_time_s)
    indexes = dict(zip(agreement.feeds, agreement.indexes, strict=True))
    reports = {f: by_index[i] for f, i in indexes.items() if i in by_index}
    words = {r.feed: r for r in told.records}
    made: dict[str, Record] = {}
    for feed, spec in specs.items():
        legs = spec.legs or (feed,)
        if all(leg in reports for leg in legs):
            report = cross([reports[leg] for leg in legs]) if spec.is_cross else reports[feed]
            record = _record(spec, report, words.get(feed), made, last.get(feed), agreement)
            made[feed] = record
    for feed in words.keys() - made.keys():
        if feed in specs:
            raise RefusedRound(RefusedWhy.RECORD, f"a record of {feed}, which was not sealed")
        if feed in reports:
            _check_report(words[feed], reports[feed])
    return tuple(made.values())


def _record(
    spec: FeedSpec,
    report: Report,
    told: ToldRecord | None,
    made: Mapping[str, Record],
    before: Record | None,
    agreement: Agreement,
) -> Record:
    both = report.market_wad and report.redemption_wad
    deviation_bps = deviation_bps_away(report.market_wad, report.redemption_wad) if both else None
    reasons = _reasons(told, report)
    if told is not None:
        _check_report(told, report)
        is_told = (spec.mode.value, deviation_bps) == (told.mode, told.deviation_bps)
        if not 0 <= told.ramp_ppm <= _WHOLE_PPM or price_text(_told_price(spec, report, told, made)) != told.price:
            raise RefusedRound(RefusedWhy.RECORD, f"the price of {spec.feed} does not follow from its report")
        if not is_told:
            text = f"mode or deviation of {spec.feed} are not those of its report and of this config"
            raise RefusedRound(RefusedWhy.RECORD, text)
    ramp = _ramp_ppm(spec, report, told, before, made, reasons)
    round_ms = report.round_time_s * _MS
    return Record(
        feed=spec.feed,
        mode=spec.mode,
        report=report,
        price_wad=_price(spec, report, ramp, made),
        deviation_bps=deviation_bps,
        reasons=reasons,
        observed_at_ms=_observed_at_ms(spec, report, told, made),
        computed_at_ms=round_ms if told is None else _time(told.computed_at_ms),
        signed_at_ms=round_ms if told is None or told.signed_at_ms is None else _time(told.signed_at_ms),
        operators=() if told is None else tuple(short(o) for o in told.operators),
        legs=spec.legs,
        ramp_ppm=ramp,
        seal=_seal(agreement, told.seal if told is not None else None),
    )


def _price(spec: FeedSpec, report: Report, ramp: int, made: Mapping[str, Record]) -> Wad:
    if spec.is_cross:
        first, second = (made[leg] for leg in spec.legs)
        return cross_price(first.price_wad, second.report)
    return price_of(report, spec.mode, ramp)


def _told_price(spec: FeedSpec, report: Report, told: ToldRecord, made: Mapping[str, Record]) -> Wad:
    """The price as it follows where the way to the market is as far as it is told."""
    if spec.is_cross:
        first, second = (made[leg] for leg in spec.legs)
        return cross_price(price_of(first.report, first.mode, told.ramp_ppm), second.report)
    return price_of(report, spec.mode, told.ramp_ppm)


def _ramp_ppm(
    spec: FeedSpec, report: Report, told: ToldRecord | None, before: Record | None, made: Mapping[str, Record],
    reasons: tuple[Reason, ...],
) -> int:  # fmt: skip
    if spec.is_cross:
        return made[spec.legs[0]].ramp_ppm
    if before is None:
        return told.ramp_ppm if told is not None else 0
    if report.status_only:
        return before.ramp_ppm
    closed = any(r.code is Why.CLOSED for r in reasons)
    rules = replace(spec.rules, redemption_open=spec.rules.redemption_open and not closed)
    memory = Memory(at_ms=before.report.round_time_s * _MS, ramp_ppm=before.ramp_ppm)
    return ramp_ppm(rules, memory, report.status, report.round_time_s * _MS)


def _check_report(told: ToldRecord, report: Report) -> None:
    """What a record says must be what was sealed."""
    said = (
        told.market,
        told.redemption,
        told.spread_bps,
        told.status,
        told.status_only,
        told.market_age_s,
        told.redemption_age_h,
    )
    sealed = (
        price_text(report.market_wad), price_text(report.redemption_wad), report.spread_bps, report.status.word,
        report.status_only, report.market_age_s, report.redemption_age_h,
    )  # fmt: skip
    if said != sealed:
        raise RefusedRound(RefusedWhy.RECORD, f"the record of {told.feed} says something else than what was sealed")


def _reasons(told: ToldRecord | None, report: Report) -> tuple[Reason, ...]:
    """As they are told; of a report without words its class alone."""
    if told is None:
        return () if report.why is Why.NONE else (Reason(code=report.why, text="as it was sealed"),)
    return tuple(Reason(code=_why(r.code), text=short(r.text)) for r in told.reasons)


def _why(code: str) -> Why:
    try:
        return Why[code]
    except KeyError:
        text = f"a reason {code[:40]!r} that this version does not know"
        raise RefusedRound(RefusedWhy.FORM, text) from None


def _observed_at_ms(spec: FeedSpec, report: Report, told: ToldRecord | None, made: Mapping[str, Record]) -> int:
    """When the oldest input was seen: as told where that can be so by the age that was sealed, else by that age.

    It is never newer than what was sealed. Operators may have used older inputs than the sealed age, which is their median, but
    none that are too old for the feed.
    """
    if spec.is_cross:
        return min(made[leg].observed_at_ms for leg in spec.legs)
    round_ms = report.round_time_s * _MS
    sealed_ms = round_ms - report.market_age_s * _MS
    if told is None:
        return sealed_ms
    said_ms = _time(told.observed_at_ms)
    is_known = report.market_wad and report.market_age_s < MAX_U16
    oldest_ms = sealed_ms - spec.max_age_s * _MS if is_known else 0
    return said_ms if oldest_ms <= said_ms < sealed_ms + _MS and said_ms <= round_ms else sealed_ms


def _time(at_ms: int) -> int:
    if not 0 <= at_ms <= _LATEST_MS:
        raise RefusedRound(RefusedWhy.FORM, "a time is none")
    return at_ms


def _seal(agreement: Agreement, told: ToldSeal | None) -> Seal:
    """Numbers follow from what is proven; who was missing and why is as it was told."""
    signers = agreement.signers
    missing, refused = ([], []) if told is None else (told.missing, told.refused)
    return Seal(
        target=agreement.target,
        epoch=signers.epoch,
        weight=signers.weight_of([a for a, _ in agreement.seals]),
        threshold=signers.threshold,
        total=sum(signers.weights),
        attempt=agreement.step // 2 + 1,
        sealed_ms=None if told is None else told.sealed_ms,
        missing=tuple(Absent(operator=short(a.operator), why=short(a.why)) for a in missing),
        refused=tuple(Absent(operator=short(a.operator), why=short(a.why)) for a in refused),
    )


def silent_of(told: ToldRound, records: Mapping[str, Record], specs: Mapping[str, FeedSpec]) -> tuple[Silent, ...]:
    """Feeds without a fresh price in a proven round: which they are follows from it, why is as it was told."""
    words = {s.feed: s for s in told.abstaining}
    silent = []
    for feed in specs:
        said, record = words.get(feed), records.get(feed)
        if record is not None and not (said is not None and record.report.status_only):
            continue
        why = _why(said.code) if said is not None else Why.NO_QUORUM
        silent.append(Silent(feed=feed, why=why, text=short(said.text) if said is not None else _NO_VALUE))
    return tuple(silent)
