"""The newest quote of every symbol: streams and answers write the table, the observer reads it. Pure: times are arguments.

A stream tells by itself, an answer was asked for. Where there is a stream an answer can only add to it: neither a request
that fails nor an answer that is older ever takes a quote away. A source without a stream takes its own word back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from feeds.errors import FeedError, FromFuture, NoData, RateLimited, Refused, TimedOut, TooLarge, Unreachable
from feeds.types import Quote, Tick

_LOST = (TimedOut, Unreachable, RateLimited, Refused, TooLarge)
"""What happens to a request on its way: it says nothing of the price that was there."""


class DropReason(StrEnum):
    """Why a quote was not stored."""

    FROM_FUTURE = "from_future"
    OUT_OF_ORDER = "out_of_order"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestQuote:
    """What is known of one symbol of one venue. Times are Unix ms.

    The last good quote and the last error stand beside each other, each with the time it was received: an error never
    makes a quote look younger or older, nor does a quote wipe out that there was an error. ``changed_at_ms``: when a
    quote last came that differed from the one before; a source that repeats itself keeps the old time here. ``failing``:
    there is no price although there is a quote, since an error took it back.
    """

    quote: Quote | None = None
    received_at_ms: int | None = None
    changed_at_ms: int | None = None
    error: FeedError | None = None
    error_at_ms: int | None = None
    failing: bool = False

    @property
    def newest(self) -> Quote | FeedError:
        """The quote; or the error that took it back, or that came instead of one; or NoData."""
        if self.error is not None and (self.failing or self.quote is None):
            return self.error
        return NoData() if self.quote is None else self.quote

    @property
    def missed(self) -> FeedError | None:
        """The error that came after the quote; None for none."""
        if self.error_at_ms is None or (self.received_at_ms is not None and self.error_at_ms <= self.received_at_ms):
            return None
        return self.error

    @property
    def observed_at_ms(self) -> int | None:
        """The quote's own time where it states one (never later than it was received), else when it was received."""
        if self.quote is None or self.received_at_ms is None:
            return None
        stated = self.quote.stated_at_ms
        return self.received_at_ms if stated is None else min(stated, self.received_at_ms)


_NOTHING = LatestQuote()


class LatestQuotes:
    """(venue, symbol) -> LatestQuote.

    Args:
        future_ms: how far a quote's own time may lie ahead of ours. One beyond it becomes a FromFuture error; stored, it
            would make every later quote look old.
    """

    def __init__(self, *, future_ms: int = 5_000) -> None:
        self._future_ms = future_ms
        self._quotes: dict[tuple[str, str], LatestQuote] = {}
        self._dropped: Counter[tuple[str, DropReason]] = Counter()

    def put(self, venue: str, tick: Tick, received_at_ms: int) -> bool:
        """Write a tick of the stream; True if it brought a quote that is news. An error fails the symbol at once.

        Dropped and counted: a quote whose own time is before that of the stored one (``out_of_order``), and one that
        equals the stored one with the same time (``duplicate``). A quote without a time is news whenever it comes.
        """
        previous, result = self._quotes.get((venue, tick.symbol), _NOTHING), tick.result
        if isinstance(result, Quote) and (result.stated_at_ms or 0) - received_at_ms > self._future_ms:
            result = self._dated(venue, result, received_at_ms)
        if isinstance(result, FeedError):
            failed = replace(previous, error=result, error_at_ms=received_at_ms, failing=True)
            self._quotes[venue, tick.symbol] = failed
            return False
        if reason := _no_news(result, previous.quote):
            self._dropped[venue, reason] += 1
            return False
        self._keep(venue, tick.symbol, previous, result, received_at_ms)
        return True

    def put_answer(
        self, venue: str, tick: Tick, received_at_ms: int, *, asked_at_ms: int, streamed: bool = True
    ) -> bool:
        """Write what a request brought; True if it brought a quote that is news.

        An error stands beside the quote and fails nothing. Where there is no stream (``streamed`` is False) it takes the
        quote back, unless it says nothing of the price: a request that was refused, limited or lost. A quote is dropped
        as ``out_of_order`` where the stored one is newer: by its own time, or because it came while this one was on its
        way. One that equals the stored one is news only after an error.
        """
        previous, result = self.get(venue, tick.symbol), self._dated(venue, tick.result, received_at_ms)
        if isinstance(result, FeedError):
            if previous.failing and isinstance(result, _LOST):
                return False  # what failed it stays the reason
            failing = previous.failing or not (streamed or isinstance(result, _LOST))
            beside = replace(previous, error=result, error_at_ms=received_at_ms, failing=failing)
            self._quotes[venue, tick.symbol] = beside
            return False
        if reason := _no_addition(result, previous, asked_at_ms, received_at_ms):
            self._dropped[venue, reason] += 1
            return False
        self._keep(venue, tick.symbol, previous, result, received_at_ms)
        return True

    def _dated(self, venue: str, result: Quote | FeedError, received_at_ms: int) -> Quote | FeedError:
        """The result, or FromFuture for a quote whose own time lies ahead."""
        if isinstance(result, Quote) and (early_ms := (result.stated_at_ms or 0) - received_at_ms) > self._future_ms:
            self._dropped[venue, DropReason.FROM_FUTURE] += 1
            return FromFuture("the quote's own time", ahead_ms=early_ms, tolerance_ms=self._future_ms)
        return result

    def _keep(self, venue: str, symbol: str, previous: LatestQuote, quote: Quote, received_at_ms: int) -> None:
        changed = previous.changed_at_ms if _repeated(quote, previous.quote) else received_at_ms
        self._quotes[venue, symbol] = LatestQuote(
            quote=quote,
            received_at_ms=received_at_ms,
            changed_at_ms=changed,
            error=previous.error,
            error_at_ms=previous.error_at_ms,
        )

    def get(self, venue: str, symbol: str) -> LatestQuote:
        """Return what is known; an empty LatestQuote if nothing has come."""
        return self._quotes.get((venue, symbol), _NOTHING)

    def of(self, places: Container[tuple[str, str]]) -> LatestQuotes:
        """A table with what is known of these, (venue, symbol), alone; it counts on where this one stands."""
        table = LatestQuotes(future_ms=self._future_ms)
        table._quotes = {p: q for p, q in self._quotes.items() if p in places}
        table._dropped = self._dropped
        return table

    def all(self) -> Mapping[tuple[str, str], LatestQuote]:
        """Return a copy of the table."""
        return dict(self._quotes)

    def dropped(self, venue: str) -> Mapping[DropReason, int]:
        """How many quotes of a venue were dropped, by reason."""
        return {reason: n for (name, reason), n in sorted(self._dropped.items()) if name == venue}


def _no_news(new: Quote, old: Quote | None) -> DropReason | None:
    if old is None or old.stated_at_ms is None or new.stated_at_ms is None:
        return None
    if new.stated_at_ms < old.stated_at_ms:
        return DropReason.OUT_OF_ORDER
    return DropReason.DUPLICATE if new.stated_at_ms == old.stated_at_ms and new == old else None


def _no_addition(new: Quote, old: LatestQuote, asked_at_ms: int, received_at_ms: int) -> DropReason | None:
    """Why an answer adds nothing to what is known; None if it does."""
    if old.failing and old.error_at_ms is not None and old.error_at_ms > asked_at_ms:
        return DropReason.OUT_OF_ORDER  # the stream took its quote back while the answer was on its way
    reason = _no_news(new, old.quote)
    if reason is not None:
        return None if reason is DropReason.DUPLICATE and old.failing else reason
    if old.quote is None or old.received_at_ms is None or old.observed_at_ms is None:
        return None
    if old.quote.stated_at_ms is not None and new.stated_at_ms is not None:
        return None
    observed_at_ms = received_at_ms if new.stated_at_ms is None else min(new.stated_at_ms, received_at_ms)
    overtaken = old.received_at_ms > asked_at_ms or observed_at_ms < old.observed_at_ms
    return DropReason.OUT_OF_ORDER if overtaken else None


def _repeated(new: Quote, old: Quote | None) -> bool:
    """Whether a quote says what the one before said, whatever its time; the price decides nearly always."""
    if old is None or new.price_wad != old.price_wad:
        return False
    return replace(old, stated_at_ms=new.stated_at_ms) == new
