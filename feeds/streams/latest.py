"""The newest quote of every symbol: streams write the table, the observer reads it. Pure: times are arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from feeds.errors import FeedError, FromFuture, NoData
from feeds.types import Quote, Tick


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
    quote last came that differed from the one before; a source that repeats itself keeps the old time here.
    """

    quote: Quote | None = None
    received_at_ms: int | None = None
    changed_at_ms: int | None = None
    error: FeedError | None = None
    error_at_ms: int | None = None
    failing: bool = False

    @property
    def newest(self) -> Quote | FeedError:
        """What came last: the quote, or the error that came after it, or NoData."""
        if self.failing and self.error is not None:
            return self.error
        return NoData() if self.quote is None else self.quote

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
        """Write a tick; True if it brought a quote that is news.

        Dropped and counted: a quote whose own time is before that of the stored one (``out_of_order``), and one that
        equals the stored one with the same time (``duplicate``). A quote without a time is news whenever it comes.
        """
        key = (venue, tick.symbol)
        previous = self._quotes.get(key, _NOTHING)
        result = tick.result
        if isinstance(result, Quote) and (early_ms := (result.stated_at_ms or 0) - received_at_ms) > self._future_ms:
            self._dropped[venue, DropReason.FROM_FUTURE] += 1
            result = FromFuture("the quote's own time", ahead_ms=early_ms, tolerance_ms=self._future_ms)
        if isinstance(result, FeedError):
            self._quotes[key] = replace(previous, error=result, error_at_ms=received_at_ms, failing=True)
            return False
        if reason := _no_news(result, previous.quote):
            self._dropped[venue, reason] += 1
            return False
        changed = previous.changed_at_ms if _repeated(result, previous.quote) else received_at_ms
        self._quotes[key] = LatestQuote(
            quote=result,
            received_at_ms=received_at_ms,
            changed_at_ms=changed,
            error=previous.error,
            error_at_ms=previous.error_at_ms,
        )
        return True

    def get(self, venue: str, symbol: str) -> LatestQuote:
        """Return what is known; an empty LatestQuote if nothing has come."""
        return self._quotes.get((venue, symbol), _NOTHING)

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


def _repeated(new: Quote, old: Quote | None) -> bool:
    """Whether a quote says what the one before said, whatever its time; the price decides nearly always."""
    if old is None or new.price_wad != old.price_wad:
        return False
    return replace(old, stated_at_ms=new.stated_at_ms) == new
