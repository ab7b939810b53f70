"""Cuts: batches of some feeds of a sealed round, signed when they are due at the store.

All items of a sealed round are fixed, so a batch of any of them needs no agreement of its own: a member that knows the round
sealed signs it for another member that asks. Strangers are not answered, and a member a few times a round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from feeds.decode.values import printable
from feeds.units import MS
from oracle.agree.messages import SealedRound, Want
from oracle.agree.outcome import RoundOutcome, name_of
from oracle.agree.terms import Terms
from oracle.agree.wire import MOST_TEXT, CutAnswer, CutRequest, encode
from oracle.network.heard_words import HeardWords
from oracle.network.seats import LocalMember
from oracle.network.times import AgreementClock
from oracle.network.transport import Transport
from oracle.report.wire import split_items
from oracle.sign.messages import Refusal, RefusalCode, Signature
from oracle.sign.signed_batch import CollectedSignatures, seal_batch, valid_signatures

_MOST_CUTS = 8
"""Batches of a round that a member is given signatures for, each of other feeds."""
_MOST_ASKED = 3
"""Times that a member is given a signature for the same batch: who lost it asks again."""


class SealedSession(Protocol):
    """What is asked of a round's session."""

    terms: Terms

    @property
    def sealed(self) -> SealedRound | None:
        """Once it is."""


@dataclass(slots=True)
class _Collection:
    """Answers to one request."""

    answers: dict[bytes, Signature | Refusal] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Cuts:
    """Signs cuts for others, and has cuts signed.

    Args:
        members: operators with a key here.
        clock: of the process.
        transport: to others.
        names: of members.
        alone: whether nobody else signs.
        heard: gets the signatures that count, and those given.
    """

    def __init__(
        self,
        members: Sequence[LocalMember],
        clock: AgreementClock,
        transport: Transport,
        names: Mapping[bytes, str],
        *,
        alone: bool,
        heard: HeardWords | None = None,
    ) -> None:
        self._members, self._clock, self._transport = tuple(members), clock, transport
        self._names, self._alone, self._heard = names, alone, heard or HeardWords()
        self._collections: dict[tuple[bytes, int, tuple[int, ...]], _Collection] = {}
        self._given: dict[tuple[bytes, int], dict[tuple[int, ...], int]] = {}
        """By member and round: how often it asked for which batch."""
        self._waiting: dict[tuple[bytes, int], dict[tuple[bytes, tuple[int, ...]], CutRequest]] = {}
        """By terms and round: requests for a round that is not known to be sealed here."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def collect(self, outcome: RoundOutcome, feeds: Sequence[int]) -> CollectedSignatures:
        """Have a batch of these feeds of a sealed round signed. Waits for all that may answer, a short time for the last."""
        terms, sealed = outcome.terms, outcome.sealed
        wanted = tuple(sorted(set(feeds)))
        items = cut_items(sealed, wanted) if sealed is not None else b""
        if not items:
            return CollectedSignatures(batch=None, refusals=())
        key = (terms.binding, terms.round_time_s, wanted)
        collection = self._collections.setdefault(key, _Collection())
        if not self._alone:
            self._transport.broadcast(encode(terms.binding, terms.round_time_s, CutRequest(wanted)))
        try:
            for answer in await asyncio.gather(*(self._sign(m, terms, items) for m in self._seated(terms))):
                collection.answers[answer.address] = answer
            if not self._alone:
                await self._wait(terms, items, collection)
        finally:
            self._collections.pop(key, None)
        signatures = valid_signatures(terms.signers, terms.round_time_s, items, collection.answers.values())
        self._heard.cut(terms, items, {a: s.compact for a, s in signatures.items()})
        refusals = tuple(a for a in collection.answers.values() if isinstance(a, Refusal))
        batch = seal_batch(terms.signers, terms.round_time_s, items, signatures)
        return CollectedSignatures(batch=batch, refusals=refusals)

    async def _wait(self, terms: Terms, items: bytes, collection: _Collection) -> None:
        """For all members; once weight T is in, a grace; at the latest the guard of an attempt."""
        loop = asyncio.get_running_loop()
        until = loop.time() + 2 * terms.timing.guard_ms / MS
        graced = False
        while len(collection.answers) < len(terms.members) and loop.time() < until:
            signed = valid_signatures(terms.signers, terms.round_time_s, items, collection.answers.values())
            if not graced and terms.weight(signed) >= terms.threshold:
                until, graced = min(until, loop.time() + terms.timing.grace_ms / MS), True
            collection.news.clear()
            try:
                async with asyncio.timeout_at(until):
                    await collection.news.wait()
            except TimeoutError:
                return

    def asked(self, sender: bytes, session: SealedSession, word: CutRequest) -> None:
        """A member asks for signatures of a cut. Where the round is not known to be sealed, it is asked for the seal first."""
        terms, sealed = session.terms, session.sealed
        if sender not in terms.members or not _is_cut(terms, word.indexes) or not self._may_ask(sender, terms, word):
            return
        if sealed is None:
            self._waiting.setdefault((terms.binding, terms.round_time_s), {})[sender, word.indexes] = word
            for member in self._seated(terms):
                self._transport.send(sender, encode(terms.binding, terms.round_time_s, Want(member.address)))
            return
        items = cut_items(sealed, word.indexes)
        if not items:
            return
        for member in self._seated(terms):
            task = asyncio.create_task(self._answer(sender, member, terms, word.indexes, items))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def sealed(self, session: SealedSession) -> None:
        """A round is known to be sealed: those who asked for a cut of it before are answered."""
        terms = session.terms
        for (sender, _), word in self._waiting.pop((terms.binding, terms.round_time_s), {}).items():
            self.asked(sender, session, word)
        old_s = _forgotten_s(terms)
        self._waiting = {k: v for k, v in self._waiting.items() if k[1] > old_s}

    def _may_ask(self, sender: bytes, terms: Terms, word: CutRequest) -> bool:
        """Count a request; whether it is one of a few."""
        old_s = _forgotten_s(terms)
        self._given = {k: v for k, v in self._given.items() if k[1] > old_s}
        asked = self._given.setdefault((sender, terms.round_time_s), {})
        if word.indexes not in asked and len(asked) >= _MOST_CUTS:
            return False
        count = asked[word.indexes] = asked.get(word.indexes, 0) + 1
        return count <= _MOST_ASKED

    async def _answer(
        self, to: bytes, member: LocalMember, terms: Terms, indexes: tuple[int, ...], items: bytes
    ) -> None:
        answer = await self._sign(member, terms, items)
        if isinstance(answer, Signature):
            self._heard.cut(terms, items, {member.address: answer.compact})
            word = CutAnswer(member.address, indexes, signature=answer.compact)
        else:
            word = CutAnswer(member.address, indexes, code=answer.code.value, text=answer.text[:MOST_TEXT])
        self._transport.send(to, encode(terms.binding, terms.round_time_s, word))

    def answered(self, sender: bytes, session: SealedSession, word: CutAnswer) -> None:
        """A member answers; it speaks for itself only."""
        terms = session.terms
        collection = self._collections.get((terms.binding, terms.round_time_s, word.indexes))
        if collection is None or word.address != sender or sender not in terms.members:
            return
        if sender in collection.answers:  # each looks at all signatures anew
            return
        name = name_of(self._names, sender)
        if word.signature:
            collection.answers[sender] = Signature(operator=name, address=sender, compact=word.signature)
        else:
            code = next((c for c in RefusalCode if c.value == word.code), RefusalCode.SIGNER)
            collection.answers[sender] = Refusal(
                operator=name, code=code, text=printable(word.text, MOST_TEXT), address=sender
            )
        collection.news.set()

    async def _sign(self, member: LocalMember, terms: Terms, items: bytes) -> Signature | Refusal:
        return await member.operator.request_signature(
            terms.signers, terms.round_time_s, items, now_ms=self._clock.now_ms(), clock_ok=self._clock.clock_ok()
        )

    def _seated(self, terms: Terms) -> list[LocalMember]:
        return [m for m in self._members if m.address in terms.members]


def _forgotten_s(terms: Terms) -> int:
    """Rounds up to then are not asked for any more."""
    return terms.round_time_s - 10 * terms.timing.end_ms // MS


def _is_cut(terms: Terms, indexes: Sequence[int]) -> bool:
    """Whether these are feeds of the store, in order: anything else is not even counted, for what is counted is kept."""
    return 0 < len(indexes) <= len(terms.indexes) and list(indexes) == sorted(
        set(indexes) & set(terms.indexes.values())
    )


def cut_items(sealed: SealedRound, indexes: Sequence[int]) -> bytes:
    """Items of these feeds of a sealed round, ascending; b"" where it has none of them, or not all."""
    items = split_items(sealed.content.items)
    if list(indexes) != sorted(set(indexes)) or not set(indexes) <= items.keys():
        return b""
    return b"".join(items[i] for i in indexes)
