"""The rounds of all stores that operators here sign for: one session each, for the operators here and those elsewhere alike."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from feeds.units import MS
from oracle.agree.ask import RoundAsk
from oracle.agree.messages import Advancing, Commit, Propose, Ready, SealedRound, Want
from oracle.agree.outcome import RoundOutcome
from oracle.agree.state import OwnView
from oracle.agree.terms import CommonRules, Terms, Timing
from oracle.agree.verify import Unsound
from oracle.agree.wire import (
    ArmingWord,
    BadPayload,
    CutAnswer,
    CutRequest,
    Envelope,
    Fetch,
    Notice,
    PushingWord,
    ValuesWord,
    decode,
    signed_values,
)
from oracle.network.cuts import Cuts
from oracle.network.round_session import RoundSession
from oracle.network.sealed_rounds import SealedRounds
from oracle.network.seats import LocalMember
from oracle.network.times import AgreementClock, SessionClock
from oracle.network.transport import NoTransport, Transport
from oracle.sign.messages import Refusal, RefusalCode, SignedValues, SignerSet
from oracle.sign.signed_batch import CollectedSignatures

_KEPT = 3
"""Rounds of a store whose sessions still answer."""
_AHEAD = 1
"""Rounds ahead whose words are kept until they begin."""
_MOST_EARLY = 8
"""Words kept of a member for rounds that have not begun here: an honest one has said no more by then."""
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
        self._sessions: dict[tuple[bytes, int], RoundSession] = {}
        self._early: dict[bytes, list[Envelope]] = {}
        self._newest_s: dict[bytes, int] = {}
        self._started_s = clock.now_ms() // MS
        self.refused: deque[tuple[bytes, str]] = deque(maxlen=100)
        """Words that came before their round had begun, and counted for nothing then: of whom, and why."""
        self.strangers: dict[bytes, tuple[int, bytes]] = {}
        """Version and rules of members whose values are on other terms, as last heard."""
        self.on_settled: Callable[[RoundOutcome], None] = lambda _: None
        """Called with what became of a round once the next one of its store begins: with all that came late."""
        self.listeners: dict[bytes, Callable[[bytes, int, PushingWord | ArmingWord], None]] = {}
        """By what takes the place of a round's terms: hears what operators tell beside the rounds, with sender and round_time."""
        self.cuts = Cuts(members, clock, self._transport, self._names, alone=self._alone)

    # --- rounds ------------------------------------------------------------------------------------------------------

    async def agree(self, ask: RoundAsk) -> RoundOutcome:
        """Have a round of a store sealed, or learn why it was not.

        Two targets may be at one store: it has one round, and each of them its outcome.
        """
        terms = self._terms(ask)
        key = (terms.binding, terms.round_time_s)
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._agree(ask, terms))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        outcome = await asyncio.shield(task)
        return replace(outcome, terms=replace(outcome.terms, target=ask.target))

    async def _agree(self, ask: RoundAsk, terms: Terms) -> RoundOutcome:
        if self._yields_ms:
            await asyncio.sleep(self._yields_ms / MS)
        seated = [m for m in self.members if m.address in terms.members]
        able, refusals = self._able(seated)
        if self._alone:
            terms = replace(terms, order=_able_first(terms.order, [m.address for m in able]))
        views = {m.address: self._view(terms, ask, m, able) for m in seated}
        session = RoundSession(
            terms, seated, views, clock=self._session_clock(terms), transport=self._transport, names=self._names,
            linger_ms=self.timing.grace_ms if self._alone else self.timing.end_ms // 100, alone=self._alone,
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
        self._on_outcome(outcome)
        return outcome

    async def cut(self, outcome: RoundOutcome, feeds: Sequence[int]) -> CollectedSignatures:
        """Have a batch of these feeds (indexes) of a sealed round signed by as many as answer."""
        return await self.cuts.collect(outcome, feeds)

    def _catch_up(self, terms: Terms, sealed_s: int) -> None:
        """Rounds were missed: ask one peer for what was sealed, another one in the next round."""
        known_s = max(sealed_s, self.sealed.newest_s(terms.signers.domain.store))
        peers = sorted(self._transport.reachable())
        if not peers or terms.round_time_s - known_s <= self._interval_s():
            return
        peer = peers[terms.round_time_s // self._interval_s() % len(peers)]
        self._transport.send(peer, self.sealed.request(terms, known_s))

    def _note_late(self, session: RoundSession) -> None:
        """A round that had come to nothing here turns out to be sealed."""
        store = session.terms.signers.domain.store
        if session.over and session.sealed is not None and not self.sealed.has(store, session.terms.round_time_s):
            outcome = session.outcome()
            self.sealed.keep(outcome)
            self.sealed.on_learned(outcome)
            self.cuts.sealed(session)

    def _terms(self, ask: RoundAsk) -> Terms:
        return Terms(
            target=ask.target,
            signers=ask.signers,
            round_time_s=ask.round_time_s,
            indexes=ask.indexes,
            rules=self.rules,
            order=ask.order or self._order(ask.signers, ask.round_time_s),
            timing=self.timing,
        )

    def _able(self, seated: Sequence[LocalMember]) -> tuple[list[LocalMember], list[Refusal]]:
        """Operators that may speak now, and the refusals of those that may not."""
        now_ms, clock_ok = self._clock.now_ms(), self._clock.clock_ok()
        able, refusals = [], []
        for member in seated:
            refusal = _unable(member, now_ms, clock_ok=clock_ok)
            if refusal is None:
                able.append(member)
            else:
                refusals.append(refusal)
        return able, refusals

    def _view(self, terms: Terms, ask: RoundAsk, member: LocalMember, able: Sequence[LocalMember]) -> OwnView:
        return OwnView(
            reports=ask.reports.get(member.operator.name, {}),
            published=ask.published,
            bound_bps=member.operator.bound_bps,
            signed=member.operator.journal.hashes(terms.signers.domain, terms.round_time_s) if member in able else {},
            may_speak=member in able,
        )

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
        store = terms.signers.domain.store
        self._settle(store, terms.round_time_s)
        self._newest_s[store] = max(self._newest_s.get(store, 0), terms.round_time_s)
        self._sessions[terms.binding, terms.round_time_s] = session
        of_store = sorted(k for k, s in self._sessions.items() if s.terms.signers.domain.store == store)
        rounds = sorted({k[1] for k in of_store})[-_KEPT:]
        for key in of_store:
            if key[1] not in rounds:
                del self._sessions[key]
        early, self._early = self._early, {}
        for sender, envelope in ((a, e) for a, of_sender in early.items() for e in of_sender):
            if envelope.round_time_s >= terms.round_time_s:
                self._take_early(sender, envelope)

    def _settle(self, store: bytes, round_time_s: int) -> None:
        """The round before has had its time: what came of it after its end counts as late, not as missing."""
        before = [s for s in self._sessions.values() if s.over and s.terms.signers.domain.store == store]
        last = max(before, key=lambda s: s.terms.round_time_s, default=None)
        if last is not None and last.terms.round_time_s < round_time_s:
            self.on_settled(last.outcome())

    def _take_early(self, sender: bytes, envelope: Envelope) -> None:
        try:
            self._dispatch(sender, envelope)
        except Unsound as e:
            self.refused.append((sender, str(e)))

    def _check_clones(self, session: RoundSession) -> None:
        """A key that says what was not said here is used by another process: this one goes mute, and tells everybody."""
        for member in session.cloned():
            if self.mute(member):
                text = f"mute: the key of {member.operator.name} spoke from another process; stop one of the two"
                self._transport.broadcast(session.encoded(Notice(text)))

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

    # --- words of others ---------------------------------------------------------------------------------------------

    def receive(self, sender: bytes, payload: bytes) -> str:
        """A payload of a member; what is wrong with it, "" where nothing is."""
        try:
            return self._dispatch(sender, decode(payload))
        except (BadPayload, Unsound) as e:
            return str(e)

    def say_again(self, to: bytes) -> None:
        """A member is reached again, or may have missed something: all that was said here in rounds under way."""
        for session in self._sessions.values():
            if not session.over:
                for payload in session.own_words():
                    self._transport.send(to, payload)

    def _dispatch(self, sender: bytes, envelope: Envelope) -> str:
        word, key = envelope.word, (envelope.binding, envelope.round_time_s)
        if isinstance(word, PushingWord | ArmingWord):
            return self._beside(sender, envelope, word)
        session = self._sessions.get(key)
        if session is None:
            return self._without_session(sender, envelope)
        match word:
            case ValuesWord() | Propose() | Ready() | Advancing() | Commit() | SealedRound():
                self._take_in(sender, session, word)
            case Want():
                session.answer(sender, word)
            case CutRequest():
                self.cuts.asked(sender, session, word)
            case CutAnswer():
                self.cuts.answered(sender, session, word)
            case Fetch():
                self.sealed.send_since(envelope, lambda payload: self._transport.send(sender, payload))
            case Notice():
                session.note_trouble(sender, word.text)
        return ""

    def _beside(self, sender: bytes, envelope: Envelope, word: PushingWord | ArmingWord) -> str:
        """What has nothing to do with the rounds themselves."""
        hear = self.listeners.get(envelope.binding)
        if hear is None:
            return "of a store that is none of this process"
        hear(sender, envelope.round_time_s, word)
        return ""

    def _take_in(
        self,
        sender: bytes,
        session: RoundSession,
        word: ValuesWord | Propose | Ready | Advancing | Commit | SealedRound,
    ) -> None:
        if isinstance(word, ValuesWord):
            name = self._names.get(word.address, f"0x{word.address.hex()}")
            session.receive(sender, signed_values(word, session.terms.binding, session.terms.round_time_s, name))
        else:
            session.receive(sender, word)
        self._note_late(session)

    def _without_session(self, sender: bytes, envelope: Envelope) -> str:
        """A round that has not begun here, a member on other terms, or a peer that missed rounds."""
        word = envelope.word
        if isinstance(word, Fetch):
            self.sealed.send_since(envelope, lambda payload: self._transport.send(sender, payload))
            return ""
        if isinstance(word, SealedRound) and self.sealed.is_awaited(envelope):
            return self.sealed.receive(envelope, word)
        newest_s = max(self._newest_s.values(), default=self._started_s)
        ahead_s = envelope.round_time_s - newest_s
        if 0 < ahead_s <= (_AHEAD + 1) * self._interval_s():
            kept = self._early.setdefault(sender, [])
            if len(kept) < _MOST_EARLY:
                kept.append(envelope)
                return ""
            return "too many words for a round that has not begun"
        if isinstance(word, ValuesWord) and any(k[1] == envelope.round_time_s for k in self._sessions):
            return self._note_other_terms(sender, envelope, word)
        return "a round that is over, or has not begun"

    def _note_other_terms(self, sender: bytes, envelope: Envelope, word: ValuesWord) -> str:
        """Values on other terms do not count, and their sender is told apart by what it says of itself."""
        self.strangers[sender] = (word.version, word.rules)
        if word.version != self.rules.version:
            text = f"it speaks version {word.version} of the protocol, here it is {self.rules.version}"
        elif word.rules != self.rules.digest:
            text = "it goes by other rules or feeds: compare `lrt-oracle check` on both sides"
        else:
            text = "it knows another signer set or other feeds of the store"
        for (_, round_s), session in self._sessions.items():
            if round_s == envelope.round_time_s:
                session.note_trouble(sender, text)
        return text

    def _interval_s(self) -> int:
        return max(1, round(self.timing.end_ms / MS))

    async def close(self) -> None:
        """End what is under way."""
        for task in (tasks := list(self._under_way.values())):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _unable(member: LocalMember, now_ms: int, *, clock_ok: bool) -> Refusal | None:
    """Why an operator does not speak in a round; also where its journal cannot be read: that costs its own part alone."""
    operator = member.operator
    try:
        operator.journal.last_round_s()
        return operator.unable(now_ms, clock_ok=clock_ok)
    except sqlite3.Error as e:
        return operator.refuse(RefusalCode.JOURNAL, f"not signed, for its journal cannot be read: {e}")


def _able_first(order: tuple[bytes, ...], able: Sequence[bytes]) -> tuple[bytes, ...]:
    """Where all who can speak are known, nobody waits for the proposal of one who cannot."""
    return tuple(sorted(order, key=lambda a: a not in able))
