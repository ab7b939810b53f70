"""What a store holds, feed by feed, whoever pushed it; with the transaction and the reason where the push was our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from oracle.model.publication import OnChain, PushRow
from oracle.model.spec import FeedSpec
from oracle.model.types import Report
from oracle.push.due import reasons_of
from oracle.report.compose import cross, price_of
from oracle.report.wire import split_items

_PUSHES_KEPT = 8
"""Own pushes of a feed that are remembered: a reorganisation brings an earlier one back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """How long beyond its heartbeat a round may stay before it is late.

    Until a push that was due then has landed, or cannot any more. A store may take batches for very long, which makes no
    push slower: so never longer than a heartbeat, or than a round and two bumps where that is more.
    """

    max_push_age_s: int = 0
    bump_after_s: int = 0
    round_s: int = 0

    def of(self, heartbeat_s: int) -> int:
        """Seconds beyond a heartbeat."""
        push_s = self.max_push_age_s + self.bump_after_s
        return min(push_s, max(heartbeat_s, 2 * self.bump_after_s + self.round_s))


_NO_GRACE = Grace()


class OnchainView:
    """The store as it was last read, as the API shows it.

    Args:
        target: name of the target.
        specs: all feeds; a cross is shown where both of its legs have landed.
        grace: how long beyond its heartbeat a round may stay before it is late.
        announced_by: which operator of another process announced a push of a feed (index) and round, and its transaction.
    """

    def __init__(
        self,
        target: str,
        specs: Mapping[str, FeedSpec],
        *,
        grace: Grace = _NO_GRACE,
        announced_by: Callable[[int, int], tuple[bytes, bytes] | None] = lambda _index, _round_s: None,
    ) -> None:
        self._announced_by = announced_by
        self._target, self._specs, self._grace = target, specs, grace
        self._indexes: Mapping[str, int] = {}
        self._own_pushes: dict[int, dict[int, PushRow]] = {}
        """By feed index, then by round."""
        self._made_from: Mapping[int, Report] | None = None
        self._by_feed: dict[str, OnChain] = {}

    def set_indexes(self, indexes: Mapping[str, int]) -> None:
        """Learn the index of each feed in the store."""
        self._indexes, self._made_from = indexes, None

    def note_landed(self, row: PushRow) -> None:
        """A push of ours landed."""
        self._made_from = None
        for index in split_items(row.items):
            by_round = self._own_pushes.setdefault(index, {})
            by_round[row.round_s] = row
            for old in sorted(by_round)[:-_PUSHES_KEPT]:
                del by_round[old]

    def by_feed(self, stored: Mapping[int, Report]) -> Mapping[str, OnChain]:
        """By feed. ``stored``: by index, as last read from the store; made anew only when it is another one."""
        if self._made_from is not stored:
            self._made_from, self._by_feed = stored, {}
            for feed, index in self._indexes.items():
                if index in stored:
                    self._by_feed[feed] = self._single(feed, index, stored[index])
            for feed, spec in self._specs.items():
                if spec.is_cross and all(leg in self._by_feed for leg in spec.legs):
                    self._by_feed[feed] = self._cross(spec, [stored[self._indexes[leg]] for leg in spec.legs])
        return self._by_feed

    def _single(self, feed: str, index: int, report: Report) -> OnChain:
        row = self._own_pushes.get(index, {}).get(report.round_time_s)
        heartbeat_s = self._specs[feed].heartbeat_s
        announced = self._announced_by(index, report.round_time_s) if row is None else None
        return OnChain(
            target=self._target,
            round_time_s=report.round_time_s,
            price_wad=price_of(report, self._specs[feed].mode),
            landed_at_ms=row.landed_ms if row else None,
            tx_hash=row.tx_hash if row else None,
            why=reasons_of(row.why).get(feed, "") if row else "",
            announced_by="0x" + announced[0].hex() if announced else None,
            announced_tx="0x" + announced[1].hex() if announced else None,
            late_at_s=report.round_time_s + heartbeat_s + self._grace.of(heartbeat_s),
        )

    def _cross(self, spec: FeedSpec, legs: Sequence[Report]) -> OnChain:
        """Product of the legs, with the transaction of the one that moved last."""
        report = cross(legs)
        last = max((self._by_feed[leg] for leg in spec.legs), key=lambda o: o.round_time_s)
        return OnChain(
            target=self._target,
            round_time_s=report.round_time_s,
            price_wad=price_of(report, spec.mode),
            landed_at_ms=last.landed_at_ms,
            tx_hash=last.tx_hash,
            late_at_s=min(self._by_feed[leg].late_at_s for leg in spec.legs),
        )
