"""Announcements as documents and as lines for people: one that was made, and what the directory says of each member. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from feeds.chains.abi import checksummed
from oracle.chain.directory import NAME, DirectoryEntry
from oracle.chain.rpc_answers import Receipt
from oracle.chain.store_abi import call_of
from oracle.sign.announcement import Announcement, SignedAnnouncement
from oracle.sign.eip712 import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersEntries:
    """What the directory says of every member of a store. ``weights``: of the members, by address."""

    directory: bytes
    domain: Domain
    weights: Mapping[bytes, int]
    entries: Mapping[bytes, DirectoryEntry]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "directory": checksummed(self.directory),
            "store": checksummed(self.domain.store),
            "chain_id": self.domain.chain_id,
            "members": [_entry_document(self.weights[a], e) for a, e in self.entries.items()],
        }

    def lines(self) -> list[str]:
        """For people."""
        head = f"{NAME} {checksummed(self.directory)} of store {checksummed(self.domain.store)}, chain {self.domain.chain_id}"
        return [head, *(f"  {_entry_line(self.weights[a], e)}" for a, e in self.entries.items())]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeAnnouncement:
    """An announcement that is ready to be sent.

    Attributes:
        directory: address of the contract.
        domain: the store.
        signed: the announcement.
        unchanged: the directory says the same of this operator already.
        notes: what should be known.
    """

    directory: bytes
    domain: Domain
    signed: SignedAnnouncement
    unchanged: bool
    notes: tuple[str, ...]

    @property
    def calldata(self) -> bytes:
        """Of the transaction to the directory; anybody may send it."""
        return call_of(NAME, "announce", ("0x" + self.domain.store.hex(), self.signed.raw))[0]

    def document(self, sent: Receipt | None, tx_hash: str) -> dict[str, Any]:
        """As JSON."""
        return {
            "directory": checksummed(self.directory),
            "store": checksummed(self.domain.store),
            "chain_id": self.domain.chain_id,
            "address": checksummed(self.signed.address),
            **_said_document(self.signed.said),
            "announcement": "0x" + self.signed.raw.hex(),
            "calldata": "0x" + self.calldata.hex(),
            "unchanged": self.unchanged,
            "notes": list(self.notes),
            "sent": None if sent is None else {"tx": tx_hash, "block": sent.block, "gas_used": str(sent.gas_used)},
        }

    def lines(self, sent: Receipt | None, tx_hash: str) -> list[str]:
        """For people."""
        store = checksummed(self.domain.store)
        out = [
            f"{checksummed(self.signed.address)} for store {store}, chain {self.domain.chain_id}",
            f"  {_said_line(self.signed.said)}",
            *(f"note: {n}" for n in self.notes),
        ]
        if sent is not None:
            return [*out, f"sent: {tx_hash} in block {sent.block}, {sent.gas_used} gas"]
        if self.unchanged:
            return [*out, "the directory says the same already: nothing has to be sent"]
        text = f"cast send {checksummed(self.directory)} 'announce(address,bytes)' {store} 0x{self.signed.raw.hex()}"
        return [
            *out,
            "not sent: run this with --send, or have anybody send it, such as by",
            f"{text} --rpc-url $RPC_URL",
        ]


def _said_document(said: Announcement) -> dict[str, Any]:
    return {
        "counter": str(said.counter),
        "network_key": checksummed(said.network_key),
        "urls": list(said.urls),
        "certificate": said.certificate.hex() or None,
        "versions": list(said.versions),
    }


def _entry_document(weight: int, entry: DirectoryEntry) -> dict[str, Any]:
    return {
        "address": checksummed(entry.address),
        "weight": str(weight),
        "announced": None if entry.signed is None else _said_document(entry.signed.said),
        "block": entry.block or None,
        "reason": entry.silence and entry.silence.value,
        "text": entry.text,
    }


def _said_line(said: Announcement) -> str:
    where = ", ".join(said.urls) or "listens nowhere, only dials"
    shows = f", certificate {said.certificate.hex()[:16]}" if said.certificate.strip(b"\0") else ""
    return f"{where}{shows}; network key {checksummed(said.network_key)}, counter {said.counter}"


def _entry_line(weight: int, entry: DirectoryEntry) -> str:
    head = f"{checksummed(entry.address)} weight {weight}"
    said = "" if entry.signed is None else f"{_said_line(entry.signed.said)}, block {entry.block}"
    return f"{head}: {'; '.join(t for t in (said, entry.text) if t)}"
