"""What the check makes of the values read from the chains: known bounds, the running values, derivations that part. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from feeds.chains.abi import wad_of
from feeds.types import Kind
from feeds.units import (
    BPS,
    MS,
    WAD,
    Wad,
    deviation_bps_away,
    mul_div_down,
    mul_div_up,
    wad_div_down,
    wad_mul_down,
    wad_text,
)
from oracle.config.resolve import ResolvedConfig
from oracle.config.source_plans import SourcePlan
from oracle.config.tables.catalog import FIAT, Catalog
from oracle.config.tables.schema import Problem
from oracle.model.spec import FeedSpec
from oracle.model.types import Report

PART_BPS = 50
"""Two derivations of one rate, or a provider's rate and the chain's own, may lie so far apart."""
STEP_BPS = 200
"""A new value may lie so far from the running one; further needs a confirmation."""
_SLACK_BPS = 200
_GROWTH_BPS = 1_500
_LEAST_RATE, _MOST_RATE = WAD // 2, 3 * WAD
_LEAST_USD = 20 * WAD
_YEAR_S = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceValue:
    """What one source states, at a block of this time."""

    source: SourcePlan
    price_wad: Wad
    block_ms: int


@dataclass(slots=True, kw_only=True)
class ChainPrices:
    """Our own two prices of each feed, as far as chains alone can tell them."""

    market: dict[str, Wad] = field(default_factory=dict)
    redemption: dict[str, Wad] = field(default_factory=dict)


def said_by(values: Sequence[SourceValue]) -> dict[tuple[str, str], Wad]:
    """What each source states, in its own unit, by feed and name."""
    return {(v.source.feed, v.source.spec.name): v.price_wad for v in values}


def chain_prices(resolved: ResolvedConfig, values: Sequence[SourceValue]) -> ChainPrices:
    """Lower medians of what the chains say, legs first."""
    own = ChainPrices()
    for feed, spec in resolved.specs.items():
        mine = [v for v in values if v.source.feed == feed]
        _put_median(own.redemption, feed, [v.price_wad for v in mine if v.source.spec.kind is Kind.REDEMPTION])
        market = [_converted(v, own) for v in mine if v.source.spec.kind is Kind.MARKET]
        _put_median(own.market, feed, [p for p in market if p is not None])
        _put_share(own, spec)
    return own


def _put_median(prices: dict[str, Wad], feed: str, values: Sequence[Wad]) -> None:
    if values:
        prices[feed] = sorted(values)[(len(values) - 1) // 2]


def _converted(value: SourceValue, own: ChainPrices) -> Wad | None:
    convert = value.source.spec.convert
    if convert is None:
        return value.price_wad
    leg = own.market.get(convert)
    if not leg:
        return None
    return wad_div_down(value.price_wad, leg) if value.source.spec.divide else wad_mul_down(value.price_wad, leg)


def _put_share(own: ChainPrices, spec: FeedSpec) -> None:
    market, rate = own.market.get(spec.share_of or ""), own.redemption.get(spec.share_of or "")
    if market is not None and rate is not None:
        own.market[spec.feed] = wad_div_down(market, rate)
        own.redemption[spec.feed] = Wad(WAD)


def value_problems(
    catalog: Catalog,
    resolved: ResolvedConfig,
    values: Sequence[SourceValue],
    running: Mapping[str, Report],
    confirmed: frozenset[str],
) -> Iterator[Problem]:
    """Everything that is wrong with what was read.

    Args:
        catalog: for rates that were published before.
        resolved: the checked config.
        values: what the sources said.
        running: the last record of each feed that this operator has stored.
        confirmed: feeds whose new value was looked at and is right.
    """
    for value in values:
        yield from _out_of_bounds(catalog, value)
        yield from _ratio_as_dollars(catalog, value)
    yield from _disagreeing_rates(resolved, values)
    own = chain_prices(resolved, values)
    for feed, before in running.items():
        if feed not in confirmed:
            yield from _large_steps(feed, own, before)


def _where(source: SourcePlan) -> str:
    return f'feeds."{source.feed}".{source.spec.name}'


def bounds_of(catalog: Catalog, symbol: str, block_ms: int) -> tuple[Wad, Wad]:
    """Lowest and highest rate in ether that is believed of a token at a time: the last one known, and growth since."""
    token = catalog.tokens.get(symbol)
    if token is None or token.last_rate is None or token.last_rate_on is None:
        return Wad(_LEAST_RATE), Wad(_MOST_RATE)
    known = wad_of(token.last_rate)
    at = datetime.combine(date.fromisoformat(token.last_rate_on), time(), tzinfo=UTC)
    seconds = max(0, block_ms // MS - int(at.timestamp()))
    growth_bps = wad_of(token.cap_percent) * 100 // WAD if token.cap_percent is not None else _GROWTH_BPS
    most = known + mul_div_up(known * growth_bps, seconds, BPS * _YEAR_S)
    return Wad(mul_div_down(known, BPS - _SLACK_BPS, BPS)), Wad(mul_div_up(most, BPS + _SLACK_BPS, BPS))


def _out_of_bounds(catalog: Catalog, value: SourceValue) -> Iterator[Problem]:
    pair = value.source.spec.pair
    if value.source.spec.kind is not Kind.REDEMPTION or not catalog.graph.at_par(pair.quote, "ETH"):
        return
    low, high = bounds_of(catalog, pair.base, value.block_ms)
    if not low <= value.price_wad <= high:
        text = f"{wad_text(value.price_wad, 6)} {pair.quote} lies outside {wad_text(low, 6)} to {wad_text(high, 6)}"
        yield Problem(
            _where(value.source), f"{text}, the range expected of {pair.base}: check contract, function and scale"
        )


def _ratio_as_dollars(catalog: Catalog, value: SourceValue) -> Iterator[Problem]:
    pair = value.source.spec.pair
    ours = pair.base in catalog.tokens or pair.base in {"ETH", "WETH"}
    if ours and pair.quote in FIAT and value.price_wad < _LEAST_USD:
        text = f"{wad_text(value.price_wad, 6)} is not a price of {pair.base} in {pair.quote}: a ratio read as dollars"
        yield Problem(_where(value.source), text)


def _disagreeing_rates(resolved: ResolvedConfig, values: Sequence[SourceValue]) -> Iterator[Problem]:
    """Derivations of one rate against the first one; on an L2 against the main chain's own, in the feed of its pair."""
    rates = [v for v in values if v.source.spec.kind is Kind.REDEMPTION]
    for feed in resolved.specs:
        plain = feed.split("#", maxsplit=1)[0].partition("@")[0]
        mine = [v for v in rates if v.source.feed == feed]
        first = next((v for v in rates if v.source.feed == plain), None) or next(iter(mine), None)
        for value in mine:
            apart = deviation_bps_away(value.price_wad, first.price_wad) if first is not None else 0
            if first is not None and abs(apart) > PART_BPS:
                other = f"{first.source.spec.name} of {first.source.feed} ({wad_text(first.price_wad, 6)})"
                text = f"{wad_text(value.price_wad, 6)} lies {apart} bps from {other}"
                yield Problem(_where(value.source), f"{text}: two derivations of one rate disagree")


def stored_value_problems(feed: str, index: int, held: Report, ours: Report) -> Iterator[Problem]:
    """What a store holds under a feed's index, beside our own record of the same round: two feeds swapped are found."""
    for word, theirs, own in (
        ("market", held.market_wad, ours.market_wad),
        ("redemption", held.redemption_wad, ours.redemption_wad),
    ):
        if bool(theirs) != bool(own) or (own and abs(deviation_bps_away(theirs, own)) > STEP_BPS):
            text = f"the store holds a {word} value of {wad_text(theirs, 6)} at index {index}, we published {wad_text(own, 6)}"
            yield Problem(f'feeds."{feed}"', f"{text} for that round: two feeds are swapped, or another store is meant")


def _large_steps(feed: str, own: ChainPrices, before: Report) -> Iterator[Problem]:
    sides = (("market", own.market, before.market_wad), ("redemption", own.redemption, before.redemption_wad))
    for word, prices, running in sides:
        new = prices.get(feed)
        if new is None or not running:
            continue
        apart = deviation_bps_away(new, running)
        if abs(apart) > STEP_BPS:
            text = f"the {word} value {wad_text(new, 6)} lies {apart} bps from the running {wad_text(running, 6)}"
            yield Problem(f'feeds."{feed}"', f"{text}: look at it, then `lrt-oracle check --confirm {feed}`")
