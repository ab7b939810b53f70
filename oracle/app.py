"""Runs a process: sources, rounds, live lane, endpoint and pushes, each as a task that is kept alive, until it is stopped."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial

import aiohttp
import structlog

from feeds.chain_follower import IngestHooks
from feeds.chains.endpoint import EndpointState, Head
from feeds.chains.reader import ChainRead
from feeds.ingest import Ingest
from feeds.types import Outcome
from feeds.units import MS, wad_text
from oracle.assemble.handing_on import round_publisher, show_publisher
from oracle.assemble.learned_rounds import LearnedRounds
from oracle.assemble.serving import serve_as_configured
from oracle.build import Components, build_ingest
from oracle.config.resolve import ResolvedConfig
from oracle.config.retention import retention_of
from oracle.model.publication import Record
from oracle.network.evidence_rows import evidence_rows
from oracle.network.reach import run_and_tell
from oracle.push.target_loops import TargetLoops
from oracle.round.reference_divergence import divergences
from oracle.round.rounds import Round
from oracle.round.silent import silent_feeds
from oracle.runtime.coalesce import Coalescer
from oracle.runtime.resubscribe import Resubscriber
from oracle.runtime.round_timer import RoundTimer
from oracle.runtime.schedule import every
from oracle.runtime.supervise import Supervisor
from oracle.serve.own_state import show_health, show_keys
from oracle.serve.server import Server
from oracle.serve.silences import Silences
from oracle.storage.housekeeping import Housekeeping

_log = structlog.get_logger("oracle.app")
_S_NS = 1_000_000_000
_SAMPLES = 20_000
Task = Callable[[], Coroutine[None, None, None]]


class App:
    """One process: feeds in, rounds, API and pushes out.

    Args:
        components: what it is made of; closed when it has run.

    Attributes:
        last_round_s: newest round stored, 0 if none.
        live_us: from a source's news to the indication made of it, the newest.
        durable_ms: from a round's time to the round on disk, the newest.
        receipt_ms: from making a push to its receipt, the newest.
        misbehaviour: what operators were seen to do, a sentence each, the newest.
    """

    def __init__(self, components: Components) -> None:
        self.components = components
        self.resolved, self.clock, self.metrics = components.resolved, components.clock, components.metrics
        self.database, self.observer, self.rounds = components.database, components.observer, components.rounds
        self.live, self.service = components.live, components.service
        self.live.on_fault = self._indication_failed
        self.operators, self.targets = components.operators, components.targets
        self.last_round_s = self.database.last_round_s()
        self.live_us: deque[int] = deque(maxlen=_SAMPLES)
        self.durable_ms: deque[int] = deque(maxlen=_SAMPLES)
        self.receipt_ms = components.outcomes.receipt_ms
        self.misbehaviour = components.outcomes.misbehaviour
        config = self.resolved.config.oracle
        self._timer = RoundTimer(
            self.clock,
            config.round_interval_s,
            self.metrics,
            components.holds,
            make=self._make_round,
            last_round_s=lambda: self.last_round_s,
            on_followed=self._on_followed,
            on_confirmed=lambda: self._set_journals(0),
        )
        self._housekeeping = Housekeeping(
            self.database, self.clock, retention_of(self.resolved.config), config.round_interval_s
        )
        self._live_lane = Coalescer(config.live_coalesce_ms / MS, self._refresh_live)
        self._silences = Silences()
        self.loops = TargetLoops(
            components.targets,
            may_look=lambda: self._timer.clock_believed and not self._timer.has_stopped,
            failed=self._timer.job_failed,
        )
        self.between_rounds = asyncio.Lock()
        """Held while a round is made, and while what rounds are made of is changed."""
        self._learned = LearnedRounds(
            components.database, components.rounds, components.service, now_ms=self.clock.now_ms,
            last_round_s=lambda: self.last_round_s, note=components.outcomes.tally.note, offer=self.loops.offer,
        )  # fmt: skip
        components.agreements.sealed.on_learned = self._learned.take
        self._publisher = round_publisher(self.resolved, self.database, components.readers)
        self._supervisor: Supervisor | None = None
        self.is_running = self.has_ended = False
        self._lasting: Mapping[str, Task] = {}
        show_publisher(self._publisher, self.metrics, self.service)
        self._sources: Resubscriber | None = None
        self._server: Server | None = None

    @property
    def ingest(self) -> Ingest | None:
        """The streams and readers, while it runs."""
        return None if self._sources is None else self._sources.ingest

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end everything in order: no new rounds, tasks cancelled, connections and files closed.

        Raises:
            ConfigError: a store contradicts the config.
        """
        async with AsyncExitStack() as opened:
            session = await opened.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
            opened.push_async_callback(self.components.close)
            self._sources = Resubscriber(self.observer, partial(self._ingest, session))
            self.service.chains = self._endpoints
            await self.loops.start()
            self._server = await self._serve()
            opened.push_async_callback(self._server.close)
            _log.info("running", api=self._server.url, feeds=len(self.resolved.specs),
                      dry=not any(t.can_send for t in self.targets.values()))  # fmt: skip
            await self._run_tasks(self._sources, stop)

    async def _run_tasks(self, sources: Resubscriber, stop: asyncio.Event) -> None:
        self._lasting = self._tasks(sources)
        supervisor = self._supervisor = Supervisor({**self._lasting, **self.loops.tasks()})
        self.metrics.process.restarts = supervisor.restarts
        self.metrics.expect_jobs([*supervisor.restarts, "round"])
        self.is_running = True
        tasks = asyncio.create_task(supervisor.run())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if tasks.done():
                tasks.result()
        finally:
            self.is_running, self.has_ended = False, True
            for task in (tasks, stopped):
                task.cancel()
            await asyncio.gather(tasks, stopped, return_exceptions=True)

    def _tasks(self, sources: Resubscriber) -> Mapping[str, Task]:
        """All but the looks at targets: sources, live lane, rounds, housekeeping; none of them ends."""
        failed = self._timer.job_failed
        housekeeping = self._housekeeping
        tasks: dict[str, Task] = {
            "sources": sources.run,
            "live lane": self._live_lane.run,
            "housekeeping": partial(every, housekeeping.pause_s, housekeeping.run, partial(failed, "housekeeping")),
            "health": partial(self.components.health.run, partial(failed, "health")),
            **self._timer.tasks(),
        }
        network = self.components.network
        if network is not None:
            network.on_clock = self._on_peers_clock
            tasks["network"] = partial(run_and_tell, network)
        if self._publisher is not None:
            tasks["nats"] = self._publisher.run
        if self.components.watch is not None:
            tasks.update(self.components.watch.tasks(failed))
        if self.components.keeper is not None:
            tasks.update(self.components.keeper.tasks(failed))
        if self.components.stake is not None:
            tasks["stake"] = partial(self.components.stake.run, partial(failed, "stake"))
        if self.components.roots is not None:
            tasks.update(self.components.roots.tasks(failed))
        return tasks

    async def _serve(self) -> Server:
        return await serve_as_configured(
            self.resolved.config,
            self.service,
            now_ms=self.clock.now_ms,
            metrics=self._render_metrics,
            counts=self.metrics.http,
            answer=self.components.questions.answer,
        )

    def _ingest(self, session: aiohttp.ClientSession) -> Ingest:
        hooks = IngestHooks(
            on_news=self._live_lane.add,
            on_stated=self.clock.watch.stated,
            on_date=self.clock.watch.date,
            on_head=self._on_head,
            on_reorg=self._on_reorg,
        )
        return build_ingest(self.resolved, self.observer, session, self.clock.now_ms, hooks)

    # --- another config ----------------------------------------------------------------------------------------------

    def change(self, resolved: ResolvedConfig) -> Callable[[], None]:
        """Hold another config for its own. Returns what takes it back."""
        before = self.resolved

        def hold(config: ResolvedConfig) -> None:
            self.resolved = config
            self._housekeeping.keep(retention_of(config.config))

        hold(resolved)
        return lambda: hold(before)

    def follow(self) -> None:
        """Begin what is new in the sources and the targets, and end what is gone."""
        if self._supervisor is not None and self._sources is not None:
            self._sources.change()
            self._supervisor.change({**self._lasting, **self.loops.tasks()})

    # --- rounds ------------------------------------------------------------------------------------------------------

    async def round(self, round_time_s: int) -> Round:
        """One final round: observe, fold, agree, store; nothing of it is seen or sent before it is on disk.

        What is stored is known to the next round, whatever fails after it.
        """
        self._learned.go_on()
        at_ms = round_time_s * MS
        observed = {f: self.observer.observe(f, at_ms, self.last_round_s * MS) for f in self.resolved.specs}
        folded = self.rounds.fold(round_time_s, observed, now_ms=self.clock.now_ms())
        agree = self.components.agreements.agree
        agreed = await asyncio.gather(*(agree(ask) for ask in folded.asks.values()))
        done = self.rounds.finish(folded, dict(zip(folded.asks, agreed, strict=True)))
        silent = silent_feeds(done, self.resolved.specs)
        began_ns = time.monotonic_ns()
        self.database.save_round(done.feeds, done.agreements, done.records, done.transitions, silent)
        self.metrics.process.written((time.monotonic_ns() - began_ns) / _S_NS)
        self.rounds.commit(done)
        self.last_round_s = round_time_s
        with self._beside("round: evidence"):
            self.database.save_evidence(evidence_rows(agreed))
        with self._beside("round: observed"):
            self.metrics.feeds.folded(done.feeds)
            for feed, outcomes in observed.items():
                self.metrics.observed(feed, outcomes)
            for record in done.records:
                self._compare(record, observed.get(record.feed, ()))
        return done

    @contextmanager
    def _beside(self, job: str) -> Iterator[None]:
        """What is done beside something else: a fault there is told, and takes nothing else along."""
        try:
            yield
        except Exception as e:  # noqa: BLE001 - told and counted as that of any job
            self._timer.job_failed(job, e)

    async def _make_round(self, round_time_s: int) -> None:
        """Make a round, and hand it to everything that waits for it."""
        async with self.between_rounds:
            done = await self.round(round_time_s)
        durable_ms = self.clock.now_ms() - round_time_s * MS
        self.durable_ms.append(durable_ms)
        self.loops.offer(done)
        with self._beside("round: published"):
            self.service.publish(done)
        with self._beside("round: indications"):  # an indication whose sources have fallen silent must not stay
            self.live.refresh(self.resolved.specs, self.clock.now_ms())
        self.metrics.round_done(done.records, done.abstained, durable_ms=durable_ms)
        for change in done.transitions:
            reasons = [r.text for r in change.reasons]
            _log.warning("status", feed=change.feed, before=change.before.word, after=change.after.word, why=reasons,
                         news=True)  # fmt: skip
        self._silences.note({f: self.service.abstaining(f) for f in self.resolved.specs}, self.clock.now_ms())

    def _compare(self, record: Record, outcomes: Sequence[Outcome]) -> None:
        """Other oracles' feeds beside ours: shown, and logged when they part; never in a price."""
        against = {s.spec.name: s.against for s in self.resolved.sources if s.feed == record.feed}
        compared = divergences(record.feed, outcomes, record.report, against)
        for divergence in self.metrics.references(compared):
            _log.warning(
                "another oracle's feed lies far from ours: one of the two is wrong or late",
                feed=divergence.feed, source=divergence.source, against=divergence.against.value,
                drift_bps=divergence.drift_bps, theirs=wad_text(divergence.reference_wad, 6),
                ours=wad_text(divergence.own_wad, 6),
            )  # fmt: skip

    # --- what sources and clocks report ------------------------------------------------------------------------------

    def _refresh_live(self, changed_ns: Mapping[str, int]) -> None:
        self.service.indicate(self.live.refresh(changed_ns, self.clock.now_ms()))
        spent_us = (time.monotonic_ns() - min(changed_ns.values())) // 1_000
        self.live_us.append(spent_us)
        self.metrics.live(spent_us)

    def _indication_failed(self, feed: str, error: Exception) -> None:
        self.metrics.misfire("indication")
        _log.error("a fault of this program: a feed has no indication", feed=feed, error=repr(error))

    def _on_head(self, chain: str, head: Head, _: ChainRead) -> None:
        self.clock.watch.block(chain, head.time_ms, self.clock.now_ms())
        self.metrics.head(chain, head.time_ms)

    def _on_reorg(self, chain: str, first_block: int, last_block: int) -> None:
        chain_id = self.resolved.config.chains[chain].chain_id
        marked = self.database.mark_orphaned(chain_id, first_block, last_block, f"reorganised at block {first_block}")
        _log.warning(
            "reorganisation: rounds that used its blocks are marked", chain=chain, block=first_block, rounds=marked,
            news=True,
        )  # fmt: skip

    def _on_peers_clock(self, offset_ms: int) -> None:
        """The other operators together have a vote about the time, as any venue has."""
        now_ms = self.clock.now_ms()
        self.clock.watch.stated("operators", now_ms + offset_ms, now_ms)

    def _on_followed(self, by_ms: int) -> None:
        """Our time was wrong and is right now: what was heard and timed before bears times that are not true."""
        _log.warning("the process follows this machine's clock again: others confirm it", by_ms=by_ms, news=True)
        self._set_journals(by_ms)
        if self._sources is not None:
            self._sources.restart()

    def _set_journals(self, by_ms: int) -> None:
        for operator in self.operators:
            with self._beside(f"journal of {operator.name}"):
                operator.journal.set_time(self.clock.now_ms(), by_ms)

    def _endpoints(self) -> Mapping[str, Sequence[EndpointState]]:
        """As they stand, by chain."""
        readers = self.ingest.readers if self.ingest is not None else {}
        return {chain: reader.stats.endpoints for chain, reader in readers.items()}

    def _render_metrics(self) -> bytes:
        """The exposition, with the counters that the clients keep as they stand."""
        if self.ingest is not None:
            self.metrics.snapshot(self.ingest.health(), {n: r.stats for n, r in self.ingest.readers.items()})
        if self._server is not None:
            hub, gate = self._server.hub, self._server.gate
            self.metrics.streams(len(hub), hub.dropped)
            self.metrics.connections(len(gate), gate.counts(), self.components.readers.refused)
        for feed in self.resolved.specs:
            self.metrics.risks(feed, self.service.live_risk(feed))
            self.metrics.feeds.abstains(feed, now=self.service.abstaining(feed) is not None)
        show_health(self.metrics, self.service.health(), self.clock.now_ms())
        show_keys(self.metrics.process, self.operators, self.components.keyless, self.clock.now_ms())
        return self.metrics.render()
