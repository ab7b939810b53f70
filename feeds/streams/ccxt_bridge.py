"""Exchanges that have no adapter of ours, through ccxt: an optional extra, imported only where the config names one.

ccxt is asked for its tickers by REST, at a pace of its own; no symbol waits for the answer of another. It does the I/O and the parsing, so this
source is not pure and not tested with bytes: prefer an adapter. Its numbers are asked for as texts and decoded from them
(``number = str``, ccxt's own setting); where an exchange class of ccxt's makes floats nevertheless, they are taken by
their shortest text (``repr``), which is exact for up to 15 digits. A time is ccxt's word for the exchange's: some of its
classes state their own clock.

Source: docs.ccxt.com (Manual: "Ticker structure", "Exchange properties", "Error handling").
"""

from __future__ import annotations

import asyncio
import difflib
import importlib
import importlib.util
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import structlog

from feeds.decode import values
from feeds.decode.spelling import pair
from feeds.errors import FeedError, Malformed, RateLimited, Refused, TimedOut, Unreachable, WrongSymbol
from feeds.types import Instrument, Listing, Quote, Tick
from feeds.units import MS

_log = structlog.get_logger(__name__)
_MARKETS_S = 60.0
"""ccxt loads a venue's whole list of markets before the first ticker."""
_QUEUES = 2
"""ccxt makes requests wait for its rate limit, which is not the exchange's delay: so many times its interval for each."""
_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})
_KINDS: tuple[tuple[str, type[FeedError]], ...] = (
    ("BadSymbol", WrongSymbol),
    ("RateLimitExceeded", RateLimited),
    ("DDoSProtection", RateLimited),
    ("RequestTimeout", TimedOut),
    ("NetworkError", Unreachable),
    ("BaseError", Refused),
)
"""ccxt's errors, the narrower before the wider."""
_UNIFIED = re.compile(
    r"(?P<base>[A-Z0-9.$]{1,20})/(?P<quote>[A-Z0-9.$]{1,20})"
    r"(?::(?P<settle>[A-Z0-9.$]{1,20})(?:-(?P<expiry>[0-9]{6})(?P<option>-[0-9.]+-[CP])?)?)?"
)
"""A unified symbol: what it settles in, when, and at which strike, where it is a derivative."""
_ITS_BUGS = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError)

OnAnswer = Callable[[Tick, int, int], object]
"""a symbol's ticker or why there is none, asked for at and received at (Unix ms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CcxtSource:
    """What the config says of one such source: ccxt's id of the exchange, and how often and how long it is asked."""

    exchange: str
    rest_ms: int = 5_000
    timeout_ms: int = 10_000

    def __post_init__(self) -> None:
        """Raise ValueError that says what to write or to install."""
        if not 1_000 <= self.rest_ms <= 3_600_000:  # noqa: PLR2004 - a second to an hour
            raise ValueError(f"rest_ms = {self.rest_ms}: write 1000 to 3600000")
        if not 1_000 <= self.timeout_ms <= 60_000:  # noqa: PLR2004 - a second to a minute
            raise ValueError(f"timeout_ms = {self.timeout_ms}: write 1000 to 60000")
        if not installed():
            raise ValueError('type = "ccxt" needs an extra: pip install "lrt-oracle[ccxt]"')
        known = importlib.import_module("ccxt").exchanges
        if self.exchange not in known:
            near = difflib.get_close_matches(self.exchange.lower(), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see ccxt.exchanges"
            raise ValueError(f"exchange = {self.exchange!r} is not an exchange of ccxt: {hint}")

    @property
    def venue(self) -> str:
        """Its name in the tables."""
        return f"ccxt:{self.exchange}"

    @staticmethod
    def listing(symbol: str) -> Listing:
        """What one of ccxt's unified symbols is about: ``ETH/USDT`` spot, ``ETH/USDT:USDT`` a swap, with a date a future.

        Raises:
            ValueError: it is none, as the exchange's own ``ETH_USDT``.
        """
        match = _UNIFIED.fullmatch(symbol.upper())
        if match is None:
            raise ValueError(f"{symbol!r} is not how ccxt writes a pair: write BASE/QUOTE, ETH/USDT say")
        base, quote = match["base"], match["quote"]
        if match["settle"] is None:
            return pair(base, quote)
        kind = Instrument.OPTION if match["option"] else Instrument.FUTURE if match["expiry"] else Instrument.PERPETUAL
        return Listing(base=base, quote=quote, instrument=kind)


def installed() -> bool:
    """Whether the extra is there; nothing is imported."""
    return importlib.util.find_spec("ccxt") is not None


class CcxtBridge:
    """Asks one exchange for the tickers of some symbols, without end.

    Args:
        source: which exchange, how often.
        symbols: as ccxt writes them: ``ETH/USD``.
        on_answer: receives each ticker, or why there is none.
        now_ms: Unix ms.
        settings: ccxt's own settings of the exchange object.
        sleep: waits some seconds.
    """

    def __init__(
        self,
        source: CcxtSource,
        symbols: Sequence[str],
        on_answer: OnAnswer,
        now_ms: Callable[[], int],
        *,
        settings: Mapping[str, Any] = _NO_SETTINGS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source, self._symbols, self._on_answer = source, tuple(symbols), on_answer
        self._now_ms, self._settings, self._sleep = now_ms, settings, sleep
        self._waiting: set[str] = set()

    async def run(self) -> None:
        """Ask until cancelled; ends otherwise only by a bug of ours."""
        async with self._client() as client, asyncio.TaskGroup() as asking:
            while True:
                await self._pass(client, asking)
                await self._sleep(self._source.rest_ms / MS)

    async def once(self) -> None:
        """Ask once for every symbol."""
        async with self._client() as client, asyncio.TaskGroup() as asking:
            await self._pass(client, asking)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Any]:
        """Ccxt's object of the exchange; closed in the end."""
        ccxt = await asyncio.to_thread(importlib.import_module, "ccxt.async_support")  # a second of work
        client = getattr(ccxt, self._source.exchange)(
            {"enableRateLimit": True, "timeout": self._source.timeout_ms, **self._settings}
        )
        client.number = str
        self._waiting.clear()
        try:
            yield client
        finally:
            await client.close()

    async def _pass(self, client: Any, asking: asyncio.TaskGroup) -> None:
        """Begin to ask for every symbol whose last answer is there; ccxt keeps to the exchange's rate limit."""
        asked_ms = self._now_ms()
        lost = await self._attempt(client.load_markets(), "the list of markets", _MARKETS_S)
        for symbol in self._symbols:
            if symbol in self._waiting:
                continue
            if isinstance(lost, FeedError):
                self._on_answer(Tick(symbol=symbol, result=lost), asked_ms, self._now_ms())
            else:
                self._waiting.add(symbol)
                asking.create_task(self._ask(client, symbol))

    async def _ask(self, client: Any, symbol: str) -> None:
        asked_ms = self._now_ms()
        limit_s = (self._source.timeout_ms + _QUEUES * client.rateLimit * len(self._waiting)) / MS
        try:
            ticker = await self._attempt(client.fetch_ticker(symbol), symbol, limit_s)
        finally:
            self._waiting.discard(symbol)
        result = ticker if isinstance(ticker, FeedError) else values.tick(symbol, partial(quote, symbol, ticker)).result
        self._on_answer(Tick(symbol=symbol, result=result), asked_ms, self._now_ms())

    async def _attempt(self, asked: Awaitable[Any], what: str, limit_s: float) -> Any:
        """What ccxt brings, or why it brings nothing, as a FeedError."""
        errors = importlib.import_module("ccxt.base.errors")
        try:
            async with asyncio.timeout(limit_s):
                return await asked
        except TimeoutError:
            return TimedOut(f"no answer: {what}", venue=self._source.venue, timeout_ms=int(limit_s * MS))
        except errors.BaseError as e:
            return typed_error(errors, e, self._source.venue)
        except _ITS_BUGS as e:
            _log.warning("ccxt failed in its own code", venue=self._source.venue, asked=what, error=repr(e))
            return Malformed("ccxt could not read the exchange's answer", error=type(e).__name__)


def quote(symbol: str, ticker: Any) -> Quote:
    """Read ccxt's ticker structure.

    Raises:
        WrongSymbol: it is about another symbol.
        Malformed, NotPositive, OutOfRange, Crossed: it holds no sane bid and ask, or no sane time.
    """
    named = values.member(ticker, "symbol")
    if named != symbol:
        raise WrongSymbol("the ticker is about another symbol", asked=symbol, got=values.printable(named))
    bid, ask, last, volume = (_number(ticker.get(k)) for k in ("bid", "ask", "last", "baseVolume"))
    stated = ticker.get("timestamp")
    stated_at_ms = None if stated is None else values.time_ms(_number(stated))
    return values.book_quote(bid, ask, last=last, volume=volume, stated_at_ms=stated_at_ms)


def _number(value: Any) -> Any:
    """Return a float by its shortest text; everything else as it is."""
    return repr(value) if isinstance(value, float) else value


def typed_error(errors: Any, error: Exception, venue: str) -> FeedError:
    """Our error for one of ccxt's; ``errors``: its module of them."""
    kind = next(k for name, k in _KINDS if isinstance(error, getattr(errors, name)))
    return kind(values.printable(error), venue=venue)
