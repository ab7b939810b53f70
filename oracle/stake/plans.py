"""The steps of what an operator or a restaker asks for, and of nothing that is done already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from feeds.errors import LrtOracleError
from oracle.chain.store_abi import call_of
from oracle.stake.amounts import token_unit
from oracle.stake.discover import SourceKind, StakeSource, StakeSystem
from oracle.stake.hand import StakeStep
from oracle.stake.moments import moment, units
from oracle.stake.reads import ZERO, StakeReads

CONSENT_S = 3_600
"""For how long the consent of a report key can be used."""


class NothingToDo(LrtOracleError, RuntimeError):
    """What is asked for is done already, or cannot be done now: which, and what would change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedConsent:
    """A report key's word that it speaks for an operator, as the key book takes it: r | vs are 64 bytes."""

    key: bytes
    nonce: int
    expiry_s: int
    compact: bytes

    def argument(self) -> tuple[Any, ...]:
        """Of `setKey`."""
        return "0x" + self.key.hex(), self.nonce, self.expiry_s, self.compact[:32], self.compact[32:]


class Planner:
    """Plans of one account.

    Args:
        reads: the chain.
        system: the contracts.
        account: address in hex that acts.
    """

    def __init__(self, reads: StakeReads, system: StakeSystem, account: str) -> None:
        self._reads, self._system, self._account = reads, system, account
        self._now_s = reads.head.time_s

    # ------------------------------------------------------------------------------------------------------ operators

    async def next_consent(self) -> tuple[int, int]:
        """Nonce and expiry (Unix s) of the consent that the account's next key must give."""
        (nonce,) = await self._reads.call(self._system.book, "KeyBook", "nonceOf", self._account)
        return nonce, self._now_s + CONSENT_S

    async def must_set(self, key: bytes) -> bool:
        """Whether the book has another key of this account, or none.

        Raises:
            NothingToDo: the key is another operator's, or was this one's before.
            ChainError: endpoints do not answer or agree; so does each function here.
        """
        text = "0x" + key.hex()
        (present,), (owner,) = (
            await self._reads.call(self._system.book, "KeyBook", "keyOf", self._account),
            await self._reads.call(self._system.book, "KeyBook", "operatorOf", text),
        )
        if present == text:
            return False
        if owner == self._account:
            raise NothingToDo(f"{text} was a key of {owner} before: a key is set once, so make a new one")
        if owner != ZERO:
            raise NothingToDo(f"{text} is the key of {owner}: a key belongs to one operator for good")
        return True

    async def join(self, consent: SignedConsent | None, commission_bps: int) -> list[StakeStep]:
        """Key, pools, candidate: what of it is not done.

        Args:
            consent: of the key to be set; None where the book has it.
            commission_bps: of rewards, where the operator is not enrolled yet.

        Raises:
            NothingToDo: all is done, or the operator is in jail.
        """
        reads, system, me = self._reads, self._system, self._account
        steps = []
        (jail_s,) = await reads.call(system.set, "StakedSet", "jailedUntil", me)
        if jail_s > self._now_s:
            raise NothingToDo(f"{me} is in jail until {moment(jail_s)}: it can join again after that")
        if consent is not None:
            steps.append(
                own_step(
                    system.book, "KeyBook", "setKey", (consent.argument(),),
                    text=f"0x{consent.key.hex()} speaks for {me} from the next freeze on",
                    undo="a key is set once and for good; another one can replace it at any time",
                )
            )  # fmt: skip
        for source in system.of_kind(SourceKind.DELEGATED):
            (pool,) = await reads.call(source.at, "DelegatedStake", "poolOf", me)
            if not pool[8]:
                await check_cap(reads, source, commission_bps)
                steps.append(
                    own_step(
                        source.at, "DelegatedStake", "enroll", (commission_bps,),
                        text=f"others can delegate to {me}, which keeps {units(commission_bps, 2)} % of rewards",
                        undo="never; `stake commission` changes it: less at once, more after everybody could leave",
                    )
                )  # fmt: skip
        is_candidate, (least,), stake = (
            (await reads.call(system.set, "StakedSet", "isCandidate", me))[0],
            await reads.call(system.set, "StakedSet", "minStake"),
            await self._stake(),
        )
        if not is_candidate and stake >= least:
            steps.append(
                own_step(
                    system.set, "StakedSet", "join", (), follows=consent is not None,
                    text=f"{me} is a candidate, with {units(stake)} ETH of stake; a freeze takes it at the earliest"
                    f" {await self._join_delay_s()} s later",
                    undo="`stake leave` at any time: from the next freeze on",
                )
            )  # fmt: skip
        if not steps:
            missing = f"; to be a candidate it needs {units(least - stake)} ETH more stake" if not is_candidate else ""
            raise NothingToDo(f"{me} has its key in the book and is enrolled{missing or ', and is a candidate'}")
        return steps

    async def missing_stake(self) -> int:
        """Wei that the account lacks to be a candidate; 0 where it is one."""
        (least,) = await self._reads.call(self._system.set, "StakedSet", "minStake")
        (is_candidate,) = await self._reads.call(self._system.set, "StakedSet", "isCandidate", self._account)
        return 0 if is_candidate else max(0, least - await self._stake())

    async def leave(self) -> list[StakeStep]:
        """Be no candidate from the next freeze on.

        Raises:
            NothingToDo: it is none.
        """
        (is_candidate,) = await self._reads.call(self._system.set, "StakedSet", "isCandidate", self._account)
        if not is_candidate:
            raise NothingToDo(
                f"{self._account} is no candidate, so no freeze takes it; its bond leaves by `stake undelegate`"
            )
        (bound_s,) = await self._reads.call(self._system.set, "StakedSet", "boundUntil", self._account)
        signs = f"; sets that it is in keep it, and its words can be proven until {moment(bound_s)}" if bound_s else ""
        return [
            own_step(
                self._system.set, "StakedSet", "leave", (),
                text=f"no freeze takes {self._account} from now on{signs}",
                undo="`stake join` at any time: it waits anew before a freeze takes it",
            )
        ]  # fmt: skip

    # -------------------------------------------------------------------------------------------------------- rewards

    async def claim(self, operators: Sequence[str]) -> list[StakeStep]:
        """What the account earned as a restaker with these operators, and as an operator, in every pool and asset."""
        steps = []
        for source in (s.at for s in self._system.of_kind(SourceKind.DELEGATED)):
            (assets,) = await self._reads.call(source, "DelegatedStake", "assets")
            for operator in operators:
                (held,) = await self._reads.call(source, "DelegatedStake", "positionOf", operator, self._account)
                steps += [
                    own_step(
                        source, "DelegatedStake", "claim", (asset, operator),
                        text=f"pays {self._account} {await self._amount(asset, n)}, earned with {operator}", undo="never",
                    )
                    for asset, n in zip(assets, held[6], strict=True) if n
                ]  # fmt: skip
            for asset in assets:
                (due,) = await self._reads.call(source, "DelegatedStake", "dueOf", self._account, asset)
                if due:
                    steps.append(
                        own_step(
                            source, "DelegatedStake", "claimCommission", (asset,),
                            text=f"pays {self._account} {await self._amount(asset, due)}: commissions, and what could not be paid"
                            " before",
                            undo="never",
                        )
                    )  # fmt: skip
        return steps

    async def hand_over(self, leaf: tuple[int, str, int, str, int], proof: Sequence[bytes]) -> StakeStep:
        """Have a source paid what a report owes an operator: epoch, operator, source, asset, amount."""
        epoch, operator, source, asset, amount = leaf
        return own_step(
            self._system.rewards, "Rewards", "claim", (*leaf, list(proof)),
            text=f"epoch {epoch}: hands {await self._amount(asset, amount)} to {self._system.sources[source].at} for {operator} and those who"
            " delegate to it",
            undo="never",
        )  # fmt: skip

    # ---------------------------------------------------------------------------------------------------------- parts

    async def _amount(self, asset: str, amount: int) -> str:
        return (await token_unit(self._reads, asset)).text(amount)

    async def _stake(self) -> int:
        found = [await self._reads.tried(s.at, "IStakeSource", "stakeOf", self._account) for s in self._system.sources]
        return sum(f[0] for f in found if f is not None)

    async def _join_delay_s(self) -> int:
        return int((await self._reads.call(self._system.set, "StakedSet", "joinDelayS"))[0])


async def check_cap(reads: StakeReads, source: StakeSource, commission_bps: int) -> None:
    """Whether a source allows this commission.

    Raises:
        NothingToDo: it does not; the most that it allows.
        ChainError: endpoints do not answer or agree.
    """
    contract = "SymbioticStake" if source.kind is SourceKind.SYMBIOTIC else "DelegatedStake"
    (most,) = await reads.call(source.at, contract, "maxCommissionBps")
    if commission_bps > most:
        raise NothingToDo(
            f"{source.at} allows no commission above {units(most, 2)} %: write --commission-bps {most} or less"
        )


def own_step(
    to: str, contract: str, name: str, args: tuple[Any, ...], *, text: str, undo: str, follows: bool = False
) -> StakeStep:
    """A call of one of our contracts."""
    data, _ = call_of(contract, name, args)
    return StakeStep(name=name, text=text, undo=undo, to=to, data=data, follows=follows)
