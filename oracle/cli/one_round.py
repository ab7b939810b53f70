"""One round without a database, a key or a chain to push to: the prices of this moment."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from feeds.chain_follower import IngestHooks
from feeds.observe import Observer
from feeds.units import MS
from oracle.build import build_ingest
from oracle.config.feed_sources import sources_of
from oracle.config.resolve import ResolvedConfig
from oracle.model.state import FeedState
from oracle.round.rounds import Member, Rounds
from oracle.runtime.clock import now_ms
from oracle.runtime.supervise import Supervisor
from oracle.serve.explain import record_document

_STEP_S = 0.2


async def once(resolved: ResolvedConfig, wait_s: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Start every source, wait until all feeds have a price or the time is up, make one round.

    Returns:
        The records and the abstentions, as JSON documents.
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
    for _ in range(max(1, int(wait_s / _STEP_S))):
        await asyncio.sleep(_STEP_S)
        member = Member(name="local", specs=resolved.specs, states={f: FeedState() for f in resolved.specs})
        at_ms = now_ms()
        observed = {f: observer.observe(f, at_ms) for f in resolved.specs}
        done = Rounds(resolved.specs, [member], None).run(at_ms // MS, observed, now_ms=at_ms)
        if len(done.records) == len(resolved.specs):
            break
    abstained = [{"feed": f, "code": a.why.name, "text": a.text} for f, a in done.abstained.items()]
    return [record_document(r) for r in done.records], abstained
