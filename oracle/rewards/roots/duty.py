"""Reports of epochs in a running operator: looks at the chain, agrees with the others, posts, and holds what was posted against its own.

An epoch that is over and has no report is agreed on. Stake is read when an epoch is frozen, for few endpoints know it when it is over.
Blocks may be replaced: a report is done with, and stake is kept, once it is in a block as deep as pushes must be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import structlog

from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.posted import RewardsReads, post_call
from oracle.rewards.roots.comparison import PostedComparison
from oracle.rewards.roots.kept import kept_stakes, kept_words
from oracle.rewards.roots.peers import RootPeers, TurnOf
from oracle.rewards.roots.poster import RootPoster
from oracle.rewards.roots.session import RootPlace, RootSession
from oracle.rewards.roots.telling import words_to_keep
from oracle.rewards.roots.terms import RootTerms, timing_of_epoch
from oracle.rewards.roots.words import RefusedWord, RootAsk, RootWord, UnsoundRootWord, decode_word, encode_word
from oracle.rewards.stored import said_attendance
from oracle.runtime.log_limit import LogBudget
from oracle.runtime.schedule import every
from oracle.sign.eip712 import Domain
from oracle.sign.operator import Operator
from oracle.storage.database import Database

LOOKED_BACK = 15
"""Epochs before the present one whose reports are made: as many as the attendance of is kept."""
_MOST_LOOK_S, _MOST_TICK_S = 12.0, 1.0
_log = structlog.get_logger("oracle.rewards.roots.duty")
_pack = msgspec.msgpack.encode


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSettings:
    """What the config says of it.

    Attributes:
        target: name of the target whose store's signers are paid.
        domain: of that store.
        contract: address of Rewards, 20 bytes.
        interval_s: between rounds.
        attempt_s: that an attempt takes.
        confirmations: how deep a block is that is replaced no more, as of pushes.
    """

    target: str
    domain: Domain
    contract: bytes
    interval_s: int
    attempt_s: int
    confirmations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RootProcess:
    """The process around it.

    Attributes:
        database: of its rounds.
        operators: with a key here.
        now_ms, clock_ok: the time, and whether it may go under a signature.
        on_clone: called with an operator whose key says what it did not say here.
        peers: the others.
        turn: whose turn it is to post.
    """

    database: Database
    operators: Sequence[Operator]
    now_ms: Callable[[], int]
    clock_ok: Callable[[], bool]
    on_clone: Callable[[Operator], None]
    peers: RootPeers
    turn: TurnOf


class RootDuty:
    """The tasks.

    Args:
        settings: of the config.
        nodes: endpoints of the chain; closed with this.
        process: around it.
        poster: with a gas key; None: others post.

    Attributes:
        sessions: by epoch, those under way, and those whose report may still be taken out of the chain.
    """

    def __init__(
        self, settings: RootSettings, nodes: QuorumRpc, process: RootProcess, poster: RootPoster | None = None
    ) -> None:
        self.sessions: dict[int, RootSession] = {}
        self._settings, self._nodes, self._process, self._poster = settings, nodes, process, poster
        self._settled: set[int] = set()
        self._posted: set[int] = set()
        """Epochs whose report is on chain, in whatever block."""
        self._comparison = PostedComparison(process.database, settings.target)
        self._done_failed = 0
        self._signed_ms: dict[int, int] = {}
        self._news = asyncio.Event()
        self._told = LogBudget()

    @property
    def posted(self) -> int:
        """The newest epoch that is known to have a report; 0 for none. Earlier ones may have none yet."""
        return max(self._posted, default=0)

    @property
    def failed(self) -> int:
        """Attempts that came to nothing since the start."""
        return self._done_failed + sum(s.failed for s in self.sessions.values())

    def tasks(self, failed: Callable[[str, Exception], None]) -> dict[str, Callable[[], Coroutine[None, None, None]]]:
        """By name. ``failed``: called with the name of a task, and what one run of it ended with."""
        attempt_s = self._settings.attempt_s
        look, agree, post = "rewards: look", "rewards: agree", "rewards: post"
        return {
            look: partial(every, min(_MOST_LOOK_S, attempt_s / 4), self.look, partial(failed, look)),
            agree: partial(
                every, min(_MOST_TICK_S, attempt_s / 16), self.agree, partial(failed, agree), self._news
            ),
            post: partial(every, _MOST_TICK_S, self.post, partial(failed, post)),
        }  # fmt: skip

    async def close(self) -> None:
        """Close the connections."""
        await self._nodes.close()
        if self._poster is not None:
            await self._poster.close()

    # --- the chain ----------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Which epochs are over and have no report; what the newest freezes were."""
        try:
            await self._look()
        except ChainError as e:
            if (more := self._told.more("look")) is not None:
                _log.warning("rewards: the chain does not answer", why=str(e)[:300], more_since_the_last_line=more)

    async def _look(self) -> None:
        settings = self._settings
        reads = await RewardsReads.open(self._nodes, settings.contract, settings.domain)
        present = await reads.present()
        for epoch in (present, present + 1):
            await self._apart(epoch, self._note_stakes(reads, epoch))
        for epoch in sorted({*range(max(1, present - LOOKED_BACK), present + 1), *self.sessions}):
            if epoch not in self._settled:
                await self._apart(epoch, self._look_at(reads, epoch))
        for epoch in self._comparison.waiting:
            await self._apart(epoch, self._comparison.compare(reads, epoch))
        self._process.peers.note_members({k for s in self.sessions.values() for k in s.terms.frozen.keys})

    async def _apart(self, epoch: int, look: Coroutine[None, None, None]) -> None:
        """What cannot be read of one epoch, as the state of its freeze, holds no other one up."""
        try:
            await look
        except ChainError as e:
            if (more := self._told.more(("look", epoch))) is not None:
                _log.warning("rewards: an epoch cannot be read from the chain", epoch=epoch, why=str(e)[:300],
                             more_since_the_last_line=more)  # fmt: skip

    async def _note_stakes(self, reads: RewardsReads, epoch: int) -> None:
        frozen = await reads.frozen(epoch)
        if frozen is not None and await self._stays(reads, lambda r: r.frozen(epoch), frozen):
            await self._stakes(reads, frozen)

    async def _stays(
        self, reads: RewardsReads, look: Callable[[RewardsReads], Coroutine[None, None, object]], seen: object
    ) -> bool:
        """Whether what is seen was so in a block that no reorganisation takes out any more."""
        try:
            return await look(await reads.earlier(self._settings.confirmations)) == seen
        except ChainError as e:  # the contract is younger than that, or no endpoint has the state of then
            if (more := self._told.more("earlier")) is not None:
                _log.warning("rewards: what was a few blocks ago cannot be read from the chain", why=str(e)[:300],
                             more_since_the_last_line=more)  # fmt: skip
            return False

    async def _look_at(self, reads: RewardsReads, epoch: int) -> None:
        posted, rolled = standing = await reads.standing(epoch)
        (self._posted.add if posted else self._posted.discard)(epoch)
        if posted or rolled:  # while it may still be taken out, what was signed is kept, to be posted again
            if await self._stays(reads, lambda r: r.standing(epoch), standing):
                self._settle(epoch)
            return
        if (ended_s := await reads.ended_s(epoch)) is None:
            return
        frozen, over_s = await reads.frozen(epoch), await reads.over_s(epoch)
        if frozen is None or over_s is None:
            if await self._stays(reads, lambda r: r.frozen(epoch), frozen):
                self._settled.add(epoch)  # nobody could sign it
            return
        operators = [o for o in self._process.operators if frozen.weight_of(o.address)]
        if operators:
            stays = await self._stays(reads, lambda r: _basis(r, epoch), await _basis(reads, epoch))
            await self._open(reads, frozen, (ended_s, over_s), operators)
            # who has committed to what followed from a block that is gone would vote for nothing else any more
            self.sessions[epoch].may_vote = stays

    async def _open(
        self, reads: RewardsReads, frozen: FrozenEpoch, times: tuple[int, int], operators: Sequence[Operator]
    ) -> None:
        settings, process, epoch = self._settings, self._process, frozen.epoch
        terms = RootTerms(
            frozen=frozen,
            timing=timing_of_epoch(times[1], interval_s=settings.interval_s, attempt_s=settings.attempt_s),
            stakes=await self._stakes(reads, frozen),
            pots=dict(await reads.pots(epoch)),
        )
        before = self.sessions.get(epoch)
        if before is not None:
            if before.terms == terms:
                return
            # blocks were replaced, or the set that follows was: all who look now read the same
            _log.warning("what an epoch's report follows from is another thing by now: agreed on anew", epoch=epoch)
            self._keep(epoch, words_to_keep(before.book))
            self._done_failed += before.failed
            self._save_evidence(before)
        place = RootPlace(
            operators=operators,
            said=partial(said_attendance, process.database, settings.target, frozen),
            ended_s=times[0],
            now_ms=process.now_ms,
            clock_ok=process.clock_ok,
            tell=lambda word: process.peers.tell(epoch, encode_word(word)),
            answer=lambda to, word: process.peers.answer(to, epoch, encode_word(word)),
            keep=partial(self._keep, epoch),
            on_clone=process.on_clone,
        )
        self.sessions[epoch] = RootSession(terms, place, kept_words(process.database, settings.target, epoch))
        place.tell(RootAsk())  # it may have been decided while this was away
        _log.info("an epoch is over: its members agree on what it owes", epoch=epoch, members=len(frozen.keys))

    async def _stakes(self, reads: RewardsReads, frozen: FrozenEpoch) -> tuple[tuple[int, ...], ...]:
        """At the freeze: read while endpoints know the state of then, and kept once the freeze is deep."""
        database, at = self._process.database, (self._settings.target, frozen.epoch, frozen.capture_s)
        kept = kept_stakes(database, self._settings.target, frozen)
        if kept is not None:
            return kept
        stakes = await reads.stakes(frozen)
        if not await self._stays(reads, lambda r: r.frozen(frozen.epoch), frozen):
            return stakes
        database.save_stakes(*at, _pack([[s.to_bytes(16, "big") for s in of] for of in stakes]))
        return stakes

    def _settle(self, epoch: int) -> None:
        """A report is there, or none will be."""
        self._settled.add(epoch)
        self._comparison.add(epoch)
        session = self.sessions.pop(epoch, None)
        if session is not None:
            self._done_failed += session.failed
            self._save_evidence(session)

    # --- the others ---------------------------------------------------------------------------------------------------

    def hear(self, sender: bytes, epoch: int, body: bytes) -> str:
        """A word about an epoch; why it counts for nothing, "" where it counts."""
        try:
            word = decode_word(body)
            session = self.sessions.get(epoch)
            if session is None:
                return self._hear_settled(sender, epoch, word)
            session.hear(sender, word)
        except UnsoundRootWord as e:
            return str(e)
        self._news.set()
        return ""

    def _hear_settled(self, sender: bytes, epoch: int, word: RootWord) -> str:
        """Of an epoch that is settled here questions alone are answered, one of a sender in a minute; others may not know yet."""
        if epoch not in self._settled:
            raise UnsoundRootWord(RefusedWord.UNKNOWN_EPOCH, f"epoch {epoch}")
        if isinstance(word, RootAsk) and self._told.more(("ask", sender, epoch)) is not None:
            for kept in kept_words(self._process.database, self._settings.target, epoch):
                self._process.peers.answer(sender, epoch, encode_word(kept))
        return ""

    async def agree(self) -> None:
        """Say what is to be said, in each epoch that is under way; a fault in one holds no other one up."""
        self._news.clear()
        await _each(self.sessions.values(), self._agree_on)

    async def _agree_on(self, session: RootSession) -> None:
        await session.tick()
        self._save_evidence(session)

    async def post(self) -> None:
        """Post what is signed. No vote waits for the chain or for the key that pays."""
        if (poster := self._poster) is not None:
            signed = [s for s in self.sessions.values() if s.is_signed and s.epoch not in self._posted]
            await _each(signed, lambda s: self._post(s, poster))

    async def _post(self, session: RootSession, poster: RootPoster) -> None:
        """Where it is our turn: the first in the order at once, the others a stage after each other."""
        now_ms, report = self._process.now_ms(), session.book.decided
        began_ms = self._signed_ms.setdefault(session.epoch, now_ms)
        order = session.terms.posting_order
        me = next(k for k in order if k in {o.address for o in self._process.operators})
        if report is None or not self._process.turn(order, me, began_ms, now_ms):
            return
        signed = {k: w.signature for k, w in session.book.signed.items()}
        try:
            await poster.post(post_call(session.terms.frozen, report, signed), session.epoch)
        except ChainError as e:
            if (more := self._told.more("post")) is not None:
                _log.warning("a report is not posted yet", epoch=session.epoch, why=str(e)[:300],
                             more_since_the_last_line=more)  # fmt: skip

    def _keep(self, epoch: int, words: Iterable[RootWord]) -> None:
        body = _pack([encode_word(w) for w in words])
        self._process.database.save_root_words(self._settings.target, epoch, body)

    def _save_evidence(self, session: RootSession) -> None:
        for found in session.book.evidence.values():
            words = found.first, found.second
            at = self._settings.target, session.epoch, found.address, found.kind.value, found.text
            if self._process.database.save_epoch_evidence(*at, words):
                _log.warning("an operator says two things of an epoch", epoch=session.epoch,
                             operator="0x" + found.address.hex(), kind=found.kind.value, what=found.text)  # fmt: skip


async def _basis(reads: RewardsReads, epoch: int) -> object:
    """What the report of an epoch that is over follows from, beside words."""
    over = await reads.ended_s(epoch) is not None
    return over, await reads.frozen(epoch), await reads.over_s(epoch), dict(await reads.pots(epoch))


async def _each(sessions: Iterable[RootSession], work: Callable[[RootSession], Coroutine[None, None, None]]) -> None:
    """Do it with each of them; then raise what the first one ended with."""
    first: Exception | None = None
    for session in list(sessions):
        try:
            await work(session)
        except Exception as e:  # noqa: BLE001 - raised below, once the others had their turn
            first = first or e
    if first is not None:
        raise first
