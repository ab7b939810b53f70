"""What an operator keeps of rewards: another commission, from when it counts, and how that is undone."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.stake.discover import SourceKind, StakeSource, StakeSystem
from oracle.stake.hand import StakeStep
from oracle.stake.moments import moment, units
from oracle.stake.plans import NothingToDo, check_cap, own_step
from oracle.stake.reads import StakeReads


class CommissionPlanner:
    """Plans of one operator.

    Args:
        reads: the chain.
        system: the contracts.
        account: address in hex that acts.
    """

    def __init__(self, reads: StakeReads, system: StakeSystem, account: str) -> None:
        self._reads, self._system, self._account = reads, system, account
        self._now_s = reads.head.time_s

    async def steps(self, bps: int, source: str | None) -> list[StakeStep]:
        """Keep so much, at each source that has this operator, or at one; none where all stake is at EigenLayer.

        Args:
            bps: of rewards.
            source: address in hex; None for all.

        Raises:
            NothingToDo: nothing would change, it is more than a source allows, or no source knows the operator.
            ChainError: endpoints do not answer or agree.
        """
        steps, same = list[StakeStep](), list[str]()
        for one in await self._sources(source):
            await check_cap(self._reads, one, bps)
            said = await (self._pool if one.kind is SourceKind.DELEGATED else self._vaults)(one, bps)
            if isinstance(said, str):
                same.append(said)
            else:
                steps.append(said)
        if same and not steps:
            raise NothingToDo("; ".join(same))
        return steps

    async def _sources(self, named: str | None) -> Sequence[StakeSource]:
        known = [s for s in self._system.sources if s.kind in (SourceKind.DELEGATED, SourceKind.SYMBIOTIC)]
        if named is not None and named not in [s.at for s in known]:
            listed = ", ".join(s.at for s in known) or "none: see `stake status`"
            raise NothingToDo(f"{named} keeps no commission; of this set {listed}")
        found = [s for s in known if await self._has_operator(s) and named in (None, s.at)]
        if known and not found:
            raise NothingToDo(f"{self._account} is not enrolled, so it keeps nothing: `stake join` does it")
        return found

    async def _has_operator(self, source: StakeSource) -> bool:
        if source.kind is SourceKind.DELEGATED:
            (pool,) = await self._reads.call(source.at, "DelegatedStake", "poolOf", self._account)
            return bool(pool[8])
        stake = await self._reads.tried(source.at, "IStakeSource", "stakeOf", self._account)
        (kept,) = await self._reads.call(source.at, "SymbioticStake", "commissionOf", self._account)
        return bool(kept or (stake and stake[0]))

    async def _pool(self, source: StakeSource, bps: int) -> StakeStep | str:
        """Less at once, more after everybody could leave."""
        (pool,), (present,), (window_s,), (answer_s,) = (
            await self._reads.call(source.at, "DelegatedStake", "poolOf", self._account),
            await self._reads.call(source.at, "DelegatedStake", "commissionOf", self._account),
            await self._reads.call(source.at, "DelegatedStake", "windowS"),
            await self._reads.call(self._system.set, "StakedSet", "answerS"),
        )
        next_bps, next_s = pool[9], pool[10]
        rises, wait_s = next_s > self._now_s, window_s + answer_s
        if rises and bps == next_bps:
            return (
                f"{self._account} keeps {_part(bps)} at {source.at} from {moment(next_s)} on: that is announced already"
            )
        if bps == present and not rises:
            return f"{self._account} keeps {_part(bps)} at {source.at} already"
        instead = f"; instead of {_part(next_bps)} from {moment(next_s)} on" if rises else ""
        if bps <= present:
            text = f"keeps {_part(bps)} of rewards from now on, {_part(present)} before{instead}"
            undo = f"a higher one counts {_days(wait_s)} after it is asked for, when everybody could leave"
        else:
            starts = moment(self._now_s + wait_s)
            text = (
                f"keeps {_part(bps)} of rewards from {starts} on, {_part(present)} until then; whoever asks for an exit in"
                f" time is paid before{instead}"
            )
            undo = f"`stake commission --commission-bps {present}` until then, at once; a lower one counts at once later too"
        return own_step(source.at, "DelegatedStake", "setCommission", (bps,), text=text, undo=undo)

    async def _vaults(self, source: StakeSource, bps: int) -> StakeStep:
        """Both less and more after a week; what waits is not told."""
        (present,), (wait_s,) = (
            await self._reads.call(source.at, "SymbioticStake", "commissionOf", self._account),
            await self._reads.call(source.at, "SymbioticStake", "COMMISSION_DELAY_S"),
        )
        starts = moment(self._now_s + wait_s)
        return own_step(
            source.at, "SymbioticStake", "setCommission", (bps,),
            text=f"keeps {_part(bps)} of rewards from {starts} on, {_part(present)} until then; instead of any that waits",
            undo=f"`stake commission --commission-bps {present}` until then; later another one counts {_days(wait_s)} after it"
            " is asked for",
        )  # fmt: skip


def _part(bps: int) -> str:
    return f"{units(bps, 2)} %"


def _days(seconds: int) -> str:
    """Rounded up to hours."""
    hours = -(-seconds // 3_600)
    return f"{hours // 24} days and {hours % 24} hours"
