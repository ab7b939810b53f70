"""Evidence as it is kept and handed on: two words, what became of them, and a document that anybody can submit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from feeds.errors import LrtOracleError
from oracle.chain.store_abi import PENALTIES, call_of, selector
from oracle.sign.eip712 import Domain
from oracle.watch.compare import Contradiction
from oracle.watch.words import SignedTuple, SignedWord, WordKind, items_of

_HEADER = 10
_SIGNED = "(uint8,uint16,bytes,bytes32,bytes32)"


class EvidenceState(StrEnum):
    """What became of evidence.

    ``spare``: another proof of the same operator and epoch is on chain, and a second one takes nothing more. ``own``: it is against
    a key of this process, which proves nothing against itself.
    """

    FOUND = "found"
    SENT = "sent"
    PROVEN = "proven"
    REFUSED = "refused"
    LATE = "late"
    SPARE = "spare"
    OWN = "own"


UNSETTLED = (EvidenceState.FOUND, EvidenceState.SENT)


class BadEvidence(LrtOracleError, ValueError):
    """It is no evidence: what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvidence:
    """A contradiction with its history.

    Attributes:
        evidence_id: 32 bytes, unique.
        found: what it is.
        state: what became of it.
        note: why, for people.
        found_ms: when it was found, Unix ms.
        found_block: newest block of the chain of the contract when it was first looked at there; None before.
        landed_block: of the proof, whoever sent it.
        prover: address of who did, 20 bytes; b"" for nobody.
        tx_hash: of the proof.
    """

    evidence_id: bytes
    found: Contradiction
    state: EvidenceState
    note: str = ""
    found_ms: int = 0
    found_block: int | None = None
    landed_block: int | None = None
    prover: bytes = b""
    tx_hash: str = ""

    @property
    def blocks(self) -> int | None:
        """From found to landed; None where it did not land, or it is not known when."""
        if self.landed_block is None or self.found_block is None:
            return None
        return self.landed_block - self.found_block


def prove_data(found: Contradiction, number: int = 0) -> bytes:
    """Calldata of `prove`; of `proveIn` for a store that is not the contract's first. ``number``: of the store there."""
    args = (found.first.signed, found.second.signed, found.index)
    if not number:
        return call_of(PENALTIES, "prove", args)[0]
    kinds = ("uint256", _SIGNED, _SIGNED, "uint16")
    return selector("proveIn", kinds) + encode(kinds, (number, *args))


def check_evidence(found: Contradiction) -> None:
    """Whether a contract that knows the keys as one operator's would take it.

    Raises:
        BadEvidence: what is wrong with it.
    """
    first, second = found.first, found.second
    if first.domain != second.domain or first.round_time_s != second.round_time_s:
        raise BadEvidence("the two words are of different stores or rounds: together they say nothing")
    for word in (first, second):
        if not word.is_sound:
            raise BadEvidence(f"a word is not signed by 0x{word.key.hex()}")
    items = [items_of(w.items).get(found.index) for w in (first, second)]
    if None in items or items[0] == items[1]:
        raise BadEvidence(f"both words say the same of token {found.index}, or one says nothing of it")


def evidence_document(kept: KeptEvidence) -> dict[str, Any]:
    """As JSON: with calldata that anybody can send to the penalties contract of that store."""
    found, first = kept.found, kept.found.first
    return {
        "id": "0x" + kept.evidence_id.hex(),
        "operator": to_checksum_address(found.operator),
        "keys": sorted({to_checksum_address(w.key) for w in (found.first, found.second)}),
        "chain_id": str(first.domain.chain_id),
        "store": to_checksum_address(first.domain.store),
        "round": first.round_time_s,
        "index": found.index,
        "words": [_word_document(w) for w in (found.first, found.second)],
        "calldata": "0x" + prove_data(found).hex(),
        "state": kept.state.value,
        "note": kept.note,
        "found_ms": kept.found_ms,
        "found_block": kept.found_block,
        "landed_block": kept.landed_block,
        "blocks": kept.blocks,
        "prover": to_checksum_address(kept.prover) if kept.prover else None,
        "tx": kept.tx_hash or None,
    }


def read_document(document: dict[str, Any]) -> Contradiction:
    """Evidence out of such a document, checked.

    Raises:
        BadEvidence: it is none.
    """
    try:
        domain = Domain(chain_id=int(document["chain_id"]), store=_raw(document["store"]))
        first, second = (_word(domain, w) for w in document["words"])
        found = Contradiction(
            operator=_raw(document["operator"]), first=first, second=second, index=int(document["index"])
        )
    except (KeyError, ValueError, TypeError, AttributeError) as e:
        raise BadEvidence(f"not evidence as `lrt-oracle evidence list --json` prints it: {e!r}") from None
    check_evidence(found)
    return found


def _word_document(word: SignedWord) -> dict[str, Any]:
    kind, step, batch, r, vs = word.signed
    return {
        "key": to_checksum_address(word.key), "kind": kind, "step": step, "epoch": str(word.epoch),
        "batch": "0x" + batch.hex(), "r": "0x" + r.hex(), "vs": "0x" + vs.hex(),
    }  # fmt: skip


def _word(domain: Domain, document: dict[str, Any]) -> SignedWord:
    kind, step = int(document["kind"]), int(document["step"])
    signed: SignedTuple = (kind, step, _raw(document["batch"]), _raw(document["r"]), _raw(document["vs"]))
    return word_of(domain, _raw(document["key"]), signed)


def word_of(domain: Domain, key: bytes, signed: SignedTuple) -> SignedWord:
    """A word as a contract takes it. Not checked."""
    kind, step, batch, r, vs = signed
    return SignedWord(
        key=key, domain=domain, kind=WordKind(kind), step=step, epoch=int.from_bytes(batch[:6], "big"),
        round_time_s=int.from_bytes(batch[6:_HEADER], "big"), items=batch[_HEADER:], signature=r + vs,
    )  # fmt: skip


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
