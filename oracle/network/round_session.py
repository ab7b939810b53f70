"""One round of one store as it runs: the instances of the operators here, their signatures, time, and the others' words."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from oracle.agree.content import content_of
from oracle.agree.instance import Spoken, begin, hear_spoken, next_tick_ms, tick
from oracle.agree.messages import Advancing, Certificate, Commit, Heard, Message, SealedRound, Want
from oracle.agree.outcome import Arrivals, RoundOutcome, name_of, outcome_of
from oracle.agree.proposals import is_parted
from oracle.agree.state import (
    Ask,
    Decided,
    Effect,
    FaultEvidence,
    Found,
    Give,
    Instance,
    MemberFault,
    OwnView,
    Say,
    SignCommit,
    Turn,
)
from oracle.agree.terms import Terms
from oracle.agree.verify import Unsound, hear_values_of, verify
from oracle.agree.wire import Word, encode, values_word
from oracle.network.evidence_rows import evidence_words
from oracle.network.heard_words import HeardWords
from oracle.network.replies import Replies
from oracle.network.round_time import RoundTime
from oracle.network.seats import LocalMember, Utterance
from oracle.network.signing_tasks import SigningTasks
from oracle.network.stray_seals import StraySeals
from oracle.network.times import SessionClock
from oracle.network.transport import Transport
from oracle.sign.messages import Refusal, SignedValues
from oracle.sign.verified_values import VerifiedValues

_log = structlog.get_logger("oracle.network.round_session")


@dataclass(slots=True)
class _Seat:
    """A member here: its instance. ``member`` None: nobody of this process has a seat, and the round is only followed."""

    member: LocalMember | None
    state: Instance


class RoundSession:
    """The session of one round of one store.

    Args:
        terms: of the instance.
        members: operators here with a seat in it.
        views: what each holds a proposal against, by report address.
        clock: the time.
        transport: to the others.
        names: of members, by address.
        linger_ms: so long it waits for the last signatures once weight T is in.
        alone: whether all that can speak are here.
        heard: gets what counts.
    """

    def __init__(
        self,
        terms: Terms,
        members: Sequence[LocalMember],
        views: Mapping[bytes, OwnView],
        *,
        clock: SessionClock,
        transport: Transport,
        names: Mapping[bytes, str],
        linger_ms: int,
        alone: bool,
        heard: HeardWords | None = None,
    ) -> None:
        self.terms = terms
        self._clock, self._transport, self._names = clock, transport, names
        self._linger_ms, self._alone = linger_ms, alone
        self._time = RoundTime(clock, alone=alone)
        self._seats = [_Seat(m, begin(terms, m.address, views[m.address])) for m in members]
        if not self._seats:
            self._seats = [_Seat(None, begin(terms, b"", OwnView(may_speak=False)))]
        self._arrivals = Arrivals()
        self._inbox: deque[Spoken] = deque()
        self._news = asyncio.Event()
        self._tasks = SigningTasks(self._news.set)
        self._refusals: list[Refusal] = []
        self._evidence: list[FaultEvidence] = []
        self._own_words: list[Word] = []
        self._gifts: dict[bytes, list[Word]] = {}
        self._replies = Replies(self._reply)
        self._heard = heard or HeardWords()
        self._strays = StraySeals(terms, partial(self._heard.said, terms))
        self._sealed_ms: int | None = None
        self._again_ms = terms.timing.guard_ms
        self.over = False

    @property
    def sealed(self) -> SealedRound | None:
        """Once it is."""
        return self._seats[0].state.sealed

    def cloned(self) -> list[LocalMember]:
        """Operators here whose key was heard to say what they did not say."""
        guilty = {e.address for e in self._evidence if e.kind is MemberFault.CLONE}
        return [s.member for s in self._seats if s.member is not None and s.member.address in guilty]

    async def run(self, signing: Mapping[bytes, Coroutine[Any, Any, SignedValues | Refusal]]) -> RoundOutcome:
        """Have the values signed, agree, and say what became of it.

        Args:
            signing: the request for its values, of each member here that may speak.
        """
        members = {s.member.address: s.member for s in self._seats if s.member is not None}
        for address, request in signing.items():
            self._tasks.start(self._speak(members[address], request))
        try:
            while not self._is_finished():
                self._work()
                if self._is_finished():
                    break
                await self._wait()
        finally:
            self.over = True
        return self.outcome()

    def outcome(self) -> RoundOutcome:
        """As it stands."""
        state = self._seats[0].state
        for evidence in self._strays.evidence(c for of in state.commits.values() for c in of.values()):
            self._note_evidence(evidence)
        for address in self.terms.members:
            if address not in self._arrivals.commits and (text := self._transport.trouble(address)):
                own = next((r.text for r in self._refusals if r.address == address), "")
                self._arrivals.troubles.setdefault(address, own or text)
        return outcome_of(
            state,
            self._arrivals,
            self._names,
            sealed_ms=self._sealed_ms,
            refusals=tuple(self._refusals),
            evidence=tuple(self._evidence),
        )

    # --- words of others ---------------------------------------------------------------------------------------------

    def receive(self, sender: bytes, said: SignedValues | Message) -> None:
        """A word of this instance came in.

        Raises:
            Unsound: it counts for nothing.
        """
        try:
            spoken: Spoken = (
                hear_values_of(self.terms, said)
                if isinstance(said, SignedValues)
                else verify(self.terms, self._keys(), said)
            )
        except Unsound:
            self._strays.keep(said)
            raise
        self._inbox.append(spoken)
        self._news.set()
        if self._is_behind(said):
            self.answer(sender, Want(sender))
        if self.over:
            self._work()

    def _is_behind(self, said: object) -> bool:
        """Whether who says this may not know that the round is sealed."""
        if self._sealed_ms is None or isinstance(said, Commit | SealedRound):
            return False
        late = self._clock.elapsed_ms() > self._sealed_ms + self.terms.timing.grace_ms
        return late or isinstance(said, Advancing)

    def note_refusal(self, refusal: Refusal) -> None:
        """An operator here does not take part, and why."""
        self._refusals.append(refusal)
        self._arrivals.troubles[refusal.address] = refusal.text

    def note_trouble(self, member: bytes, text: str) -> None:
        """What keeps a member from being heard."""
        self._arrivals.troubles[member] = text

    def answer(self, sender: bytes, want: Want) -> None:
        """Hand over the values that a peer asks for, or the sealed round; a few times."""
        self._replies.answer(sender, want, self._seats[0].state.values_by_hash(), self.sealed)

    def _reply(self, to: bytes, what: VerifiedValues | SealedRound) -> None:
        self._send(to, what if isinstance(what, SealedRound) else self._values_word(what.signed))

    def own_words(self, to: bytes) -> list[bytes]:
        """All that was said here in this round, and handed over to this member, to be said again: it may not have arrived."""
        return [self.encoded(w) for w in (*self._own_words, *self._gifts.get(to, ()))]

    # --- work --------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Take in what has arrived, and let time pass, until nothing follows."""
        while self._inbox:
            spoken = self._inbox.popleft()
            self._heard.said(self.terms, getattr(spoken, "said", None))
            self._arrivals.note(spoken, self._clock.elapsed_ms())
            for seat in self._seats:
                self._take(seat, hear_spoken(seat.state, spoken, self._time.agreed_ms()))
        for seat in self._seats:
            self._take(seat, tick(seat.state, self._time.agreed_ms()))
        if self._inbox:
            self._work()
        elif self.sealed is None and not self._alone and self._clock.elapsed_ms() >= self._again_ms:
            self._say_again(self._clock.elapsed_ms())

    def _say_again(self, now_ms: int) -> None:
        """What was said here goes once more to members that nothing was heard of, and may have heard nothing."""
        self._again_ms = now_ms + self.terms.timing.next_ms
        unheard = [a for a in self.terms.members if a not in self._arrivals.commits and a not in self._arrivals.readies]
        for address in unheard:
            for payload in self.own_words(address):
                self._transport.send(address, payload)

    def _take(self, seat: _Seat, turn: Turn) -> None:
        seat.state, effects = turn
        for effect in effects:
            self._carry_out(seat, effect)

    def _carry_out(self, seat: _Seat, effect: Effect) -> None:
        match effect:
            case Say(said, certificate) if seat.member is not None:
                self._tell(seat.member, seat.member.signed(self.terms, said, certificate))
            case SignCommit(certificate) if seat.member is not None:
                self._tasks.start(self._commit(seat.member, certificate))
            case Give(to, values):
                self._gifts.setdefault(to, []).append(word := self._values_word(values.signed))
                self._send(to, word)
            case Ask(to, hashes):
                self._send(to, Want(seat.state.me, hashes))
            case Decided():
                self._sealed_ms = self._clock.elapsed_ms() if self._sealed_ms is None else self._sealed_ms
            case Found(evidence):
                self._note_evidence(evidence)

    def _note_evidence(self, evidence: FaultEvidence) -> None:
        """Once, though each operator here finds it; who misbehaves is told: if its key is used twice, it learns of it."""
        if any((e.kind, e.address) == (evidence.kind, evidence.address) for e in self._evidence):
            return
        self._evidence.append(evidence)
        _log.warning("a member misbehaves", member=name_of(self._names, evidence.address), kind=evidence.kind.value,
                     round_time=evidence.round_time_s, why=evidence.text)  # fmt: skip
        for word in evidence_words(self.terms, evidence):
            self._send(evidence.address, word)

    async def _speak(self, member: LocalMember, request: Coroutine[Any, Any, SignedValues | Refusal]) -> None:
        """Have a member's own values signed, and say them."""
        answer = await request
        if isinstance(answer, Refusal):
            self.note_refusal(answer)
            return
        self._tell(member, answer)

    async def _commit(self, member: LocalMember, certificate: Certificate) -> None:
        """Journal, sign, and say it."""
        terms = self.terms
        answer = await member.operator.request_seal(
            terms.signers, terms.round_time_s, certificate.step, certificate.content.items,
            now_ms=self._clock.now_ms(), clock_ok=self._clock.clock_ok(),
        )  # fmt: skip
        if isinstance(answer, Refusal):
            self.note_refusal(answer)
            return
        self._tell(member, Commit(member.address, certificate, answer.compact))

    def _tell(self, member: LocalMember, said: Utterance) -> None:
        """To all: the operators here and those elsewhere."""
        here = {s.member.address for s in self._seats if s.member is not None}
        for n, (uttered, to) in enumerate(member.utter(self.terms, said)):
            word = self._values_word(uttered) if isinstance(uttered, SignedValues) else uttered
            if n == 0 or to is None or to & here:
                heard = hear_values_of(self.terms, uttered) if isinstance(uttered, SignedValues) else Heard(uttered)
                self._inbox.append(heard)
            if to is None:
                self._own_words.append(word)
                self._transport.broadcast(self.encoded(word))
            for address in sorted((to or frozenset()) - here):
                self._send(address, word)
        self._news.set()

    def _send(self, to: bytes, word: Word) -> None:
        self._transport.send(to, self.encoded(word))

    def encoded(self, word: Word) -> bytes:
        """The bytes of a word of this round."""
        return encode(self.terms.binding, self.terms.round_time_s, word)

    def _values_word(self, values: SignedValues) -> Word:
        return values_word(values, self.terms.rules.version, self.terms.rules.digest)

    def _keys(self) -> Mapping[bytes, tuple[bytes, ...]]:
        own = {s.member.address: (s.member.network_address,) for s in self._seats if s.member is not None}
        return {**self._transport.network_keys(), **own}

    # --- time --------------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Until there is news, or time alone changes something."""
        moments = [m for s in self._seats if (m := next_tick_ms(s.state)) is not None]
        if self._sealed_ms is not None:
            moments.append(self._sealed_ms + self._linger_ms + self._time.skipped_ms)
        elif not self._alone:
            moments.append(self._again_ms)
        self._news.clear()
        if not self._inbox:
            until_ms = min(moments, default=self.terms.timing.end_ms)
            await self._time.wait(until_ms, self._news, is_idle=not self._tasks)

    def _is_finished(self) -> bool:
        """Sealed by all, or sealed and waited; or nothing more can come of it."""
        if self._inbox:
            return False
        states = [s.state for s in self._seats]
        if all(s.sealed is not None for s in states):
            everybody = len(self._arrivals.commits) >= len(self.terms.members)
            waited = self._sealed_ms is not None and self._clock.elapsed_ms() >= self._sealed_ms + self._linger_ms
            return everybody or waited or (self._alone and not self._tasks)
        if all(s.over for s in states):
            return True
        return not self._tasks and self._is_pointless(states[0])

    def _is_pointless(self, state: Instance) -> bool:
        """Whether all who can speak have, and no feed has values of weight T."""
        if not self._alone and len(state.values) < len(self.terms.members):
            return False
        if self.terms.weight(state.values) < self.terms.threshold:
            return True
        return content_of(self.terms, state.values.values()) is None or (self._alone and is_parted(state))
