"""Any JSON over HTTP, by config alone: an issuer's price, a rate service. Asked at its own pace, never streamed.

A path leads through objects by name and through arrays by index: ``data.0.price``. What is read is exact; a price that is
inverted or scaled is rounded down. Headers and addresses hold no secrets: what needs a key is not public, and the config
is. The source is as independent as its host: two addresses of one host are one group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.parse import quote as url_quote

from feeds.decode import values
from feeds.errors import Malformed, WrongSymbol
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Quote, Request, Tick
from feeds.units import WAD, Wad, mid_down, wad_div_down

_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_ISO = "iso"
_SYMBOL = "{symbol}"
_MOST_SCALE = 36
_LEAST_PAUSE_MS, _MOST_PAUSE_MS = 500, 3_600_000
_HOME = ("127.0.0.1", "localhost", "::1")
_SECRET = re.compile(r"auth|cookie|secret|token|passw|api.?key|access.?key|signature", re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9-]{1,40}")
_VALUE = re.compile(r"[\x20-\x7e]{0,200}")
_EXACT = Context(prec=120, Emax=2_000, Emin=-2_000)
"""Wide enough that moving a decimal point never rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonHttp:
    """What the config says of one such source.

    Attributes:
        url: where to ask, https (http on this machine only); ``{symbol}`` in it is replaced by the source's symbol.
        price: path to the price; or
        bid: path to the best bid, together with
        ask: path to the best ask.
        time: path to the source's own time; "" for none.
        time_unit: s, ms, us, ns (whole numbers), or iso (RFC 3339 in UTC).
        scale: the numbers are the price times ten to the power of this: 18 for wads.
        invert: what is stated is base for one unit of quote.
        expect: path -> text that must stand there, so that another symbol's answer is not taken for this one's.
        headers: sent along; no secrets.
        rest_ms: pause between two requests.
    """

    url: str
    price: str = ""
    bid: str = ""
    ask: str = ""
    time: str = ""
    time_unit: str = "s"
    scale: int = 0
    invert: bool = False
    expect: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    rest_ms: int = 10_000

    def __post_init__(self) -> None:
        """Raise ValueError that says what to write."""
        _check_address(self.url)
        if bool(self.price) == bool(self.bid or self.ask) or bool(self.bid) != bool(self.ask):
            raise ValueError('write price = "path", or bid = "path" and ask = "path"')
        paths = (self.price, self.bid, self.ask, self.time, *self.expect)
        if any(path and not all(path.split(".")) for path in paths) or "" in self.expect:
            raise ValueError('a path is names and indices with a dot between: "data.0.price"')
        if self.time_unit not in (*_UNITS, _ISO):
            raise ValueError(f"time_unit = {self.time_unit!r}: write one of {', '.join((*_UNITS, _ISO))}")
        if not 0 <= self.scale <= _MOST_SCALE:
            raise ValueError(f"scale = {self.scale}: write 0 to {_MOST_SCALE}, the decimals of the stated integer")
        if not _LEAST_PAUSE_MS <= self.rest_ms <= _MOST_PAUSE_MS:
            raise ValueError(f"rest_ms = {self.rest_ms}: write {_LEAST_PAUSE_MS} to {_MOST_PAUSE_MS}")
        _check_headers(self.headers)

    @property
    def host(self) -> str:
        """Whom it depends on."""
        return urlsplit(self.url).hostname or ""

    @property
    def needs_symbol(self) -> bool:
        """The address names the symbol."""
        return _SYMBOL in self.url

    def quote(self, message: Any) -> Quote:
        """Read one answer.

        Raises:
            WrongSymbol: what must stand somewhere does not.
            Crossed: the bid is above the ask.
            Malformed, NotPositive, OutOfRange: it holds no such price, or no such time.
        """
        for path, wanted in self.expect.items():
            value = _at(message, path)
            if value != wanted:
                raise WrongSymbol("the answer is about something else", path=path, got=values.printable(value))
        stated_at_ms = self._time(_at(message, self.time)) if self.time else None
        if self.price:
            return Quote(price_wad=self._turned(self._number(message, self.price)), stated_at_ms=stated_at_ms)
        _, bid, ask = values.book_mid(self._number(message, self.bid), self._number(message, self.ask))
        if self.invert:
            bid, ask = self._turned(ask), self._turned(bid)
        return Quote(price_wad=Wad(mid_down(bid, ask)), bid_wad=bid, ask_wad=ask, stated_at_ms=stated_at_ms)

    def _number(self, message: Any, path: str) -> Decimal:
        return values.number(_at(message, path)).scaleb(-self.scale, _EXACT)

    def _turned(self, price: Decimal | Wad) -> Wad:
        wad = values.price_wad(price) if isinstance(price, Decimal) else price
        return values.bounded_price(wad_div_down(WAD, wad)) if self.invert else wad

    def _time(self, stated: Any) -> int:
        return values.iso_ms(stated) if self.time_unit == _ISO else values.time_ms(stated, per_s=_UNITS[self.time_unit])


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonVenue(PlainSession):
    """One such source as a venue without a stream. ``name`` must be its own: the tables are keyed by it."""

    name: str
    source: JsonHttp
    ws_url: str = ""
    rest_url: str = ""

    @property
    def limits(self) -> VenueLimits:
        """One request in a pause."""
        return VenueLimits(requests_per_s=2, rest_ms=self.source.rest_ms)

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """Nothing: there is no stream."""
        del symbols, now_ms
        return ()

    def parse(self, frame: str | bytes) -> tuple[Tick, ...]:
        """Malformed: there is no stream."""
        raise Malformed("this source has no stream", starts=values.printable(frame[:20]))

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per symbol."""
        urls = ((s, self.source.url.replace(_SYMBOL, url_quote(s, safe=""))) for s in symbols)
        return tuple(Request(url=url, symbols=(s,), headers=self.source.headers) for s, url in urls)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read one answer."""
        message = values.load(body)
        return tuple(values.tick(s, partial(self.source.quote, message)) for s in request.symbols)


def _at(message: Any, path: str) -> Any:
    """Follow a path; Malformed where it leads nowhere."""
    for part in path.split("."):
        is_index = isinstance(message, list) and part.isascii() and part.isdigit()
        message = values.item(message, int(part[:9])) if is_index else values.member(message, part)
    return message


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url.replace(_SYMBOL, "X"))
        _ = parts.port
    except ValueError as e:
        raise ValueError(f"url = {url!r} is not an address ({e})") from None
    near = parts.hostname in _HOME
    if parts.scheme not in (("http", "https") if near else ("https",)) or not parts.hostname:
        raise ValueError(f"url = {url!r}: write https://HOST/PATH")
    if not url.isascii() or set(url.replace(_SYMBOL, "")) & set(' "<>\\{}[]'):
        raise ValueError(f"url = {url!r}: the only brackets are those of {_SYMBOL}; encode what else is not plain")
    if parts.username is not None or any(_SECRET.search(key) for key, _ in parse_qsl(parts.query)):
        raise ValueError("url: no secrets in the config; what needs a key needs a proxy of your own that adds it")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"headers: {name!r} is not a plain header")
        if _SECRET.search(name):
            raise ValueError(f"headers: {name!r} is a secret, and a config holds none: use a proxy that adds it")
