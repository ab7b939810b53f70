"""Words of members as they come in: to the round that they are of, kept for one that has not begun, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from feeds.decode.values import printable
from oracle.agree.messages import Advancing, Commit, Message, Propose, Ready, SealedRound, Want
from oracle.agree.outcome import name_of
from oracle.agree.terms import CommonRules
from oracle.agree.verify import Unsound, is_signed
from oracle.agree.wire import (
    MOST_TEXT,
    BadPayload,
    BesideWord,
    CutAnswer,
    CutRequest,
    Envelope,
    Fetch,
    Notice,
    ValuesWord,
    decode,
    signed_values,
)
from oracle.network.cuts import Cuts
from oracle.network.round_session import RoundSession
from oracle.network.sealed_rounds import SealedRounds
from oracle.network.transport import Transport

_KEPT = 3
"""Rounds of a store whose sessions still answer."""
_AHEAD = 2
"""Intervals ahead of the newest round whose words are kept until they begin."""
_MOST_FETCHES = 4
"""Answers to one member from one round to the next: each is 64 rounds for a request of some bytes."""
_MOST_LATE = 8
"""Commits of a member for rounds that are over, of each round's time: they count for nothing, and are compared."""
_MOST_EARLY = 8
"""Words kept of a member for rounds that have not begun here: an honest one has said no more by then."""


class RoundInbox:
    """Where payloads of members arrive.

    Args:
        rules: of this process.
        interval_s: between rounds.
        transport: to answer.
        names: of members, by address.
        cuts: hears requests and answers about batches.
        sealed: what was sealed, and what is asked for of it.
        started_s: when the process began, Unix s.

    Attributes:
        on_refused: called with a member of which a word came before its round had begun, and why it counted for nothing then.
        strangers: version and rules of members whose values are on other terms, as last heard.
        listeners: by what takes the place of a round's terms: hear what operators tell beside the rounds, with sender and
            round_time. Two targets may be at one store.
    """

    def __init__(
        self,
        rules: CommonRules,
        interval_s: int,
        transport: Transport,
        names: Mapping[bytes, str],
        cuts: Cuts,
        sealed: SealedRounds,
        *,
        started_s: int,
    ) -> None:
        self.on_refused: Callable[[bytes, str], None] = lambda _sender, _why: None
        self.strangers: dict[bytes, tuple[int, bytes]] = {}
        self.listeners: dict[bytes, list[Callable[[bytes, int, BesideWord], str | None]]] = {}
        self.rules, self._interval_s, self._transport, self._names = rules, interval_s, transport, names
        self._cuts, self._sealed, self._started_s = cuts, sealed, started_s
        self._sessions: dict[tuple[bytes, int], RoundSession] = {}
        self._early: dict[bytes, list[Envelope]] = {}
        self._newest_s: dict[bytes, int] = {}
        self._late: dict[bytes, tuple[int, int]] = {}
        """By member: the newest round as it spoke late last, and how often it did since that began."""
        self._fetches: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        """By member and terms: the newest round as it asked last, and how often it asked since that began."""

    def sessions(self, store: bytes) -> Sequence[RoundSession]:
        """Of a store, those that are kept."""
        return [s for s in self._sessions.values() if s.terms.signers.domain.store == store]

    def open(self, session: RoundSession) -> None:
        """A round begins: keep it for words that come late, and take in those that came early."""
        terms = session.terms
        store = terms.signers.domain.store
        self._newest_s[store] = max(self._newest_s.get(store, 0), terms.round_time_s)
        self._sessions[terms.binding, terms.round_time_s] = session
        rounds = sorted({s.terms.round_time_s for s in self.sessions(store)})[-_KEPT:]
        for kept in self.sessions(store):
            if kept.terms.round_time_s not in rounds:
                del self._sessions[kept.terms.binding, kept.terms.round_time_s]
        early, self._early = self._early, {}
        for sender, envelope in ((a, e) for a, of_sender in early.items() for e in of_sender):
            if envelope.round_time_s < terms.round_time_s:
                continue
            if envelope.binding != terms.binding and not self._has_begun(envelope.round_time_s):
                self._early.setdefault(sender, []).append(envelope)
            elif why := self._take(sender, envelope):
                self.on_refused(sender, why)

    def _has_begun(self, round_time_s: int) -> bool:
        """Whether a round has begun at all stores: until then a word may be of one at which it has not."""
        return all(newest_s >= round_time_s for newest_s in self._newest_s.values())

    def receive(self, sender: bytes, payload: bytes) -> str:
        """A payload of a member; what is wrong with it, "" where nothing is."""
        try:
            envelope = decode(payload)
        except BadPayload as e:
            return str(e)
        return self._take(sender, envelope)

    def _take(self, sender: bytes, envelope: Envelope) -> str:
        try:
            return self._dispatch(sender, envelope)
        except Unsound as e:
            return str(e)

    def say_again(self, to: bytes) -> None:
        """A member is reached again, or may have missed something: all that was said here in rounds under way."""
        for session in self._sessions.values():
            if not session.over:
                for payload in session.own_words(to):
                    self._transport.send(to, payload)

    def _dispatch(self, sender: bytes, envelope: Envelope) -> str:
        word, key = envelope.word, (envelope.binding, envelope.round_time_s)
        if isinstance(word, BesideWord):
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
                self._cuts.asked(sender, session, word)
            case CutAnswer():
                self._cuts.answered(sender, session, word)
            case Fetch():
                self._fetch(sender, envelope)
            case Notice():
                session.note_trouble(sender, printable(word.text, MOST_TEXT))
        return ""

    def _beside(self, sender: bytes, envelope: Envelope, word: BesideWord) -> str:
        """What has nothing to do with the rounds themselves."""
        listeners = self.listeners.get(envelope.binding, ())
        if not listeners:
            return "of a store that is none of this process"
        faults = [hear(sender, envelope.round_time_s, word) for hear in listeners]
        return next((f for f in faults if f), "")

    def _take_in(
        self,
        sender: bytes,
        session: RoundSession,
        word: ValuesWord | Message,
    ) -> None:
        if isinstance(word, ValuesWord):
            at = (session.terms.binding, session.terms.round_time_s)
            session.receive(sender, signed_values(word, *at, name_of(self._names, word.address)))
        else:
            session.receive(sender, word)
        self._note_late(session)

    def _without_session(self, sender: bytes, envelope: Envelope) -> str:
        """A round that has not begun here, a member on other terms, or a peer that missed rounds."""
        word = envelope.word
        if isinstance(word, Fetch):
            self._fetch(sender, envelope)
            return ""
        if isinstance(word, SealedRound) and self._sealed.is_awaited(sender, envelope):
            return self._fetched(sender, envelope, word)
        newest_s = max(self._newest_s.values(), default=self._started_s)
        ahead_s = envelope.round_time_s - newest_s
        if 0 < ahead_s <= _AHEAD * self._interval_s:
            kept = self._early.setdefault(sender, [])
            if len(kept) < _MOST_EARLY:
                kept.append(envelope)
                return ""
            return "too many words for a round that has not begun"
        if isinstance(word, ValuesWord) and any(k[1] == envelope.round_time_s for k in self._sessions):
            return self._note_other_terms(sender, envelope, word)
        if isinstance(word, Commit):
            self._hear_late(sender, envelope, word, newest_s)
        return "a round that is over, or has not begun"

    def _hear_late(self, sender: bytes, envelope: Envelope, word: Commit, newest_s: int) -> None:
        """A signature for a round that is over decides nothing, and binds its key all the same."""
        at_s, count = self._late.get(sender, (newest_s, 0))
        count = count + 1 if at_s == newest_s else 1
        self._late[sender] = newest_s, count
        terms = self._sealed.terms_of(envelope.binding, envelope.round_time_s)
        if count <= _MOST_LATE and terms is not None and word.address in terms.members and is_signed(terms, word):
            self._sealed.heard.said(terms, word)

    def _fetch(self, sender: bytes, envelope: Envelope) -> None:
        """A member asks for sealed rounds: an honest one does so once a round, and once more after a whole answer."""
        if not self._sealed.knows(envelope.binding):
            return
        newest_s = max(self._newest_s.values(), default=self._started_s)
        at_s, count = self._fetches.get((sender, envelope.binding), (newest_s, 0))
        count = count + 1 if at_s == newest_s else 1
        self._fetches[sender, envelope.binding] = newest_s, count
        if count <= _MOST_FETCHES:
            self._sealed.send_since(envelope, lambda payload: self._transport.send(sender, payload))

    def _fetched(self, sender: bytes, envelope: Envelope, sealed: SealedRound) -> str:
        """A round that was asked for; after a whole answer the same peer is asked for the next one."""
        fault = self._sealed.receive(envelope, sealed)
        request = None if fault else self._sealed.next_request(sender, envelope)
        if request is not None:
            self._transport.send(sender, request)
        return fault

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

    def _note_late(self, session: RoundSession) -> None:
        """A round that had come to nothing here turns out to be sealed."""
        store = session.terms.signers.domain.store
        if session.over and session.sealed is not None and not self._sealed.has(store, session.terms.round_time_s):
            outcome = session.outcome()
            self._sealed.keep(outcome)
            self._sealed.on_learned(outcome)
            self._cuts.sealed(session)
