"""The composition root: builds every real thing, owns the clock, the keys and the scheduler, and supervises the tasks."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiohttp
import coincurve
import structlog
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
    JobSubmissionEvent,
)
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from feeds.observe import Observer
from feeds.rpc import ChainRead, Head
from feeds.types import Kind, Outcome
from feeds.units import MS, wad_text
from feeds.watch import Hooks, Watch
from oracle import keys
from oracle.api import Server, serve
from oracle.ballot import Ballot
from oracle.clock import REFUSE_MS, WARN_MS, ClockWatch, now_ms
from oracle.config import OperatorSection, TargetSection, address
from oracle.cosign import Operator
from oracle.desk import StoreDesk
from oracle.drift import drifts
from oracle.eip712 import Domain, address_of
from oracle.holds import Hold
from oracle.journal import SignJournal
from oracle.live import Live
from oracle.metrics import Metrics
from oracle.onchain.chain import Signer, StoreClient, Unfit
from oracle.onchain.due import PushPolicy
from oracle.plan import Plan
from oracle.push import PushRules
from oracle.records import PushRow, Record
from oracle.remote import RemoteOperator, RemoteSigner
from oracle.rounds import Done, Member, Rounds, subset
from oracle.sign import Refusal
from oracle.sources import chains_of, sources_of, venues_of
from oracle.store import Store
from oracle.supervise import Supervisor
from oracle.tables.schema import ConfigError, Problem
from oracle.target import Target, Tools
from oracle.voices import last_published

_log = structlog.get_logger("oracle.app")
_LATE_MS = 1_900
"""A round that begins later than this would call its own sources too early."""
_DAY_S = 86_400
_HOUSEKEEPING_S = 60
_PUSH_S = 0.5
_SAMPLES = 20_000
_SIGNER_MS = 1_000
"""Who signs later than this is mute for the round: a round waits for its keys."""
MakeOperator = Callable[[str, coincurve.PrivateKey, SignJournal, int], Operator]


def make_operator(name: str, key: coincurve.PrivateKey, journal: SignJournal, bound_bps: int) -> Operator:
    """The operator of production; a demo may put a dishonest one in its place."""
    return Operator(name, key, journal, bound_bps=bound_bps)


class App:
    """One process: feeds in, rounds, API and pushes out.

    Args:
        plan: the checked config.
        environ: where passphrases are.
        operator: makes an operator from its key and journal.
    """

    def __init__(
        self, plan: Plan, *, environ: Mapping[str, str] = os.environ, operator: MakeOperator = make_operator
    ) -> None:
        self.plan = plan
        self.clock = ClockWatch()
        self.metrics = Metrics(now_ms)
        self.store = Store(Path(plan.config.oracle.database))
        self._environ, self._make_operator = environ, operator
        self._holds: list[Hold] = []
        self._report_keys: dict[bytes, str] = {}
        self.observer = Observer(sources_of(plan))
        self.rounds = Rounds(plan.specs, self._members(), None)
        states = self.rounds.members[0].states
        self.live = Live(plan.specs, states.__getitem__, self.observer.observe, self.rounds.published)
        last = [r for f in plan.specs if (r := self.store.record(f)) is not None]
        self.rounds.resume(last, {f: p for f in plan.specs if (p := last_published(self.store, f)) is not None})
        self.targets: dict[str, Target] = {}
        self.last_round_s = self.store.last_round_s()
        self.live_us: deque[int] = deque(maxlen=_SAMPLES)
        self.durable_ms: deque[int] = deque(maxlen=_SAMPLES)
        self.receipt_ms: deque[int] = deque(maxlen=_SAMPLES)
        self.desk = StoreDesk(
            plan.specs,
            self.store,
            self.live,
            self.targets,
            interval_s=plan.config.oracle.round_interval_s,
            now_ms=now_ms,
            offset_ms=lambda: self.clock.offset_ms(now_ms()),
            reports=not any(o.shared_journal for o in plan.config.operators),
        )
        self._against: dict[str, dict[str, Kind]] = {}
        for source in plan.sources:
            self._against.setdefault(source.feed, {})[source.spec.name] = source.against
        self._dirty: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._ending = False
        self._apart_ms: int | None = None
        self._watch: Watch | None = None
        self._server: Server | None = None
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end everything in order: no new rounds, tasks cancelled, files closed."""
        config = self.plan.config
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            self._watch = self._build_watch(session)
            self.targets.update({n: self._target(n, t) for n, t in config.targets.items()})
            await self._start_targets()
            server = await serve(
                self.desk,
                host=config.api.host,
                port=config.api.port,
                now_ms=now_ms,
                metrics=self._render,
                cors_origins=config.api.cors_origins,
            )
            self._server = server
            self._schedule(self._scheduler)
            jobs: dict[str, Callable[[], Coroutine[None, None, None]]] = {"live lane": self._live_lane}
            jobs |= self._watch.tasks()
            tasks = asyncio.create_task(Supervisor(jobs).run())
            waiter = asyncio.create_task(stop.wait())
            self._scheduler.start()
            _log.info("running", api=f"http://{config.api.host}:{config.api.port}", feeds=len(self.plan.specs),
                      dry=not any(t.can_send for t in self.targets.values()))  # fmt: skip
            try:
                await asyncio.wait({tasks, waiter}, return_when=asyncio.FIRST_COMPLETED)
                if tasks.done():
                    tasks.result()
            finally:
                self._ending = True
                self._scheduler.shutdown(wait=False)
                for task in (tasks, waiter):
                    task.cancel()
                await asyncio.gather(tasks, waiter, return_exceptions=True)
                await server.close()
                for target in self.targets.values():
                    await target.close()
                await self._close_signers()
                self._close_files()

    async def _start_targets(self) -> None:
        """Connect to every store; one that contradicts the config stops the start."""
        found = await asyncio.gather(*(t.start() for t in self.targets.values()), return_exceptions=True)
        problems = []
        for name, error in zip(self.targets, found, strict=True):
            if isinstance(error, Unfit):
                problems.append(Problem(f"targets.{name}", str(error)))
            elif error is not None:
                raise error
        if problems:
            for target in self.targets.values():
                await target.close()
            await self._close_signers()
            self._close_files()
            raise ConfigError(problems)

    def _close_files(self) -> None:
        self.store.close()
        for hold in self._holds:
            hold.close()

    async def _close_signers(self) -> None:
        for member in self.rounds.members:
            if isinstance(member.signer, RemoteOperator):
                await member.signer.close()

    async def round(self, round_time_s: int) -> Done:
        """One final round: observe, fold, agree, store; nothing of it is seen or sent before it is on disk."""
        at_ms = round_time_s * MS
        observed = {feed: self.observer.observe(feed, at_ms) for feed in self.plan.specs}
        folded = self.rounds.fold(round_time_s, observed, now_ms=now_ms(), may_sign=self._clock_ok())
        said = await asyncio.gather(*(one.observed(s, round_time_s, view) for one, s, view in folded.asked))
        done = self.rounds.finish(folded, said)
        for refusal in done.refusals:
            self.metrics.refused(refusal)
            self._say_refused(refusal)
        self.store.save_round(done.kept, done.agreements, done.records, done.transitions)
        self.rounds.commit(done)
        self.last_round_s = round_time_s
        for feed, outcomes in observed.items():
            self.metrics.observed(feed, outcomes)
        for record in done.records:
            self._compare(record, observed.get(record.feed, ()))
        return done

    def _compare(self, record: Record, outcomes: Sequence[Outcome]) -> None:
        """Other oracles' feeds beside ours: shown, and told when they part; never in a price."""
        found = drifts(record.feed, outcomes, record.report, self._against.get(record.feed, {}))
        for one in self.metrics.references(found):
            _log.warning(
                "another oracle's feed lies far from ours: one of the two is wrong or late",
                feed=one.feed, source=one.source, against=one.against.value, drift_bps=one.drift_bps,
                theirs=wad_text(one.reference_wad, 6), ours=wad_text(one.own_wad, 6),
            )  # fmt: skip

    # --- what the tasks call -----------------------------------------------------------------------------------------

    async def _round_job(self) -> None:
        interval_s = self.plan.config.oracle.round_interval_s
        round_time_s = now_ms() // MS // interval_s * interval_s
        self._check_clock()
        if round_time_s <= self.last_round_s:
            if self.last_round_s - round_time_s > interval_s:
                _log.error("rounds of a later time are stored: this machine's clock was ahead, rounds wait until then",
                           last_round=self.last_round_s, now=round_time_s)  # fmt: skip
            return
        if self.clock.offset_ms(now_ms()) < -REFUSE_MS or now_ms() - round_time_s * MS > _LATE_MS:
            _log.warning("a round is left out: its time would not be true", round_time=round_time_s,
                         late_ms=now_ms() - round_time_s * MS, offset_ms=self.clock.offset_ms(now_ms()))  # fmt: skip
            self.metrics.misfire("round")
            return
        done = await self.round(round_time_s)
        durable_ms = now_ms() - round_time_s * MS
        self.durable_ms.append(durable_ms)
        self.desk.publish(done)
        self.live.refresh(self.plan.specs, now_ms())  # what no tick makes dirty any more must not stand for ever
        self.metrics.round_done(done.records, done.abstained, durable_ms=durable_ms)
        for change in done.transitions:
            said = [r.text for r in change.reasons]
            _log.warning("status", feed=change.feed, before=change.before.word, after=change.after.word, why=said)
        for name, target in self.targets.items():
            target.offer(done)
            self._scheduler.modify_job(f"push {name}", next_run_time=datetime.now(UTC))

    async def _live_lane(self) -> None:
        """Wait for news, let a few ms of it come together, compute, publish."""
        pause_s = self.plan.config.oracle.live_coalesce_ms / MS
        while True:
            await self._wake.wait()
            await asyncio.sleep(pause_s)
            self._wake.clear()
            dirty, self._dirty = self._dirty, {}
            fresh = self.live.refresh(dirty, now_ms())
            self.desk.indicate(fresh)
            spent_us = (time.monotonic_ns() - min(dirty.values())) // 1_000
            self.live_us.append(spent_us)
            self.metrics.live(spent_us)

    def _on_news(self, feeds: frozenset[str]) -> None:
        if feeds:
            at_ns = time.monotonic_ns()
            for feed in feeds:
                self._dirty.setdefault(feed, at_ns)
            self._wake.set()

    def _on_head(self, chain: str, head: Head, _: ChainRead) -> None:
        self.clock.block(chain, head.time_ms, now_ms())
        self.metrics.head(chain, head.time_ms)

    def _on_reorg(self, chain: str, first_block: int, last_block: int) -> None:
        chain_id = self.plan.config.chains[chain].chain_id
        marked = self.store.mark_orphaned(chain_id, first_block, last_block, f"reorganised at block {first_block}")
        _log.warning(
            "reorganisation: rounds that used its blocks are marked", chain=chain, block=first_block, rounds=marked
        )

    def _on_ballot(self, ballot: Ballot) -> None:
        for refusal in ballot.refusals:
            self.metrics.refused(refusal)
            self._say_refused(refusal)

    def _say_refused(self, refusal: Refusal) -> None:
        _log.warning("a cosigner refused", operator=refusal.operator, code=refusal.code.value, why=refusal.text)

    def _on_landed(self, row: PushRow) -> None:
        took_ms = (row.landed_ms or row.made_ms) - row.made_ms
        self.receipt_ms.append(took_ms)
        self.metrics.landed(row.target, took_ms)

    def _check_clock(self) -> None:
        apart_ms = now_ms() - time.monotonic_ns() // 1_000_000
        if self._apart_ms is not None and abs(apart_ms - self._apart_ms) > WARN_MS:
            _log.warning("this machine's clock was set", by_ms=apart_ms - self._apart_ms)
            self.clock.stepped()
        self._apart_ms = apart_ms
        offset = self.clock.offset_ms(now_ms())
        self.metrics.clock_offset(offset)
        if abs(offset) > WARN_MS:
            _log.warning("this machine's clock is off: correct it (NTP)", offset_ms=offset, signs=self._clock_ok())

    def _clock_ok(self) -> bool:
        return self.clock.may_sign(now_ms())

    async def _housekeep(self) -> None:
        dropped = self.store.prune(now_ms() // MS - self.plan.config.oracle.keep_days * _DAY_S)
        if dropped:
            _log.info("old rounds dropped", rounds=dropped)

    def _render(self) -> bytes:
        """The exposition, with the counters that the clients keep as they stand."""
        if self._watch is not None:
            self.metrics.snapshot(self._watch.health(), {n: r.stats for n, r in self._watch.readers.items()})
        if self._server is not None:
            self.metrics.streams(len(self._server.hub), self._server.hub.dropped)
        return self.metrics.render()

    # --- what is built -----------------------------------------------------------------------------------------------

    def _schedule(self, scheduler: AsyncIOScheduler) -> None:
        """Rounds at their times, a look at every target twice a second and after each round, housekeeping."""
        interval_s = self.plan.config.oracle.round_interval_s
        start = datetime.fromtimestamp((now_ms() // MS // interval_s + 1) * interval_s, tz=UTC)
        common = {"coalesce": True, "max_instances": 1}
        rounds = IntervalTrigger(seconds=interval_s, start_date=start, timezone=UTC)
        scheduler.add_job(self._round_job, rounds, id="round", misfire_grace_time=interval_s, **common)
        keep = IntervalTrigger(seconds=_HOUSEKEEPING_S, start_date=start, timezone=UTC)
        scheduler.add_job(self._housekeep, keep, id="housekeeping", misfire_grace_time=_HOUSEKEEPING_S, **common)
        for name, target in self.targets.items():
            every = IntervalTrigger(seconds=_PUSH_S, timezone=UTC)
            scheduler.add_job(
                partial(self._turn, target), every, id=f"push {name}", misfire_grace_time=interval_s, **common
            )
        scheduler.add_listener(self._misfired, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        scheduler.add_listener(self._job_failed, EVENT_JOB_ERROR)

    async def _turn(self, target: Target) -> None:
        """A look at a target. One that the end of the process cuts short is no failure: its journal is read again."""
        try:
            await target.turn()
        except asyncio.CancelledError:
            if not self._ending:
                raise

    def _misfired(self, event: JobExecutionEvent | JobSubmissionEvent) -> None:
        self.metrics.misfire(event.job_id)
        if event.job_id.startswith("push "):
            return  # a look while the last one still waits for its chain is left out on purpose
        _log.warning("a job was skipped: the last one still ran, or the machine was busy", job=event.job_id)

    def _job_failed(self, event: JobExecutionEvent) -> None:
        self.metrics.misfire(event.job_id)
        _log.error("a job failed; the next run tries again", job=event.job_id, error=repr(event.exception))

    def _build_watch(self, session: aiohttp.ClientSession) -> Watch:
        config = self.plan.config
        hooks = Hooks(
            on_news=self._on_news,
            on_stated=self.clock.stated,
            on_date=self.clock.date,
            on_head=self._on_head,
            on_reorg=self._on_reorg,
        )
        return Watch(
            self.observer,
            sources_of(self.plan),
            venues=venues_of(config),
            chains=chains_of(config),
            session=session,
            now_ms=now_ms,
            hooks=hooks,
        )

    def _members(self) -> list[Member]:
        operators = self.plan.config.operators
        if not operators:
            return [self._member("local", (), None)]
        return [self._member(o.name, o.without, self._operator(o)) for o in operators]

    def _member(self, name: str, without: tuple[str, ...], signer: Operator | None) -> Member:
        specs = {f: subset(s, without) for f, s in self.plan.specs.items()}
        return Member(name=name, specs=specs, states={f: self.store.state(name, f) for f in specs}, signer=signer)

    def _operator(self, section: OperatorSection) -> Operator | None:
        """The signer of an operator; None (it runs dry, and says so) while its passphrase is not given."""
        interval_ms = self.plan.config.oracle.round_interval_s * MS
        if section.signer_url is not None and section.signer_address is not None:
            timeout_ms = min(_SIGNER_MS, interval_ms // 4)
            remote = RemoteSigner(section.signer_url, address(section.signer_address), timeout_ms=timeout_ms)
            return RemoteOperator(
                section.name, remote, self._journal(section, remote.address), bound_bps=section.bound_bps
            )
        if section.passphrase_env not in self._environ:
            _log.warning(
                "no passphrase: this operator signs nothing", operator=section.name, set=section.passphrase_env
            )
            return None
        key = keys.load(Path(str(section.keyfile)), section.passphrase_env, self._environ)
        return self._make_operator(section.name, key, self._journal(section, address_of(key)), section.bound_bps)

    def _journal(self, section: OperatorSection, key: bytes) -> SignJournal:
        """The sign journal of a report key: held, and mute for as long as it can not know what the key has said."""
        config = self.plan.config
        longest_s = max((t.max_push_age_s for t in config.targets.values()), default=0)
        mute_ms = (longest_s + config.oracle.round_interval_s) * MS
        self._one_owner(key, section.name)
        path = Path(section.journal)
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.with_name(f"0x{key.hex()}.held")  # stands for the file of a key that is elsewhere
        if section.keyfile is None:
            held.touch()
        self._holds.append(Hold(Path(section.keyfile or held), path))
        journal = SignJournal(path, key, now_ms=now_ms(), mute_ms=mute_ms)
        signed_s = self.store.last_signed_s(key)
        if journal.last_round_s() < signed_s:
            _log.error(
                "the sign journal is older than what the key has signed: silent for a while", operator=section.name
            )
            journal.mute(now_ms() + mute_ms)
        if journal.mute_until_ms > now_ms():
            _log.warning("mute", operator=section.name, for_ms=journal.mute_until_ms - now_ms())
        return journal

    def _one_owner(self, key: bytes, operator: str) -> None:
        """A keyfile need not state its address: only an open one tells whose it is.

        Raises:
            ConfigError: two operators have one key, and with it two journals.
        """
        if self._report_keys.setdefault(key, operator) != operator:
            text = f"0x{key.hex()} is also the key of operator {self._report_keys[key]!r}: each operator needs its own"
            raise ConfigError([Problem(f"operators.{operator}.keyfile", text)])

    def _target(self, name: str, section: TargetSection) -> Target:
        chain = self.plan.config.chains[section.chain]
        signer = self._gas_signer(name, section)
        domain = Domain(chain_id=chain.chain_id, store=address(section.store))
        tools = Tools(
            store=self.store,
            rounds=self.rounds,
            now_ms=now_ms,
            clock_ok=self._clock_ok,
            on_ballot=self._on_ballot,
            on_landed=self._on_landed,
            on_failed=lambda why: self.metrics.failed(name, why),
            on_balance=lambda wei, pushes: self.metrics.balance(name, wei, pushes),
            on_unpoked=lambda view: self.metrics.unpoked(name, view),
        )
        return Target(
            name,
            StoreClient(
                chain.endpoints,
                domain,
                signer,
                max_fee_gwei=section.max_fee_gwei,
                agree=section.agree,
                tip_percentile=section.tip_percentile,
                multicall3=chain.multicall,
            ),
            PushRules(
                max_push_age_s=section.max_push_age_s,
                bump_after_s=section.bump_after_s,
                confirmations=section.confirmations,
            ),
            feeds=self.plan.pushed,
            operators=[m.signer for m in self.rounds.members if m.signer is not None],
            can_send=signer is not None,
            tools=tools,
            policy=PushPolicy(**{f.name: getattr(section, f.name) for f in fields(PushPolicy)}),
            warn_pushes=section.warn_pushes,
            views=[address(v) for v in section.pokes],
        )

    def _gas_signer(self, name: str, section: TargetSection) -> Signer | None:
        """The gas key: in a keyfile or with a remote signer; None runs dry, and says so."""
        if section.signer_url is not None and section.signer_address is not None:
            return RemoteSigner(section.signer_url, address(section.signer_address))
        if section.gas_keyfile is not None and section.passphrase_env in self._environ:
            signer = keys.LocalSigner(keys.load(Path(section.gas_keyfile), section.passphrase_env, self._environ))
            holder = self._report_keys.get(signer.address)
            if holder is not None:
                text = (
                    f"is also the report key of operator {holder!r}: the gas key must have no authority, use two keys"
                )
                raise ConfigError([Problem(f"targets.{name}.gas_keyfile", text)])
            return signer
        _log.warning("no gas key: dry run, everything but sending", target=name, set=section.passphrase_env)
        return None
