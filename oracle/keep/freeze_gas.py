"""What the next freeze will cost, known before it is due: so much of a keeper's budget is kept for it.

A freeze that is not due cannot be tried out, but that operators are observed can, at any time, and is most of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oracle.chain.call_client import CallClient
from oracle.chain.fees import MOST_GAS, BatchTooBig
from oracle.chain.store_abi import call_of
from oracle.chain.store_client import StoreRefuses
from oracle.stake.discover import StakeSystem
from oracle.stake.due.reads import OBSERVE_GAS
from oracle.stake.reads import StakeReads

_EACH_S = 600
_ROTATE_GAS, _ROTATE_GAS_EACH = 300_000, 100_000
"""More than a freeze needs by itself, and for each operator, where all were observed before."""


def rotate_gas(operators: int) -> int:
    """At most, of a freeze of so many candidates that were all observed before."""
    return min(MOST_GAS, _ROTATE_GAS + operators * _ROTATE_GAS_EACH)


class FreezeGas:
    """Gas of one freeze: operators are observed, in parts where that is needed, and stakes frozen.

    Args:
        client: estimates.
        now_s: the clock.

    Attributes:
        needed: as last estimated; before that, what one transaction can have.
        due_s: when the next freeze is due, Unix s; 0: as soon as it can be.
    """

    def __init__(self, client: CallClient, now_s: Callable[[], int]) -> None:
        self._client, self._now_s = client, now_s
        self.needed, self.due_s = MOST_GAS, 0
        self._measured_s: int | None = None

    async def measure(self, reads: StakeReads, system: StakeSystem) -> None:
        """Read when the next is due, and now and then what it needs.

        Raises:
            ChainError: endpoints do not answer or agree; what was known stands.
        """
        (self.due_s,) = await reads.call(system.set, "StakedSet", "nextRotateAt")
        if self._measured_s is not None and self._now_s() < self._measured_s + _EACH_S:
            return
        said = await reads.tried(system.set, "StakedSet", "windows")
        (candidates,) = await reads.call(system.set, "StakedSet", "candidates")
        if said is None:
            self.needed = MOST_GAS
        else:
            parts = await self._parts(said[0], sorted(candidates))
            # in parts, the freeze itself observes again whom it has gas for
            whole = sum(parts) + rotate_gas(len(candidates))
            self.needed = min(MOST_GAS, whole) if len(parts) < 2 else sum(parts) + MOST_GAS  # noqa: PLR2004
        self._measured_s = self._now_s()

    async def _parts(self, windows: str, operators: Sequence[str]) -> list[int]:
        """Gas of each transaction in which operators are observed: of all, or of halves, and so on."""
        if not operators:
            return []
        data, _ = call_of("StakeWindows", "observe", (list(operators),))
        try:
            gas = await self._client.call_gas(bytes.fromhex(windows[2:]) + data)
        except (StoreRefuses, BatchTooBig):
            gas = MOST_GAS
        if gas <= OBSERVE_GAS or len(operators) == 1:
            return [gas]
        half = len(operators) // 2
        return [*await self._parts(windows, operators[:half]), *await self._parts(windows, operators[half:])]
