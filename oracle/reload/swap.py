"""The change itself: everything that may fail is made beforehand, then all is changed at once between two rounds, or nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Protocol

import structlog

from feeds.ingest import Ingest
from oracle.assemble.network import common_rules, configured_peers, home_store
from oracle.assemble.watch import name_members
from oracle.build import Components, member_specs, stored_state
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import Unfit
from oracle.config.feed_risks import risks_of
from oracle.config.feed_sources import chains_of, sources_of, venues_of
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.schema import ConfigError, Problem
from oracle.push.preflight import check_presence, indexes_of, read_limits
from oracle.push.target import Target
from oracle.push.target_loops import TargetLoops
from oracle.reload.outcome import ReloadRefused
from oracle.round.rounds import Member
from oracle.storage.database import published_by_feed

_FIT_S, _FINISH_S, _LOOK_S = 20.0, 60.0, 1.0
_NO_ANSWER = (ChainError, OSError, TimeoutError)
_log = structlog.get_logger("oracle.reload.swap")
Undo = Callable[[], None]


class Running(Protocol):
    """A process that makes rounds."""

    resolved: ResolvedConfig
    components: Components
    loops: TargetLoops
    between_rounds: asyncio.Lock
    is_running: bool
    """Whether it has begun, and is not about to end."""

    @property
    def ingest(self) -> Ingest | None:
        """Its streams and readers, while they run."""

    def change(self, resolved: ResolvedConfig) -> Undo:
        """Hold another config for its own. Returns what takes it back."""

    def follow(self) -> None:
        """Begin what is new, and end what is gone."""


async def swap(process: Running, after: ResolvedConfig) -> None:
    """Have a process go by another config from its next round on.

    Args:
        process: it.
        after: differs from its own config in what may change while it runs, and in nothing else.

    Raises:
        ConfigError: a store does not take what the config says of it, or a key has two uses.
        KeyfileError: a key does not open.
        ReloadRefused: not now.
    """
    before = process.resolved
    async with AsyncExitStack() as opened:
        targets = _targets(process, after, opened)
        old = dict(process.loops.targets)
        await _check_fit(before, after, targets, old)
        gone = [t for n, t in old.items() if targets.get(n) is not t]
        unsteady = list(old) if _pushes_other(before, after) else [t.name for t in gone]
        async with process.loops.at_rest(unsteady):
            for target in gone:
                await _finish(target, targets.get(target.name))
            async with process.between_rounds:
                if not process.is_running:
                    raise ReloadRefused("the process starts or ends: nothing is changed; try again once it runs")
                with ExitStack() as undo:
                    for step in _steps(process, before, after, targets):
                        undo.callback(step)
                    undo.pop_all()
                process.follow()
        opened.pop_all()
    with _told("what hangs on what is gone"):
        _forget(process, before, after)
    for target in gone:
        with _told(f"connections of target {target.name}"):
            await target.close()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """The change is made: what fails after it is told, and takes nothing back."""
    try:
        yield
    except Exception:  # noqa: BLE001 - as above
        _log.exception("something is left of the config of before", what=what, news=True)


def _targets(process: Running, after: ResolvedConfig, opened: AsyncExitStack) -> dict[str, Target]:
    """All targets of another config: those that nothing is new about, and those that are made of it."""
    before, make = process.resolved.config, replace(process.components.make_target, resolved=after)
    targets = {}
    for name, section in after.config.targets.items():
        same = before.targets.get(name) == section and (
            before.chains[section.chain].multicall == after.config.chains[section.chain].multicall
        )
        if same:
            targets[name] = process.loops.targets[name]
        else:
            targets[name] = make.target(name, section)
            opened.push_async_callback(targets[name].close)
    return targets


def _pushes_other(before: ResolvedConfig, after: ResolvedConfig) -> bool:
    """Whether other feeds are pushed, or with other prices in them."""
    return _presence(before) != _presence(after)


def _presence(resolved: ResolvedConfig) -> Mapping[str, tuple[bool, bool]]:
    return {f: (resolved.specs[f].has_market, resolved.specs[f].has_redemption) for f in resolved.pushed}


async def _check_fit(
    before: ResolvedConfig, after: ResolvedConfig, targets: Mapping[str, Target], old: Mapping[str, Target]
) -> None:
    """Ask stores whether they take what is pushed from now on; one that does not answer is asked again when it is connected.

    Raises:
        ConfigError: one does not.
    """
    asked = [t for n, t in targets.items() if _pushes_other(before, after) or old.get(n) is not t]
    told = await asyncio.gather(*(_misfit(t, after) for t in asked))
    problems = [Problem(f"targets.{t.name}", text) for t, text in zip(asked, told, strict=True) if text]
    if problems:
        raise ConfigError(problems)


async def _misfit(target: Target, after: ResolvedConfig) -> str:
    try:
        async with asyncio.timeout(_FIT_S):
            indexes = indexes_of(after.pushed, await target.client.feeds())
            await check_presence(target.client, indexes, after.specs)
            await read_limits(target.client, indexes, after.config.targets[target.name].max_push_age_s)
    except Unfit as e:
        return str(e)
    except _NO_ANSWER as e:
        _log.warning("whether the store takes these feeds is not known yet", target=target.name, why=str(e)[:300])
    return ""


async def _finish(target: Target, follower: Target | None) -> None:
    """A push is not cut in two: who follows with the same key at the same store goes on with it, else it is awaited.

    Raises:
        ReloadRefused: it does not land.
    """
    follows = follower is not None and _place(follower) == _place(target)
    if follows or not target.client.pays:  # without its key nobody here can do anything for a push
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(_FINISH_S):
            while target.pusher.pending:
                with suppress(*_NO_ANSWER):
                    await target.pusher.poll()
                await asyncio.sleep(_LOOK_S if target.pusher.pending else 0)
    if target.pusher.pending:
        text = f"a push of target {target.name} is under way and has not landed in {_FINISH_S:g} s"
        raise ReloadRefused(f"{text}: nothing is changed; reload again once it has")


def _place(target: Target) -> tuple[object, object]:
    client = target.client
    return client.domain, client.payer if client.pays else None


def _steps(
    process: Running, before: ResolvedConfig, after: ResolvedConfig, targets: Mapping[str, Target]
) -> Iterator[Undo]:
    """Change one thing after the other, each with what takes it back. Nothing here waits."""
    parts, config = process.components, after.config
    sources, peers = sources_of(after), {}
    if process.ingest is not None:
        yield process.ingest.change(sources, venues=venues_of(config), chains=chains_of(config))
    yield parts.observer.change(sources)
    for chain, section in config.chains.items():
        if chain in before.config.chains and before.config.chains[chain].endpoints != section.endpoints:
            yield parts.links.use(chain, section.endpoints)
    new = {f: spec for f, spec in after.specs.items() if f not in before.specs}
    known = [r for f in new if (r := parts.database.record(f)) is not None]
    parts.rounds.resume(
        known, published_by_feed(parts.database, new)
    )  # as at a start; of a feed that is not made it says nothing
    yield parts.rounds.change(after.specs, list(_members(parts, after)), home_store(after), targets)
    yield parts.live.change(after.specs)
    yield parts.service.change(after.specs, risks_of(after))
    yield parts.questions.change(after)
    if config.network is not None and parts.network is not None:
        peers = configured_peers(config.network)
        met, network = parts.network.place.peers, parts.network
        if peers != met:
            network.change_peers(peers)
            yield lambda: network.change_peers(met)
    yield parts.agreements.change(common_rules(after), {a: p.name for a, p in peers.items()})
    yield from _bounds(parts, after)
    if _pushes_other(before, after):
        for target in (t for n, t in targets.items() if process.loops.targets.get(n) is t):
            listed = target.feeds
            target.change_feeds(after.pushed)
            yield lambda target=target, listed=listed: target.change_feeds(listed)  # type: ignore[misc]
    yield process.loops.replace(targets)
    yield process.change(after)


def _members(parts: Components, after: ResolvedConfig) -> Iterator[Member]:
    """The operators with their feeds: those that were there go on from their states, the others from what is stored of them."""
    without = {o.name: o.without for o in after.config.operators}
    for member in parts.rounds.members:
        specs = member_specs(after, without.get(member.name, ()))
        states = {f: member.states.get(f) or stored_state(parts.database, member.name, f) for f in specs}
        yield Member(name=member.name, specs=specs, states=states, signer=member.signer)


def _bounds(parts: Components, after: ResolvedConfig) -> Iterator[Undo]:
    bounds = {o.name: o.bound_bps for o in after.config.operators}
    for operator in parts.operators:
        was = operator.bound_bps
        operator.bound_bps = bounds.get(operator.name, was)

        def undo(operator: object = operator, was: int = was) -> None:
            operator.bound_bps = was  # type: ignore[attr-defined]

        yield undo


def _forget(process: Running, before: ResolvedConfig, after: ResolvedConfig) -> None:
    """What hangs on what is gone, and what has come, where nothing can go wrong with a price."""
    parts = process.components
    name_members(parts.outcomes.tally, after)
    for name, target in process.loops.targets.items():
        if name not in before.config.targets or before.config.targets[name] != after.config.targets[name]:
            parts.make_target.find_directory(target.client)
    gone = [n for n in before.config.targets if n not in after.config.targets]
    if parts.network is not None:
        for name in gone:
            parts.network.note_members(name, ())
    parts.metrics.forget(_labels_gone(before, after))
    parts.metrics.expect(after.config.targets, after.specs)
    parts.metrics.feeds.limits(after.specs)


def _labels_gone(before: ResolvedConfig, after: ResolvedConfig) -> Iterator[dict[str, str]]:
    """Labels of metrics of what is not there any more."""
    yield from ({"feed": f} for f in before.specs if f not in after.specs)
    yield from ({"target": t} for t in before.config.targets if t not in after.config.targets)
    yield from ({"chain": c} for c in before.config.chains if c not in after.config.chains)
    left = {(s.feed, s.spec.name) for s in after.sources}
    names = {(s.feed, s.spec.name): None for s in before.sources}
    yield from ({"feed": f, "source": s} for f, s in names if (f, s) not in left)
    venues = {s.venue for s in after.sources}
    for venue in dict.fromkeys(s.venue for s in before.sources if s.venue is not None and s.venue not in venues):
        yield from ({"venue": venue}, {"venue": f"{venue}:trades"})
