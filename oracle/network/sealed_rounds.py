"""Sealed rounds of late: handed on to members that missed them, and fetched from one of them where this process did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from oracle.agree.messages import SealedRound
from oracle.agree.outcome import Arrivals, RoundOutcome, outcome_of
from oracle.agree.state import Instance, OwnView
from oracle.agree.terms import Terms
from oracle.agree.verify import Unsound, check_sealed, items_alone
from oracle.agree.wire import Envelope, Fetch, encode
from oracle.network.heard_words import HeardWords

_KEPT = 512
"""Of each store: more than an hour of rounds."""
_MOST_SENT = 64
"""In one answer; who gets so many asks for what follows."""


class SealedRounds:
    """What was sealed, of each store.

    Args:
        on_learned: called with a round that was sealed without this process having seen it, oldest first.

    Attributes:
        on_learned: as given.
        names: of members, by address.
        heard: gets rounds that are fetched.
    """

    def __init__(self, on_learned: Callable[[RoundOutcome], None] = lambda _: None) -> None:
        self.on_learned = on_learned
        self.names: Mapping[bytes, str] = {}
        self.heard = HeardWords()
        self._kept: dict[bytes, dict[int, tuple[bytes, SealedRound]]] = {}
        """By store and round: the binding, and the round."""
        self._terms: dict[bytes, Terms] = {}
        """The newest of each binding: what a fetched round is verified by."""
        self._wanted: dict[bytes, tuple[bytes, range]] = {}
        """By binding: whom rounds are asked of, and their times."""
        self._received: dict[bytes, int] = {}
        """By binding: rounds that came since they were asked for."""

    def know(self, terms: Terms) -> None:
        """Terms by which fetched rounds can be verified: the newest of a binding stay."""
        known = self._terms.get(terms.binding)
        if known is None or known.round_time_s <= terms.round_time_s:
            self._terms[terms.binding] = terms

    def terms_of(self, binding: bytes, round_time_s: int) -> Terms | None:
        """Terms by which a word of a round that is over can be checked; None where they are not known."""
        terms = self._terms.get(binding)
        return None if terms is None else replace(terms, round_time_s=round_time_s)

    def knows(self, binding: bytes) -> bool:
        """Whether these are terms of a store of this process."""
        return binding in self._terms

    def keep(self, outcome: RoundOutcome) -> None:
        """A round was sealed here."""
        if outcome.sealed is None:
            return
        self.know(outcome.terms)
        store = outcome.terms.signers.domain.store
        kept = self._kept.setdefault(store, {})
        kept[outcome.terms.round_time_s] = (outcome.terms.binding, outcome.sealed)
        for old in sorted(kept)[:-_KEPT]:
            del kept[old]

    def newest_s(self, store: bytes) -> int:
        """Newest round of a store that is known to be sealed, 0 if none."""
        return max(self._kept.get(store, {}), default=0)

    def has(self, store: bytes, round_time_s: int) -> bool:
        """Whether a round is known to be sealed."""
        return round_time_s in self._kept.get(store, {})

    # --- fetching ----------------------------------------------------------------------------------------------------

    def request(self, terms: Terms, after_s: int, peer: bytes) -> bytes:
        """A request for the rounds after one, to be sent to this peer. They are awaited up to the round that begins now.

        One of that round or a later one belongs to its session: stored as fetched, it could not be stored as made.
        """
        self.know(terms)
        self._wanted[terms.binding] = peer, range(after_s + 1, terms.round_time_s)
        self._received[terms.binding] = 0
        return encode(terms.binding, after_s, Fetch())

    def send_since(self, envelope: Envelope, send: Callable[[bytes], None]) -> None:
        """Answer such a request: the sealed rounds after that one, oldest first."""
        terms = self._terms.get(envelope.binding)
        if terms is None:
            return
        kept = self._kept.get(terms.signers.domain.store, {})
        later = [r for r in sorted(kept) if r > envelope.round_time_s and kept[r][0] == envelope.binding]
        for round_s in later[:_MOST_SENT]:
            send(encode(envelope.binding, round_s, kept[round_s][1]))

    def is_awaited(self, sender: bytes, envelope: Envelope) -> bool:
        """Whether a sealed round is one that was asked for, of who sends it.

        Another one could send the newest alone, after which nothing older is learned.
        """
        peer, rounds = self._wanted.get(envelope.binding, (b"", range(0)))
        return sender == peer and envelope.round_time_s in rounds

    def receive(self, envelope: Envelope, said: SealedRound) -> str:
        """A fetched round: verified, kept and told; what is wrong with it, "" where nothing is."""
        terms = self._terms.get(envelope.binding)
        if terms is None:
            return "a sealed round of a signer set that is not known here"
        of_round = replace(terms, round_time_s=envelope.round_time_s)
        try:
            check_sealed(of_round, said)
        except Unsound as e:
            return str(e)
        self.heard.said(of_round, said)
        self._received[envelope.binding] = self._received.get(envelope.binding, 0) + 1
        if self.has(terms.signers.domain.store, envelope.round_time_s):
            return ""
        known = items_alone(said)  # the network keys of then are not known any more
        state = replace(Instance(terms=of_round, me=b"", view=OwnView(may_speak=False)), sealed=known)
        learned = outcome_of(state, Arrivals(), self.names, sealed_ms=None)
        self.keep(learned)
        self.on_learned(learned)
        return ""

    def next_request(self, peer: bytes, envelope: Envelope) -> bytes | None:
        """A request for what follows a fetched round, where that was the last of a whole answer; None elsewhere."""
        terms = self._terms.get(envelope.binding)
        if terms is None or self._received.get(envelope.binding, 0) < _MOST_SENT:
            return None
        return self.request(terms, envelope.round_time_s, peer)
