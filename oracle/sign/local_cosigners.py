"""The operators of this process as the cosigners of a store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from oracle.sign.messages import Proposal, Refusal, Signature, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.verified_values import VerifiedValues


class LocalCosigners:
    """Operators in this process.

    Args:
        operators: in the order in which they lead.
        signers: the store's signer set.
        now_ms: the clock.
        clock_ok: whether the clock may go under a signature.
    """

    def __init__(
        self,
        operators: Sequence[Operator],
        signers: SignerSet,
        *,
        now_ms: Callable[[], int],
        clock_ok: Callable[[], bool],
    ) -> None:
        self._operators = tuple(operators)
        self._signers = signers
        self._now_ms = now_ms
        self._clock_ok = clock_ok

    async def propose(self, leader_index: int, values: Sequence[VerifiedValues], feeds: Sequence[int]) -> Proposal:
        """The proposal of the operator at this index, counted round and round."""
        for operator in self._operators:
            operator.expect_values(values)
        leader = self._operators[leader_index % len(self._operators)]
        return leader.propose(self._signers, values[0].signed.round_time_s, values, feeds)

    async def cosign(self, proposal: Proposal) -> tuple[Signature | Refusal, ...]:
        """All operators answer, the leader too."""
        now_ms, clock_ok = self._now_ms(), self._clock_ok()
        answers = (
            o.request_signature(self._signers, proposal, now_ms=now_ms, clock_ok=clock_ok) for o in self._operators
        )
        return tuple(await asyncio.gather(*answers))
