"""The operators of this process at one store: their values of a round, signed for it, and their votes on a batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import structlog

from oracle.cosign import Ballot, LocalCosigners, Operator, gather
from oracle.onchain.chain import ChainError
from oracle.rounds import Done
from oracle.sign import SignedValues, SignerSet
from oracle.types import Report, Round

_log = structlog.get_logger("oracle.voters")


class Voters:
    """Those of the operators that the store knows. Empty until `sit`.

    Args:
        target: name of the target.
        operators: the signers in this process. An operator's view is by feed index, and indexes are the store's: each
            target gets operators with views of their own, over the same keys and journals.
        now_ms: the clock.
        clock_ok: whether the clock may go under a signature.
    """

    def __init__(
        self,
        target: str,
        operators: Sequence[Operator],
        *,
        now_ms: Callable[[], int],
        clock_ok: Callable[[], bool],
    ) -> None:
        self.signers: SignerSet | None = None
        self._target = target
        self._operators = [copy.copy(o) for o in operators]
        self._now_ms, self._clock_ok = now_ms, clock_ok
        self._members: list[Operator] = []
        self._indexes: Mapping[str, int] = {}
        self._cosigners: LocalCosigners | None = None
        self._values: tuple[int, tuple[SignedValues, ...]] = (0, ())

    def sit(self, signers: SignerSet, indexes: Mapping[str, int]) -> int:
        """Take the seats that the store's signer set has for these operators; returns their weight."""
        strangers = [o.name for o in self._operators if o.address not in signers.signers]
        if strangers:
            _log.error("operators that the store does not know sign in vain", target=self._target, operators=strangers)
        self._members = [o for o in self._operators if o.address in signers.signers]
        self.signers, self._indexes, self._values = signers, indexes, (0, ())
        self._cosigners = LocalCosigners(self._members, signers, now_ms=self._now_ms, clock_ok=self._clock_ok)
        return signers.weight_of([o.address for o in self._members])

    def leave(self) -> None:
        """Give the seats up: the signer set may have changed."""
        self.signers = None

    def values(self, done: Done) -> tuple[SignedValues, ...]:
        """The operators' own values of a round, signed for this store.

        () while they may not sign, and for a round that was published unsigned: what goes on chain is what was published.
        """
        if self.signers is None or not done.values or not self._clock_ok():
            return ()
        if self._values[0] != done.round_time_s:
            views: dict[str, dict[int, Report]] = {}
            for kept in done.kept:
                report = kept.result.report if isinstance(kept.result, Round) else kept.result.halt
                if report is not None and kept.spec.feed in self._indexes:
                    views.setdefault(kept.operator, {})[self._indexes[kept.spec.feed]] = report
            speakers = [o for o in self._members if o.speaks(self._now_ms())]
            said = tuple(o.observe(self.signers, done.round_time_s, views.get(o.name, {})) for o in speakers)
            self._values = (done.round_time_s, said)
        return self._values[1]

    async def vote(self, values: Sequence[SignedValues], indexes: Sequence[int]) -> Ballot:
        """Have a batch of these feeds signed; ChainError without a seat."""
        if self._cosigners is None or self.signers is None:
            raise ChainError("not connected")
        return await gather(self._cosigners, self.signers, values, indexes)
