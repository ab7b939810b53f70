"""The rounds of all stores that operators here sign for: one session each, for the operators here and those elsewhere alike."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from feeds.units import MS
from oracle.agree.ask import RoundAsk
from oracle.agree.outcome import RoundOutcome, faulty_outcome
from oracle.agree.state import OwnView
from oracle.agree.terms import CommonRules, Terms, Timing
from oracle.agree.wire import MOST_TEXT, Notice
from oracle.network.cuts import Cuts
from oracle.network.heard_words import HeardWords
from oracle.network.round_inbox import RoundInbox
from oracle.network.round_session import RoundSession
from oracle.network.sealed_rounds import SealedRounds
from oracle.network.seats import LocalMember
from oracle.network.times import AgreementClock, SessionClock
from oracle.network.transport import NoTransport, Transport
from oracle.sign.messages import Refusal, RefusalCode, SignedValues, SignerSet
from oracle.sign.signed_batch import CollectedSignatures

_log = structlog.get_logger("oracle.network.agreements")
LeaderOrder = Callable[[SignerSet, int], tuple[bytes, ...]]
"""Who leads the attempts of a round of a set, by its round_time."""


class Agreements:
    """Agrees on rounds, for as long as the process runs.

    Args:
        members: operators with a key here.
        clock: of the process.
        rules: what all must have in common.
        timing: of a round.
        order: who leads.
        sealed: what was sealed, kept for those who missed it.
        transport: to operators of other processes; without it all that sign are here.
        names: of members elsewhere, by address.
        yields_ms: so long a round waits for another process that signs with the same journals: it has the first word.
        on_outcome: called with what became of each round of each store.
    """

    def __init__(
        self,
        members: Sequence[LocalMember],
        *,
        clock: AgreementClock,
        rules: CommonRules,
        timing: Timing,
        order: LeaderOrder,
        sealed: SealedRounds,
        transport: Transport | None = None,
        names: Mapping[bytes, str] | None = None,
        yields_ms: int = 0,
        on_outcome: Callable[[RoundOutcome], None] = lambda _: None,
    ) -> None:
        self.members = tuple(members)
        self.rules, self.timing = rules, timing
        self.sealed = sealed
        self._alone = transport is None
        self._transport = transport or NoTransport()
        self._clock, self._order, self._on_outcome = clock, order, on_outcome
        self._yields_ms = yields_ms
        self._under_way: dict[tuple[bytes, int], asyncio.Task[RoundOutcome]] = {}
        self._names = {**(names or {}), **{m.address: m.operator.name for m in members}}
        self.heard = sealed.heard = HeardWords()
        sealed.names = self._names
        self.on_settled: Callable[[RoundOutcome], None] = lambda _: None
        """Called with what became of a round once the next one of its store begins: with all that came late."""
        self.cuts = Cuts(members, clock, self._transport, self._names, alone=self._alone, heard=self.heard)
        self.inbox = RoundInbox(
            rules, timing.interval_s, self._transport, self._names, self.cuts, sealed, started_s=clock.now_ms() // MS
        )

    def change(self, rules: CommonRules, names: Mapping[bytes, str]) -> Callable[[], None]:
        """Go by these rules from the next round on, and call members elsewhere by these names. Returns what takes it back."""
        before = self.rules, dict(self._names)

        def undo() -> None:
            self.rules = self.inbox.rules = before[0]
            self._names.clear()
            self._names.update(before[1])

        self.rules = self.inbox.rules = rules
        self._names.update(names)
        return undo

    # --- rounds ------------------------------------------------------------------------------------------------------

    async def agree(self, ask: RoundAsk) -> RoundOutcome:
        """Have a round of a store sealed, or learn why it was not.

        Two targets may be at one store: it has one round, and each of them its outcome. A fault of this program costs the
        round of its own store: the outcome says so, and the rounds of other stores go on.
        """
        try:
            outcome = await self._agree_once(ask)
        except Exception as e:  # noqa: BLE001 - the one boundary of a store's round: logged whole, and its own loss
            _log.exception(
                "a fault of this program costs the round of a store", target=ask.target, round_time=ask.round_time_s
            )
            why = f"a fault of this program: {type(e).__name__}: {e}"
            outcome = faulty_outcome(self._terms(ask, ask.order), self._names, why)
            self._tell(outcome)
        return replace(outcome, terms=replace(outcome.terms, target=ask.target))

    async def _agree_once(self, ask: RoundAsk) -> RoundOutcome:
        """The outcome of the store's round, whichever of the targets there asks first."""
        terms = self._terms(ask, ask.order or self._order(ask.signers, ask.round_time_s))
        key = (terms.binding, terms.round_time_s)
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._agree(ask, terms))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    def _tell(self, outcome: RoundOutcome) -> None:
        try:
            self._on_outcome(outcome)
        except Exception:  # noqa: BLE001 - whoever counts rounds costs none
            _log.exception(
                "what became of a round was not noted",
                target=outcome.terms.target,
                round_time=outcome.terms.round_time_s,
            )

    async def _agree(self, ask: RoundAsk, terms: Terms) -> RoundOutcome:
        if self._yields_ms:
            await asyncio.sleep(self._yields_ms / MS)
        seated = [m for m in self.members if m.address in terms.members]
        able, signed, refusals = self._able(seated, terms)
        if self._alone:
            terms = replace(terms, order=_able_first(terms.order, [m.address for m in able]))
        views = {m.address: _view(ask, m, signed.get(m.address)) for m in seated}
        session = RoundSession(
            terms, seated, views, clock=self._session_clock(terms), transport=self._transport, names=self._names,
            linger_ms=self.timing.grace_ms if self._alone else self.timing.end_ms // 100, alone=self._alone,
            heard=self.heard,
        )  # fmt: skip
        for refusal in refusals:
            session.note_refusal(refusal)
        self.sealed.know(terms)
        self._keep(terms, session)
        self._catch_up(terms, ask.sealed_s)
        self._transport.note_weights(terms.members)
        signing: dict[bytes, Coroutine[Any, Any, SignedValues | Refusal]] = {
            m.address: m.operator.request_values(
                terms.signers, terms.round_time_s, ask.reports.get(m.operator.name, {}), terms.binding
            )
            for m in able
        }
        outcome = await session.run(signing)
        if outcome.sealed is not None:
            self.sealed.keep(outcome)
            self.cuts.sealed(session)
        self._check_clones(session)
        self._tell(outcome)
        return outcome

    async def cut(self, outcome: RoundOutcome, feeds: Sequence[int]) -> CollectedSignatures:
        """Have a batch of these feeds (indexes) of a sealed round signed by as many as answer."""
        return await self.cuts.collect(outcome, feeds)

    def _catch_up(self, terms: Terms, sealed_s: int) -> None:
        """Rounds were missed: ask one peer for what was sealed, another one in the next round."""
        known_s = max(sealed_s, self.sealed.newest_s(terms.signers.domain.store))
        peers = sorted(self._transport.reachable())
        if not peers or terms.round_time_s - known_s <= self.timing.interval_s:
            return
        peer = peers[terms.round_time_s // self.timing.interval_s % len(peers)]
        self._transport.send(peer, self.sealed.request(terms, known_s, peer))

    def _terms(self, ask: RoundAsk, order: tuple[bytes, ...]) -> Terms:
        return Terms(
            target=ask.target,
            signers=ask.signers,
            round_time_s=ask.round_time_s,
            indexes=ask.indexes,
            rules=self.rules,
            order=order,
            timing=self.timing,
        )

    def _able(
        self, seated: Sequence[LocalMember], terms: Terms
    ) -> tuple[list[LocalMember], Mapping[bytes, Mapping[int, bytes]], list[Refusal]]:
        """Operators that may speak now, what each has signed of the round already, and the refusals of those that may not."""
        now_ms, clock_ok = self._clock.now_ms(), self._clock.clock_ok()
        able, signed, refusals = list[LocalMember](), dict[bytes, Mapping[int, bytes]](), list[Refusal]()
        for member in seated:
            held = _signed_or_unable(member, terms, now_ms, clock_ok=clock_ok)
            if isinstance(held, Refusal):
                refusals.append(held)
            else:
                able.append(member)
                signed[member.address] = held
        return able, signed, refusals

    def _session_clock(self, terms: Terms) -> SessionClock:
        """Alone a round begins when it is asked for; with others at its round_time, for all at once."""
        if self._alone:
            began = time.monotonic()
            return SessionClock(
                elapsed_ms=lambda: int((time.monotonic() - began) * MS),
                now_ms=self._clock.now_ms,
                clock_ok=self._clock.clock_ok,
            )
        start_ms = terms.round_time_s * MS
        return SessionClock(
            elapsed_ms=lambda: max(0, self._clock.now_ms() - start_ms),
            now_ms=self._clock.now_ms,
            clock_ok=self._clock.clock_ok,
        )

    def _keep(self, terms: Terms, session: RoundSession) -> None:
        """Keep a session for words that come late; take in those that came early."""
        self._settle(terms.signers.domain.store, terms.round_time_s)
        self.inbox.open(session)

    def _settle(self, store: bytes, round_time_s: int) -> None:
        """The round before has had its time: what came of it after its end counts as late, not as missing."""
        before = [s for s in self.inbox.sessions(store) if s.over]
        last = max(before, key=lambda s: s.terms.round_time_s, default=None)
        if last is not None and last.terms.round_time_s < round_time_s:
            self.on_settled(last.outcome())

    def _check_clones(self, session: RoundSession) -> None:
        """A key that says what was not said here is used by another process: this one goes mute, and tells everybody."""
        for member in session.cloned():
            if self.mute(member):
                text = f"mute: the key of {member.operator.name} spoke from another process; stop one of the two"
                self._transport.broadcast(session.encoded(Notice(text[:MOST_TEXT])))

    def mute(self, member: LocalMember) -> bool:
        """Sign nothing any more with a key that another process uses as well; whether that is new."""
        if member.operator.silenced:
            return False
        member.operator.silenced = "mute: its key spoke from another process; stop one of the two, start this one anew"
        _log.error(
            "this operator's key is used elsewhere: it is mute until this process is started anew",
            operator=member.operator.name,
        )
        return True

    def mute_all(self) -> None:
        """Somebody else announces itself with a report key of this process."""
        for member in self.members:
            self.mute(member)

    async def close(self) -> None:
        """End what is under way."""
        for task in (tasks := list(self._under_way.values())):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _signed_or_unable(
    member: LocalMember, terms: Terms, now_ms: int, *, clock_ok: bool
) -> Mapping[int, bytes] | Refusal:
    """What an operator has signed of a round already, by place, or why it does not speak in it.

    A journal that cannot be read costs the part of its own operator alone.
    """
    operator = member.operator
    try:
        operator.journal.last_round_s()
        refusal = operator.unable(now_ms, clock_ok=clock_ok) or operator.moved_past(terms.round_time_s)
        return refusal or operator.journal.hashes(terms.signers.domain, terms.round_time_s)
    except sqlite3.Error as e:
        return operator.refuse(RefusalCode.JOURNAL, f"not signed, for its journal cannot be read: {e}")


def _view(ask: RoundAsk, member: LocalMember, signed: Mapping[int, bytes] | None) -> OwnView:
    """What a member holds a proposal against. ``signed``: None of one that may not speak."""
    return OwnView(
        reports=ask.reports.get(member.operator.name, {}),
        published=ask.published,
        bound_bps=member.operator.bound_bps,
        signed=signed or {},
        may_speak=signed is not None,
    )


def _able_first(order: tuple[bytes, ...], able: Sequence[bytes]) -> tuple[bytes, ...]:
    """Where all who can speak are known, nobody waits for the proposal of one who cannot."""
    return tuple(sorted(order, key=lambda a: a not in able))
