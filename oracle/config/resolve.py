"""What the config means: feeds in the order they are computed, every source with its adapter, all checked together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from feeds.exchanges.json_http import JsonHttp, JsonVenue
from feeds.observe import Block
from feeds.registry import EXCHANGES, POOLS, PULLS, RATES
from feeds.streams.ccxt_bridge import CcxtSource
from feeds.types import ChainAdapter, Kind, Pair
from feeds.units import MS
from oracle.combine.methods.registry import METHODS, OUTLIERS
from oracle.config.check_keys import key_problems
from oracle.config.check_stores import store_problems
from oracle.config.check_units import unit_problems
from oracle.config.sections import Config
from oracle.config.spec_builder import NO_FILTER, method_problems, spec_of
from oracle.config.tables.feed_sections import FeedSection, SourceSection
from oracle.config.tables.schema import ConfigError, Problem, build
from oracle.model.spec import FeedSpec, Mode, SourceSpec
from oracle.model.suggest import nearest

_MIN_AVERAGE_S = 30
_MIN_AVERAGE_BLOCKS = 3
_MAX_ID = 31
_CROSS_LEGS = 2
_TIMES, _BY = "times", "by"
_LEAST_AGE_S = {Block.LATEST: 0, Block.SAFE: 900, Block.FINALIZED: 1_500}
"""On Ethereum a safe block is 6 to 13 minutes old, a finalized one 13 to 20; a limit below is never met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """One source as the observer needs it: a venue's symbol, or an adapter on a chain.

    ``pull``: how to ask a venue that is none of ours.
    """

    feed: str
    spec: SourceSpec
    venue: str | None = None
    symbol: str | None = None
    chain: str | None = None
    adapter: ChainAdapter | None = None
    block: Block = Block.LATEST
    against: Kind = Kind.MARKET
    pull: JsonVenue | CcxtSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig:
    """The checked config: specs in the order of computation (legs first), sources, feeds that go on chain."""

    config: Config
    specs: Mapping[str, FeedSpec]
    sources: tuple[SourcePlan, ...]
    pushed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """Where in the config a source stands."""

    feed: str
    pair: Pair
    place: int
    section: FeedSection

    @property
    def where(self) -> str:
        return f'feeds."{self.feed}".sources[{self.place}]'


def resolve(config: Config) -> ResolvedConfig:
    """Cross-check the config and build what runs.

    Raises:
        ConfigError: with every problem found.
    """
    problems: list[Problem] = [*key_problems(config), *store_problems(config)]
    specs: dict[str, FeedSpec] = {}
    sources: list[SourcePlan] = []
    for name, feed in config.feeds.items():
        where = f'feeds."{name}"'
        pair = _pair(name, where, problems)
        if pair is None or feed.off:
            continue
        places = (_At(feed=name, pair=pair, place=i, section=feed) for i in range(len(feed.sources)))
        found = [_source(config, at, s, problems) for at, s in zip(places, feed.sources, strict=True)]
        plans = [p for p in found if p is not None]
        problems += _check_feed(config, name, feed, plans)
        sources += plans
        specs[name] = spec_of(name, pair, feed, [p.spec for p in plans])
    if not config.feeds:
        problems.append(Problem("feeds", 'is empty: add [feeds."BASE/QUOTE"]'))
    order = _order(specs, problems)
    if problems:
        raise ConfigError(problems)
    pushed = tuple(n for n in order if not specs[n].is_cross and not config.feeds[n].reference_only)
    return ResolvedConfig(config=config, specs={n: specs[n] for n in order}, sources=tuple(sources), pushed=pushed)


def reachable_groups(feed: FeedSpec) -> tuple[str, ...]:
    """Groups that the feed's market sources can form when all of them answer and every pool has its average."""
    names = {s.name if s.average_s * MS else s.group for s in feed.sources if s.kind is Kind.MARKET}
    return tuple(sorted(names))


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


def _source(config: Config, at: _At, source: SourceSection, problems: list[Problem]) -> SourcePlan | None:
    venue = source.type if source.type in EXCHANGES else None
    before = len(problems)
    adapter, pull = None, None
    if source.type in PULLS:
        pull = _pull(at, source, problems)
    elif venue is None:
        adapter = _adapter(config, at.where, source, problems)
    else:
        unknown = (Problem(f"{at.where}.{k}", "unknown key; " + nearest(k, ["symbol"])) for k in source.params)
        problems.extend(unknown)
        if source.symbol is None:
            problems.append(Problem(f"{at.where}.symbol", "is missing: the venue's own spelling of the pair"))
    try:
        own = Pair.parse(source.pair) if source.pair else at.pair
    except ValueError as e:
        problems.append(Problem(f"{at.where}.pair", str(e)))
        return None
    problems += _check_source(config, at.where, own, at.pair, source)
    problems += unit_problems(config, at.where, own, source, adapter)
    limit_s = source.max_age_s or at.section.max_age_s
    if limit_s < _LEAST_AGE_S[source.block] and not config.oracle.scaled_times:
        text = f"a {source.block} block is older than {limit_s} s: at least {_LEAST_AGE_S[source.block]}"
        problems.append(Problem(f"{at.where}.max_age_s", text))
    if len(problems) > before:
        return None
    spec = SourceSpec(
        name=source.name or (source.type if source.symbol or pull else f"{source.type}:{source.chain}"),
        pair=own,
        kind=source.kind,
        group=source.group or venue or _group(pull) or f"chain:{source.chain}",
        max_age_s=source.max_age_s or at.section.max_age_s,
        average_s=source.average_s,
        average_blocks=source.average_blocks,
        own_oracle=source.own_oracle,
        convert=source.convert,
        divide=source.convert is not None and _turn(source.convert, own, at.pair) == _BY,
    )
    return SourcePlan(
        feed=at.feed,
        spec=spec,
        venue=pull.name if isinstance(pull, JsonVenue) else pull.venue if pull else venue,
        symbol=source.symbol or (str(own) if pull else None),
        chain=source.chain,
        adapter=adapter,
        block=source.block,
        against=source.against,
        pull=pull,
    )


def _pull(at: _At, source: SourceSection, problems: list[Problem]) -> JsonVenue | CcxtSource | None:
    """A source that is asked at its own pace; None where its keys are wrong."""
    found = build(PULLS[source.type], source.params, at.where, problems)
    if source.chain is not None:
        problems.append(Problem(f"{at.where}.chain", f"{source.type} reads no chain: leave it out"))
    if found is None:
        return None
    if source.symbol is None and (isinstance(found, CcxtSource) or found.needs_symbol):
        problems.append(Problem(f"{at.where}.symbol", 'is missing: write it as the source does, "ETH/USD" for ccxt'))
    if isinstance(found, JsonHttp):
        return JsonVenue(name=f"{at.feed}|{source.name or source.type}", source=found)
    return found


def _group(pull: JsonVenue | CcxtSource | None) -> str | None:
    """What a pulled source depends on: a host, or the exchange that ccxt asks."""
    return None if pull is None else pull.source.host if isinstance(pull, JsonVenue) else pull.exchange


def _turn(convert: str, own: Pair, pair: Pair) -> str | None:
    """How a leg turns a source's pair into the feed's: times it or by it; None if it does neither."""
    leg = convert.split("#", maxsplit=1)[0].split("@", maxsplit=1)[0]
    if own.base != pair.base:
        return None
    return {f"{own.quote}/{pair.quote}": _TIMES, f"{pair.quote}/{own.quote}": _BY}.get(leg)


def _adapter(config: Config, where: str, source: SourceSection, problems: list[Problem]) -> ChainAdapter | None:
    adapters = {**POOLS, **RATES}
    if source.type not in adapters:
        text = f"{source.type!r} is not an adapter; {nearest(source.type, [*EXCHANGES, *PULLS, *adapters])}"
        problems.append(Problem(f"{where}.type", text))
        return None
    if source.chain not in config.chains:
        text = f"{source.chain!r} is not a chain of the config; {nearest(str(source.chain), config.chains)}"
        problems.append(Problem(f"{where}.chain", text))
    return build(adapters[source.type], source.params, where, problems)


def _check_source(config: Config, where: str, own: Pair, pair: Pair, source: SourceSection) -> Iterator[Problem]:
    if source.convert is None and own != pair:
        yield Problem(
            f"{where}.pair", f'{own} is not {pair}: name the feed that converts it, convert = "X/{pair.quote}"'
        )
    if source.convert is not None:
        if source.convert not in config.feeds:
            yield Problem(
                f"{where}.convert",
                f"{source.convert!r} is not a feed of the config; {nearest(source.convert, config.feeds)}",
            )
        elif _turn(source.convert, own, pair) is None:
            text = (
                f"neither {own} times {source.convert} nor {own} by {source.convert} is {pair}: the units do not close"
            )
            yield Problem(f"{where}.convert", text)
    if source.average_s and not config.oracle.scaled_times:
        if source.average_s < _MIN_AVERAGE_S:
            yield Problem(f"{where}.average_s", f"{source.average_s} s is too short: at least {_MIN_AVERAGE_S}")
        if source.average_blocks < _MIN_AVERAGE_BLOCKS:
            yield Problem(f"{where}.average_blocks", f"at least {_MIN_AVERAGE_BLOCKS} blocks")


def _check_feed(config: Config, name: str, feed: FeedSection, plans: list[SourcePlan]) -> Iterator[Problem]:
    where = f'feeds."{name}"'
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
        yield from method_problems(where, feed, [p.spec for p in plans], interval_s, scaled=scaled)
    yield from _check_needed(config, where, feed)
    names = [p.spec.name for p in plans]
    for twice in sorted({n for n in names if names.count(n) > 1}):
        yield Problem(f"{where}.sources", f"two sources are called {twice!r}: give one of them another name")
    if feed.legs:
        yield from _check_cross(config, where, name, feed)
    yield from _check_mode(where, feed)
    if feed.sources:
        yield from _check_quorum(where, feed, spec_of(name, Pair(base="A", quote="B"), feed, [p.spec for p in plans]))


def _check_mode(where: str, feed: FeedSection) -> Iterator[Problem]:
    if feed.mode is Mode.CAPPED and not feed.rules.growth_bps_year:
        yield Problem(f"{where}.mode", "capped needs a cap: write rules.growth_bps_year, 968 for 9.68 % a year")


def _check_needed(config: Config, where: str, feed: FeedSection) -> Iterator[Problem]:
    """The feeds that this one is computed from are there, and on."""
    for other in (*feed.legs, *((feed.share_of,) if feed.share_of else ())):
        if other not in config.feeds:
            yield Problem(where, f"{other!r} is not a feed of the config; {nearest(other, config.feeds)}")
        elif config.feeds[other].off:
            yield Problem(where, f"{other} is off: turn this feed off too, or that one on")


def _check_cross(config: Config, where: str, name: str, feed: FeedSection) -> Iterator[Problem]:
    known = [config.feeds[leg] for leg in feed.legs if leg in config.feeds]
    if len(feed.legs) != _CROSS_LEGS or len(known) != _CROSS_LEGS:
        yield Problem(f"{where}.legs", "a cross has two legs, both of them feeds")
        return
    first, second = (leg.split("#")[0].split("@")[0].split("/") for leg in feed.legs)
    whole = name.split("#", maxsplit=1)[0].split("@", maxsplit=1)[0].split("/")
    if first[-1] != second[0] or [first[0], second[-1]] != whole:
        yield Problem(f"{where}.legs", f"{feed.legs[0]} times {feed.legs[1]} is not {name}: the units do not close")
    if known[1].mode is not Mode.MARKET or known[0].mode is not feed.mode:
        text = f"a cross reads its first leg in its own mode ({feed.mode}) and its second at market"
        yield Problem(f"{where}.mode", text)
    if any(leg.legs for leg in known):
        yield Problem(f"{where}.legs", "a leg must have a slot of its own: it cannot be a cross")


def _check_quorum(where: str, feed: FeedSection, spec: FeedSpec) -> Iterator[Problem]:
    groups = reachable_groups(spec)
    if not spec.has_market:
        return
    listed = f"{len(groups)} ({', '.join(groups)})"
    if feed.min_groups < 1:
        yield Problem(f"{where}.min_groups", "must be at least 1")
    if feed.min_groups > len(groups):
        yield Problem(f"{where}.min_groups", f"{feed.min_groups} groups can never be reached: there are {listed}")
    if feed.min_groups == 1 and not (feed.accept_single_group or feed.reference_only):
        text = "one group is not a quorum: add a source, or write reference_only = true or accept_single_group = true"
        yield Problem(f"{where}.min_groups", text)


def _order(specs: Mapping[str, FeedSpec], problems: list[Problem]) -> list[str]:
    """Legs before what is computed from them."""
    order: list[str] = []
    waiting = dict(specs)
    while waiting:
        ready = [n for n, s in waiting.items() if not (_needs(s) & set(waiting)) - {n} and n not in _needs(s)]
        if not ready:
            problems.append(Problem("feeds", f"{', '.join(sorted(waiting))} need each other: break the cycle"))
            return order
        for name in ready:
            order.append(name)
            del waiting[name]
    return order


def _needs(spec: FeedSpec) -> set[str]:
    return (
        {s.convert for s in spec.sources if s.convert} | set(spec.legs) | ({spec.share_of} if spec.share_of else set())
    )
