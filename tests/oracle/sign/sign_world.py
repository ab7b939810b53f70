"""Three operators for tests of signing: their keys, the set of two of three, their values, and what follows from these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import coincurve

from oracle.model.types import Report
from oracle.sign.agreed_reports import agreed_items
from oracle.sign.eip712 import NO_TERMS, Domain, address_of
from oracle.sign.messages import Refusal, RefusalCode, Signature, SignedBatch, SignedValues, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.sign.signed_batch import seal_batch, valid_signatures
from oracle.sign.verified_values import VerifiedValues, verify_values
from tests.oracle.report.reports import report

KEYS = [coincurve.PrivateKey(bytes([n]) * 32) for n in (1, 2, 3)]
DOMAIN = Domain(chain_id=31337, store=bytes(range(20)))
SIGNERS = SignerSet(domain=DOMAIN, epoch=1, signers=tuple(address_of(k) for k in KEYS), weights=(1, 1, 1), threshold=2)
ROUND_S = 1_700_000_000
NOW_MS = ROUND_S * 1_000 + 100


def views(*prices: str) -> list[dict[int, Report]]:
    return [{0: report(p, "1.06")} for p in prices]


def signed_values(operators: Sequence[Operator], held: Sequence[dict[int, Report]]) -> tuple[SignedValues, ...]:
    return tuple(o.sign_values(SIGNERS, ROUND_S, v) for o, v in zip(operators, held, strict=True))


def verified(values: Iterable[SignedValues], signers: SignerSet = SIGNERS) -> tuple[VerifiedValues, ...]:
    """Values that must be sound."""
    checked = [verify_values(v, signers, v.round_time_s) for v in values]
    sound = tuple(c for c in checked if isinstance(c, VerifiedValues))
    assert len(sound) == len(checked), checked
    return sound


def agreed(values: Iterable[SignedValues]) -> bytes:
    """The items that follow from values."""
    items = agreed_items(verified(values), SIGNERS)
    return b"".join(items[i] for i in sorted(items))


async def certified(operator: Operator, items: bytes, step: int = 0, *, clock_ok: bool = True) -> Signature | Refusal:
    """Its word on a round's certificate."""
    return await operator.request_seal(SIGNERS, ROUND_S, step, items, now_ms=NOW_MS, clock_ok=clock_ok)


async def batched(operator: Operator, items: bytes, *, clock_ok: bool = True) -> Signature | Refusal:
    """Its word on a batch."""
    return await operator.request_signature(SIGNERS, ROUND_S, items, now_ms=NOW_MS, clock_ok=clock_ok)


def sealed(items: bytes, answers: Sequence[Signature | Refusal], signers: SignerSet = SIGNERS) -> SignedBatch | None:
    """The batch that these answers make, if they reach the threshold."""
    return seal_batch(signers, ROUND_S, items, valid_signatures(signers, ROUND_S, items, answers))


class ScriptedOperator(Operator):
    """Signs as it should; or says no whatever it is asked, or gives 64 bytes that are not a signature.

    ``asked``: how often it was asked for a signature.
    """

    silent: RefusalCode | None = None
    junk = False
    asked = 0

    async def request_values(
        self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report], terms: bytes = NO_TERMS
    ) -> SignedValues | Refusal:
        if self.silent is RefusalCode.SIGNER:
            return self.refuse(self.silent, "no")
        return await super().request_values(signers, round_time_s, view, terms)

    async def _sign_preimage(self, preimage: bytes) -> Signature | Refusal:
        self.asked += 1
        if self.silent is not None:
            return self.refuse(self.silent, "no")
        return self._signature(b"\xff" * 64) if self.junk else await super()._sign_preimage(preimage)


def scripted_operators(folder: Path, busy_ms: int = 1_000) -> list[ScriptedOperator]:
    """``busy_ms``: how long their journals wait for another process."""
    more = {"now_ms": 0, "mute_ms": 0, "newborn": True, "busy_ms": busy_ms}
    return [
        ScriptedOperator(f"op{i}", key, SignJournal(folder / f"{i}.db", address_of(key), **more), bound_bps=100)
        for i, key in enumerate(KEYS)
    ]
