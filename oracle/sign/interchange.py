"""The interchange format of sign journals: what one key has signed, as JSON. Described in docs/journal.md.

It follows the pattern of EIP-3076: facts about what was signed, and marks below which nothing may be signed any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from feeds.errors import LrtOracleError
from oracle.sign.epoch_lines import EpochKind
from oracle.sign.epoch_words import VoteKind

FORMAT, VERSION = "lrt-oracle-journal", 1
_ADDRESS, _HASH, _TICKET = 20, 32, 16
_MOST = 1 << 62


class BadInterchange(LrtOracleError, ValueError):
    """The file is no journal in the interchange format, or was changed."""


class RoundRow(NamedTuple):
    """One item that was signed."""

    chain_id: int
    store: bytes
    feed: int
    round_s: int
    item_hash: bytes


class EpochRow(NamedTuple):
    """A word about an epoch that was signed."""

    chain_id: int
    store: bytes
    kind: int
    epoch: int
    content_hash: bytes


class VoteRow(NamedTuple):
    """A word of the agreement on an epoch's report that was signed."""

    chain_id: int
    store: bytes
    epoch: int
    attempt: int
    kind: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalDocument:
    """What a key has signed.

    Attributes:
        key: its address, 20 bytes.
        ticket: of the journal that it is exported to, when this one was sealed; b"" of a copy of one that was not.
        exported_ms: when, Unix ms.
        writes: how often its journal was written to, over all machines that it moved between.
        complete_from_s: of rounds before that only the newest line of each feed is here.
        unknown_to_s: what was signed up to there is not known, for the journal was missing or restored then; 0 for never.
        mute_until_ms: until when the key signs nothing because of that.
        mute_confirmed: whether that is by a time which somebody confirmed.
    """

    key: bytes
    ticket: bytes
    exported_ms: int
    writes: int
    complete_from_s: int
    unknown_to_s: int
    mute_until_ms: int
    mute_confirmed: bool
    rounds: tuple[RoundRow, ...]
    epochs: tuple[EpochRow, ...]
    votes: tuple[VoteRow, ...]

    @property
    def last_round_s(self) -> int:
        """Newest round_time signed, 0 if none."""
        return max((r.round_s for r in self.rounds), default=0)

    def low_water(self) -> dict[tuple[int, bytes, int], int]:
        """Newest round_time of each feed of each store."""
        marks: dict[tuple[int, bytes, int], int] = {}
        for row in self.rounds:
            marks[row[:3]] = max(row.round_s, marks.get(row[:3], 0))
        return marks


def to_json(document: JournalDocument) -> str:
    """As a file has it."""
    body = {
        "metadata": {
            "interchange_format": FORMAT,
            "interchange_version": VERSION,
            "key": _hex(document.key),
            "sealed_to": document.ticket.hex() or None,
            "exported_ms": document.exported_ms,
            "writes": document.writes,
            "complete_from": document.complete_from_s,
            "unknown_up_to": document.unknown_to_s,
            "mute_until_ms": document.mute_until_ms,
            "mute_confirmed": document.mute_confirmed,
        },
        "data": [_store(document, *domain) for domain in _domains(document)],
    }
    return json.dumps({**body, "checksum": _checksum(body)}, indent=1) + "\n"


def _domains(document: JournalDocument) -> list[tuple[int, bytes]]:
    return sorted(
        {(r.chain_id, r.store) for r in document.rounds}
        | {(e.chain_id, e.store) for e in document.epochs}
        | {(v.chain_id, v.store) for v in document.votes}
    )


def _store(document: JournalDocument, chain_id: int, store: bytes) -> dict[str, Any]:
    where = (chain_id, store)
    rounds: dict[int, dict[str, str]] = {}
    for row in sorted(r for r in document.rounds if r[:2] == where):
        rounds.setdefault(row.round_s, {})[str(row.feed)] = _hex(row.item_hash)
    marks = sorted((feed, mark) for (*at, feed), mark in document.low_water().items() if tuple(at) == where)
    return {
        "chain_id": chain_id,
        "store": _hex(store),
        "low_water": {str(feed): mark for feed, mark in marks},
        "signed_rounds": [{"round": s, "items": items} for s, items in sorted(rounds.items())],
        "signed_epochs": [
            {"epoch": e.epoch, "kind": EpochKind(e.kind).name.lower(), "hash": _hex(e.content_hash)}
            for e in document.epochs if e[:2] == where
        ],
        "signed_votes": [
            {"epoch": v.epoch, "attempt": v.attempt, "kind": VoteKind(v.kind).name.lower(), "content": _hex(v.content)}
            for v in document.votes if v[:2] == where
        ],
    }  # fmt: skip


def from_json(text: str) -> JournalDocument:
    """Read a file.

    Raises:
        BadInterchange: it is none, of another version, was changed, or its marks and lines do not go together.
    """
    try:
        body = json.loads(text)
        checksum = body.pop("checksum")
        meta = body["metadata"]
        if (meta["interchange_format"], meta["interchange_version"]) != (FORMAT, VERSION):
            raise BadInterchange(f"it is not {FORMAT}, version {VERSION}: export it with this version of the program")
        if checksum != _checksum(body):
            raise BadInterchange(
                "it was changed or cut short: its checksum does not fit. Copy it anew, and never edit it"
            )
        document = _read(meta, body["data"])
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        if isinstance(e, BadInterchange):
            raise
        raise BadInterchange(f"it is no journal in the interchange format ({type(e).__name__}: {e})") from None
    stated = {
        (int(part["chain_id"]), bytes.fromhex(part["store"][2:]), int(feed)): mark
        for part in body["data"] for feed, mark in part["low_water"].items()
    }  # fmt: skip
    if stated != document.low_water():
        raise BadInterchange("its low-water marks are not those of its newest lines: export it anew")
    return document


def _read(meta: Mapping[str, Any], data: Sequence[Mapping[str, Any]]) -> JournalDocument:
    rounds: list[RoundRow] = []
    epochs: list[EpochRow] = []
    votes: list[VoteRow] = []
    for part in data:
        where = (_number(part["chain_id"]), _bytes(part["store"], _ADDRESS))
        for row in part["signed_rounds"]:
            rounds += [
                RoundRow(*where, int(f), _number(row["round"]), _bytes(h, _HASH)) for f, h in row["items"].items()
            ]
        for row in part["signed_epochs"]:
            kind = EpochKind[row["kind"].upper()]
            epochs.append(EpochRow(*where, int(kind), _number(row["epoch"]), _bytes(row["hash"], _HASH)))
        for row in part["signed_votes"]:
            place = (_number(row["epoch"]), _number(row["attempt"]), int(VoteKind[row["kind"].upper()]))
            votes.append(VoteRow(*where, *place, _bytes(row["content"])))
    ticket = bytes.fromhex(meta["sealed_to"] or "")
    if len(ticket) not in {0, _TICKET}:
        raise BadInterchange("its ticket is none")
    return JournalDocument(
        key=_bytes(meta["key"], _ADDRESS), ticket=ticket, exported_ms=_number(meta["exported_ms"]),
        writes=_number(meta["writes"]), complete_from_s=_number(meta["complete_from"]),
        unknown_to_s=_number(meta["unknown_up_to"]), mute_until_ms=_number(meta["mute_until_ms"]),
        mute_confirmed=meta["mute_confirmed"] is True, rounds=tuple(rounds), epochs=tuple(epochs), votes=tuple(votes),
    )  # fmt: skip


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
        raise BadInterchange(f"{value!r} is not a number that a journal has")
    return value


def _bytes(text: Any, length: int | None = None) -> bytes:
    raw = bytes.fromhex(text.removeprefix("0x"))
    if length is not None and len(raw) != length:
        raise BadInterchange(f"{text!r} is not {length} bytes")
    return raw


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
