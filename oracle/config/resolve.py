"""What the config means: feeds in the order they are computed, every source with its adapter, all checked together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from feeds.types import Kind, Pair
from oracle.combine.methods.registry import METHODS, OUTLIERS
from oracle.config.check_addresses import address_problems, same_server_problems
from oracle.config.check_dead import dead_token_problems
from oracle.config.check_depth import gate_problems
from oracle.config.check_groups import group_problems, without_problems
from oracle.config.check_keys import key_problems
from oracle.config.check_legs import made_of_problems, one_group_problems
from oracle.config.check_network import network_problems
from oracle.config.check_rewards import rewards_problems
from oracle.config.check_stores import store_problems
from oracle.config.check_venues import venue_problems
from oracle.config.check_watch import watch_problems
from oracle.config.retention import retention_problems
from oracle.config.sections import Config
from oracle.config.source_plans import SourcePlace, SourcePlan, source_plan
from oracle.config.spec_builder import NO_FILTER, method_problems, spec_of
from oracle.config.tables.feed_sections import FeedSection
from oracle.config.tables.schema import ConfigError, Problem
from oracle.model.spec import FeedSpec, Mode
from oracle.model.suggest import nearest

_MAX_ID = 31
_CROSS_LEGS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig:
    """The checked config: specs in the order of computation (legs first), sources, feeds that go on chain."""

    config: Config
    specs: Mapping[str, FeedSpec]
    sources: tuple[SourcePlan, ...]
    pushed: tuple[str, ...]


def resolve(config: Config) -> ResolvedConfig:
    """Cross-check the config and build what runs.

    Raises:
        ConfigError: with every problem found.
    """
    problems: list[Problem] = [
        *key_problems(config),
        *network_problems(config),
        *store_problems(config),
        *same_server_problems(config),
        *venue_problems(config),
        *retention_problems(config),
        *watch_problems(config),
        *rewards_problems(config),
    ]
    specs: dict[str, FeedSpec] = {}
    sources: list[SourcePlan] = []
    for name, feed in config.feeds.items():
        pair = _pair(name, f'feeds."{name}"', problems)
        if pair is None or feed.off:
            continue
        spec, plans = _feed_parts(config, name, pair, feed, problems)
        sources += plans
        specs[name] = spec
    if not problems:
        problems += one_group_problems(config, group_counts(specs))
    if not config.feeds:
        problems.append(Problem("feeds", 'is empty: add [feeds."BASE/QUOTE"]'))
    if not problems:
        problems += without_problems(config, [s for spec in specs.values() for s in spec.sources])
    order = _order(specs, problems)
    if problems:
        raise ConfigError(problems)
    pushed = tuple(n for n in order if not specs[n].is_cross and not config.feeds[n].reference_only)
    return ResolvedConfig(config=config, specs={n: specs[n] for n in order}, sources=tuple(sources), pushed=pushed)


def resolve_feed(config: Config, name: str, feed: FeedSection) -> tuple[FeedSpec, tuple[SourcePlan, ...]]:
    """What a feed of that section would be in this config, held against the rules for feeds.

    Raises:
        ConfigError: with every problem found.
    """
    problems: list[Problem] = []
    pair = _pair(name, f'feeds."{name}"', problems)
    if pair is None:
        raise ConfigError(problems)
    spec, plans = _feed_parts(config, name, pair, feed, problems)
    if problems:
        raise ConfigError(problems)
    return spec, tuple(plans)


def _feed_parts(
    config: Config, name: str, pair: Pair, feed: FeedSection, problems: list[Problem]
) -> tuple[FeedSpec, list[SourcePlan]]:
    """A feed with its sources; what is wrong with it alone is added to the problems."""
    problems += dead_token_problems(config.catalog, f'feeds."{name}"', pair)
    plans = _source_plans(config, name, pair, feed, problems)
    spec = spec_of(name, pair, feed, [p.spec for p in plans])
    problems += _feed_problems(config, feed, spec)
    problems += group_problems([p.dependence for p in plans])
    if feed.sources and len(plans) == len(feed.sources):  # else it is not known how many groups there will be
        problems += _quorum_problems(f'feeds."{name}"', feed, spec)
    return spec, plans


def with_secrets(resolved: ResolvedConfig, environ: Mapping[str, str] | None = None) -> ResolvedConfig:
    """The config itself, fit for a network: every secret that an address names has a value.

    Raises:
        ConfigError: with every one that has none, and every server that turns out to be listed twice.
    """
    problems = list(address_problems(resolved.config, environ))
    if problems:
        raise ConfigError(problems)
    return resolved


def _source_plans(
    config: Config, name: str, pair: Pair, feed: FeedSection, problems: list[Problem]
) -> list[SourcePlan]:
    places = (SourcePlace(feed=name, pair=pair, index=i, section=feed) for i in range(len(feed.sources)))
    plans = (source_plan(config, place, s, problems) for place, s in zip(places, feed.sources, strict=True))
    return [p for p in plans if p is not None]


def reachable_groups(feed: FeedSpec) -> tuple[str, ...]:
    """Groups that the feed's market sources can form when all of them answer and every pool has its average."""
    names = {s.name if s.average_s else s.group for s in feed.sources if s.kind is Kind.MARKET}
    return tuple(sorted(names))


def group_counts(specs: Mapping[str, FeedSpec]) -> dict[str, int]:
    """How many groups the market of each feed that has sources of its own can have."""
    return {name: len(reachable_groups(spec)) for name, spec in specs.items() if spec.sources and spec.has_market}


def subset(spec: FeedSpec, without: Sequence[str]) -> FeedSpec:
    """The spec as an operator sees it that does not use these sources, groups or venues."""
    left = tuple(s for s in spec.sources if s.name not in without and s.group not in without)
    return replace(spec, sources=left)


def _pair(name: str, where: str, problems: list[Problem]) -> Pair | None:
    plain = name.split("#", maxsplit=1)[0].split("@", maxsplit=1)[0]
    if not name.isascii() or len(name) > _MAX_ID:
        problems.append(Problem(where, f"a feed id has at most {_MAX_ID} ASCII characters"))
        return None
    try:
        return Pair.parse(plain)
    except ValueError as e:
        problems.append(Problem(where, str(e)))
        return None


def _feed_problems(config: Config, feed: FeedSection, spec: FeedSpec) -> Iterator[Problem]:
    """What is wrong with a feed as a whole, beside its sources' own keys."""
    where = f'feeds."{spec.feed}"'
    if sum((bool(feed.sources), feed.share_of is not None, bool(feed.legs))) != 1:
        yield Problem(where, "needs exactly one of sources, share_of and legs")
        return
    if feed.method not in METHODS:
        yield Problem(f"{where}.method", f"{feed.method!r} is not a method; {nearest(feed.method, METHODS)}")
    filters = (*OUTLIERS, NO_FILTER)
    if feed.outliers is not None and feed.outliers not in filters:
        yield Problem(f"{where}.outliers", f"{feed.outliers!r} is not a filter; {nearest(feed.outliers, filters)}")
    if feed.sources:
        interval_s, scaled = config.oracle.round_interval_s, config.oracle.scaled_times
        yield from method_problems(where, feed, spec.sources, interval_s, scaled=scaled)
    yield from gate_problems(config, where, feed, spec)
    yield from made_of_problems(config, where, feed)
    names = [s.name for s in spec.sources]
    for twice in sorted({n for n in names if names.count(n) > 1}):
        yield Problem(f"{where}.sources", f"two sources are called {twice!r}: give one of them another name")
    yield from _rail_problems(where, spec)
    if feed.legs:
        yield from _cross_problems(config, where, feed, spec)
    yield from _mode_problems(where, feed)


def _rail_problems(where: str, spec: FeedSpec) -> Iterator[Problem]:
    """A rail with one side only compares nothing."""
    sides: dict[str, set[Kind]] = {}
    for source in spec.sources:
        if source.rail is not None:
            sides.setdefault(source.rail, set()).add(source.kind)
    for rail, kinds in sides.items():
        for kind, what in ((Kind.BACKING, "the lock box"), (Kind.SUPPLY, "what exists beyond the bridge")):
            if kind not in kinds:
                yield Problem(
                    f"{where}.sources",
                    f'rail {rail} has no source of kind "{kind.value}": add the one that reads {what}',
                )


def _mode_problems(where: str, feed: FeedSection) -> Iterator[Problem]:
    if feed.mode is Mode.CAPPED and not feed.rules.growth_bps_year:
        yield Problem(f"{where}.mode", "capped needs a cap: write rules.growth_bps_year, 968 for 9.68 % a year")


def _cross_problems(config: Config, where: str, feed: FeedSection, spec: FeedSpec) -> Iterator[Problem]:
    known = [config.feeds[leg] for leg in feed.legs if leg in config.feeds]
    if len(feed.legs) != _CROSS_LEGS or len(known) != _CROSS_LEGS:
        yield Problem(f"{where}.legs", "a cross has two legs, both of them feeds of the config")
        return
    first, second = (leg.split("#")[0].split("@")[0].split("/") for leg in feed.legs)
    if first[-1] != second[0] or [first[0], second[-1]] != [spec.pair.base, spec.pair.quote]:
        yield Problem(
            f"{where}.legs", f"{feed.legs[0]} times {feed.legs[1]} is not {spec.feed}: the units do not close"
        )
    if known[1].mode is not Mode.MARKET or known[0].mode is not feed.mode:
        text = f"a cross reads its first leg in its own mode ({feed.mode}) and its second at market"
        yield Problem(f"{where}.mode", text)
    if any(leg.legs for leg in known):
        yield Problem(f"{where}.legs", "a leg must have a slot of its own: it cannot be a cross")


def _quorum_problems(where: str, feed: FeedSection, spec: FeedSpec) -> Iterator[Problem]:
    groups = reachable_groups(spec)
    if not spec.has_market:
        return
    listed = f"{len(groups)} ({', '.join(_with_members(spec, g) for g in groups)})"
    if feed.min_groups < 1:
        yield Problem(f"{where}.min_groups", "must be at least 1")
    if feed.min_groups > len(groups):
        yield Problem(f"{where}.min_groups", f"{feed.min_groups} groups can never be reached: there are {listed}")
    if feed.min_groups == 1 and not (feed.accept_single_group or feed.reference_only):
        text = "one group is not a quorum: add a source, or write reference_only = true or accept_single_group = true"
        yield Problem(f"{where}.min_groups", text)


def _with_members(spec: FeedSpec, group: str) -> str:
    """A group with its sources where there are several: which of them count as one."""
    members = [s.name for s in spec.sources if s.kind is Kind.MARKET and group in (s.group, s.name)]
    return group if len(members) == 1 else f"{group} [{', '.join(members)}]"


def _order(specs: Mapping[str, FeedSpec], problems: list[Problem]) -> list[str]:
    """Legs before what is computed from them."""
    order: list[str] = []
    waiting = dict(specs)
    while waiting:
        ready = [
            n for n, s in waiting.items() if not (needed_feeds(s) & set(waiting)) - {n} and n not in needed_feeds(s)
        ]
        if not ready:
            problems.append(Problem("feeds", f"{', '.join(sorted(waiting))} need each other: break the cycle"))
            return order
        for name in ready:
            order.append(name)
            del waiting[name]
    return order


def needed_feeds(spec: FeedSpec) -> set[str]:
    """Feeds without which a feed has no price, or not all of its sources."""
    return (
        {s.convert for s in spec.sources if s.convert} | set(spec.legs) | ({spec.share_of} if spec.share_of else set())
    )
