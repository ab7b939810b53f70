"""Three operators for tests of signing: their keys, the set of two of three, values, a proposal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import coincurve

from oracle.model.types import Report
from oracle.report.wire import encode_items, split_items
from oracle.sign.agreed_reports import agreed_reports
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import Proposal, Refusal, RefusalCode, Signature, SignedBatch, SignedValues, SignerSet
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


def sealed(
    proposal: Proposal, answers: Sequence[Signature | Refusal], signers: SignerSet = SIGNERS
) -> SignedBatch | None:
    """The batch that these answers make, if they reach the threshold."""
    return seal_batch(signers, proposal, valid_signatures(signers, proposal, answers))


def propose(values: tuple[SignedValues, ...], change: Callable[[Report], Report] = lambda r: r) -> Proposal:
    reports = {i: change(r) for i, r in agreed_reports(verified(values), SIGNERS).items()}
    return Proposal(leader="op0", round_time_s=ROUND_S, items=encode_items(reports), values=values)


class ScriptedOperator(Operator):
    """Signs as it should, but for the feeds that it refuses; or gives 64 bytes that are not a signature."""

    refuses: frozenset[int] = frozenset()
    junk = False
    silent: RefusalCode | None = None

    def cosign(self, signers: SignerSet, proposal: Proposal, *, now_ms: int, clock_ok: bool) -> Signature | Refusal:
        if self.silent is not None:
            return self.refuse(self.silent, "no")
        no = tuple(sorted(self.refuses & split_items(proposal.items).keys()))
        if no:
            return self.refuse(RefusalCode.OUT_OF_BOUND, "no", no)
        if self.junk:
            return Signature(operator=self.name, address=self.address, compact=b"\xff" * 64)
        return super().cosign(signers, proposal, now_ms=now_ms, clock_ok=clock_ok)


def scripted_operators(folder: Path, busy_ms: int = 1_000) -> list[ScriptedOperator]:
    """``busy_ms``: how long their journals wait for another process."""
    more = {"now_ms": 0, "mute_ms": 0, "newborn": True, "busy_ms": busy_ms}
    return [
        ScriptedOperator(f"op{i}", key, SignJournal(folder / f"{i}.db", address_of(key), **more), bound_bps=100)
        for i, key in enumerate(KEYS)
    ]
