"""What the stores of a node's config hold, read from their chains by the node's own endpoints: nobody is believed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

from feeds.errors import FeedError
from feeds.units import MS, div_up
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_reads import StoreReads
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.config.tables.operator_sections import TargetSection
from oracle.model.publication import OnChain
from oracle.model.spec import FeedSpec
from oracle.model.target_status import LOOK_MS, TargetStatus
from oracle.model.types import Report
from oracle.push.due import PushPolicy
from oracle.push.feed_status import feed_on_target
from oracle.push.onchain_view import Grace, OnchainView
from oracle.sign.eip712 import Domain

_LEAST_S, _MOST_S, _LOOK_S = 2, 12, 30.0
"""Pause between two looks: a round, within these bounds. How long one may take."""


class StoreLook:
    """One store.

    Args:
        target: its name.
        store: read only; closed by whoever made it.
        section: of the config.
        specs: all feeds.
        round_s: between rounds.
        now_ms: the clock.

    Attributes:
        error: why the last look came to nothing; "" where it did not.
    """

    def __init__(
        self, target: str, store: StoreReads, section: TargetSection, specs: Mapping[str, FeedSpec], *, round_s: int,
        now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self.target = target
        self._store, self._specs, self._now_ms = store, specs, now_ms
        self._policy = PushPolicy(**{f.name: getattr(section, f.name) for f in fields(PushPolicy)})
        self._grace = Grace(max_push_age_s=section.max_push_age_s, bump_after_s=section.bump_after_s, round_s=round_s)
        self._view = OnchainView(target, specs, grace=self._grace)
        self._indexes: Mapping[str, int] = {}
        self._stored: Mapping[int, Report] = {}
        self._block = 0
        self._read_ms: int | None = None
        self.error = ""

    async def look(self) -> None:
        """Read all feeds at the newest block; what was read before stays where that fails, or where the block is an older one."""
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._look()
        except (ChainError, FeedError, TimeoutError, OSError) as e:
            self.error = str(e)[:300] or type(e).__name__
        else:
            self.error = ""

    async def _look(self) -> None:
        block = (await self._store.head()).number
        listed = await self._store.feeds()
        indexes = {f: i for f, i in listed.items() if f in self._specs}
        reports = await asyncio.gather(*(self._store.stored(i, block) for i in indexes.values()))
        if block < self._block:
            return
        if indexes != self._indexes:
            self._indexes = indexes
            self._view.set_indexes(indexes)
        stored = {i: r for i, r in zip(indexes.values(), reports, strict=True) if r is not None}
        if stored != self._stored:
            self._stored = stored
        self._block, self._read_ms = block, self._now_ms()

    def onchain(self, feed: str) -> OnChain | None:
        """What the store holds of a feed; None for nothing, or before the first look."""
        return self._view.by_feed(self._stored).get(feed)

    def status(self) -> TargetStatus:
        """How it stands. A node pushes nothing and has no seat in the set."""
        now_s = self._now_ms() // MS
        return TargetStatus(
            target=self.target, sends=False, connected=self._read_ms is not None, looked_at_ms=self._read_ms, quorum=None,
            pushes_left=None, few_pushes=0,
            feeds=tuple(
                feed_on_target(
                    self._specs[f], onchain=self.onchain(f), stored=self._stored.get(i), held="", policy=self._policy,
                    grace=self._grace, now_s=now_s,
                )
                for f, i in self._indexes.items()
            ),
        )  # fmt: skip

    def warnings(self, now_ms: int) -> Iterator[str]:
        """What is wrong there, a sentence each: it is for those who push."""
        if self._read_ms is None or now_ms - self._read_ms > LOOK_MS:
            since = "yet" if self._read_ms is None else f"for {div_up(now_ms - self._read_ms, MS)} s"
            yield f"target {self.target}: its store was not read {since}: {self.error or 'look at its endpoints'}"
            return
        late = [f.feed for f in self.status().feeds if f.late(now_ms)]
        if late:
            yield f"target {self.target}: what it holds is late: {', '.join(late)}"


class StoreLooks:
    """All stores of the config, looked at again and again.

    Args:
        looks: one of each.
        round_s: between rounds.
    """

    def __init__(self, looks: Mapping[str, StoreLook], round_s: int = _MOST_S) -> None:
        self.looks = looks
        self._pause_s = min(_MOST_S, max(_LEAST_S, round_s))

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.gather(*(look.look() for look in self.looks.values()))
            await asyncio.sleep(self._pause_s)

    def onchain(self, feed: str) -> tuple[OnChain, ...]:
        """What each store holds of a feed."""
        return tuple(o for look in self.looks.values() if (o := look.onchain(feed)) is not None)


def store_looks(
    resolved: ResolvedConfig, specs: Mapping[str, FeedSpec], now_ms: Callable[[], int]
) -> tuple[StoreLooks, tuple[StoreReads, ...]]:
    """Those of a config, and what is to be closed at the end."""
    config, looks, stores = resolved.config, dict[str, StoreLook](), list[StoreReads]()
    for name, section in config.targets.items():
        chain = config.chains[section.chain]
        domain = Domain(chain_id=chain.chain_id, store=raw_address(section.store))
        stores.append(store := StoreReads(chain.endpoints, domain, agree=section.agree))
        looks[name] = StoreLook(name, store, section, specs, round_s=config.oracle.round_interval_s, now_ms=now_ms)
    return StoreLooks(looks, config.oracle.round_interval_s), tuple(stores)
