"""An exchange's trades as a stream of their own, so that a flood of trades never delays a quote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feeds.streams.connection import StreamTimeouts
from feeds.streams.venue import Exchange, Session, StreamAddress, VenueLimits
from feeds.types import Request

TRADE_TIMEOUTS = StreamTimeouts(silence_ms=900_000)
"""Staking tokens trade seldom: a connection without a trade for a quarter of an hour is renewed."""


@dataclass(frozen=True, slots=True)
class TradeChannel:
    """An exchange as :class:`feeds.streams.venue.StreamedVenue`, whose subscriptions are those of its trades."""

    exchange: Exchange

    @property
    def name(self) -> str:
        """The venue's name."""
        return self.exchange.name

    @property
    def limits(self) -> VenueLimits:
        """The venue's limits."""
        return self.exchange.limits

    def handshake(self) -> Request | None:
        """As for quotes."""
        return self.exchange.handshake()

    def stream_address(self, body: bytes | None) -> StreamAddress:
        """As for quotes."""
        return self.exchange.stream_address(body)

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """Messages that subscribe to trades."""
        return self.exchange.subscribe_trades(symbols, now_ms)

    def session(self) -> Session:
        """A reader of trades."""
        return self.exchange.trade_session()
