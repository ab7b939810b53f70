"""The only way a venue's text becomes numbers and times: exact, finite, positive, or a typed error."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from typing import Any

from feeds.errors import Crossed, FeedError, Malformed, NotPositive, OutOfRange, TooLarge
from feeds.types import Quote, Tick, TradeTick, VenueTrade
from feeds.units import BPS, WAD, Bps, Wad, mid_down

_MAX_TEXT = 60
_CONTEXT = Context(prec=80, rounding=ROUND_DOWN, Emax=999, Emin=-999)
_PLAIN = frozenset("0123456789.eE+-")
MIN_PRICE_WAD = 10**3
MAX_PRICE_WAD = 10**33
LAST_OUTSIDE_BPS = Bps(2_000)
"""How far the last trade may lie outside of bid and ask: a fifth; beyond it one of the three is broken."""
_FIRST_MS = 1_262_304_000_000  # 2010-01-01
_LAST_MS = 4_102_444_800_000  # 2100-01-01
_UTC = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]00:00)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_WAD_PLACES = 18
_TEN: tuple[int, ...] = tuple(10**n for n in range(_MAX_TEXT + 1))
MOST_BRACKETS = 10_000
"""More than any message of prices or trades has. A whole order book may have more, and is shallow."""
_DEEPEST = 16
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_GZIP_ONLY = 31
"""zlib's window bits for a gzip header and the largest window."""


def load(body: bytes | str, *, most_brackets: int = MOST_BRACKETS) -> Any:
    """Parse JSON with every number exact: integers as int, fractions as Decimal.

    A number that is none (NaN, Infinity, of unreasonable length) stays the text that it was, so that it fails where it
    is used and one bad ticker does not lose the others of the same message.

    Raises:
        Malformed: it is not JSON, or has more brackets than `most_brackets` (or is nested so deep).
    """
    # a library may raise the recursion limit beyond the stack: then deep nesting ends the process, not the parse
    opened = body.count(b"[") + body.count(b"{") if isinstance(body, bytes) else body.count("[") + body.count("{")
    if opened > most_brackets or (opened > MOST_BRACKETS and not _is_shallow(body)):
        raise Malformed("more brackets than any price message", starts=_shown(body[:40]))
    try:
        return _DECODER.decode(body if isinstance(body, str) else body.decode())
    except (ValueError, RecursionError) as e:
        raise Malformed("not JSON", starts=_shown(body), error=type(e).__name__) from None


def _is_shallow(body: bytes | str) -> bool:
    """Whether brackets close in pairs and are nested no deeper than any book: its innermost ones vanish, again and again."""
    left = body if isinstance(body, bytes) else body.encode(errors="replace")
    if b"\\" in left:  # a quote may be escaped: then what is text is not seen so easily
        return False
    left = b"".join(left.split(b'"')[::2]).translate(None, _NOT_BRACKETS)
    for _ in range(_DEEPEST):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    return not left


def gunzip(body: bytes, *, max_bytes: int = 1 << 20) -> bytes:
    """Unpack one gzip member; no more than `max_bytes` and one is ever unpacked, however small the body is.

    Raises:
        TooLarge: it unpacks to more than `max_bytes`.
        Malformed: it is not gzip, or cut short, or has something behind it.
    """
    unpacker = zlib.decompressobj(_GZIP_ONLY)
    try:
        unpacked = unpacker.decompress(body, max_bytes + 1)
    except zlib.error:
        raise Malformed("not gzip", starts=_shown(body[:40])) from None
    if len(unpacked) > max_bytes:
        raise TooLarge("unpacked", max_bytes=max_bytes)
    if not unpacker.eof or unpacker.unused_data:
        raise Malformed("gzip cut short or followed by more", bytes=len(body), behind=len(unpacker.unused_data))
    return unpacked


def _exact(text: str) -> Decimal | str:
    try:
        return Decimal(text) if len(text) <= _MAX_TEXT else text
    except InvalidOperation:  # an exponent of twenty digits
        return text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _MAX_TEXT else text


_DECODER = json.JSONDecoder(parse_float=_exact, parse_int=_integer, parse_constant=str)


def _shown(value: object) -> str:
    return repr(value)[:40]


def printable(value: Any, longest: int = 80) -> str:
    """The printable ones of so many characters that somebody else said, fit for an error's text, a log and a terminal."""
    return "".join(c for c in str(value)[:longest] if c.isprintable())


def member(value: Any, key: str) -> Any:
    """Return value[key] of a JSON object; Malformed if it is not an object or the key is missing."""
    if not isinstance(value, Mapping):
        raise Malformed("expected an object", key=key, got=type(value).__name__)
    if key not in value:
        raise Malformed("missing field", key=key)
    return value[key]


def item(value: Any, index: int) -> Any:
    """Return value[index] of a JSON array; Malformed if it is not an array or too short."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise Malformed("expected an array", index=index, got=type(value).__name__)
    if index >= len(value):
        raise Malformed("array too short", index=index, length=len(value))
    return value[index]


def array(value: Any) -> Sequence[Any]:
    """Return a JSON array; Malformed for anything else."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise Malformed("expected an array", got=type(value).__name__)
    return value


def text(value: Any) -> str:
    """Return a JSON string; Malformed for anything else."""
    if not isinstance(value, str):
        raise Malformed("expected text", got=type(value).__name__)
    return value


def number(value: Any) -> Decimal:
    """An exact finite number from a JSON number or a decimal text. No thousands signs, no currency signs, no hex.

    Raises:
        Malformed: not a number, or true, null, NaN, Infinity, or longer than 60 characters.
        OutOfRange: an exponent beyond +-999.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Malformed("expected a number", got=type(value).__name__)
    if isinstance(value, str) and (not 0 < len(value) <= _MAX_TEXT or not _PLAIN.issuperset(value)):
        raise Malformed("not a decimal number", text=_shown(value))
    try:
        result = Decimal(value)
    except (InvalidOperation, ValueError):
        raise Malformed("not a decimal number", text=_shown(value)) from None
    if not result.is_finite():
        raise Malformed("not a finite number", text=_shown(value))
    if result and abs(result.adjusted()) > _CONTEXT.Emax:
        raise OutOfRange("exponent", exponent=result.adjusted())
    return result


def amount_wad(value: Any) -> int:
    """A non-negative amount times 1e18, rounded down.

    Raises:
        NotPositive: it is negative.
        OutOfRange: above 1e24 units.
    """
    scaled = _plain_wad(value)
    if scaled is None:
        n = number(value)
        if n < 0:
            raise NotPositive("amount below zero", value=_shown(value))
        scaled = _scaled(n)
    if scaled > WAD * 10**24:
        raise OutOfRange("amount", value=_shown(value))
    return scaled


def price_wad(value: Any) -> Wad:
    """A positive price times 1e18, rounded down.

    Raises:
        NotPositive: zero or negative.
        OutOfRange: below 1e-15 or above 1e15.
    """
    wad = _plain_wad(value)
    if wad is None:
        n = number(value)
        if n <= 0:
            raise NotPositive("price", value=_shown(value))
        wad = _scaled(n)
    elif not wad and not value.strip("0."):
        raise NotPositive("price", value=_shown(value))
    return bounded_price(wad)


def _plain_wad(value: Any) -> int | None:
    """Wad, rounded down, of a plain decimal text such as 4320.55; None for all else, which goes the long way."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        return None
    whole, _, fraction = value.partition(".")
    digits = whole + fraction
    if not whole or not digits.isdigit() or not digits.isascii():
        return None
    unscaled = int(digits)
    if len(fraction) <= _WAD_PLACES:
        return unscaled * _TEN[_WAD_PLACES - len(fraction)]
    return unscaled // _TEN[len(fraction) - _WAD_PLACES]


def bounded_price(wad: int) -> Wad:
    """Check an integer price: NotPositive at or below zero, OutOfRange outside 1e-15 to 1e15."""
    if wad <= 0:
        raise NotPositive("price", wad=str(wad))
    if not MIN_PRICE_WAD <= wad <= MAX_PRICE_WAD:
        raise OutOfRange("price", wad=str(wad)[:40])
    return Wad(wad)


def _scaled(n: Decimal) -> int:
    if n.adjusted() > _MAX_TEXT:
        raise OutOfRange("number", exponent=n.adjusted())
    return int(n.scaleb(18, _CONTEXT))


def book_mid(bid: Any, ask: Any) -> tuple[Wad, Wad, Wad]:
    """Return (mid, bid, ask) in wads of a best bid and ask given as numbers or texts.

    Raises:
        Crossed: the bid is above the ask.
    """
    b, a = price_wad(bid), price_wad(ask)
    if b > a:
        raise Crossed("bid above ask", bid=str(b), ask=str(a))
    return Wad(mid_down(b, a)), b, a


def book_quote(bid: Any, ask: Any, *, last: Any = None, volume: Any = None, stated_at_ms: int | None = None) -> Quote:
    """Quote of a best bid and ask; the last trade and the 24 h base volume are checked where they are given (not null).

    Raises:
        Crossed: the bid is above the ask, or the last trade lies more than a fifth outside of both.
    """
    mid, b, a = book_mid(bid, ask)
    traded = None if last is None else price_wad(last)
    if traded is not None and not b * (BPS - LAST_OUTSIDE_BPS) <= traded * BPS <= a * (BPS + LAST_OUTSIDE_BPS):
        raise Crossed("last trade far outside of the book", bid=str(b), ask=str(a), last=str(traded))
    volume_wad = None if volume is None else amount_wad(volume)
    return Quote(price_wad=mid, bid_wad=b, ask_wad=a, last_wad=traded, volume_wad=volume_wad, stated_at_ms=stated_at_ms)


def tick(symbol: str, read: Callable[[], Quote]) -> Tick:
    """Tick of what `read` returns, or of the FeedError that it raises: one bad ticker never loses the others."""
    try:
        return Tick(symbol=symbol, result=read())
    except FeedError as e:
        return Tick(symbol=symbol, result=e)


def trade(price: Any, volume: Any, *, at_ms: int, trade_id: Any = "") -> VenueTrade:
    """Trade of a price and base units; the id is a text or an integer.

    Raises:
        NotPositive, OutOfRange: a price or volume is not one; a trade of nothing is none.
        Malformed: no numbers, or no such id.
    """
    if isinstance(trade_id, bool) or not isinstance(trade_id, str | int):
        raise Malformed("expected a trade's id", got=type(trade_id).__name__)
    wad = price_wad(price)
    if not (volume_wad := amount_wad(volume)):
        raise NotPositive("volume", value=_shown(volume))
    return VenueTrade(trade_id=str(trade_id)[:_MAX_TEXT], price_wad=wad, volume_wad=volume_wad, at_ms=at_ms)


def trade_tick(symbol: str, read: Callable[[], VenueTrade]) -> TradeTick:
    """TradeTick of what `read` returns, or of the FeedError that it raises."""
    try:
        return TradeTick(symbol=symbol, result=read())
    except FeedError as e:
        return TradeTick(symbol=symbol, result=e)


def time_ms(value: Any, *, per_s: int = 1_000) -> int:
    """Unix milliseconds from an integer (or integer text) in units of 1/per_s second. Wrong units are refused.

    Raises:
        Malformed: no integer, or a time outside 2010 to 2100 (seconds read as milliseconds are).
    """
    n = number(value)
    if n != int(n):
        raise Malformed("the time is not an integer", value=_shown(value))
    return _sane_ms(int(n) * 1_000 // per_s, value)


def moment_ms(value: Any, *, per_s: int) -> int:
    """Unix milliseconds, rounded down, from a number (or its text) in units of 1/per_s second that may have a fraction.

    Raises:
        Malformed: no number, or a time outside 2010 to 2100.
    """
    n = number(value)
    if abs(n.adjusted()) > _MAX_TEXT:
        raise Malformed("time outside 2010 to 2100: wrong unit?", value=_shown(value))
    return _sane_ms(int(_CONTEXT.divide(_CONTEXT.multiply(n, 1_000), per_s)), value)


def iso_ms(value: Any) -> int:
    """Unix milliseconds from an RFC 3339 text in UTC: 2021-04-17T16:43:37.020616Z, or +00:00 for the Z.

    Raises:
        Malformed: anything else.
    """
    stated = text(value)
    if _UTC.fullmatch(stated) is None:
        raise Malformed("not a UTC time", value=_shown(value))
    leap = stated[17:19] == "60"  # a leap second: the moment after the 59th, which the library does not know
    if leap or stated[-1] != "Z":
        second = "59" if leap else stated[17:19]
        stated = f"{stated[:10]}T{stated[11:17]}{second}{stated[19:].rstrip('Zz').removesuffix('00:00').rstrip('+-')}Z"
    try:
        moment = datetime.fromisoformat(stated)
    except ValueError:
        raise Malformed("not a UTC time", value=_shown(value)) from None
    return _sane_ms((moment - _EPOCH) // _MILLISECOND + 1_000 * leap, value)


def _sane_ms(ms: int, value: Any) -> int:
    if not _FIRST_MS <= ms <= _LAST_MS:
        raise Malformed("time outside 2010 to 2100: wrong unit?", value=_shown(value))
    return ms
