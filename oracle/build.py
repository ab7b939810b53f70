"""The composition root: every real thing of a process, made of a resolved config and not yet running."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import structlog

from feeds.chain_follower import IngestHooks
from feeds.ingest import Ingest
from feeds.observe import Observer
from oracle.assemble.keeping import keeper_of
from oracle.assemble.network import MakeMember, agreements_of, home_store, make_member, operator_network
from oracle.assemble.operators import OperatorBuilder
from oracle.assemble.reporting import root_duty
from oracle.assemble.staking import stake_follower
from oracle.assemble.targets import Outcomes, TargetBuilder
from oracle.assemble.watch import operator_watch
from oracle.assemble.watching import watch_of, watch_signer
from oracle.chain.chain_links import ChainLinks
from oracle.chain.key_queue import KeyQueue
from oracle.config.feed_risks import risks_of
from oracle.config.feed_sources import chains_of, sources_of, venues_of
from oracle.config.resolve import ResolvedConfig, subset
from oracle.doctor.health import HealthWatch
from oracle.keep.keeper import Keeper
from oracle.model.spec import RULES_VERSION, FeedSpec
from oracle.model.state import FeedState
from oracle.network.agreements import Agreements
from oracle.network.operator_network import OperatorNetwork
from oracle.push.target import Target
from oracle.query.ask import LiveMoments
from oracle.rewards.roots.duty import RootDuty
from oracle.round.live import Live
from oracle.round.rounds import Member, Rounds
from oracle.runtime.clock import Clock
from oracle.runtime.round_gate import HoldReporter
from oracle.serve.bounded_reads import HistoryLimits
from oracle.serve.history import HistoryReaders
from oracle.serve.metrics import Metrics
from oracle.serve.questions import Questions
from oracle.serve.service import PriceService
from oracle.sign.key_lock import sole_writer
from oracle.sign.operator import Operator
from oracle.sign.remote_operator import RemoteOperator
from oracle.stake.follow import StakeFollower
from oracle.storage.database import Database, published_by_feed
from oracle.watch.duty import WatchDuty

_LOOK_S = 5.0
"""So long a start may look whether the database is whole."""
_QUERY_READERS = HistoryLimits(workers=1)
"""Questions have a reader of their own: what they fold keeps no history waiting."""
_log = structlog.get_logger("oracle.build")


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """What a process is made of. Whoever has it closes it.

    ``operators``: those that have a key here; ``keyless``: names of those that have none. ``holds``: why no rounds are made. ``opened``: locks and files, to be closed
    in reverse: a lock is let go after what it is for.
    """

    resolved: ResolvedConfig
    clock: Clock
    metrics: Metrics
    database: Database
    observer: Observer
    rounds: Rounds
    live: Live
    operators: tuple[Operator, ...]
    keyless: tuple[str, ...]
    agreements: Agreements
    watch: WatchDuty | None
    keeper: Keeper | None
    stake: StakeFollower | None
    health: HealthWatch
    roots: RootDuty | None
    network: OperatorNetwork | None
    outcomes: Outcomes
    targets: dict[str, Target]
    links: ChainLinks
    make_target: TargetBuilder
    holds: HoldReporter
    readers: HistoryReaders
    query_readers: HistoryReaders
    questions: Questions
    service: PriceService
    opened: ExitStack

    def release(self) -> None:
        """Close files and locks: all that there is to close of what has not run."""
        self.opened.close()

    async def close(self) -> None:
        """Close everything, connections too."""
        await self.agreements.close()
        self.readers.close()
        self.query_readers.close()
        if self.watch is not None:
            await self.watch.close()
        if self.keeper is not None:
            await self.keeper.close()
        if self.stake is not None:
            await self.stake.close()
        if self.roots is not None:
            await self.roots.close()
        if self.network is not None:
            await self.network.close()
        for target in self.targets.values():
            await target.close()
        for operator in self.operators:
            if isinstance(operator, RemoteOperator):
                await operator.close()
        self.release()


def build(
    resolved: ResolvedConfig,
    *,
    environ: Mapping[str, str] = os.environ,
    member: MakeMember = make_member,
    clock: Clock | None = None,
) -> Components:
    """Make everything; what was opened is released again where a later step fails.

    Args:
        resolved: the checked config.
        environ: where passphrases are.
        member: makes a member of an operator with its key here.
        clock: the time of the process; None for this machine's.

    Raises:
        DatabaseInUse: another process has the database.
        DatabaseError: the database cannot be used as it is.
        KeyfileError: a key does not open.
        ConfigError: a key has two uses.
        NetworkKeyError, BadCertificate: what speaks for this operator on the network cannot be used.
    """
    with ExitStack() as opened:
        return _build(resolved, environ, member, clock or Clock(), opened)


def _build(
    resolved: ResolvedConfig, environ: Mapping[str, str], make: MakeMember, clock: Clock, opened: ExitStack
) -> Components:
    config = resolved.config
    path = Path(config.oracle.database)
    opened.enter_context(sole_writer(path))
    metrics = Metrics(clock.now_ms)
    metrics.expect(config.targets, resolved.specs, [o.name for o in config.operators])
    metrics.feeds.expect(resolved.specs)
    metrics.process.database = path
    metrics.process.interval(config.oracle.round_interval_s)
    database = Database(path)
    opened.callback(database.close)
    if not database.check_whole(_LOOK_S):
        _log.info(
            "the database is too big to be looked through at a start; what is damaged is noticed where it is read"
        )
    observer = Observer(sources_of(resolved))
    builder = OperatorBuilder(resolved, environ, clock, database, opened)
    members = _members(resolved, builder, database)
    rounds = _rounds(resolved, members, database)
    live = Live(resolved.specs, lambda f: rounds.members[0].states[f], observer.observe, rounds.published)
    outcomes, links = Outcomes(metrics=metrics), ChainLinks()
    network = operator_network(resolved, clock, database, builder.made)
    seated = [make(o) if network is None else network.member(make(o)) for o in builder.made]
    agreements = agreements_of(resolved, clock, seated, outcomes.agreed, network)
    targets = TargetBuilder(
        resolved=resolved, environ=environ, clock=clock, database=database, rounds=rounds, agreements=agreements,
        operators=builder.made, outcomes=outcomes, report_keys=builder.owners, network=network, links=links,
    )  # fmt: skip
    by_name = {name: targets.target(name, section) for name, section in config.targets.items()}
    for target in by_name.values():
        targets.find_directory(target.client)
    payer, queue = watch_signer(config, environ, clock.now_ms) if config.operators else None, KeyQueue()
    watch, keeper = None, None
    if config.operators:
        watch = watch_of(config, database, clock.now_ms, agreements=agreements, payer=payer, queue=queue, links=links)
        keeper = keeper_of(
            config,
            database,
            clock.now_ms,
            payer=payer,
            queue=queue,
            agreements=agreements,
            network=network,
            links=links,
        )
    metrics.watch.watch = watch
    metrics.keeper.keeper = keeper
    stake = stake_follower(config, clock.now_ms, links)
    roots = metrics.rewards.roots = root_duty(
        config, clock, database, environ, operators=builder.made, agreements=agreements, network=network, links=links
    )
    holds = HoldReporter(config.oracle.round_interval_s, clock.monotonic_ms())
    readers, query_readers = HistoryReaders(path), HistoryReaders(path, _QUERY_READERS)
    keyless = [m.name for m in members if m.signer is None and config.operators]
    operators = operator_watch(
        resolved, clock, database, operators=builder.made, agreements=agreements, network=network,
        tally=outcomes.tally, keyless=keyless,
    )  # fmt: skip
    metrics.operators.view = metrics.stake.operators = operators
    if stake is not None:
        metrics.stake.view = stake.view
    service = PriceService(
        resolved.specs,
        database,
        live,
        by_name,
        interval_s=config.oracle.round_interval_s,
        now_ms=clock.now_ms,
        offset_ms=clock.offset_ms,
        readers=readers,
        keyless=keyless,
        reports=not any(o.shared_journal for o in config.operators),
        held=holds.text,
        risks=risks_of(resolved),
        operators=operators,
        stake=stake.view if stake is not None else lambda: None,
    )
    health = HealthWatch(config, clock, builder.made, lambda: [t.status() for t in by_name.values()])
    metrics.health.shown, service.found = health.shown, health.warnings
    return Components(
        resolved=resolved, clock=clock, metrics=metrics, database=database, observer=observer, rounds=rounds, live=live,
        operators=tuple(builder.made), keyless=tuple(keyless), agreements=agreements, watch=watch, keeper=keeper, stake=stake, health=health, roots=roots, network=network, outcomes=outcomes, targets=by_name, links=links, make_target=targets, holds=holds, readers=readers, query_readers=query_readers,
        questions=Questions(resolved, query_readers, moments=LiveMoments(live=live, now_ms=clock.now_ms)), service=service, opened=opened.pop_all(),
    )  # fmt: skip


def build_ingest(
    resolved: ResolvedConfig,
    observer: Observer,
    session: aiohttp.ClientSession,
    now_ms: Callable[[], int],
    hooks: IngestHooks,
) -> Ingest:
    """The streams and readers that fill an observer. They need an event loop, so they are made when it runs."""
    return Ingest(
        observer,
        sources_of(resolved),
        venues=venues_of(resolved.config),
        chains=chains_of(resolved.config),
        session=session,
        now_ms=now_ms,
        hooks=hooks,
    )


def _members(resolved: ResolvedConfig, builder: OperatorBuilder, database: Database) -> list[Member]:
    """A member for each operator, with the state that its rounds have come to; without operators one that signs nothing."""

    def member(name: str, without: tuple[str, ...], signer: Operator | None) -> Member:
        specs = member_specs(resolved, without)
        return Member(name=name, specs=specs, states={f: stored_state(database, name, f) for f in specs}, signer=signer)

    operators = resolved.config.operators
    return [member(o.name, o.without, builder.operator(o)) for o in operators] or [member("local", (), None)]


def member_specs(resolved: ResolvedConfig, without: Sequence[str]) -> dict[str, FeedSpec]:
    """All feeds, as an operator sees them that does not use these sources, groups or venues."""
    return {feed: subset(spec, without) for feed, spec in resolved.specs.items()}


def stored_state(database: Database, operator: str, feed: str) -> FeedState:
    """What a feed goes on from; where other rules have left it behind, that is said."""
    carried = database.carried_state(operator, feed)
    if carried.is_of_other_rules:
        _log.warning(
            "the first round by other rules: what a feed remembers is carried over", operator=operator, feed=feed,
            made_by=carried.made_by, rules=RULES_VERSION, begins_anew=carried.anew, status=carried.state.judge.status.word,
            news=True,
        )  # fmt: skip
    return carried.state


def _rounds(resolved: ResolvedConfig, members: list[Member], database: Database) -> Rounds:
    """Rounds that go on from what was published last."""
    rounds = Rounds(resolved.specs, members, home_store(resolved))
    records = [r for feed in resolved.specs if (r := database.record(feed)) is not None]
    rounds.resume(records, published_by_feed(database, resolved.specs))
    return rounds
