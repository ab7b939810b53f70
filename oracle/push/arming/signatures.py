"""The signatures that arm a next signer set, as far as they are known: as JSON, and for people with what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from feeds.chains.abi import checksummed
from oracle.chain.next_signers import NextSignerSet
from oracle.model.publication import PushRow
from oracle.push.arming.arm import missing_members
from oracle.sign.signed_batch import packed_signatures


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmingSignatures:
    """What is known of the next set's signatures.

    Attributes:
        coming: the set.
        signed: r | vs by member.
        names: operators of this machine by their address; others have none.
        notes: what could not be signed here, and why.
    """

    coming: NextSignerSet
    signed: Mapping[bytes, bytes]
    names: Mapping[bytes, str]
    notes: tuple[str, ...]

    @property
    def weight(self) -> int:
        """Of all who have signed."""
        return self.coming.signers.weight_of(tuple(self.signed))

    @property
    def suffices(self) -> bool:
        """Whether the store takes these signatures."""
        return self.weight >= self.coming.signers.threshold

    def document(self, target: str, sent: PushRow | None) -> dict[str, Any]:
        """As one JSON document; weights and amounts as text."""
        signers = self.coming.signers
        return {
            "target": target,
            "chain_id": signers.domain.chain_id,
            "store": checksummed(signers.domain.store),
            "epoch": signers.epoch,
            "takes_over_at": self.coming.from_s,
            "set": "0x" + self.coming.set_hash.hex(),
            "digest": "0x" + self.coming.digest.hex(),
            "weight": str(self.weight),
            "threshold": str(signers.threshold),
            "signatures": [self._signature(i, a) for i, a in enumerate(signers.signers) if a in self.signed],
            "missing": [
                {"address": checksummed(a), "weight": str(w)}
                for a, w in zip(signers.signers, signers.weights, strict=True)
                if w and a not in self.signed
            ],
            "notes": list(self.notes),
            "calldata": self._calldata() if self.suffices else None,
            "sent": None if sent is None else {"tx": sent.tx_hash, "block": sent.block, "gas_used": sent.gas_used},
        }

    def lines(self, target: str, sent: PushRow | None) -> list[str]:
        """For people: the set, every signature, and what is to be done."""
        signers, document = self.coming.signers, self.document(target, sent)
        lines = [f"{target}: epoch {signers.epoch} takes over at {self.coming.from_s} (Unix s) if it is armed before"]
        for row in document["signatures"]:
            signer = row["operator"] or "given"
            lines.append(f"{signer} {row['address']} index {row['index']} weight {row['weight']}")
            lines.append(f"  --signature {row['signature']}")
        lines += [f"note: {n}" for n in self.notes]
        missing = "" if self.suffices else f", missing {missing_members(self.coming, self.signed)}"
        return [*lines, f"weight {self.weight} of {signers.threshold}{missing}", self._next_step(sent)]

    def _signature(self, index: int, member: bytes) -> dict[str, Any]:
        signers = self.coming.signers
        return {
            "operator": self.names.get(member),
            "address": checksummed(member),
            "index": index,
            "weight": str(signers.weights[index]),
            "signature": "0x" + packed_signatures(signers, {member: self.signed[member]}).hex(),
        }

    def _calldata(self) -> str:
        return "0x" + self.coming.call(self.signed).hex()

    def _next_step(self, sent: PushRow | None) -> str:
        if sent is not None:
            return f"armed in block {sent.block}: {sent.tx_hash}"
        if self.suffices:
            return f"enough: add --send, or send this to the store from anywhere: {self._calldata()}"
        return "take these signatures to another machine of an operator, or its signatures here: --signature 0x..."
