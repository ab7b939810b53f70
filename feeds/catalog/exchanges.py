"""Exchanges by all their names: the adapter's here, ccxt's ids, older names, and the hosts that they answer at.

A group is what can fail or be moved together: one order book, or the books of one operator, whoever reads them and under
whatever name. So spot and futures of an operator are one, and so are its houses in other countries where they belong to the
same operator; a licensee with books, owners and machines of its own is not.

Source: ccxt 4.5 (ids, classes that extend another, hosts that they ask), the venues' own documentation for their hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownExchange:
    """One operator's books.

    Attributes:
        name: its group.
        aliases: other names of it, in lower case.
        domains: registrable domains of its API, in lower case.
        why: what makes an alias the same that its name does not show.
    """

    name: str
    aliases: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    why: str = ""


EXCHANGE_TABLE: tuple[KnownExchange, ...] = (
    KnownExchange(
        name="binance",
        aliases=("binancecoinm", "binanceusdm", "binancemargin", "tokocrypto"),
        domains=("binance.com", "binance.vision", "binancefuture.com", "binance.cc", "tokocrypto.com"),
        why="tokocrypto is Binance's in Indonesia and trades on its books: ccxt asks api.binance.com for its tickers",
    ),
    KnownExchange(
        name="binanceus",
        domains=("binance.us",),
        why="another operator under licence (BAM Trading), with a book of its own",
    ),
    KnownExchange(name="bitfinex", aliases=("bitfinex1", "bitfinex2"), domains=("bitfinex.com",)),
    KnownExchange(name="bitget", domains=("bitget.com",)),
    KnownExchange(name="bitstamp", aliases=("bitstamp1",), domains=("bitstamp.net",)),
    KnownExchange(name="bybit", aliases=("bybiteu",), domains=("bybit.com", "bytick.com", "bybit.eu", "bybit.nl")),
    KnownExchange(
        name="coinbase",
        aliases=("coinbaseadvanced", "coinbaseexchange", "coinbaseinternational", "coinbasepro", "coinbaseprime", "gdax"),
        domains=("coinbase.com", "gdax.com"),
        why="Advanced Trade, Exchange, Pro and Prime trade on one book; International is the same operator's",
    ),
    KnownExchange(name="cryptocom", aliases=("crypto.com", "cdcx"), domains=("crypto.com",)),
    KnownExchange(name="gate", aliases=("gateio", "gate.io"), domains=("gate.io", "gate.com", "gateio.ws", "gateapi.io")),
    KnownExchange(name="gemini", domains=("gemini.com",)),
    KnownExchange(
        name="htx",
        aliases=("huobi", "huobipro", "hadax"),
        domains=("huobi.pro", "huobi.com", "htx.com", "hbdm.com"),
        why="Huobi is HTX's name until 2023",
    ),
    KnownExchange(name="hyperliquid", domains=("hyperliquid.xyz", "hyperliquid-testnet.xyz")),
    KnownExchange(name="kraken", aliases=("krakenfutures", "cryptofacilities"), domains=("kraken.com",)),
    KnownExchange(name="kucoin", aliases=("kucoinfutures",), domains=("kucoin.com",)),
    KnownExchange(name="mexc", aliases=("mexc2", "mexc3", "mexcglobal", "mxc"), domains=("mexc.com", "mexc.me", "mxc.com")),
    KnownExchange(
        name="okx",
        aliases=("okex", "okex3", "okex5", "myokx", "okxus", "okcoin"),
        domains=("okx.com", "okex.com", "okcoin.com", "okx.cab"),
        why="myokx and okxus are okx's houses in Europe and the United States, at its own domain; okcoin became okxus",
    ),
    KnownExchange(
        name="hitbtc",
        aliases=("hitbtc2", "hitbtc3", "bequant", "fmfwio", "bitcoincom"),
        domains=("hitbtc.com", "bequant.io", "fmfw.io"),
        why="bequant and fmfw.io run on HitBTC's platform: ccxt's classes of both extend HitBTC's",
    ),
    KnownExchange(
        name="orderly",
        aliases=("woofipro", "modetrade"),
        domains=("orderly.org", "orderly.network"),
        why="front ends of one book, Orderly's: ccxt asks api-evm.orderly.org for both",
    ),
    KnownExchange(name="lbank", aliases=("lbank2",), domains=("lbank.com", "lbank.info", "lbkex.com")),
    KnownExchange(name="poloniex", aliases=("poloniexfutures",), domains=("poloniex.com",)),
)  # fmt: skip
"""Every exchange with an adapter here, and others that have more than one name."""

_BY_NAME: Mapping[str, str] = MappingProxyType({name: e.name for e in EXCHANGE_TABLE for name in (e.name, *e.aliases)})
_BY_DOMAIN: Mapping[str, str] = MappingProxyType({d: e.name for e in EXCHANGE_TABLE for d in e.domains})


def exchange_of(name: str) -> str:
    """The group of an exchange by any of its names, in any case; a name that is not in the table is its own."""
    low = name.strip().lower()
    return _BY_NAME.get(low, low)


def is_exchange(name: str) -> bool:
    """Whether the table knows a name."""
    return name.strip().lower() in _BY_NAME


def exchange_at(domain: str) -> str | None:
    """The group of the exchange whose API is at a registrable domain; None for any other."""
    return _BY_DOMAIN.get(domain)
