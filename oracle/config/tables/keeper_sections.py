"""[keeper]: what anybody may do for the contracts of stake is done by running processes, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from oracle.model.duty_kind import DutyKind
from oracle.model.keys import key

_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperSection:
    """[keeper]: with the gas key of [watch], for the contracts that decide who signs for the watch's target."""

    on: bool = key(
        default=True,
        says="do what is due for the contracts of stake when it is our turn, paid by the gas key of [watch]; without that, and"
        " where stake decides nothing, nothing is sent. `false`: nothing is read, done or told",
        see="[the keeper](stake.md#the-keeper)",
    )
    leave_out: tuple[str, ...] = key(
        (), "duties that are told and left to others: " + ", ".join(f"`{k.value}`" for k in DutyKind)
    )
    stage_s: int = key(
        60,
        "a keeper that has its turn and does nothing, or whose call is under way, is waited for so long: five blocks of"
        " Ethereum, so that what was sent early in a block is seen before the next one sends",
        least=2,
        most=3_600,
    )
    gas_a_day: int = key(
        40_000_000,
        "gas of all calls in 24 hours at most, proofs not counted: two freezes of the dearest kind (2^24 gas each) and some"
        " penalties",
        least=0,
    )
    refresh_s: int = key(
        _DAY_S,
        "from one record of a collateral token's rate to the next: a record stands for a rate that cannot be read for two days",
        least=3_600,
        most=2 * _DAY_S - 3_600,
    )
    poor_for_s: int = key(
        1_800,
        "so long an operator's stake must have been below the least before it is cut from its sets for that: a rate may dip"
        " for a moment. Who is in jail is cut at once",
        least=0,
        most=_DAY_S,
    )
    tell_after_s: int = key(
        900, "a duty that is due for longer, and done by nobody, is told in the log each minute", least=60
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """A duty that there is none of."""
        known = [k.value for k in DutyKind]
        for name in self.leave_out:
            if name not in known:
                yield "leave_out", f"{name!r} is no duty: write some of {', '.join(known)}"

    @property
    def kinds(self) -> frozenset[DutyKind]:
        """Duties that are done."""
        return frozenset(k for k in DutyKind if k.value not in self.leave_out)
