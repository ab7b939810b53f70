"""The exceptions: one root, and what a source can do wrong. Drawn, all of them, in docs/errors.md.

An exception of this program derives from :class:`LrtOracleError`, and from the built-in one that its callers may expect
(``RuntimeError``, ``ValueError``, ``LookupError``). A source's fault is a :class:`FeedError`: theirs, not ours, and a value
beside the prices of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class LrtOracleError(Exception):
    """The root of every exception that this program defines."""


class FeedError(LrtOracleError):
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
    """The newest value is older than the source's limit; it says so where a request for a newer one failed."""

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
    """The endpoint answered with an error of its own. ``body``: the beginning of what came with it."""

    code = "REFUSED"
    advice = "read the endpoint's message"
    body: bytes = b""


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
    advice = "one of the chain's endpoints lies, or too few are healthy: add endpoints of other providers"


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
