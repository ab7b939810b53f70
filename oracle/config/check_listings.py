"""An exchange's symbol against the pair that the file says: another coin, another quote or a derivative is refused.

A symbol is taken apart by its venue's own rule (``Exchange.listing``), one of ccxt's by ccxt's. What it states must be the
source's pair, and its quote must be the feed's or be converted into it. A spelling that says nothing, as Hyperliquid's
``@107``, needs a written pair, and nothing can be held against that: ``check`` says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from feeds.registry import EXCHANGES
from feeds.streams.ccxt_bridge import CcxtSource
from feeds.types import Instrument, Kind, Listing, Pair
from oracle.config.tables.catalog import FIAT
from oracle.config.tables.feed_sections import SourceSection
from oracle.config.tables.schema import Problem

_WHY: Mapping[Instrument, str] = MappingProxyType({
    Instrument.PERPETUAL: "a perpetual, whose price parts from spot by its funding",
    Instrument.FUTURE: "a future, whose price parts from spot until it ends",
    Instrument.OPTION: "an option, whose price is not the coin's",
    Instrument.LEVERAGED: "a leveraged token, whose price is not the coin's",
    Instrument.INDEX: "an index, which nobody trades at",
})  # fmt: skip
_ONE_BOOK: Mapping[str, frozenset[str]] = MappingProxyType({"coinbase": frozenset({"USD", "USDC"})})
"""Quotes whose products are one order book at a venue, the first-named product of which is to be read."""


def stated_listing(source: SourceSection, pull: object | None) -> Listing | None:
    """What a source's symbol is about; None where it has no symbol of an exchange. ValueError: the venue spells otherwise."""
    if source.symbol is None:
        return None
    if not source.symbol.isascii():
        raise ValueError(f"{source.symbol!a} has letters that no venue writes: type the symbol anew")
    if isinstance(pull, CcxtSource):
        return pull.listing(source.symbol)
    return EXCHANGES[source.type].listing(source.symbol) if source.type in EXCHANGES else None


def is_held(listing: Listing) -> bool:
    """Whether a spelling says what it is about."""
    return listing.base is not None and listing.quote is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolClaim:
    """What the file says of a symbol, beside what the symbol states.

    Attributes:
        where: the source's place in the config.
        source: as written.
        listing: what its symbol states.
        own: the pair that the source states, as the config says.
        wanted: the feed's pair.
        feeds: the feeds of the config, one of which may convert.
    """

    where: str
    source: SourceSection
    listing: Listing
    own: Pair
    wanted: Pair
    feeds: Collection[str]

    @property
    def venue(self) -> str:
        """The exchange, as the file names it."""
        return str(self.source.params.get("exchange", self.source.type))

    @property
    def named(self) -> str:
        """Exchange and symbol."""
        return f"{self.venue} {self.source.symbol}"


def listing_problems(claim: SymbolClaim) -> Iterator[Problem]:
    """What is wrong with the symbol of one source."""
    listing, own, named = claim.listing, claim.own, claim.named
    if listing.instrument is not Instrument.SPOT:
        if claim.source.kind is not Kind.REFERENCE:
            text = f'{named} is {_WHY[listing.instrument]}: name a spot pair, or write kind = "reference"'
            yield Problem(f"{claim.where}.symbol", text)
    elif listing.base is None or listing.quote is None:
        if claim.source.pair is None:
            text = f'the spelling of {named} does not say what it is about: write pair = "BASE/QUOTE" as the venue lists it'
            yield Problem(f"{claim.where}.pair", text)
    elif listing.base != own.base.upper():
        text = f"{named} states {listing.base}/{listing.quote}, not {own}: name the symbol of {own}"
        yield Problem(f"{claim.where}.symbol", text)
    elif listing.quote != own.quote.upper():
        yield Problem(f"{claim.where}.pair", _quote_text(claim, listing.quote))


def _quote_text(claim: SymbolClaim, quote: str) -> str:
    """What to write where only the quote differs."""
    own, wanted, convert = claim.own, claim.wanted, claim.source.convert
    stated = f"{claim.named} states {own.base}/{quote}, not {own}"
    if {quote, own.quote} <= _ONE_BOOK.get(claim.venue, frozenset()):
        return f"{stated}: the two are one book at {claim.venue}, name the product of {own.quote}"
    fix = f'write pair = "{own.base}/{quote}"'
    if quote == wanted.quote.upper():
        fix += " and leave convert out" if convert is not None else ""
    elif convert is None or convert not in _legs(quote, wanted):
        fix += f' and convert = "{_leg(quote, wanted, claim.feeds)}"'
    return f"{stated}: {fix}"


def _legs(quote: str, wanted: Pair) -> tuple[str, str]:
    """Feeds that turn a quote into the feed's: by multiplying, by dividing."""
    return f"{quote}/{wanted.quote}", f"{wanted.quote}/{quote}"


def _leg(quote: str, wanted: Pair, feeds: Collection[str]) -> str:
    """The one that the config has, else the usual one: a coin in dollars."""
    by_multiplying, by_dividing = _legs(quote, wanted)
    if by_multiplying in feeds or by_dividing in feeds:
        return by_multiplying if by_multiplying in feeds else by_dividing
    return by_dividing if quote in FIAT and wanted.quote not in FIAT else by_multiplying
