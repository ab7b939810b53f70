"""The keeper: reads what is due for the contracts of stake, and sends one call after the other when it is its turn.

What it sends is journalled, watched, raised and never sent twice, as a push is: it is a push's own sender, with a gas key of its own,
so that no push waits for it. Without a key it only tells what is due and done by nobody.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog

from feeds.units import MS
from oracle.chain.call_client import CallClient
from oracle.chain.fees import FeeTooHigh
from oracle.chain.key_queue import KeyQueue
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import StoreRefuses
from oracle.chain.transaction import Fees
from oracle.keep.freeze_gas import FreezeGas
from oracle.keep.keeper_turns import KeeperTurns
from oracle.keep.spending import GasOfDay, GasShares, Pauses
from oracle.model.duty_kind import FREEZE, DutyKind
from oracle.model.publication import DONE, GIVEN_UP, PushRow, PushState
from oracle.push.failures import TROUBLE
from oracle.push.sending.push_records import PushJournal
from oracle.push.sending.pusher import Pusher
from oracle.push.settings import PushRules
from oracle.runtime.log_limit import LogBudget
from oracle.runtime.schedule import every
from oracle.stake.discover import NotStaked, StakeSystem, discover
from oracle.stake.due.duties import DutiesDue, Duty
from oracle.stake.due.reads import DutyReads
from oracle.stake.reads import StakeReads

JOURNAL = "keeper"
"""Under this name and that of its target its calls are in the journal of pushes."""
_LOOK_S = 12.0
_ALIVE_S = 600
"""A call that has waited so long is given up, and its duty looked at anew."""
_UNFIT_MS = 3_600_000
_DAY_S = 86_400
_log = structlog.get_logger("oracle.keep.keeper")


class CallJournal(PushJournal, Protocol):
    """Where calls are written down."""

    def pushes(self, target: str, states: Any = (), since_s: int = 0, newest: int | None = None) -> list[PushRow]:
        """Calls of a keeper, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperRules:
    """What a keeper does and may spend.

    Attributes:
        kinds: duties that it does; the others it only tells.
        gas_a_day: gas of all its calls in 24 hours, at most; what the next freeze needs of it is left by the others.
        poor_for_s: so long a stake must have been below the least before its operator is cut for it.
        refresh_s: from one record of a rate to the next.
        tell_after_s: a duty that is due for longer and done by nobody is told.
    """

    kinds: frozenset[DutyKind] = frozenset(DutyKind)
    gas_a_day: int = 40_000_000
    poor_for_s: int = 1_800
    refresh_s: int = _DAY_S
    tell_after_s: int = 900


class Keeper:
    """The duties of one store.

    Args:
        target: its name in the config.
        client: sends; without a gas key nothing is.
        journal: where calls are written down before they are sent.
        rules: what it does.
        turns: whose turn it is.
        now_ms: the clock.
        queue: of the gas key, shared with whoever proves.
        bump_after_s: a call that is left out is raised after so long.
        confirmations: a call that is so deep is final.

    Attributes:
        due: what is due, and what became of calls.
        gas_left: of the day's budget.
        freeze_gas: that a freeze needs; 0 where none is done from here.
        gas_for_others: of the gas that is left, what other duties may take.
        gas_lacks: what will lack for a freeze when the next is due.
    """

    def __init__(
        self, target: str, client: CallClient, journal: CallJournal, rules: KeeperRules, turns: KeeperTurns, *,
        now_ms: Callable[[], int], queue: KeyQueue | None = None, bump_after_s: int = 30, confirmations: int = 12,
    ) -> None:  # fmt: skip
        self.target, self.due = target, DutiesDue()
        self.gas_left = self.gas_for_others = rules.gas_a_day
        self.freeze_gas = self.gas_lacks = 0
        self._name = f"{JOURNAL} {target}"
        self._client, self._journal, self._rules, self._turns, self._now_ms = client, journal, rules, turns, now_ms
        limits = PushRules(max_push_age_s=_ALIVE_S, bump_after_s=bump_after_s, confirmations=confirmations)
        self._pusher = Pusher(self._name, client, journal, limits, now_ms=now_ms, on_landed=lambda _: None)
        self._queue = queue or KeyQueue()
        self._queue.waiting = self._waiting
        self._pauses, self._told, self._once = Pauses(now_ms), LogBudget(), LogBudget(period_s=_DAY_S)
        self._system: StakeSystem | None = None
        self._reads: DutyReads | None = None
        self._freeze = FreezeGas(client, self.now_s)
        self._unfit_ms = -_UNFIT_MS
        self._counted: set[tuple[int, PushState]] = set()
        self._is_first_look = True

    @property
    def pays(self) -> bool:
        """Whether there is a gas key."""
        return self._client.pays

    def tasks(self, failed: Callable[[str, Exception], None]) -> dict[str, Callable[[], Coroutine[None, None, None]]]:
        """By name. ``failed``: called with the name of the task, and what one run of it ended with."""
        return {JOURNAL: partial(every, _LOOK_S, self.look_once, partial(failed, JOURNAL))}

    async def look_once(self) -> None:
        """A look; a chain or a signer that does not answer is told once a minute, and the next look goes on."""
        try:
            await self.look()
        except TROUBLE as e:
            if (more := self._told.more("trouble")) is not None:
                _log.warning(
                    "the keeper cannot look now", target=self.target, why=str(e)[:300], more_since_the_last_line=more
                )

    async def look(self) -> None:
        """Settle what is under way, see what is due, and do one thing of it if it is our turn.

        Raises:
            ChainError: endpoints do not answer or agree; the next look goes on.
        """
        if not await self._is_found():
            return
        await self._pusher.poll()
        self._count_outcomes()
        await self._pusher.refresh()  # refuses a view of the chain from before a call that has landed
        reads = StakeReads(self._client.nodes, await self._client.head())
        assert self._reads is not None  # noqa: S101 - found above
        self._turns.note_operators(await self._reads.report_keys(reads))
        self.due.note(await self._reads.duties(reads), reads.head.time_s)
        if self._reads.trouble and (more := self._told.more("part")) is not None:
            _log.warning("some duties cannot be looked at now", target=self.target, why=self._reads.trouble[0][:300],
                         more_since_the_last_line=more)  # fmt: skip
        self._pauses.keep([d.name for d in self.due.duties])
        self._tell(reads.head.time_s)
        spent = await self._look_at_budget(reads)
        if self.pays:
            self._turns.say_here()
            await self._do_first(spent)

    def now_s(self) -> int:
        """The time, Unix s."""
        return self._now_ms() // MS

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _is_found(self) -> bool:
        """The contracts, from the store on. A store whose signers are named is looked at again once an hour."""
        if self._system is None and self._now_ms() >= self._unfit_ms + _UNFIT_MS:
            domain = self._client.domain
            try:
                reads = await StakeReads.open(self._client.nodes)
                self._system = await discover(reads, domain.chain_id, "0x" + domain.store.hex())
            except NotStaked as e:
                self._unfit_ms = self._now_ms()
                _log.info("nothing to keep: stake does not decide who signs there", target=self.target, why=str(e))
                return False
            self._reads = DutyReads(self._system, poor_for_s=self._rules.poor_for_s, refresh_s=self._rules.refresh_s)
        return self._system is not None

    async def _look_at_budget(self, reads: StakeReads) -> GasOfDay:
        """What is left of the day, and what of it is kept for the next freeze, which nothing else may take."""
        most = self._rules.gas_a_day
        rows = self._journal.pushes(self._name, since_s=self.now_s() - 2 * _DAY_S)
        spent = GasOfDay.of(rows, self._now_ms())
        if self.pays and DutyKind.ROTATE in self._rules.kinds:
            assert self._system is not None  # noqa: S101 - found before
            with contextlib.suppress(ChainError):  # what was known stands
                await self._freeze.measure(reads, self._system)
            self.freeze_gas = needed = self._freeze.needed
            if needed > most and self._once.more("too small") is not None:
                _log.error("the gas of a day does not suffice for a freeze, and no other duty has any: raise keeper.gas_a_day",
                           target=self.target, needs=needed, gas_a_day=most)  # fmt: skip
        self.gas_left = max(0, most - spent.used)
        shares = GasShares.of(rows, self._now_ms(), most, freeze=self.freeze_gas, due_ms=self._freeze.due_s * MS)
        self.gas_for_others, self.gas_lacks = shares.others, shares.lacks
        return spent

    # --- doing -----------------------------------------------------------------------------------------------------------

    async def _do_first(self, spent: GasOfDay) -> None:
        """The first duty that is ours to do; one at a time, and none while a proof is under way."""
        for duty in self.due.duties:
            if self._pusher.busy or self._queue.proofs_open():
                return
            if self._may(duty, spent) and await self._try(duty):
                return

    def _may(self, duty: Duty, spent: GasOfDay) -> bool:
        if duty.kind not in self._rules.kinds or duty.hindered or self._pauses.is_open(duty.name):
            return False
        if spent.is_spent(duty.name):
            self._log_once(
                "spent", duty, "a duty has failed on chain too often today, or is due though it was done: it is left to others until tomorrow"
            )  # fmt: skip
            return False
        return self._turns.is_ours(self._place(duty), self.due.since_s[duty.name])

    async def _try(self, duty: Duty) -> bool:
        """Send its call; whether it was sent."""
        call = bytes.fromhex(duty.step.to[2:]) + duty.step.data
        try:
            gas = await self._client.call_gas(call)
            left = self.gas_left if duty.kind in FREEZE else self.gas_for_others
            if gas > left:
                self.due.count(duty.kind, "over_budget")
                text = "the gas of the day is spent, or kept for the next freeze: raise keeper.gas_a_day, or wait"
                self._log_once("budget", duty, text, needs=gas, left=left)
                return False
            if not await self._client.can_pay(gas + (0 if duty.kind in FREEZE else self.freeze_gas)):
                self.due.count(duty.kind, "no_ether")
                self._log_once("ether", duty, "the gas key has too little ether for a duty, and for a freeze: send it some",
                               key=self._client.payer, needs=gas)  # fmt: skip
                return False
            async with self._queue.lock:
                if self._queue.proofs_open() or await self._is_used_elsewhere():
                    return False
                row = await self._pusher.carry(call, duty.name)
        except StoreRefuses as e:
            self.due.count(duty.kind, "refused")
            if self._pauses.note_refused(duty.name):
                _log.warning("a duty cannot be done now", target=self.target, duty=duty.name, why=str(e)[:300])
            return False
        except FeeTooHigh as e:
            self._log_once("fee", duty, "a duty waits for lower fees", why=str(e))
            return False
        if row is None or row.state in GIVEN_UP:
            return row is not None
        self.due.count(duty.kind, "sent")
        self._turns.announce(self._place(duty), row.tx_hash)
        _log.warning("duty", target=self.target, duty=duty.name, does=duty.step.text, tx=row.tx_hash, news=True)
        return True

    async def _is_used_elsewhere(self) -> bool:
        """Whether another process has sent with the key: two queues of one key would replace each other's calls for ever."""
        mined, waiting = await self._client.next_nonce(), await self._client.pending_nonce()
        ours = {r.nonce for r in self._journal.watched_pushes(self._name) if r.taken}
        foreign = [n for n in range(mined, waiting) if n not in ours]
        if foreign and (more := self._told.more("elsewhere")) is not None:
            _log.error(
                "another process sends with the keeper's gas key: give each process a key of its own", target=self.target,
                key=self._client.payer, nonces=foreign[:5], more_since_the_last_line=more,
            )  # fmt: skip
        return bool(foreign)

    def _waiting(self) -> Mapping[int, Fees]:
        rows = [r for r in self._journal.watched_pushes(self._name) if r.taken and r.state not in DONE]
        return {r.nonce: Fees.of(r.raw) for r in sorted(rows, key=lambda r: Fees.of(r.raw).max_wei)}

    def _place(self, duty: Duty) -> bytes:
        assert self._system is not None  # noqa: S101 - nothing is due before it is found
        return duty.place(self._system.chain_id, self._system.set)

    # --- telling -----------------------------------------------------------------------------------------------------------

    def _count_outcomes(self) -> None:
        """What became of calls since the last look; at the first look of a process nothing is counted."""
        for row in self._journal.pushes(self._name, newest=100):
            if row.state not in (*DONE, *GIVEN_UP) or (row.id, row.state) in self._counted:
                continue
            self._counted.add((row.id, row.state))
            kind = next((k for k in DutyKind if row.why.startswith(f"{k.value} ")), None)
            if kind is not None and not self._is_first_look:
                self.due.count(kind, "done" if row.state == PushState.CALLED else row.state.value)
        self._is_first_look = False

    def _tell(self, now_s: int) -> None:
        """People hear of what has been due for long."""
        for duty in self.due.duties:
            since_s = self.due.since_s[duty.name]
            if now_s < since_s + self._rules.tell_after_s:
                continue
            if (more := self._told.more(duty.name)) is not None:
                _log.error(
                    "a duty is due and nobody has done it: anybody may, with `lrt-oracle stake keep`", target=self.target,
                    duty=duty.name, due_for_s=now_s - since_s, why=duty.hindered or "no keeper reached its turn, or none has gas",
                    more_since_the_last_line=more,
                )  # fmt: skip

    def _log_once(self, what: str, duty: Duty, text: str, **more: object) -> None:
        if self._once.more((what, duty.name)) is not None:
            _log.error(text, target=self.target, duty=duty.name, **more)
