"""What travels through the feeds layer. Frozen records, integers, the unit in the name; errors are values."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol, TypeAlias

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
            raise ValueError(f"{text!r} is no pair: write BASE/QUOTE, each 1 to 16 letters, digits or . + _ -")
        return cls(base=base, quote=quote)


class FeedError(Exception):
    """Something a source did wrong. Carries a stable code and the numbers; travels as a value inside a Failure."""

    code: ClassVar[str] = "FEED_ERROR"
    advice: ClassVar[str] = "look at the source"

    def __init__(self, detail: str = "", **facts: int | str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts: Mapping[str, int | str] = dict(sorted(facts.items()))

    def __str__(self) -> str:
        numbers = ", ".join(f"{k}={v}" for k, v in self.facts.items())
        return ": ".join(p for p in (self.code, self.detail, numbers) if p)


class Malformed(FeedError):
    """The bytes are not what the venue or contract documents."""

    code = "MALFORMED"
    advice = "the source changed its format or answered something else: compare with its documentation"


class NotPositive(FeedError):
    """A price, rate or amount is zero or negative."""

    code = "NOT_POSITIVE"
    advice = "the source has no price at the moment"


class OutOfRange(FeedError):
    """A number is finite but larger or smaller than any sane value."""

    code = "OUT_OF_RANGE"
    advice = "check the decimals and the unit of the source"


class Crossed(FeedError):
    """The bid is above the ask, or the last trade is far outside of both."""

    code = "CROSSED"
    advice = "the book is broken or half updated"


class WrongSymbol(FeedError):
    """The answer is about something that was not asked."""

    code = "WRONG_SYMBOL"
    advice = "check the symbol in the config against the venue's own list"


class NoData(FeedError):
    """Nothing has arrived from this source yet."""

    code = "NO_DATA"
    advice = "wait for the first message, or check that the venue lists the symbol"


class Stale(FeedError):
    """The newest value is older than the source's limit."""

    code = "STALE"
    advice = "the source is silent: a live socket that says nothing is stale too"


class FromFuture(FeedError):
    """The source's own time lies ahead of ours by more than the tolerance."""

    code = "FROM_FUTURE"
    advice = "check this machine's clock and the unit of the source's time"


class Thin(FeedError):
    """The pool's depth is below the source's gate."""

    code = "THIN"
    advice = "the pool no longer carries the notional: lower the notional or drop the pool"


class Slippage(FeedError):
    """Buying and selling the notional lie further apart than the source's gate."""

    code = "SLIPPAGE"
    advice = "the pool no longer carries the notional: lower the notional or drop the pool"


class Unreachable(FeedError):
    """No connection, or it was lost."""

    code = "UNREACHABLE"
    advice = "check the network and the endpoint's address"


class TimedOut(FeedError):
    """No answer by the deadline."""

    code = "TIMED_OUT"
    advice = "the endpoint is slow or the deadline too short"


class Refused(FeedError):
    """The endpoint answered with an error of its own."""

    code = "REFUSED"
    advice = "read the endpoint's message"


class RateLimited(FeedError):
    """The endpoint asked us to slow down, or our own limit for it was reached."""

    code = "RATE_LIMITED"
    advice = "fewer requests, or an endpoint with a higher limit"


class TooLarge(FeedError):
    """The answer passed the size cap and was cut off."""

    code = "TOO_LARGE"
    advice = "the source sends more than a price: it is not read"


class Reverted(FeedError):
    """The contract call reverted."""

    code = "REVERTED"
    advice = "the contract is paused, or the function or its arguments are wrong"


class WrongChain(FeedError):
    """The endpoint serves another chain than the one configured."""

    code = "WRONG_CHAIN"
    advice = "correct the endpoint or the chain id"


class Disagreed(FeedError):
    """Too few endpoints say the same of the same block."""

    code = "DISAGREED"
    advice = "one of the chain's endpoints lies, or too few are well: add endpoints of other providers"


class SequencerDown(FeedError):
    """The rollup's sequencer is down, or has been up again for less than the grace time."""

    code = "SEQUENCER_DOWN"
    advice = "nothing to do: prices of this chain count again when the grace time is over"


class Closed(FeedError):
    """The protocol's own contract says that holders cannot redeem now."""

    code = "CLOSED"
    advice = "nothing to do: until it opens, what the protocol owes can only be had on the market"


class Unsteady(FeedError):
    """The value of one unit of a pool's own token fell or leapt, which fees alone never do."""

    code = "UNSTEADY"
    advice = "the pool was drained, donated to or slashed; it counts again when the new value has stood"


class HeadStopped(FeedError):
    """The endpoint's newest block is too old."""

    code = "HEAD_STOPPED"
    advice = "the node no longer follows its chain: use another endpoint"


ERRORS: Mapping[str, type[FeedError]] = {
    e.code: e
    for e in (
        Malformed, NotPositive, OutOfRange, Crossed, WrongSymbol, NoData, Stale, FromFuture, Thin, Slippage,
        Unreachable, TimedOut, Refused, RateLimited, TooLarge, Reverted, WrongChain, HeadStopped, Disagreed,
        SequencerDown, Unsteady, Closed,
    )
}  # fmt: skip
"""Every error by its code, so that a stored failure can be read back."""


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an adapter understood from bytes: one price, and what was said beside it.

    ``price_wad`` is the middle of ``bid_wad`` and ``ask_wad`` where both are given (a pool: the prices that selling and
    buying the notional pay), rounded down. ``last_wad``: the last trade. ``depth_half_wad``, ``depth_wad`` and
    ``depth_two_wad``: base units that move the price by 0.5, 1 and 2 % in the thinner direction. ``volume_wad``: base
    units traded in 24 h. ``stated_at_ms``: the source's own time, None where it gives none. ``mean_wad`` over
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
    """A quote with its place: which source, of which group, about which pair, observed when (Unix ms)."""

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
    """An HTTP request to send: GET without a body, POST with one."""

    url: str
    symbols: tuple[str, ...]
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


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
"""Return data of one call, or why it has none. An adapter unwraps it with :func:`feeds.decode.values.returned`."""

Read: TypeAlias = Generator[tuple[Call, ...], tuple[Reply, ...], Quote]
"""A chain adapter's reading: yields its calls (at most twice), is sent the replies in order, returns the quote."""


class ChainAdapter(Protocol):
    """A pool or a rate, built from the config's params: its dataclass fields are the keys."""

    def read(self) -> Read:
        """Yield the calls of each phase (at most two), be sent the replies, return the quote."""
