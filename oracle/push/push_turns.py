"""Whose turn it is at one store, where operators of other processes pay too: what each has announced, and when ours comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from oracle.agree.wire import PushingWord
from oracle.chain.rpc_answers import BlockHead
from oracle.model.publication import PushRow
from oracle.model.types import Report
from oracle.push.due import Cause, Decision, stored_round_s
from oracle.push.stages import Claim, Episode, StagePace, next_turn_ms, pace_of, push_order
from oracle.report.wire import split_items
from oracle.sign.messages import SignerSet

_HASH = 32
_LONGEST_BLOCK_MS = 12_000
"""Of a chain whose blocks were not seen yet, and of one that makes blocks on demand."""
_MOST_PLACE = 9
_MOST_LATE = 1_000
"""Announcements that came to nothing are counted once; so many are remembered for that."""


class PushPeers(Protocol):
    """Operators of other processes at one store."""

    def payers(self) -> frozenset[bytes]:
        """Report addresses of those that announced a gas key there."""

    def tell(self, round_time_s: int, word: PushingWord) -> None:
        """Tell them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTurn:
    """What this process may push now, and when it is to look again: ``at_ms``, Unix ms; None: with the next round."""

    decision: Decision
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Announced:
    """An operator's last word on a feed: the round that it replaces and the one that it brings, in a transaction."""

    replaced_s: int
    round_s: int
    heard_ms: int
    tx_hash: bytes


class PushTurns:
    """The turns of one target.

    Args:
        me: report address of the operator here.
        peers: the others.
        indexes: of the store's feeds: what others announce of other feeds counts for nothing.
        now_ms: the clock.
        stage_s: of the config.
        round_s: from one round to the next.
        on_stage: called for every push with the place that it was made from.
        on_announced: called with "heard" for each announcement of another, and with "late" for one that came to nothing.
    """

    def __init__(
        self,
        me: bytes,
        peers: PushPeers,
        *,
        indexes: Callable[[], frozenset[int]],
        now_ms: Callable[[], int],
        stage_s: int,
        round_s: int,
        on_stage: Callable[[int], None] = lambda _: None,
        on_announced: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._me, self._peers, self._indexes, self._now_ms = me, peers, indexes, now_ms
        self._stage_s, self._round_s = stage_s, round_s
        self._on_stage, self._on_announced = on_stage, on_announced
        self._announced: dict[tuple[bytes, int, bool], _Announced] = {}
        """By operator, feed index and whether it was urgent."""
        self._began_ms: dict[Episode, int] = {}
        self._late: set[tuple[bytes, int, bool, int]] = set()
        self._first_head: BlockHead | None = None
        self._block_ms = _LONGEST_BLOCK_MS
        self._place = 0

    # --- what is heard -----------------------------------------------------------------------------------------------

    def note_block(self, head: BlockHead) -> None:
        """Learn how far blocks lie apart."""
        first = self._first_head = self._first_head or head
        if head.number > first.number:
            apart_ms = (head.time_s - first.time_s) * 1_000 // (head.number - first.number)
            self._block_ms = min(apart_ms, _LONGEST_BLOCK_MS)

    def hear(self, sender: bytes, round_s: int, word: PushingWord) -> None:
        """Another operator announces a push of a round. Once for each feed and round replaced; anything else is left out."""
        known = self._indexes()
        if len(word.tx_hash) != _HASH or len(word.feeds) > len(known) or sender not in self._peers.payers():
            return
        noted = [self._note(sender, word, round_s, i, replaced_s) for i, replaced_s in word.feeds if i in known]
        if any(noted):
            self._on_announced("heard")

    def _note(self, by: bytes, word: PushingWord, round_s: int, index: int, replaced_s: int) -> bool:
        key = by, index, word.urgent
        before = self._announced.get(key)
        if not 0 <= replaced_s < round_s or (before is not None and before.replaced_s >= replaced_s):
            return False
        self._announced[key] = _Announced(
            replaced_s=replaced_s, round_s=round_s, heard_ms=self._now_ms(), tx_hash=word.tx_hash
        )
        return True

    def announced_by(self, index: int, round_s: int) -> tuple[bytes, bytes] | None:
        """Who announced a push of a feed's round, and in which transaction; None where nobody did."""
        return next(
            ((by, a.tx_hash) for (by, i, _), a in self._announced.items() if i == index and a.round_s == round_s), None
        )

    # --- what follows ------------------------------------------------------------------------------------------------

    def turn(self, decision: Decision, stored: Mapping[int, Report], signers: SignerSet) -> PushTurn:
        """What of a decision is to be pushed now, and otherwise when to look again.

        Args:
            decision: what is due.
            stored: what the store holds, by feed index.
            signers: the set whose round it is.
        """
        now_ms = self._now_ms()
        episodes = {i: self._episode(i, decision, stored) for i in decision.push}
        on_way = {i: at for i, e in episodes.items() if (at := self._on_way_until_ms(e)) > now_ms}
        due = [e for i, e in episodes.items() if decision.push[i].cause is not Cause.EARLY]
        open_ = [e for e in due if e.feed not in on_way]
        if not open_:
            return PushTurn(decision=replace(decision, push={}), at_ms=min(on_way.values(), default=None))
        lead = min(open_, key=lambda e: (not e.urgent, e.replaced_s, e.feed))
        self._began_ms = {e: at for e, at in self._began_ms.items() if e in due or _goes_on(e, decision, stored)}
        began_ms = self._began_ms.setdefault(lead, now_ms)
        order = push_order(signers, self._peers.payers() | {self._me}, lead.place())
        claims = self._claims(lead)
        self._count_late(lead, claims, now_ms)
        at_ms = next_turn_ms(order, self._me, began_ms, claims, now_ms, self._pace(lead))
        if at_ms is None or at_ms > now_ms:
            return PushTurn(decision=replace(decision, push={}), at_ms=at_ms)
        self._place = order.index(self._me)
        return PushTurn(decision=replace(decision, push={i: r for i, r in decision.push.items() if i not in on_way}))

    def announce(self, row: PushRow, decision: Decision, stored: Mapping[int, Report]) -> None:
        """A push was made: tell the others, and remember it as they do."""
        feeds = tuple((i, stored_round_s(stored, i)) for i in split_items(row.items))
        word = PushingWord(feeds, decision.urgent, bytes.fromhex(row.tx_hash.removeprefix("0x")))
        for index, replaced_s in feeds:
            self._note(self._me, word, row.round_s, index, replaced_s)
        self._on_stage(min(self._place, _MOST_PLACE))
        self._peers.tell(row.round_s, word)

    def _episode(self, index: int, decision: Decision, stored: Mapping[int, Report]) -> Episode:
        return Episode(feed=index, replaced_s=stored_round_s(stored, index), urgent=index in decision.severe)

    def _claims(self, episode: Episode) -> list[Claim]:
        """Announced pushes of an episode, the first of each operator; an urgent one is one of a calm episode too."""
        first: dict[bytes, int] = {}
        for (by, index, urgent), said in self._announced.items():
            if index == episode.feed and said.replaced_s == episode.replaced_s and urgent >= episode.urgent:
                first[by] = min(first.get(by, said.heard_ms), said.heard_ms)
        return [Claim(by=by, heard_ms=at_ms) for by, at_ms in first.items()]

    def _on_way_until_ms(self, episode: Episode) -> int:
        """Until then what another operator announced of a feed is waited for."""
        others = [c.heard_ms for c in self._claims(episode) if c.by != self._me]
        return max(others, default=0) + self._pace(episode).announced_ms if others else 0

    def _count_late(self, episode: Episode, claims: list[Claim], now_ms: int) -> None:
        for claim in claims:
            key = (claim.by, episode.feed, episode.urgent, episode.replaced_s)
            if claim.heard_ms + self._pace(episode).announced_ms <= now_ms and key not in self._late:
                if len(self._late) >= _MOST_LATE:
                    self._late.clear()
                self._late.add(key)
                self._on_announced("late")

    def _pace(self, episode: Episode) -> StagePace:
        return pace_of(self._block_ms, self._round_s, stage_s=self._stage_s, urgent=episode.urgent)


def _goes_on(episode: Episode, decision: Decision, stored: Mapping[int, Report]) -> bool:
    """Whether a round that says nothing of a feed leaves its episode as it was."""
    return episode.feed in decision.unsaid and episode.replaced_s == stored_round_s(stored, episode.feed)
