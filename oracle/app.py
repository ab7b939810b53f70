"""The composition root: builds every real thing, owns the clock and the keys, and supervises the tasks."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from functools import partial
from pathlib import Path

import aiohttp
import coincurve
import structlog

from feeds.chain_follower import Hooks
from feeds.chains.endpoint import Head
from feeds.chains.reader import ChainRead
from feeds.ingest import Ingest
from feeds.observe import Observer
from feeds.types import Kind, Outcome
from feeds.units import MS, wad_text
from oracle.chain.store_client import Signer, StoreClient, Unfit
from oracle.config.feed_sources import chains_of, sources_of, venues_of
from oracle.config.resolve import ResolvedConfig, subset
from oracle.config.tables.forms import raw_address
from oracle.config.tables.operator_sections import OperatorSection, TargetSection
from oracle.config.tables.schema import ConfigError, Problem
from oracle.model.publication import PushRow, Record
from oracle.push.due import PushPolicy
from oracle.push.pusher import PushRules
from oracle.push.target import Target, Tools
from oracle.round.live import Live
from oracle.round.reference_divergence import divergences
from oracle.round.rounds import Member, Round, Rounds
from oracle.runtime.clock import Clock
from oracle.runtime.log_limit import limit_logs
from oracle.runtime.resubscribe import Resubscriber
from oracle.runtime.round_timer import RoundTimer
from oracle.runtime.schedule import every
from oracle.runtime.supervise import Supervisor
from oracle.serve.connection_gate import GateLimits
from oracle.serve.history import HistoryReaders
from oracle.serve.metrics import Metrics
from oracle.serve.server import Server, serve
from oracle.serve.service import PriceService
from oracle.sign import keyfiles
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.journal_witness import JournalWitness, witness_folder
from oracle.sign.key_lock import KeyLock, sole_writer
from oracle.sign.messages import Refusal
from oracle.sign.operator import Operator
from oracle.sign.quorum import CollectedSignatures
from oracle.sign.remote_operator import RemoteOperator
from oracle.sign.remote_signer import RemoteSigner
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database, last_published

_log = structlog.get_logger("oracle.app")
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

    Raises:
        DatabaseInUse: another process has the database.
    """

    def __init__(
        self, plan: ResolvedConfig, *, environ: Mapping[str, str] = os.environ, operator: MakeOperator = make_operator
    ) -> None:
        self.plan = plan
        self._environ, self._make_operator = environ, operator
        self._files = ExitStack()  # closed in reverse: a lock is let go after what it is for
        try:
            self._build(plan)
        except BaseException:
            self._close_files()
            raise

    def _build(self, plan: ResolvedConfig) -> None:
        self._files.enter_context(sole_writer(plan.config.oracle.database))
        self.clock = Clock()
        self.metrics = Metrics(self.clock.now_ms)
        self.store = Database(Path(plan.config.oracle.database))
        self._files.callback(self.store.close)
        self._report_keys: dict[bytes, str] = {}
        self.observer = Observer(sources_of(plan))
        self.rounds = Rounds(plan.specs, self._members(), None)
        states = self.rounds.members[0].states
        self.live = Live(plan.specs, states.__getitem__, self.observer.observe, self.rounds.published)
        last = [r for f in plan.specs if (r := self.store.record(f)) is not None]
        self.rounds.resume(last, {f: p for f in plan.specs if (p := last_published(self.store, f)) is not None})
        self.targets: dict[str, Target] = {}
        self.last_round_s = self.store.last_round_s()
        self._heart = RoundTimer(
            self.clock,
            plan.config.oracle.round_interval_s,
            self.metrics,
            make=self._make_round,
            last_round_s=lambda: self.last_round_s,
            on_followed=self._on_followed,
            on_confirmed=lambda: self._set_journals(0),
        )
        self.live_us: deque[int] = deque(maxlen=_SAMPLES)
        self.durable_ms: deque[int] = deque(maxlen=_SAMPLES)
        self.receipt_ms: deque[int] = deque(maxlen=_SAMPLES)
        self.readers = HistoryReaders(Path(plan.config.oracle.database))
        self.desk = PriceService(
            plan.specs,
            self.store,
            self.live,
            self.targets,
            interval_s=plan.config.oracle.round_interval_s,
            now_ms=self.clock.now_ms,
            offset_ms=self.clock.offset_ms,
            readers=self.readers,
            keyless=[m.name for m in self.rounds.members if m.signer is None and plan.config.operators],
            reports=not any(o.shared_journal for o in plan.config.operators),
            held=self._heart.held,
        )
        self._against: dict[str, dict[str, Kind]] = {}
        for source in plan.sources:
            self._against.setdefault(source.feed, {})[source.spec.name] = source.against
        self._dirty: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._news: dict[str, asyncio.Event] = {}
        self._listening: Resubscriber | None = None
        self._server: Server | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end everything in order: no new rounds, tasks cancelled, files closed."""
        config = self.plan.config
        limit_logs()
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            self._listening = Resubscriber(self.observer, partial(self._build_watch, session))
            self.targets.update({n: self._target(n, t) for n, t in config.targets.items()})
            await self._start_targets()
            server = await serve(
                self.desk,
                host=config.api.host,
                port=config.api.port,
                now_ms=self.clock.now_ms,
                metrics=self._render,
                cors_origins=config.api.cors_origins,
                gate_limits=GateLimits(connections=config.api.max_connections, idle_s=config.api.idle_s),
            )
            self._server = server
            tasks = asyncio.create_task(Supervisor(self._jobs(self._listening)).run())
            waiter = asyncio.create_task(stop.wait())
            _log.info("running", api=f"http://{config.api.host}:{config.api.port}", feeds=len(self.plan.specs),
                      dry=not any(t.can_send for t in self.targets.values()))  # fmt: skip
            try:
                await asyncio.wait({tasks, waiter}, return_when=asyncio.FIRST_COMPLETED)
                if tasks.done():
                    tasks.result()
            finally:
                for task in (tasks, waiter):
                    task.cancel()
                await asyncio.gather(tasks, waiter, return_exceptions=True)
                await server.close()
                self.readers.close()
                for target in self.targets.values():
                    await target.close()
                await self._close_signers()
                self._close_files()

    @property
    def watch(self) -> Ingest | None:
        """The streams and readers, while it runs."""
        return None if self._listening is None else self._listening.watch

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
        self._files.close()

    async def _close_signers(self) -> None:
        for member in self.rounds.members:
            if isinstance(member.signer, RemoteOperator):
                await member.signer.close()

    async def round(self, round_time_s: int) -> Round:
        """One final round: observe, fold, agree, store; nothing of it is seen or sent before it is on disk."""
        at_ms = round_time_s * MS
        observed = {feed: self.observer.observe(feed, at_ms) for feed in self.plan.specs}
        folded = self.rounds.fold(round_time_s, observed, now_ms=self.clock.now_ms(), may_sign=self.clock.may_sign())
        answers = await asyncio.gather(*(request.send() for request in folded.requests))
        done = self.rounds.finish(folded, answers)
        for refusal in done.refusals:
            self.metrics.refused(refusal)
            self._say_refused(refusal)
        self.store.save_round(done.feeds, done.agreements, done.records, done.transitions)
        self.rounds.commit(done)
        self.last_round_s = round_time_s
        for feed, outcomes in observed.items():
            self.metrics.observed(feed, outcomes)
        for record in done.records:
            self._compare(record, observed.get(record.feed, ()))
        return done

    def _compare(self, record: Record, outcomes: Sequence[Outcome]) -> None:
        """Other oracles' feeds beside ours: shown, and told when they part; never in a price."""
        found = divergences(record.feed, outcomes, record.report, self._against.get(record.feed, {}))
        for one in self.metrics.references(found):
            _log.warning(
                "another oracle's feed lies far from ours: one of the two is wrong or late",
                feed=one.feed, source=one.source, against=one.against.value, drift_bps=one.drift_bps,
                theirs=wad_text(one.reference_wad, 6), ours=wad_text(one.own_wad, 6),
            )  # fmt: skip

    # --- what the tasks call -----------------------------------------------------------------------------------------

    async def _make_round(self, round_time_s: int) -> None:
        done = await self.round(round_time_s)
        durable_ms = self.clock.now_ms() - round_time_s * MS
        self.durable_ms.append(durable_ms)
        self.desk.publish(done)
        # what no tick makes dirty any more must not stand for ever
        self.live.refresh(self.plan.specs, self.clock.now_ms())
        self.metrics.round_done(done.records, done.abstained, durable_ms=durable_ms)
        for change in done.transitions:
            said = [r.text for r in change.reasons]
            _log.warning("status", feed=change.feed, before=change.before.word, after=change.after.word, why=said)
        for name, target in self.targets.items():
            target.offer(done)
            self._news[name].set()

    async def _live_lane(self) -> None:
        """Wait for news, let a few ms of it come together, compute, publish."""
        pause_s = self.plan.config.oracle.live_coalesce_ms / MS
        while True:
            await self._wake.wait()
            await asyncio.sleep(pause_s)
            self._wake.clear()
            dirty, self._dirty = self._dirty, {}
            fresh = self.live.refresh(dirty, self.clock.now_ms())
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
        self.clock.watch.block(chain, head.time_ms, self.clock.now_ms())
        self.metrics.head(chain, head.time_ms)

    def _on_reorg(self, chain: str, first_block: int, last_block: int) -> None:
        chain_id = self.plan.config.chains[chain].chain_id
        marked = self.store.mark_orphaned(chain_id, first_block, last_block, f"reorganised at block {first_block}")
        _log.warning(
            "reorganisation: rounds that used its blocks are marked", chain=chain, block=first_block, rounds=marked
        )

    def _on_ballot(self, ballot: CollectedSignatures) -> None:
        for refusal in ballot.refusals:
            self.metrics.refused(refusal)
            self._say_refused(refusal)

    def _say_refused(self, refusal: Refusal) -> None:
        _log.warning("a cosigner refused", operator=refusal.operator, code=refusal.code.value, why=refusal.text)

    def _on_landed(self, row: PushRow) -> None:
        took_ms = (row.landed_ms or row.made_ms) - row.made_ms
        self.receipt_ms.append(took_ms)
        self.metrics.landed(row.target, took_ms)

    def _on_followed(self, by_ms: int) -> None:
        """Our time was wrong and is right now: what was heard and timed before bears times that are not true."""
        _log.warning("time goes by this machine's clock again: others say that it is right", by_ms=by_ms)
        self._set_journals(by_ms)
        if self._listening is not None:
            self._listening.anew()

    def _set_journals(self, by_ms: int) -> None:
        for member in self.rounds.members:
            if isinstance(member.signer, Operator):
                member.signer.journal.set_time(self.clock.now_ms(), by_ms)

    async def _housekeep(self) -> None:
        """Drop what is old, by a time that somebody confirmed: what is dropped does not come back."""
        if not (self.clock.confirmed and self.clock.may_sign()):
            return
        dropped = self.store.prune(self.clock.now_ms() // MS - self.plan.config.oracle.keep_days * _DAY_S)
        if dropped:
            _log.info("old rounds dropped", rounds=dropped)

    def _render(self) -> bytes:
        """The exposition, with the counters that the clients keep as they stand."""
        if self.watch is not None:
            self.metrics.snapshot(self.watch.health(), {n: r.stats for n, r in self.watch.readers.items()})
        if self._server is not None:
            hub, gate = self._server.hub, self._server.gate
            self.metrics.streams(len(hub), hub.dropped)
            self.metrics.connections(len(gate), gate.counts(), self.readers.refused)
        health = self.desk.health()
        ready = health.live and health.ready
        self.metrics.chains.set(health.targets, self.clock.now_ms(), ready=ready, round_s=health.round)
        return self.metrics.render()

    # --- what is built -----------------------------------------------------------------------------------------------

    def _jobs(self, listening: Resubscriber) -> dict[str, Callable[[], Coroutine[None, None, None]]]:
        """Sources, rounds, a look at every target twice a second and after each round, housekeeping; each for ever."""
        failed = self._heart.failed
        jobs: dict[str, Callable[[], Coroutine[None, None, None]]] = {
            "sources": listening.run,
            "live lane": self._live_lane,
            "housekeeping": partial(every, _HOUSEKEEPING_S, self._housekeep, partial(failed, "housekeeping")),
            **self._heart.jobs(),
        }
        for name, target in self.targets.items():
            news = self._news[name] = asyncio.Event()
            job = f"push {name}"
            jobs[job] = partial(every, _PUSH_S, partial(self._turn, target), partial(failed, job), news)
        return jobs

    async def _turn(self, target: Target) -> None:
        """A look at a target, by a time that is believed: what is due and what is too old goes by it."""
        if self._heart.believed:
            await target.turn()

    def _build_watch(self, session: aiohttp.ClientSession) -> Ingest:
        config = self.plan.config
        hooks = Hooks(
            on_news=self._on_news,
            on_stated=self.clock.watch.stated,
            on_date=self.clock.watch.date,
            on_head=self._on_head,
            on_reorg=self._on_reorg,
        )
        return Ingest(
            self.observer,
            sources_of(self.plan),
            venues=venues_of(config),
            chains=chains_of(config),
            session=session,
            now_ms=self.clock.now_ms,
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
            remote = RemoteSigner(section.signer_url, raw_address(section.signer_address), timeout_ms=timeout_ms)
            return RemoteOperator(
                section.name, remote, self._journal(section, remote.address), bound_bps=section.bound_bps
            )
        if section.passphrase_env not in self._environ:
            _log.warning(
                "no passphrase: this operator signs nothing", operator=section.name, set=section.passphrase_env
            )
            return None
        key = keyfiles.load(Path(str(section.keyfile)), section.passphrase_env, self._environ)
        return self._make_operator(section.name, key, self._journal(section, address_of(key)), section.bound_bps)

    def _journal(self, section: OperatorSection, key: bytes) -> SignJournal:
        """The sign journal of a report key: held, and mute for as long as it cannot know what the key has said."""
        config = self.plan.config
        longest_s = max((t.max_push_age_s for t in config.targets.values()), default=0)
        mute_ms = (longest_s + config.oracle.round_interval_s) * MS
        self._one_owner(key, section.name)
        path = Path(section.journal)
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.with_name(f"0x{key.hex()}.held")  # stands for the file of a key that is elsewhere
        if section.keyfile is None:
            held.touch()
        self._files.callback(KeyLock(Path(section.keyfile or held), path).close)
        witness = self._witness(key, section.name)
        now_ms, sure = self.clock.now_ms(), self.clock.confirmed
        journal = SignJournal(path, key, now_ms=now_ms, mute_ms=mute_ms, witness=witness, time_confirmed=sure)
        self._files.callback(journal.close)
        if journal.witnessed_s is not None:
            _log.error(
                "the sign journal is older than what its witness knows of: it was restored; silent for a while",
                operator=section.name, signed_up_to=journal.witnessed_s, witness=str(witness and witness.path),
            )  # fmt: skip
        signed_s = self.store.last_signed_s(key)
        if journal.last_round_s() < signed_s:
            _log.error(
                "the sign journal is older than what the key has signed: silent for a while", operator=section.name
            )
            journal.mark_restored(now_ms, signed_s)
        if rest_ms := journal.mute_for_ms(now_ms):
            _log.warning("mute", operator=section.name, for_ms=rest_ms)
        return journal

    def _witness(self, key: bytes, operator: str) -> JournalWitness | None:
        folder = witness_folder(self.plan.config.oracle.witness, self._environ)
        if folder is None:
            _log.warning(
                "no folder for witnesses: a journal that is restored together with the database is noticed only by what"
                " the store holds; set oracle.witness", operator=operator,
            )  # fmt: skip
            return None
        return JournalWitness(folder, key)

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
        domain = Domain(chain_id=chain.chain_id, store=raw_address(section.store))
        tools = Tools(
            store=self.store,
            rounds=self.rounds,
            now_ms=self.clock.now_ms,
            clock_ok=self.clock.may_sign,
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
                relays=section.relays,
                gas_env=section.passphrase_env,
            ),
            PushRules(
                max_push_age_s=section.max_push_age_s,
                bump_after_s=section.bump_after_s,
                confirmations=section.confirmations,
            ),
            feeds=self.plan.pushed,
            operators=[m.signer for m in self.rounds.members if isinstance(m.signer, Operator)],
            can_send=signer is not None,
            closed=section.passphrase_env if signer is None and section.gas_keyfile is not None else "",
            round_s=self.plan.config.oracle.round_interval_s,
            tools=tools,
            policy=PushPolicy(**{f.name: getattr(section, f.name) for f in fields(PushPolicy)}),
            warn_pushes=section.warn_pushes,
            views=[raw_address(v) for v in section.pokes],
        )

    def _gas_signer(self, name: str, section: TargetSection) -> Signer | None:
        """The gas key: in a keyfile or with a remote signer; None runs dry, and says so."""
        if section.signer_url is not None and section.signer_address is not None:
            return RemoteSigner(section.signer_url, raw_address(section.signer_address))
        if section.gas_keyfile is not None and section.passphrase_env in self._environ:
            signer = keyfiles.LocalSigner(
                keyfiles.load(Path(section.gas_keyfile), section.passphrase_env, self._environ)
            )
            holder = self._report_keys.get(signer.address)
            if holder is not None:
                text = (
                    f"is also the report key of operator {holder!r}: the gas key must have no authority, use two keys"
                )
                raise ConfigError([Problem(f"targets.{name}.gas_keyfile", text)])
            return signer
        _log.warning("no gas key: dry run, everything but sending", target=name, set=section.passphrase_env)
        return None
