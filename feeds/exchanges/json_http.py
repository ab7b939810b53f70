"""Any JSON over HTTP, by config alone: an issuer's price, a rate service. Asked at its own pace, never streamed.

A path leads through objects by name and through arrays by index: ``data.0.price``; a name with a dot or a quote in it stands
in quotes: ``prices."weETH.eth"``. What is read is exact; a price that is inverted or scaled is rounded down. Headers and
addresses name their secrets, ``${NAME}`` or ``${file:/PATH}``, and never hold one: see :mod:`feeds.secret_refs`. The source
is as independent as who is behind its host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from functools import lru_cache, partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit
from urllib.parse import quote as url_quote

from feeds.decode import values
from feeds.errors import FeedError, Malformed, WrongSymbol
from feeds.secret_refs import check_refs, has_refs, without_refs
from feeds.streams.venue import PlainSession, VenueLimits
from feeds.types import Quote, Request, Tick
from feeds.units import WAD, Wad, mid_down, wad_div_down

_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_ISO = "iso"
_SYMBOL = "{symbol}"
_MOST_SCALE = 36
_LEAST_PAUSE_MS, _MOST_PAUSE_MS = 500, 3_600_000
_HOME = ("127.0.0.1", "localhost", "::1")
_SECRET = re.compile(
    r"auth|cookie|secret|passw|signature|session|(api|access|private|client).?key"
    r"|(api|access|id|bearer|refresh|csrf).?token",
    re.IGNORECASE,
)
"""Names whose value is always a secret."""
_MAY_BE_SECRET = re.compile(r"token|key|sig|code|pass", re.IGNORECASE)
"""Names whose value is a secret as often as a symbol: the value decides."""
_PUBLIC = re.compile(r"0x(?:[0-9a-f]{40}|[0-9a-f]{64})", re.IGNORECASE | re.ASCII)
"""An address or an id on a chain."""
_RUN = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_LONG, _LONGEST = 16, 32
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_SCHEME = re.compile(r"[A-Za-z]{0,16}:? ?", re.ASCII)
"""What may stand before the secret of a header: ``Bearer ``."""
_HEADER = re.compile(r"[A-Za-z0-9-]{1,40}")
_VALUE = re.compile(r"[\x20-\x7e]{0,200}")
_PART = re.compile(r'"(?P<name>(?:[^"\\]|\\["\\])+)"|(?P<plain>[^."]+)')
_ESCAPED = re.compile(r"\\(.)")
_PATH_HINT = 'a path is names and indices with a dot between, a name with a dot in quotes: data.0."weETH.eth".price'
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
        time_unit: s, ms, us, ns (numbers; a fraction is kept to the millisecond), or iso (RFC 3339 in UTC).
        scale: the numbers are the price times ten to the power of this: 18 for wads.
        invert: what is stated is base for one unit of quote.
        expect: path -> text, whole number, true or false that must stand there, so that another symbol's answer is not
            taken for this one's. A text also stands for the number that it spells.
        headers: sent along; a secret in them is named, not written.
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
    expect: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    rest_ms: int = 10_000

    def __post_init__(self) -> None:
        """Raise ValueError that says what to write."""
        _check_address(self.url)
        if bool(self.price) == bool(self.bid or self.ask) or bool(self.bid) != bool(self.ask):
            raise ValueError('write price = "path", or bid = "path" and ask = "path"')
        for path in (self.price, self.bid, self.ask, self.time):
            _ = path and path_parts(path)
        for path, wanted in self.expect.items():
            _ = path_parts(path)
            if not isinstance(wanted, str | int):
                raise ValueError(f"expect.{path}: write a text in quotes, a whole number, true or false")  # noqa: TRY004
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
    def has_secrets(self) -> bool:
        """Whether the address or a header names a secret that is to be filled in."""
        return any(map(has_refs, (self.url, *self.headers.values())))

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
            if not _is_expected(value, wanted):
                got = repr(value) if isinstance(value, str) else value
                raise WrongSymbol("the answer is about something else", path=path, got=values.printable(got))
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
        if self.time_unit == _ISO:
            return values.iso_ms(stated)
        return values.moment_ms(stated, per_s=_UNITS[self.time_unit])


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
        headers, fill = self.source.headers, self.source.has_secrets
        return tuple(Request(url=url, symbols=(s,), headers=headers, has_secrets=fill) for s, url in urls)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read one answer."""
        message = values.load(body)
        return tuple(values.tick(s, partial(self.source.quote, message)) for s in request.symbols)


class PathPart(NamedTuple):
    """One step of a path. ``quoted``: it is a name, whatever it looks like."""

    text: str
    quoted: bool


@lru_cache(maxsize=1_024)
def path_parts(path: str) -> tuple[PathPart, ...]:
    """The steps of a path; ValueError says how one is written."""
    parts: list[PathPart] = []
    at = 0
    while at <= len(path):
        match = _PART.match(path, at)
        if match is None or path[match.end() : match.end() + 1] not in ("", "."):
            raise ValueError(f"{path!r}: {_PATH_HINT}")
        name = match["name"]
        parts.append(
            PathPart(match["plain"], quoted=False) if name is None else PathPart(_ESCAPED.sub(r"\1", name), quoted=True)
        )
        at = match.end() + 1
    return tuple(parts)


def _at(message: Any, path: str) -> Any:
    """Follow a path; Malformed where it leads nowhere."""
    for part, quoted in path_parts(path):
        is_index = isinstance(message, list) and not quoted and part.isascii() and part.isdigit()
        message = values.item(message, int(part[:9])) if is_index else values.member(message, part)
    return message


def _is_expected(value: Any, wanted: str | int) -> bool:
    """Whether a value of the answer is what the config wants there; true is not 1."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, str):
        return value == wanted
    if not isinstance(value, int | Decimal):
        return False
    try:
        return bool(value == values.number(wanted))
    except FeedError:
        return False


def _check_address(url: str) -> None:
    check_refs(url)
    plain = without_refs(url.replace(_SYMBOL, "X"), "X")
    try:
        parts = urlsplit(plain)
        _ = parts.port
    except ValueError as e:
        raise ValueError(f"url = {url!r} is not an address ({e})") from None
    near = parts.hostname in _HOME
    if parts.scheme not in (("http", "https") if near else ("https",)) or not parts.hostname:
        raise ValueError(f"url = {url!r}: write https://HOST/PATH")
    brackets = set(plain.replace(f"[{parts.hostname}]", "", 1)) & set(' "<>\\{}[]')  # an IPv6 address has its own
    if not url.isascii() or brackets:
        raise ValueError(
            f"url = {url!r}: the only brackets are those of {_SYMBOL} and of ${{NAME}}; encode what else is not plain"
        )
    if has_refs(url.split("/", 3)[2]):
        raise ValueError(
            "url: the host is written out, for it says whom the source depends on; a secret stands behind it"
        )
    query = urlsplit(without_refs(url, "").replace(_SYMBOL, "")).query
    if parts.username is not None or any(_is_secret(k, v) for k, v in parse_qsl(query, keep_blank_values=True)):
        raise ValueError(f"url: no secrets in the config; {_NAME_IT}")


_NAME_IT = "write ${NAME} in its place and set that variable, or ${file:/PATH}"


def _is_secret(name: str, value: str) -> bool:
    """Whether a parameter of an address is a secret; what stands for the symbol, or names a secret, is gone from it."""
    if not value:
        return False
    return _SECRET.search(name) is not None or (_MAY_BE_SECRET.search(name) is not None and _looks_random(value))


def _looks_random(value: str) -> bool:
    """Whether a value is nothing that somebody chose to be read: no symbol, no slug, no address on a chain."""
    if _PUBLIC.fullmatch(value):
        return False
    longest = max(_RUN.findall(value), key=len, default="")
    mixed = any(c.isdigit() for c in longest) and any(c.isalpha() for c in longest)
    return _UUID.search(value) is not None or len(longest) >= (_LONG if mixed else _LONGEST)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"headers: {name!r} is not a plain header")
        check_refs(value)
        named = has_refs(value) and _SCHEME.fullmatch(without_refs(value, ""))
        if _SECRET.search(name) and not named:
            raise ValueError(f"headers: {name!r} is a secret, and a config holds none: {_NAME_IT}")
        if _MAY_BE_SECRET.search(name) and not named and _looks_random(without_refs(value, "")):
            raise ValueError(f"headers: {name!r} is a secret, and a config holds none: {_NAME_IT}")
