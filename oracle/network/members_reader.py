"""Reads who takes part in the rounds of a store: what has changed since the last look, and at which block."""

from __future__ import annotations

from dataclasses import replace

import structlog

from oracle.chain.block_times import BlockTimes
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.rpc_answers import BlockHead
from oracle.chain.signer_sets import SetWords, SignerSets
from oracle.chain.store_reads import StoreReads
from oracle.network.membership import (
    ChainOfSets,
    MembersUnknown,
    RoundMembers,
    Seed,
    SetChange,
    is_settled,
    lag_of,
    seed_time_s,
)
from oracle.sign.messages import SignerSet

KNOWN_S = 120
"""So far back the sets are read at the first look, and after a time without any."""
_MOST_CHANGES = 64
"""That are kept: rounds are asked for that are a few intervals old at most."""

_log = structlog.get_logger("oracle.network.members_reader")


class MembersReader:
    """The members of one store's rounds.

    ``refresh`` looks at the chain; ``at`` answers from what was seen. Looked at before each round, a change is known before the
    first round that it concerns, as long as the newest block is younger than MAX_AHEAD_S.

    Args:
        store: read only; closed by whoever made it.
    """

    def __init__(self, store: StoreReads) -> None:
        self._store = store
        self._sets = SignerSets(store)
        self._blocks = BlockTimes(store.nodes)
        self._known: ChainOfSets | None = None
        self._seen: tuple[BlockHead, SetWords] | None = None
        self._settled: set[int] = set()

    def at(self, round_time_s: int) -> RoundMembers:
        """Who agrees on a round.

        Raises:
            MembersUnknown: the store has not been read yet, or the round is older than what is known.
            EpochExpired: it is nobody's.
        """
        return self._looked_at().at(round_time_s)

    def oldest_at(self, round_time_s: int) -> SignerSet:
        """The set of a round that is older than all that is known, as the oldest state that is known names it.

        A state names two sets and when the later one took over. Who was removed at once since has no weight in it.

        Raises:
            MembersUnknown: the store has not been read yet.
        """
        changes = self._looked_at().changes
        if not changes:
            raise MembersUnknown("the store has no signer set yet: wait until its deployment is in a block")
        return changes[0].state.at(round_time_s).signers

    def newest_at(self, time_s: int) -> SignerSet:
        """The set of a moment (Unix s) as the newest block has it, see `ChainOfSets.newest_at`.

        Raises:
            MembersUnknown: the store has not been read yet, or has no set.
        """
        return self._looked_at().newest_at(time_s)

    def _looked_at(self) -> ChainOfSets:
        if self._known is None:
            raise MembersUnknown("the signer set has not been read yet: no endpoint of the store's chain has answered")
        return self._known

    def addresses(self) -> frozenset[bytes]:
        """Report addresses of all that have weight in a set that matters now, or in the one to come."""
        states = [c.state for c in self._known.changes] if self._known is not None else []
        sets = [s.signers for state in states for s in (state.present, state.coming) if s is not None]
        return frozenset[bytes]().union(*(s.members for s in sets))

    async def refresh(self) -> bool:
        """Look at the chain; whether the sets are others than at the last look, the one to come and the end of one too.

        Raises:
            ChainError: too few endpoints agree; what was known stays.
        """
        head = await self._store.head()
        known, seen = self._known, self._seen
        if known is None or seen is None or head.time_s - seen[0].time_s > KNOWN_S:
            known, seen = await self._first_look(head, known)
        if head.number > seen[0].number:
            changes, words = await self._changes_after(*seen, head)
            kept = tuple([*known.changes, *changes][-_MOST_CHANGES:])
            known, seen = replace(known, changes=kept, head_s=head.time_s), (head, words)
        self._known = replace(known, seeds={**known.seeds, **await self._new_seeds(known, head)})
        before, self._seen = self._seen, seen
        return before is not None and before[1] != seen[1]

    async def _first_look(
        self, head: BlockHead, known: ChainOfSets | None
    ) -> tuple[ChainOfSets, tuple[BlockHead, SetWords]]:
        """From a block of a while ago on: what happened before it matters to no round of now.

        An endpoint that keeps no state of then is looked at from now on: rounds until MAX_AHEAD_S later are not known.
        """
        (delay_s,) = await self._store.read("rotationDelayS")
        try:
            block = await self._blocks.last_before(head.time_s - KNOWN_S, head)
            start = BlockHead(number=block.number, time_s=block.time_s)
            words = await self._sets.words(start.number)
        except ChainError as e:
            _log.warning("no endpoint knows the signer sets of a while ago", store=self._sets.address, why=str(e)[:300])
            start, words = head, await self._sets.words(head.number)
        exists = words.present != 0  # or the store was made since
        changes = (SetChange(start.time_s, await self._sets.state(words, start.number)),) if exists else ()
        seeds = {} if known is None else known.seeds
        return ChainOfSets(changes=changes, head_s=start.time_s, lag_s=lag_of(int(delay_s)), seeds=seeds), (
            start,
            words,
        )

    async def _changes_after(
        self, seen: BlockHead, words: SetWords, head: BlockHead
    ) -> tuple[list[SetChange], SetWords]:
        """Every change between two blocks with the time of its own: the words of one are never those of an earlier one."""
        changes: list[SetChange] = []
        newest = await self._sets.words(head.number)
        at = seen.number
        while words != newest:
            early, late, found = at, head.number, newest
            while late - early > 1:
                middle = (early + late) // 2
                there = await self._sets.words(middle)
                if there == words:
                    early = middle
                else:
                    late, found = middle, there
            at, words = late, found
            changes.append(await self._change(late, found))
        return changes, newest

    async def _change(self, number: int, words: SetWords) -> SetChange:
        block, state = await self._blocks.block(number), await self._sets.state(words, number)
        return SetChange(block.time_s, state)

    async def _new_seeds(self, known: ChainOfSets, head: BlockHead) -> dict[int, Seed]:
        """The blocks that give randomness, of sets whose block was not there, or was young, at the last look."""
        found: dict[int, Seed] = {}
        for one in known.sets_to_seed():
            if one.from_s in self._settled:
                continue
            block = await self._blocks.first_at(seed_time_s(one), head)
            if block is None:
                continue
            found[one.from_s] = seed = Seed(block.time_s, block.hash)
            if is_settled(seed, head.time_s):
                self._settled.add(one.from_s)
        return found
