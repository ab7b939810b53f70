"""Who signed the rounds of the last hour, and with what weight: it follows from what was sealed. What operators do beside that is theirs to say."""

from __future__ import annotations

from collections.abc import Mapping

from oracle.follow.follower import VerifiedRound
from oracle.network.tally import MemberHour, Part, TalliedRound, Tally
from oracle.serve.operators import UNKNOWN, OperatorRow, OperatorsView


class SignedRounds:
    """The last hour of one store, as a node has verified it.

    Args:
        target: name of the store.
        names: of operators, by report address, as far as the config has them.
    """

    def __init__(self, target: str, names: Mapping[bytes, str]) -> None:
        self._target, self._names, self._tally = target, names, Tally()

    def take(self, verified: VerifiedRound) -> None:
        """One more round, or other words of one."""
        agreement = verified.agreement
        signers, signed = agreement.signers, {a for a, _ in agreement.seals}
        self._tally.put(
            TalliedRound(
                target=self._target, round_time_s=verified.round_time_s, signers=signers, sealed=True,
                parts={a: Part(signed=a in signed) for a in signers.members},
                sealed_ms=next((r.seal.sealed_ms for r in verified.records if r.seal is not None), None),
                attempts=agreement.step // 2 + 1, watched=False,
            )
        )  # fmt: skip

    def view(self, warnings: tuple[str, ...]) -> OperatorsView | None:
        """As it is now; None before the first round."""
        hour = self._tally.hour(self._target)
        if hour.newest is None:
            return None
        rows = tuple(
            OperatorRow(
                address=address, name=self._names.get(address, f"0x{address.hex()}"), is_here=False, weight=weight,
                path=UNKNOWN, hour=hour.members.get(address, MemberHour()),
                why="" if hour.newest.parts[address].signed else "it did not sign the newest round that was verified here",
            )
            for address, weight in hour.newest.signers.members.items()
        )  # fmt: skip
        return OperatorsView(target=self._target, hour=hour, rows=rows, warnings=warnings)
