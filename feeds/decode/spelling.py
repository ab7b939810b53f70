"""A venue's spelling of a pair, taken apart. Pure. An adapter's ``listing`` is one of these, or a rule of its own."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

from feeds.types import Instrument, Listing

QUOTES = (
    "FDUSD", "USDT", "USDC", "USDE", "TUSD", "BUSD", "USDD", "PYUSD", "RLUSD", "USDS", "USD1", "EURC", "EURI", "EURQ", "DAI",
    "USD", "EUR", "GBP", "JPY", "TRY", "BRL", "AUD", "CAD", "CHF", "ARS", "MXN", "ZAR", "UAH", "PLN", "RUB", "IDR", "KRW",
    "BTC", "ETH", "BNB", "SOL", "TRX", "XRP", "HT", "KCS", "OKB", "DOGE", "SGD", "HKD", "AED", "NGN", "COP", "CZK", "RON",
)  # fmt: skip
"""What pairs are quoted in, where base and quote are written without a sign between them."""
_PLAIN = re.compile(r"[A-Z0-9]{1,20}")
_MARGINED = re.compile(r"([A-Z0-9]+)USD([HMUZ][0-9]{2})?|([A-Z0-9]+)PERP")
_LEVERAGED = re.compile(r"([A-Z0-9]+?)([2345][LS]|UP|DOWN|BULL|BEAR)")
_UNDERLYINGS = frozenset({"BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOGE", "LTC", "LINK", "DOT", "AVAX", "EOS", "TRX"})
_SAME_NAMES: Mapping[str, str] = MappingProxyType({"XBT": "BTC", "XDG": "DOGE"})


def parted(symbol: str, mark: str, *, names: Mapping[str, str] = _SAME_NAMES) -> Listing:
    """Spot pair of ``ETH-USD``, with ``mark`` between base and quote.

    Args:
        symbol: in any case.
        mark: the sign between the two.
        names: the venue's own names of coins, in upper case, to their common ones.

    Raises:
        ValueError: there is no base, or no quote, or another part.
    """
    parts = [p.upper() for p in symbol.split(mark)]
    if len(parts) != 2 or not all(_PLAIN.fullmatch(p) for p in parts):  # noqa: PLR2004 - base and quote
        raise ValueError(f"{symbol!r} is not a pair of this venue: it writes BASE{mark}QUOTE")
    return pair(names.get(parts[0], parts[0]), names.get(parts[1], parts[1]))


def joined(symbol: str, *, quotes: Collection[str] = QUOTES, names: Mapping[str, str] = _SAME_NAMES) -> Listing:
    """Spot pair of ``ETHUSDT``: the longest known quote at the end; ValueError where none is.

    Args:
        symbol: in any case.
        quotes: what the venue quotes in, in its own spelling. A venue with pairs in USD and none in TUSD must say so:
            DOTUSD would be DO in TUSD.
        names: as for :func:`parted`.
    """
    text = symbol.upper()
    quote = next((q for q in sorted(quotes, key=len, reverse=True) if text.endswith(q) and len(text) > len(q)), None)
    if quote is None or not _PLAIN.fullmatch(text):
        raise ValueError(f"{symbol!r} is not a pair of this venue: it writes BASE and QUOTE together, as ETHUSDT")
    base = text.removesuffix(quote)
    return pair(names.get(base, base), names.get(quote, quote))


def joined_or_margined(symbol: str, *, quotes: Collection[str]) -> Listing:
    """As :func:`joined`, or a contract of a venue that quotes no spot pair in USD.

    ``ETHUSD`` is perpetual and ``ETHUSDH26`` a future, both margined in coins; ``ETHPERP`` is perpetual in USDC.
    """
    try:
        return joined(symbol, quotes=quotes)
    except ValueError:
        found = _MARGINED.fullmatch(symbol.upper())
        if found is None:
            raise
    coin, month, perpetual = found.groups()
    if perpetual:
        return Listing(base=perpetual, quote="USDC", instrument=Instrument.PERPETUAL)
    return Listing(base=coin, quote="USD", instrument=Instrument.FUTURE if month else Instrument.PERPETUAL)


def pair(base: str, quote: str) -> Listing:
    """Spot listing of base and quote; a leveraged token (ETH3L, BTCDOWN) is named as one."""
    leveraged = _LEVERAGED.fullmatch(base)
    kind = Instrument.LEVERAGED if leveraged and leveraged[1] in _UNDERLYINGS else Instrument.SPOT
    return Listing(base=base, quote=quote, instrument=kind)
