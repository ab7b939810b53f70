"""One source of a feed: its keys checked together, and what the observer needs of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum

from feeds.exchanges.json_http import JsonHttp, JsonVenue
from feeds.observe import Block
from feeds.registry import EXCHANGES, POOLS, PULLS, RATES
from feeds.streams.ccxt_bridge import CcxtSource
from feeds.types import ChainAdapter, Kind, Listing, Pair
from oracle.config.check_dead import dead_problems, doubt_notes
from oracle.config.check_groups import Dependence, contract_of, group_of, natural_group
from oracle.config.check_legs import leg_problems
from oracle.config.check_listings import SymbolClaim, is_held, listing_problems, stated_listing
from oracle.config.check_units import unit_problems
from oracle.config.sections import Config
from oracle.config.tables.feed_sections import FeedSection, SourceSection
from oracle.config.tables.schema import Problem, build
from oracle.model.spec import SourceSpec
from oracle.model.suggest import nearest

_SHARED_KEYS = tuple(f.name for f in fields(SourceSection) if f.name != "params")
_SIDES = frozenset({Kind.SUPPLY, Kind.BACKING})
_MIN_AVERAGE_S = 30
_MIN_AVERAGE_BLOCKS = 3
_LEAST_AGE_S = {Block.LATEST: 0, Block.SAFE: 900, Block.FINALIZED: 1_500}
"""On Ethereum a safe block is 6 to 13 minutes old, a finalized one 13 to 20; a limit below is never met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """One source as the observer needs it: a venue's symbol, or an adapter on a chain.

    ``pull``: how to ask a venue that has no adapter here. ``doubts``: why something that it reads may be dead. ``dependence``: what
    it depends on, for the feed's groups. ``unheld``: its symbol's spelling does not say what it is about, so only the file does.
    """

    feed: str
    spec: SourceSpec
    dependence: Dependence
    unheld: bool = False
    venue: str | None = None
    symbol: str | None = None
    chain: str | None = None
    adapter: ChainAdapter | None = None
    block: Block = Block.LATEST
    against: Kind = Kind.MARKET
    pull: JsonVenue | CcxtSource | None = None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlace:
    """Where in the config a source is."""

    feed: str
    pair: Pair
    index: int
    section: FeedSection

    @property
    def where(self) -> str:
        """The key of its table; by its name where the catalogue's sources stand before it, so that the file's index is another."""
        source = self.section.sources[self.index]
        name = f'"{source.name or source.type}"' if self.section.catalog else self.index
        return f'feeds."{self.feed}".sources[{name}]'


class _Conversion(Enum):
    """How a leg turns a source's price into the feed's unit."""

    MULTIPLY = "times"
    DIVIDE = "by"


def source_plan(
    config: Config, place: SourcePlace, source: SourceSection, problems: list[Problem]
) -> SourcePlan | None:
    """What the observer needs of a source; None where its keys are wrong, which is added to the problems."""
    before = len(problems)
    adapter, pull = None, None
    if source.type in PULLS:
        pull = _pull(place, source, problems)
    elif source.type in EXCHANGES:
        problems += _symbol_problems(place.where, source)
    else:
        adapter = _adapter(config, place.where, source, problems)
    try:
        pair = Pair.parse(source.pair) if source.pair else place.pair
    except ValueError as e:
        problems.append(Problem(f"{place.where}.pair", str(e)))
        return None
    listing = _listing(place, source, pull, problems)
    if listing is None or not _listed_problems(config, place, source, listing, pair, problems):
        problems += _conversion_problems(config, place, source, pair)
    problems += unit_problems(config, place.where, pair, source, adapter)
    known = config.catalog, place.where, _known_chain(config, source), source, adapter
    problems += dead_problems(*known)
    if source.rail is not None and source.kind not in _SIDES:
        problems.append(
            Problem(f"{place.where}.rail", "is of the kinds supply and backing: leave it out, or write one of them")
        )
    if not config.oracle.scaled_times:
        problems += _time_problems(place, source)
    if len(problems) > before:
        return None
    venue = source.type if source.type in EXCHANGES else None
    natural = natural_group(config, source, pull)
    spec = _spec(place, source, pair, group_of(source.group, natural))
    return SourcePlan(
        feed=place.feed,
        spec=spec,
        dependence=Dependence(
            where=place.where,
            spec=spec,
            natural=natural,
            written=source.group,
            contract=contract_of(config, source, adapter),
        ),
        venue=pull.name if isinstance(pull, JsonVenue) else pull.venue if pull else venue,
        symbol=source.symbol or (str(pair) if pull else None),
        chain=source.chain,
        adapter=adapter,
        block=source.block,
        against=source.against,
        pull=pull,
        doubts=tuple(doubt_notes(*known)),
        unheld=listing is not None and not is_held(listing),
    )


def _listing(
    place: SourcePlace, source: SourceSection, pull: JsonVenue | CcxtSource | None, problems: list[Problem]
) -> Listing | None:
    """What the symbol of an exchange states; None where there is none."""
    try:
        return stated_listing(source, pull)
    except ValueError as e:
        problems.append(Problem(f"{place.where}.symbol", str(e)))
        return None


def _listed_problems(
    config: Config, place: SourcePlace, source: SourceSection, listing: Listing, pair: Pair, problems: list[Problem]
) -> bool:
    """Add what is wrong with a symbol; whether there is anything, for then the units need no word of their own."""
    claim = SymbolClaim(
        where=place.where, source=source, listing=listing, own=pair, wanted=place.pair, feeds=config.feeds
    )
    found = list(listing_problems(claim))
    problems += found
    return bool(found)


def _known_chain(config: Config, source: SourceSection) -> str | None:
    """The catalogue's name of the chain that a source is read on."""
    section = config.chains.get(source.chain or "")
    return None if section is None else config.catalog.chain_of(section.chain_id)


def _spec(place: SourcePlace, source: SourceSection, pair: Pair, group: str) -> SourceSpec:
    """What the core must know of the source."""
    named_by_type = source.symbol or source.type in PULLS
    return SourceSpec(
        name=source.name or (source.type if named_by_type else f"{source.type}:{source.chain}"),
        pair=pair,
        kind=source.kind,
        group=group,
        max_age_s=source.max_age_s or place.section.max_age_s,
        average_s=source.average_s,
        average_blocks=source.average_blocks,
        own_oracle=source.own_oracle,
        convert=source.convert,
        rail=source.rail,
        divide=source.convert is not None and _conversion(source.convert, pair, place.pair) is _Conversion.DIVIDE,
    )


def _symbol_problems(where: str, source: SourceSection) -> Iterator[Problem]:
    for name in source.params:
        yield Problem(f"{where}.{name}", "unknown key; " + nearest(name, _SHARED_KEYS))
    if source.symbol is None:
        yield Problem(f"{where}.symbol", "is missing: write the venue's own spelling of the pair")


def _pull(place: SourcePlace, source: SourceSection, problems: list[Problem]) -> JsonVenue | CcxtSource | None:
    """A source that is asked at its own pace; None where its keys are wrong."""
    reader = build(PULLS[source.type], source.params, place.where, problems, beside=_SHARED_KEYS)
    if source.chain is not None:
        problems.append(Problem(f"{place.where}.chain", f"{source.type} reads no chain: leave it out"))
    if reader is None:
        return None
    if source.symbol is None and (isinstance(reader, CcxtSource) or reader.needs_symbol):
        problems.append(Problem(f"{place.where}.symbol", 'is missing: write it as the source does, "ETH/USD" for ccxt'))
    if isinstance(reader, JsonHttp):
        return JsonVenue(name=f"{place.feed}|{source.name or source.type}", source=reader)
    return reader


def _conversion(convert: str, pair: Pair, feed_pair: Pair) -> _Conversion | None:
    """How a leg turns a source's pair into the feed's; None if it does not."""
    leg = convert.split("#", maxsplit=1)[0].split("@", maxsplit=1)[0]
    if pair.base != feed_pair.base:
        return None
    legs = {
        f"{pair.quote}/{feed_pair.quote}": _Conversion.MULTIPLY,
        f"{feed_pair.quote}/{pair.quote}": _Conversion.DIVIDE,
    }
    return legs.get(leg)


def _adapter(config: Config, where: str, source: SourceSection, problems: list[Problem]) -> ChainAdapter | None:
    adapters = {**POOLS, **RATES}
    if source.type not in adapters:
        text = f"{source.type!r} is not an adapter; {nearest(source.type, [*EXCHANGES, *PULLS, *adapters])}"
        problems.append(Problem(f"{where}.type", text))
        return None
    if source.chain not in config.chains:
        text = f"{source.chain!r} is not a chain of the config; {nearest(str(source.chain), config.chains)}"
        problems.append(Problem(f"{where}.chain", text))
    return build(adapters[source.type], source.params, where, problems, beside=_SHARED_KEYS)


def _conversion_problems(config: Config, place: SourcePlace, source: SourceSection, pair: Pair) -> Iterator[Problem]:
    where, wanted = place.where, place.pair
    if source.convert is None:
        if pair != wanted:
            unit = pair.quote if pair.base == wanted.base else "X"
            text = f'{pair} is not {wanted}: name the feed that converts it, convert = "{unit}/{wanted.quote}"'
            yield Problem(f"{where}.pair", text)
    elif _conversion(source.convert, pair, wanted) is None:
        text = (
            f"neither {pair} times {source.convert} nor {pair} by {source.convert} is {wanted}: the units do not close"
        )
        yield Problem(f"{where}.convert", text)
    elif source.convert not in config.feeds:
        text = (
            f'{source.convert!r} is not a feed of the config: add [feeds."{source.convert}"] with two sources or more'
        )
        yield Problem(f"{where}.convert", text)
    else:
        yield from leg_problems(config, where, source)


def _time_problems(place: SourcePlace, source: SourceSection) -> Iterator[Problem]:
    """Averages and ages that are too short for real money."""
    if 0 < source.average_s < _MIN_AVERAGE_S:
        yield Problem(f"{place.where}.average_s", f"{source.average_s} s is too short: write at least {_MIN_AVERAGE_S}")
    if source.average_s and source.average_blocks < _MIN_AVERAGE_BLOCKS:
        text = f"{source.average_blocks} blocks are too few: write at least {_MIN_AVERAGE_BLOCKS}"
        yield Problem(f"{place.where}.average_blocks", text)
    max_age_s = source.max_age_s or place.section.max_age_s
    if max_age_s < _LEAST_AGE_S[source.block]:
        text = f"a {source.block} block is older than {max_age_s} s: write at least {_LEAST_AGE_S[source.block]}"
        yield Problem(f"{place.where}.max_age_s", text)
