"""Verified rounds to the rows of an archive, and rows back to what they were. Pure; prices are exact on the whole way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any

from feeds.units import Bps, Wad
from oracle.follow.follower import VerifiedRound
from oracle.model.canonical_json import dump, parse
from oracle.model.publication import Absent, Record, Seal, Transition
from oracle.model.roll_up import RollUp
from oracle.model.spec import Mode
from oracle.model.status import Reason, Status, Why
from oracle.model.types import Report
from oracle.sign.messages import Agreement

ROUND_COLUMNS = (
    "round_s", "epoch", "step", "weight", "threshold", "total", "items", "sealed", "source", "rank", "received_ms",
)  # fmt: skip
PRICE_COLUMNS = (
    "feed", "round_s", "mode", "price", "market", "redemption", "deviation_bps", "spread_bps", "status", "why", "status_only",
    "market_age_s", "redemption_age_h", "observed_at_ms", "computed_at_ms", "signed_at_ms", "sealed_ms", "ramp_ppm",
    "operators", "legs", "reasons", "missing", "refused",
)  # fmt: skip
ABSTENTION_COLUMNS = ("feed", "round_s", "why", "text")
_DIGITS, _EXACT = 18, Context(prec=120)
_LONGEST_MS = 1 << 45
Row = tuple[Any, ...]


def round_row(verified: VerifiedRound, rank: int) -> Row:
    """The row of a round; ``rank``: of who told it."""
    agreement = verified.agreement
    signers = agreement.signers
    return (
        verified.round_time_s, Decimal(signers.epoch), agreement.step,
        Decimal(signers.weight_of([a for a, _ in agreement.seals])), Decimal(signers.threshold), Decimal(sum(signers.weights)),
        agreement.items, dump(replace(agreement, items=b"")), _words(verified.source), rank, verified.received_ms,
    )  # fmt: skip


def price_rows(verified: VerifiedRound) -> Iterable[Row]:
    """The rows of its records."""
    for record in verified.records:
        report, seal = record.report, record.seal
        yield (
            record.feed, verified.round_time_s, record.mode.value, decimal_of(record.price_wad), decimal_of(report.market_wad),
            decimal_of(report.redemption_wad), record.deviation_bps, report.spread_bps, report.status.word, report.why.name,
            report.status_only, report.market_age_s, report.redemption_age_h, record.observed_at_ms, record.computed_at_ms,
            record.signed_at_ms, _sealed_ms(seal), record.ramp_ppm, [_words(o) for o in record.operators], list(record.legs),
            _reasons_text(record.reasons), _absent_text(seal.missing if seal else ()), _absent_text(seal.refused if seal else ()),
        )  # fmt: skip


def abstention_rows(verified: VerifiedRound) -> Iterable[Row]:
    """The rows of feeds without a price of it."""
    for silent in verified.silent:
        yield (silent.feed, verified.round_time_s, silent.why.name, _words(silent.text))


def decimal_of(wad: int) -> Decimal | None:
    """A price as PostgreSQL and Parquet keep it; None where there is none."""
    return Decimal(wad).scaleb(-_DIGITS, _EXACT) if wad else None


def wad_of(price: Decimal | None) -> Wad:
    """The same back; 0 where there is none."""
    return Wad(int(price.scaleb(_DIGITS, _EXACT)) if price is not None else 0)


def record_of(row: Mapping[str, Any], target: str) -> Record:
    """A record out of its row, joined with that of its round; ``target``: the name of the store here."""
    round_s = row["round_s"]
    report = Report(
        market_wad=wad_of(row["market"]), redemption_wad=wad_of(row["redemption"]), spread_bps=Bps(row["spread_bps"]),
        status=_status(row["status"]), why=Why[row["why"]], round_time_s=round_s, market_age_s=row["market_age_s"],
        redemption_age_h=row["redemption_age_h"], status_only=row["status_only"],
    )  # fmt: skip
    seal = Seal(
        target=target, epoch=int(row["epoch"]), weight=int(row["weight"]), threshold=int(row["threshold"]),
        total=int(row["total"]), attempt=row["step"] // 2 + 1, sealed_ms=row["sealed_ms"], missing=_absent(row["missing"]),
        refused=_absent(row["refused"]),
    )  # fmt: skip
    deviation = row["deviation_bps"]
    return Record(
        feed=row["feed"], mode=Mode(row["mode"]), report=report, price_wad=wad_of(row["price"]),
        deviation_bps=None if deviation is None else Bps(deviation), reasons=reasons_of(row["reasons"]),
        observed_at_ms=row["observed_at_ms"], computed_at_ms=row["computed_at_ms"], signed_at_ms=row["signed_at_ms"],
        operators=tuple(row["operators"]), legs=tuple(row["legs"]), ramp_ppm=row["ramp_ppm"], seal=seal,
    )  # fmt: skip


def agreement_of(row: Mapping[str, Any], target: str) -> Agreement:
    """What was sealed, out of the row of a round."""
    return replace(parse(Agreement, bytes(row["sealed"])), target=target, items=bytes(row["items"]))


def transition_of(row: Mapping[str, Any]) -> Transition:
    """A change of a feed's status."""
    return Transition(
        feed=row["feed"], at_ms=row["at_ms"], before=_status(row["before"]), after=_status(row["after"]),
        reasons=reasons_of(row["reasons"]),
    )  # fmt: skip


def roll_up_of(row: Mapping[str, Any]) -> RollUp:
    """What is left of the records of a step."""
    names = {
        "open_wad": "open",
        "high_wad": "high",
        "low_wad": "low",
        "close_wad": "close",
        "market_wad": "market",
        "redemption_wad": "redemption",
    }
    return RollUp(
        first_s=row["first_s"], last_s=row["last_s"], rounds=row["rounds"], worst=_status(row["worst"]),
        status=_status(row["status"]), **{field: wad_of(row[column]) for field, column in names.items()},
    )  # fmt: skip


def reasons_of(text: str | None) -> tuple[Reason, ...]:
    """Reasons out of their JSON."""
    return tuple(Reason(code=Why[r["code"]], text=r["text"]) for r in json.loads(text or "[]"))


def _status(word: str) -> Status:
    return Status[word.upper()]


def _reasons_text(reasons: Sequence[Reason]) -> str | None:
    return json.dumps([{"code": r.code.name, "text": _words(r.text)} for r in reasons]) if reasons else None


def _absent_text(absent: Sequence[Absent]) -> str | None:
    return json.dumps([{"operator": _words(a.operator), "why": _words(a.why)} for a in absent]) if absent else None


def _absent(text: str | None) -> tuple[Absent, ...]:
    return tuple(Absent(operator=a["operator"], why=a["why"]) for a in json.loads(text or "[]"))


def _sealed_ms(seal: Seal | None) -> int | None:
    """As it was told, where it can be a time."""
    told = seal.sealed_ms if seal is not None else None
    return told if told is not None and -_LONGEST_MS < told < _LONGEST_MS else None


def _words(text: str) -> str:
    """Words of a stranger as PostgreSQL takes them: it keeps no zero byte, and no half of a character."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
