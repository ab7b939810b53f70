"""The only way bytes become numbers: exact, finite, positive, or a typed error."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from feeds.errors import Crossed, FeedError, Malformed, NotPositive, OutOfRange, TooLarge
from feeds.types import Quote, Reply, Tick
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
_WORD = 32
_WAD_PLACES = 18
_TEN: tuple[int, ...] = tuple(10**n for n in range(_MAX_TEXT + 1))
_MOST_BRACKETS = 10_000
_GZIP_ONLY = 31
"""zlib's window bits for a gzip header and the largest window."""


def load(body: bytes | str) -> Any:
    """Parse JSON with every number exact: integers as int, fractions as Decimal.

    A number that is none (NaN, Infinity, of unreasonable length) stays the text that it was, so that it fails where it
    is used and one bad ticker does not lose the others of the same message.

    Raises:
        Malformed: it is not JSON, or has more brackets than any price message (or is nested so deep).
    """
    # a library may raise the recursion limit beyond the stack: then deep nesting ends the process, not the parse
    opened = body.count(b"[") + body.count(b"{") if isinstance(body, bytes) else body.count("[") + body.count("{")
    if opened > _MOST_BRACKETS:
        raise Malformed("more brackets than any price message", starts=_shown(body[:40]))
    try:
        return _DECODER.decode(body if isinstance(body, str) else body.decode())
    except (ValueError, RecursionError) as e:
        raise Malformed("not JSON", starts=_shown(body), error=type(e).__name__) from None


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


def said(value: Any) -> str:
    """At most 80 printable characters of what a source said, fit for an error's text and a log."""
    return "".join(c for c in str(value)[:80] if c.isprintable())


def member(value: Any, key: str) -> Any:
    """Return value[key] of a JSON object; Malformed if it is no object or the key is missing."""
    if not isinstance(value, Mapping):
        raise Malformed("expected an object", key=key, got=type(value).__name__)
    if key not in value:
        raise Malformed("missing field", key=key)
    return value[key]


def item(value: Any, index: int) -> Any:
    """Return value[index] of a JSON array; Malformed if it is no array or too short."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise Malformed("expected an array", index=index, got=type(value).__name__)
    if index >= len(value):
        raise Malformed("array too short", index=index, length=len(value))
    return value[index]


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


def time_ms(value: Any, *, per_s: int = 1_000) -> int:
    """Unix milliseconds from an integer (or integer text) in units of 1/per_s second. Wrong units are refused.

    Raises:
        Malformed: no integer, or a time outside 2010 to 2100 (seconds read as milliseconds are).
    """
    n = number(value)
    if n != int(n):
        raise Malformed("time is no integer", value=_shown(value))
    return _sane_ms(int(n) * 1_000 // per_s, value)


def iso_ms(value: Any) -> int:
    """Unix milliseconds from an RFC 3339 text in UTC, such as 2021-04-17T16:43:37.020616Z.

    Raises:
        Malformed: anything else.
    """
    stated = text(value)
    date, mark, fraction = stated[:11], stated[-1:], stated[20:-1]
    digits = stated[11:13] + stated[14:16] + stated[17:19] + fraction
    if mark != "Z" or not digits.isdigit() or not digits.isascii() or len(fraction) > 9:  # noqa: PLR2004 - nanoseconds
        raise Malformed("not a UTC time", value=_shown(value))
    if stated[13:14] != ":" or stated[16:17] != ":" or stated[19:20] != ("." if fraction else "Z"):
        raise Malformed("not a UTC time", value=_shown(value))
    days, hour, minute, second = _day(date), int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    if days is None or hour > 23 or minute > 59 or second > 60:  # noqa: PLR2004 - calendar
        raise Malformed("not a UTC time", value=_shown(value))
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    return _sane_ms(seconds * 1_000 + int((fraction + "000")[:3]), value)


@lru_cache(maxsize=64)
def _day(text: str) -> int | None:
    """Days from 1970-01-01 of a text such as 2021-04-17T; None if it is none. One text serves a whole day."""
    year, month, day = text[:4], text[5:7], text[8:10]
    digits = year + month + day
    if len(text) != 11 or text[4] + text[7] + text[10] != "--T" or not digits.isdigit() or not digits.isascii():  # noqa: PLR2004 - its length
        return None
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):  # noqa: PLR2004 - calendar
        return None
    return _days(int(year), int(month), int(day))


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, days_from_civil)."""
    y = year - (month <= 2)  # noqa: PLR2004 - the year starts in March
    era, yoe = divmod(y, 400)
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1  # noqa: PLR2004 - the year starts in March
    return era * 146_097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719_468


def _sane_ms(ms: int, value: Any) -> int:
    if not _FIRST_MS <= ms <= _LAST_MS:
        raise Malformed("time outside 2010 to 2100: wrong unit?", value=_shown(value))
    return ms


def returned(reply: Reply, *, words: int = 1) -> bytes:
    """Return data of a contract call, of at least `words` 32-byte words; raises the reply's own error, or Malformed."""
    if isinstance(reply, FeedError):
        raise reply
    if len(reply) < words * _WORD:
        raise Malformed("return data too short: no such function or no contract", bytes=len(reply), words=words)
    return reply


def uint_at(data: bytes, word: int = 0) -> int:
    """Read the unsigned integer in the given 32-byte word."""
    part = data[word * _WORD : (word + 1) * _WORD]
    if len(part) != _WORD:
        raise Malformed("return data too short", bytes=len(data), word=word)
    return int.from_bytes(part, "big")


def int_at(data: bytes, word: int = 0) -> int:
    """Read the signed (two's complement) integer in the given 32-byte word."""
    n = uint_at(data, word)
    return n - (1 << 256) if n >> 255 else n


def address_at(data: bytes, word: int = 0) -> bytes:
    """Read the 20-byte address in the given word; Malformed if the word is no address."""
    n = uint_at(data, word)
    if n >> 160:
        raise Malformed("not an address", word=word)
    return n.to_bytes(20, "big")


def uints_at(data: bytes, word: int, *, most: int = 64) -> tuple[int, ...]:
    """Read the dynamic uint array whose offset stands in the given word (ABI encoding).

    Raises:
        Malformed: the offset or the length does not fit the data, or it has more than `most` items.
    """
    offset = uint_at(data, word)
    if offset % _WORD or offset >= len(data):
        raise Malformed("bad array offset", word=word)
    start = offset // _WORD
    length = uint_at(data, start)
    if length > most:
        raise Malformed("array too long", length=str(length)[:20], most=most)
    return tuple(uint_at(data, start + 1 + i) for i in range(length))
