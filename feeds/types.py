"""What travels through the feeds layer. Frozen records, integers, the unit in the name; errors are values."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from feeds.errors import FeedError
from feeds.record import record
from feeds.units import Wad

_SYMBOL = re.compile(r"[A-Za-z0-9.+_-]{1,16}")


class Kind(StrEnum):
    """What a source says about a token."""

    MARKET = "market"
    """What a trade pays now."""
    REDEMPTION = "redemption"
    """What the protocol owes."""
    REFERENCE = "reference"
    """Another oracle's answer: compared with, never used in a price."""
    SUPPLY = "supply"
    """Units of the token that exist on one chain; the judge adds them up."""
    BACKING = "backing"
    """What stands behind them, in units of the token."""
    OPEN = "open"
    """Whether holders can redeem: 1 where they can, the failure CLOSED where they cannot."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pair:
    """base/quote: a price is units of quote for one unit of base."""

    base: str
    quote: str

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}"

    @classmethod
    def parse(cls, text: str) -> Pair:
        """Read ``BASE/QUOTE``; ValueError says what is wrong."""
        base, slash, quote = text.partition("/")
        if not slash or not _SYMBOL.fullmatch(base) or not _SYMBOL.fullmatch(quote):
            raise ValueError(f"{text!r} is not a pair: write BASE/QUOTE, each 1 to 16 letters, digits or . + _ -")
        return cls(base=base, quote=quote)


class Instrument(StrEnum):
    """What is traded under a venue's symbol. Only spot trades are a token's price."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    FUTURE = "future"
    OPTION = "option"
    LEVERAGED = "leveraged token"
    INDEX = "index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a venue's symbol is about, as its spelling says.

    ``base`` and ``quote``: upper case, by their common names (BTC for XBT); None where the spelling does not say.
    """

    base: str | None
    quote: str | None
    instrument: Instrument = Instrument.SPOT


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTrade:
    """One trade as a venue reported it: base units at a price, at the venue's own time. ``trade_id``: "" where it has none."""

    trade_id: str
    price_wad: Wad
    volume_wad: int
    at_ms: int


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class TradeTick:
    """One trade out of a venue's message, or why there is none. The others of the message are unaffected."""

    symbol: str
    result: VenueTrade | FeedError


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """Trades of one symbol at one time and price, as on a tape: ``count`` trades of ``volume_wad`` base units together."""

    at_ms: int
    price_wad: Wad
    volume_wad: int
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """An order book: (price, base units) of each level, the best first; as many levels as the venue shows."""

    bids: tuple[tuple[Wad, int], ...]
    asks: tuple[tuple[Wad, int], ...]
    stated_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """Base units that move a price by 0.5, 1 and 2 % in the thinner direction: at least so many, where a book ends before."""

    half_wad: int
    one_wad: int
    two_wad: int


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an adapter read from bytes: one price, and what came with it.

    ``price_wad`` is the middle of ``bid_wad`` and ``ask_wad`` where both are given (a pool: the prices that selling and
    buying the notional pay), rounded down. ``last_wad``: the last trade. ``depth_half_wad``, ``depth_wad`` and
    ``depth_two_wad``: base units that move the price by 0.5, 1 and 2 % in the thinner direction. ``volume_wad``: base
    units traded in 24 h. ``stated_at_ms``: when the source last said that this
    price, this bid and this ask stand, by its own clock: not when it was last traded at; None where it says nothing. ``mean_wad`` over
    ``mean_span_ms``: the pool's own time average, where it keeps one. ``base_share_bps``: share of a stable pool's value
    that is held in base. ``virtual_wad``: value of one unit of the pool's own token, which may only grow.
    """

    price_wad: Wad
    bid_wad: Wad | None = None
    ask_wad: Wad | None = None
    last_wad: Wad | None = None
    depth_half_wad: int | None = None
    depth_wad: int | None = None
    depth_two_wad: int | None = None
    volume_wad: int | None = None
    stated_at_ms: int | None = None
    mean_wad: Wad | None = None
    mean_span_ms: int | None = None
    base_share_bps: int | None = None
    virtual_wad: int | None = None


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A quote with its place: which source, of which group, about which pair, observed when (Unix ms).

    ``depth_modelled``: the depth is a guess from the day's volume, not read from a book or pool: it counts for no gate.
    ``prints``: the trades that came since the round before, where the feed's method needs them, merged over
    ``prints_span_ms``: 1 keeps each price of each millisecond apart. ``prints_from_ms``: later trades were heard one by one, and
    none of them before; of earlier ones, which the venue may have told another process already, that is not known. 0: of none.
    """

    pair: Pair
    source: str
    group: str
    kind: Kind
    price_wad: Wad
    observed_at_ms: int
    bid_wad: Wad | None = None
    ask_wad: Wad | None = None
    last_wad: Wad | None = None
    depth_half_wad: int | None = None
    depth_wad: int | None = None
    depth_two_wad: int | None = None
    volume_wad: int | None = None
    mean_wad: Wad | None = None
    mean_span_ms: int | None = None
    base_share_bps: int | None = None
    chain_id: int | None = None
    block: int | None = None
    depth_modelled: bool = False
    prints: tuple[Print, ...] = ()
    prints_span_ms: int = 1
    prints_from_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A source that gave no price this time, and why."""

    pair: Pair
    source: str
    error: FeedError
    failed_at_ms: int


Outcome: TypeAlias = Observation | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request to send: GET without a body, POST with one.

    ``has_secrets``: url or headers name secrets (:mod:`feeds.secret_refs`), which are filled in when it is sent. Only an
    address of the config has any: what a venue says is never filled in.
    """

    url: str
    symbols: tuple[str, ...]
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    has_secrets: bool = False


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One symbol out of a venue's message: a quote, or why there is none. The others of the message are unaffected."""

    symbol: str
    result: Quote | FeedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A read-only contract call: ``to`` is a 20-byte address, ``data`` the calldata."""

    to: bytes
    data: bytes


Reply: TypeAlias = bytes | FeedError
"""Return data of one call, or why it has none. An adapter unwraps it with :func:`feeds.decode.abi_words.returned`."""

Read: TypeAlias = Generator[tuple[Call, ...], tuple[Reply, ...], Quote]
"""A chain adapter's reading: yields its calls (at most twice), is sent the replies in order, returns the quote."""


class ChainAdapter(Protocol):
    """A pool or a rate, built from the config's params: its dataclass fields are the keys."""

    def read(self) -> Read:
        """Yield the calls of each phase (at most two), be sent the replies, return the quote."""
