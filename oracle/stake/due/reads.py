"""Reads what decides whether a duty is due, at one block; remembers which cases are open, and since when an operator's stake is small."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak

from oracle.chain.quorum_rpc import ChainError
from oracle.model.duty_kind import FREEZE, DutyKind
from oracle.stake.discover import SourceKind, StakeSystem
from oracle.stake.due.at_the_penalties import CaseFacts, CaseOutcome, SeizedStep, case_duties, is_over, open_retries
from oracle.stake.due.at_the_set import FreezeFacts, MemberFacts, RateFacts, freeze_duty, refresh_duties, removal_duties
from oracle.stake.due.at_the_sources import RestFacts, rest_duties
from oracle.stake.due.duties import Duty, SystemAt
from oracle.stake.due.source_rests import rests_of, step_id_of
from oracle.stake.reads import ZERO, StakeReads
from oracle.stake.standing import EPOCHS_BACK

_STAKES_S, _KEYS_S, _ALL_CASES_S = 240, 240, 3_600
"""Stakes of all members, keys of all candidates, and epochs that are long over, are looked at so often: they cost many requests."""
_MOST_TOKENS, _SEES_FALLS = 32, 6
OBSERVE_GAS, _FREEZE_GAS = 12_000_000, 16_000_000
"""Gas with which calls are tried out: a transaction has 2^24, and a fifth is added to what a node estimates, as far as there is room."""


async def _asked(reads: StakeReads, to: str, contract: str, function: str, *args: Any) -> tuple[Any, ...] | None:
    """What a function answers; None where it does not, however it fails: nodes have many words for foreign code that breaks off."""
    try:
        return await reads.tried(to, contract, function, *args)
    except ChainError:
        return None


class DutyReads:
    """The duties of one system of stake.

    Args:
        system: the contracts.
        poor_for_s: so long an operator's stake must have been below the least before it is cut for that.
        refresh_s: from one record of a rate to the next.

    Attributes:
        trouble: what could not be read at the last look.
    """

    def __init__(self, system: StakeSystem, *, poor_for_s: int, refresh_s: int) -> None:
        self._system, self._poor_for_s, self._refresh_s = system, poor_for_s, refresh_s
        self._poor_since: dict[str, int] = {}
        self._emptied: dict[str, int] = {}
        self._stakes_s = self._all_cases_s = self._keys_s = -_ALL_CASES_S
        self.trouble: list[str] = []
        self._keys: frozenset[bytes] = frozenset()
        self._cases: dict[bytes, tuple[int, str]] = {}
        """Open cases: epoch and operator."""
        self._scanned: set[tuple[str, int, int]] = set()
        """Operator and epoch whose cases are known as of when it was jailed."""
        self._values: tuple[str, ...] | None = None

    async def duties(self, reads: StakeReads, kinds: frozenset[DutyKind] = frozenset(DutyKind)) -> list[Duty]:
        """What is due at the block of the reads, of these kinds. What cannot be read takes nothing else along, see `trouble`.

        Raises:
            ChainError: nothing of it can be read: endpoints do not answer or agree.
        """
        at = SystemAt(set=self._system.set, penalties=self._system.penalties, now_s=reads.head.time_s)
        found: list[Duty] = []
        parts = [
            (self._removals, {DutyKind.REMOVE}),
            (
                self._of_cases,
                {DutyKind.TOP_UP, DutyKind.CARRY_OUT, DutyKind.RETRY, DutyKind.FINISH, DutyKind.TAKE_REST},
            ),
            (self._freeze, FREEZE),
            (self._refreshes, {DutyKind.REFRESH}),
        ]
        wanted = [read for read, of in parts if kinds & of]
        self.trouble, failed = [], 0
        for read in wanted:
            try:
                found += await read(reads, at)
            except ChainError as e:
                failed += 1
                self.trouble.append(str(e))
        if wanted and failed == len(wanted):
            raise ChainError(self.trouble[0])
        return [d for d in found if d.kind in kinds]

    async def _removals(self, reads: StakeReads, at: SystemAt) -> list[Duty]:
        return list(removal_duties(at, await self._members(reads), self._poor_for_s))

    async def _of_cases(self, reads: StakeReads, at: SystemAt) -> list[Duty]:
        cases, rests = await self._open_cases(reads)
        return [*(d for case in cases for d in case_duties(at, case)), *rest_duties(rests)]

    async def _refreshes(self, reads: StakeReads, at: SystemAt) -> list[Duty]:
        return list(refresh_duties(at, await self._rates(reads), self._refresh_s))

    async def report_keys(self, reads: StakeReads) -> frozenset[bytes]:
        """Of the set in force, and of all candidates."""
        if reads.head.time_s >= self._keys_s + _KEYS_S:
            (candidates,) = await reads.call(self._system.set, "StakedSet", "candidates")
            found = await asyncio.gather(*(reads.call(self._system.book, "KeyBook", "keyOf", c) for c in candidates))
            signers = await reads.call(self._system.store, "PriceStore", "signerSet")
            self._keys = frozenset(bytes.fromhex(k[2:]) for k in (*signers[2], *(k for (k,) in found if k != ZERO)))
            self._keys_s = reads.head.time_s
        return self._keys

    # --- the set -------------------------------------------------------------------------------------------------------

    async def _to_observe(self, reads: StakeReads) -> tuple[str, tuple[str, ...]]:
        """The contract of windows, and candidates that were not observed for the moment of the next freeze.

        That is over an hour after the first of them was, whoever it was that observed: then all wait again. As many as one transaction can observe: all, or half of them, and so on, by trying.
        """
        said = await reads.tried(self._system.set, "StakedSet", "windows")
        if said is None:
            return "", ()
        (windows,), (candidates,) = said, await reads.call(self._system.set, "StakedSet", "candidates")
        seen = await asyncio.gather(*(reads.call(windows, "StakeWindows", "seenAt", c) for c in candidates))
        waiting = sorted(c for c, (at_s,) in zip(candidates, seen, strict=True) if not at_s)
        while waiting and not await reads.would_take(windows, "StakeWindows", "observe", waiting, gas=OBSERVE_GAS):
            waiting = waiting[: len(waiting) // 2]
        return windows, tuple(waiting)

    async def _observed_by_freeze(self, reads: StakeReads) -> tuple[str, ...] | None:
        """Candidates that a freeze can observe in its own transaction: all, or half of them, and so on; None: it would not go through."""
        (candidates,) = await reads.call(self._system.set, "StakedSet", "candidates")
        again = sorted(candidates)
        if again and await self._would_freeze(reads, "observeAndRotate", again):
            return tuple(again)
        if not await self._would_freeze(reads, "rotate"):
            return None
        while again := again[: len(again) // 2]:
            if await self._would_freeze(reads, "observeAndRotate", again):
                break
        return tuple(again)

    async def _would_freeze(self, reads: StakeReads, function: str, *args: list[str]) -> bool:
        return await reads.would_take(self._system.set, "StakedSet", function, *args, gas=_FREEZE_GAS)

    async def _freeze(self, reads: StakeReads, at: SystemAt) -> list[Duty]:
        (due_s,) = await reads.call(self._system.set, "StakedSet", "nextRotateAt")
        if at.now_s < due_s:
            return []
        (owner,) = await reads.call(self._system.store, "PriceStore", "owner")
        if owner != self._system.set:
            self.trouble.append(
                f"the store was handed on to {owner}: nothing is frozen by {self._system.set} any more, and what else is left there"
                " is done; start anew to keep what the new owner names"
            )
            return []
        signers, (least,), coming, again = await asyncio.gather(
            reads.call(self._system.store, "PriceStore", "signerSet"),
            reads.call(self._system.set, "StakedSet", "minMembers"),
            _asked(reads, self._system.set, "StakedSet", "preview"),
            self._observed_by_freeze(reads),
        )
        windows, batch = await self._to_observe(reads) if again is None else ("", ())
        members = None if coming is None else sum(r[2] == 0 for r in coming[0])
        facts = FreezeFacts(
            epoch=signers[0],
            due_s=due_s,
            members=members,
            least_members=least,
            would_work=again is not None,
            windows=windows,
            batch=batch,
            again=again or (),
        )
        duty = freeze_duty(at, facts)
        return [] if duty is None else [duty]

    async def _members(self, reads: StakeReads) -> list[MemberFacts]:
        """Operators of the sets before, in and after force that may have to be cut."""
        epoch = int((await reads.call(self._system.store, "PriceStore", "signerSet"))[0])
        sets = await asyncio.gather(*(self._set_of(reads, e) for e in (epoch - 1, epoch, epoch + 1) if e > 0))
        newest: dict[str, int] = {}
        captured: dict[str, int] = {}
        for number, captured_s, operators in sets:
            newest |= dict.fromkeys(operators, number)
            captured = {**dict.fromkeys(operators, captured_s), **captured}
        await self._look_at_stakes(reads, sorted(newest))
        rows = []
        for operator, jailed_s in (await self._jailed(reads, newest)).items():
            poor_s = self._poor_since.get(operator)
            emptied_s = await self._emptied_s(reads, operator) if self._emptied.get(operator) else 0
            if not jailed_s and poor_s is None and not emptied_s:
                continue
            removable = await _asked(reads, self._system.set, "StakedSet", "remove", operator) is not None
            rows.append(
                MemberFacts(
                    operator=operator, epoch=newest[operator], jailed_at_s=jailed_s, captured_s=captured[operator],
                    poor_since_s=poor_s, removable=removable, emptied_s=emptied_s,
                )
            )  # fmt: skip
        return rows

    async def _set_of(self, reads: StakeReads, epoch: int) -> tuple[int, int, tuple[str, ...]]:
        """Epoch, when stakes were frozen for it, and its operators; none of one that was not made by stake."""
        (frozen,) = await reads.call(self._system.set, "StakedSet", "frozenOf", epoch)
        if not frozen[0]:
            return epoch, 0, ()
        _, operators, _ = await reads.call(self._system.set, "StakedSet", "membersOf", epoch)
        return epoch, int(frozen[0]), tuple(operators)

    async def _look_at_stakes(self, reads: StakeReads, operators: list[str]) -> None:
        """Since when a stake is below the least, and what the set noted of it. A source that does not answer leaves what is known."""
        now_s = reads.head.time_s
        if now_s < self._stakes_s + _STAKES_S:
            return
        self._stakes_s = now_s
        (least,) = await reads.call(self._system.set, "StakedSet", "minStake")
        for operator in operators:
            said = [await _asked(reads, s.at, "IStakeSource", "stakeOf", operator) for s in self._system.sources]
            if sum(s[0] for s in said if s is not None) >= least or None in said:
                self._poor_since.pop(operator, None)
            else:
                self._poor_since.setdefault(operator, now_s)
            self._emptied[operator] = await self._emptied_s(reads, operator)
        self._poor_since = {o: s for o, s in self._poor_since.items() if o in operators}
        self._emptied = {o: s for o, s in self._emptied.items() if o in operators}

    async def _emptied_s(self, reads: StakeReads, operator: str) -> int:
        """When the set noted that it saw too little of an operator; 0: it did not, or is one that notes nothing."""
        noted = await reads.tried(self._system.set, "StakedSet", "emptiedAt", operator)
        return 0 if noted is None else int(noted[0])

    # --- penalties -------------------------------------------------------------------------------------------------------

    async def _open_cases(self, reads: StakeReads) -> tuple[list[CaseFacts], list[RestFacts]]:
        """Every case of which something may be left to do, and what sources left. Those of old epochs are looked for once an hour."""
        epoch = int((await reads.call(self._system.store, "PriceStore", "signerSet"))[0])
        now_s = reads.head.time_s
        back = 2
        if now_s >= self._all_cases_s + _ALL_CASES_S:
            self._all_cases_s, back = now_s, EPOCHS_BACK
        sets = await asyncio.gather(*(self._set_of(reads, e) for e in range(max(1, epoch - back), epoch + 2)))
        jailed = await self._jailed(reads, {o for _, _, operators in sets for o in operators})
        for number, _, operators in sets:
            for operator in operators:
                mark = operator, number, jailed.get(operator, 0)
                if mark[2] and mark not in self._scanned:
                    await self._note_cases(reads, operator, number)
                    self._scanned.add(mark)
        found = [await self._case(reads, case_id, *of) for case_id, of in list(self._cases.items())]
        try:
            rests = await rests_of(reads, self._system, found)
        except ChainError as e:  # what another protocol does keeps no case from its end
            self.trouble.append(str(e))
            return found, []
        left = {r.case_id for r in rests}
        for case in [c for c in found if is_over(c, now_s) and c.case_id not in left]:
            del self._cases[case.case_id]
            found.remove(case)
        return found, rests

    async def _jailed(self, reads: StakeReads, operators: Collection[str]) -> dict[str, int]:
        """When each was jailed last; a proof that opens a case jails."""
        listed = sorted(operators)
        standing = await asyncio.gather(*(reads.call(self._system.set, "StakedSet", "candidateOf", o) for o in listed))
        return {o: int(s[2]) for o, s in zip(listed, standing, strict=True)}

    async def _note_cases(self, reads: StakeReads, operator: str, epoch: int) -> None:
        _, _, count = await reads.call(self._system.penalties, "Penalties", "records", epoch, operator)
        for number in range(1, count + 1):
            case_id = keccak(encode(["address", "uint256", "uint16"], [operator, epoch, number]))
            self._cases.setdefault(case_id, (epoch, operator))

    async def _case(self, reads: StakeReads, case_id: bytes, epoch: int, operator: str) -> CaseFacts:
        at = self._system.penalties
        (case,), (due,), (frozen,) = await asyncio.gather(
            reads.call(at, "Penalties", "caseOf", case_id),
            reads.call(at, "Penalties", "fractionDue", case_id),
            reads.call(self._system.set, "StakedSet", "frozenOf", epoch),
        )
        steps = await asyncio.gather(*(self._step(reads, case_id, n) for n in range(case[5])))
        facts = CaseFacts(
            case_id=case_id, operator=operator, dispute_until_s=case[2], provable_until_s=frozen[1], fraction=case[4], due=due,
            settled=case[6], outcome=CaseOutcome(case[7]), steps=tuple(steps), sources=len(self._system.sources),
        )  # fmt: skip
        would = [
            (step, source)
            for step, source in open_retries(facts, reads.head.time_s)
            if await _asked(reads, at, "Penalties", "retry", case_id, step, source) is not None
        ]
        return replace(facts, retries=frozenset(would))

    async def _step(self, reads: StakeReads, case_id: bytes, number: int) -> SeizedStep:
        step_id = step_id_of(case_id, number)
        _, seized, settled, outcome = await reads.call(self._system.penalties, "Penalties", "steps", step_id)
        return SeizedStep(seized=seized, settled=settled, outcome=CaseOutcome(outcome))

    # --- values ----------------------------------------------------------------------------------------------------------

    async def _rates(self, reads: StakeReads) -> list[RateFacts]:
        rates = []
        for values in await self._values_of_sources(reads):
            (tokens,) = await reads.call(values, "CollateralValues", "tokens")
            confirm_s = await reads.of_token(values, "CONFIRM_S", "uint256")
            for token in tokens[:_MOST_TOKENS]:
                listed = await reads.call(values, "CollateralValues", "listed", token)
                rate_contract, recorded, recorded_s = listed[0], listed[4], listed[5]
                if rate_contract == ZERO:
                    continue  # one to one: no record of it ages
                live = await _asked(reads, values, "CollateralValues", "rateOf", token)
                rates.append(
                    RateFacts(
                        values=values, token=token, recorded_s=recorded_s, recorded=recorded,
                        live=None if live is None else live[0], fallen_s=listed[6] if len(listed) > _SEES_FALLS else 0,
                        confirm_s=confirm_s,
                    )
                )  # fmt: skip
        return rates

    async def _values_of_sources(self, reads: StakeReads) -> tuple[str, ...]:
        """Contracts of values, each once; they never change."""
        if self._values is None:
            found = [await self._values_of(reads, at, kind) for at, kind in self._places()]
            self._values = tuple(dict.fromkeys(f for f in found if f is not None))
        return self._values

    def _places(self) -> Iterator[tuple[str, SourceKind]]:
        for source in self._system.sources:
            yield source.at, source.kind

    async def _values_of(self, reads: StakeReads, at: str, kind: SourceKind) -> str | None:
        contract = {SourceKind.DELEGATED: "DelegatedStake", SourceKind.EIGENLAYER: "EigenStake"}.get(kind)
        if kind is SourceKind.SYMBIOTIC:
            (at,) = await reads.call(at, "SymbioticStake", "vaults")
            contract = "SymbioticVaults"
        said = None if contract is None else await reads.tried(at, contract, "values")
        if said is None or await reads.tried(said[0], "CollateralValues", "tokens") is None:
            return None
        return str(said[0])
