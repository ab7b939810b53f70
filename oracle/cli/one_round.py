"""One round without a database, a key or a chain to push to: the prices of this moment."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import aiohttp

from feeds.chain_follower import IngestHooks
from feeds.observe import Observer
from feeds.units import MS
from oracle.build import build_ingest
from oracle.cli.needs import needs_of, needs_of_cross
from oracle.config.feed_sources import sources_of
from oracle.config.resolve import ResolvedConfig
from oracle.model.state import FeedState
from oracle.model.types import Abstained
from oracle.round.rounds import Member, Round, Rounds
from oracle.runtime.clock import now_ms
from oracle.runtime.supervise import Supervisor
from oracle.serve.explain import record_document

_STEP_S = 0.2
_STEPS_OF_A_ROUND = 10


async def once(resolved: ResolvedConfig, wait_s: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Start every source, make a round a second until all feeds have a price or the time is up.

    Returns:
        The records of the last round, and what each feed without a price would need, as JSON documents.
    """
    observer = Observer(sources_of(resolved))
    hooks = IngestHooks(
        on_news=lambda _: None,
        on_stated=lambda *_: None,
        on_date=lambda *_: None,
        on_head=lambda *_: None,
        on_reorg=lambda *_: None,
    )
    async with aiohttp.ClientSession() as session:
        ingest = build_ingest(resolved, observer, session, now_ms, hooks)
        tasks = asyncio.create_task(Supervisor(ingest.tasks()).run())
        try:
            return await _until_complete(resolved, observer, wait_s)
        finally:
            tasks.cancel()
            await asyncio.gather(tasks, return_exceptions=True)


async def _until_complete(
    resolved: ResolvedConfig, observer: Observer, wait_s: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    member = Member(name="local", specs=resolved.specs, states={f: FeedState() for f in resolved.specs})
    rounds = Rounds(resolved.specs, [member])
    done: Round | None = None
    steps = max(1, int(wait_s / _STEP_S))
    for step in count(1):
        await asyncio.sleep(_STEP_S)
        at_ms = now_ms()
        if done is not None and at_ms // MS <= done.round_time_s:
            if step > steps + _STEPS_OF_A_ROUND:  # the clock was set back
                break
            continue
        observed = {f: observer.observe(f, at_ms) for f in resolved.specs}
        done = rounds.finish(rounds.fold(at_ms // MS, observed, now_ms=at_ms), {})
        rounds.commit(done)
        if len(done.records) == len(resolved.specs) or step >= steps:
            break
    assert done is not None  # noqa: S101 - the first step makes a round
    return [record_document(r) for r in done.records], _needs(resolved, done)


def _needs(resolved: ResolvedConfig, done: Round) -> list[dict[str, Any]]:
    """What every feed without a price would need, in the order of the config's computation."""
    priced = {r.feed for r in done.records}
    folded = {f.spec.feed: f for f in done.feeds}
    out = []
    for feed, spec in resolved.specs.items():
        if spec.is_cross and feed not in priced:
            out.append(needs_of_cross(spec, priced))
        elif feed not in priced and isinstance(folded[feed].result, Abstained):
            out.append(needs_of(resolved.specs, folded[feed], priced))
    return out
