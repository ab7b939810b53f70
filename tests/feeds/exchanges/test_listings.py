"""What a symbol is about, by each venue's own spelling: every symbol of the catalogue, and hand-picked ones of each venue.

``CASES``: symbol -> (base, quote, instrument). ``NOT_SYMBOLS``: what the venue cannot have written.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds import catalog
from feeds.registry import EXCHANGES
from feeds.types import Instrument, Listing, Pair
from tests.feeds.golden_cases import cases_of
from tests.feeds.local_venues import HABITS

_SYMBOLS = tomllib.loads((Path(catalog.__file__).parent / "symbols.toml").read_text())["symbol"]
Expected = tuple[str | None, str | None, Instrument]
SPOT, PERPETUAL, FUTURE, OPTION = Instrument.SPOT, Instrument.PERPETUAL, Instrument.FUTURE, Instrument.OPTION
LEVERAGED, INDEX = Instrument.LEVERAGED, Instrument.INDEX

CASES: dict[str, dict[str, Expected]] = {
    "binance": {
        "ETHUSDT": ("ETH", "USDT", SPOT),
        "ethusdt": ("ETH", "USDT", SPOT),
        "WBETHETH": ("WBETH", "ETH", SPOT),
        "ETHBTC": ("ETH", "BTC", SPOT),
        "USDCUSDT": ("USDC", "USDT", SPOT),
        "ETHFDUSD": ("ETH", "FDUSD", SPOT),
        "BNBETH": ("BNB", "ETH", SPOT),
        "1INCHUSDT": ("1INCH", "USDT", SPOT),
        "ETHUPUSDT": ("ETHUP", "USDT", LEVERAGED),
        "BTCDOWNUSDT": ("BTCDOWN", "USDT", LEVERAGED),
        "JUPUSDT": ("JUP", "USDT", SPOT),
        "SYRUPUSDT": ("SYRUP", "USDT", SPOT),
        "ETHTUSD": ("ETH", "TUSD", SPOT),
        "DOTUSDT": ("DOT", "USDT", SPOT),
        "ETHUSD_PERP": ("ETH", "USD", PERPETUAL),
        "DOTUSD_PERP": ("DOT", "USD", PERPETUAL),
        "ETHUSDT_260626": ("ETH", "USDT", FUTURE),
    },
    "kraken": {
        "ETH/USD": ("ETH", "USD", SPOT),
        "XBT/USD": ("BTC", "USD", SPOT),
        "XDG/EUR": ("DOGE", "EUR", SPOT),
        "METH/USD": ("METH", "USD", SPOT),
        "ETH/XBT": ("ETH", "BTC", SPOT),
        "PF_ETHUSD": ("ETH", "USD", PERPETUAL),
        "PI_XBTUSD": ("BTC", "USD", PERPETUAL),
        "FI_ETHUSD_260626": ("ETH", "USD", FUTURE),
        "FF_XBTUSD_260626": ("BTC", "USD", FUTURE),
    },
    "bitfinex": {
        "tETHUSD": ("ETH", "USD", SPOT),
        "tETHUST": ("ETH", "USDT", SPOT),
        "tUSTUSD": ("USDT", "USD", SPOT),
        "tDOTUSD": ("DOT", "USD", SPOT),
        "tWEETH:USD": ("WEETH", "USD", SPOT),
        "tWBT:UST": ("WBT", "USDT", SPOT),
        "tTESTBTC:TESTUSD": ("TESTBTC", "TESTUSD", SPOT),
        "tETHF0:USTF0": ("ETH", "USDT", PERPETUAL),
        "tETHF0:BTCF0": ("ETH", "BTC", PERPETUAL),
    },
    "bitget": {
        "STETHUSDT": ("STETH", "USDT", SPOT),
        "WEETHUSDT": ("WEETH", "USDT", SPOT),
        "ETHUSDC": ("ETH", "USDC", SPOT),
        "ETHBTC": ("ETH", "BTC", SPOT),
        "ETH3SUSDT": ("ETH3S", "USDT", LEVERAGED),
        "ETHPERP": ("ETH", "USDC", PERPETUAL),
        "ETHUSD": ("ETH", "USD", PERPETUAL),
        "ETHUSDH26": ("ETH", "USD", FUTURE),
    },
    "bitstamp": {
        "ethusd": ("ETH", "USD", SPOT),
        "ETHUSD": ("ETH", "USD", SPOT),
        "dotusd": ("DOT", "USD", SPOT),
        "usdtusd": ("USDT", "USD", SPOT),
        "ethbtc": ("ETH", "BTC", SPOT),
        "usdceur": ("USDC", "EUR", SPOT),
        "ethusd-perp": ("ETH", "USD", PERPETUAL),
    },
    "bybit": {
        "STETHUSDT": ("STETH", "USDT", SPOT),
        "CMETHUSDT": ("CMETH", "USDT", SPOT),
        "ETHUSDC": ("ETH", "USDC", SPOT),
        "ETHBTC": ("ETH", "BTC", SPOT),
        "ETH3LUSDT": ("ETH3L", "USDT", LEVERAGED),
        "ETHPERP": ("ETH", "USDC", PERPETUAL),
        "ETHUSD": ("ETH", "USD", PERPETUAL),
        "DOTUSD": ("DOT", "USD", PERPETUAL),
        "ETHUSDH26": ("ETH", "USD", FUTURE),
        "ETH-27MAR26": ("ETH", "USDC", FUTURE),
        "ETHUSDT-27MAR26": ("ETH", "USDT", FUTURE),
        "ETH-27MAR26-4000-C": ("ETH", "USDC", OPTION),
        "ETH-7MAR26-4000-P-USDT": ("ETH", "USDT", OPTION),
    },
    "coinbase": {
        "CBETH-USD": ("CBETH", "USD", SPOT),
        "USDT-USD": ("USDT", "USD", SPOT),
        "DOT-USD": ("DOT", "USD", SPOT),
        "ETH-BTC": ("ETH", "BTC", SPOT),
        "00-USD": ("00", "USD", SPOT),
        "ETH-PERP": ("ETH", "USDC", PERPETUAL),
        "BIT-27MAR26-CDE": (None, None, FUTURE),
    },
    "cryptocom": {
        "ETH_USD": ("ETH", "USD", SPOT),
        "ETH_USDT": ("ETH", "USDT", SPOT),
        "CRO_BTC": ("CRO", "BTC", SPOT),
        "1INCH_USD": ("1INCH", "USD", SPOT),
        "ETHUSD-PERP": ("ETH", "USD", PERPETUAL),
        "1INCHUSD-PERP": ("1INCH", "USD", PERPETUAL),
        "BTCUSD-210528m2": ("BTC", "USD", FUTURE),
        "ETHUSD-260327": ("ETH", "USD", FUTURE),
        "ETHUSD-INDEX": ("ETH", "USD", INDEX),
    },
    "gate": {
        "ETH_USDT": ("ETH", "USDT", SPOT),
        "eth_usdt": ("ETH", "USDT", SPOT),
        "STETH_ETH": ("STETH", "ETH", SPOT),
        "ETH3L_USDT": ("ETH3L", "USDT", LEVERAGED),
        "BTC5S_USDT": ("BTC5S", "USDT", LEVERAGED),
        "ETH_USDT_20260327": ("ETH", "USDT", FUTURE),
        "ETH_USDT-20260327-4000-C": ("ETH", "USDT", OPTION),
        "XRP_USDT-20260327-2.5-P": ("XRP", "USDT", OPTION),
    },
    "gemini": {
        "ETHUSD": ("ETH", "USD", SPOT),
        "ethusd": ("ETH", "USD", SPOT),
        "DOTUSD": ("DOT", "USD", SPOT),
        "ETHGUSD": ("ETH", "GUSD", SPOT),
        "PAXGUSD": ("PAXG", "USD", SPOT),
        "OMGUSD": ("OMG", "USD", SPOT),
        "GUSDUSD": ("GUSD", "USD", SPOT),
        "USDCUSD": ("USDC", "USD", SPOT),
        "ETHUSDT": ("ETH", "USDT", SPOT),
        "LINKETH": ("LINK", "ETH", SPOT),
        "ZECLTC": ("ZEC", "LTC", SPOT),
        "ETHEUR": ("ETH", "EUR", SPOT),
        "ETHGUSDPERP": ("ETH", "GUSD", PERPETUAL),
        "btcgusdperp": ("BTC", "GUSD", PERPETUAL),
        "DOGEUSDCPERP": ("DOGE", "USDC", PERPETUAL),
    },
    "htx": {
        "ethusdt": ("ETH", "USDT", SPOT),
        "ETHUSDT": ("ETH", "USDT", SPOT),
        "trioeth": ("TRIO", "ETH", SPOT),
        "ethusdd": ("ETH", "USDD", SPOT),
        "yfihusd": ("YFI", "HUSD", SPOT),
        "eth3lusdt": ("ETH3L", "USDT", LEVERAGED),
        "fil3susdt": ("FIL3S", "USDT", SPOT),
        "ETH-USD": ("ETH", "USD", PERPETUAL),
        "ETH-USDT": ("ETH", "USDT", PERPETUAL),
        "ETH-USDT-260327": ("ETH", "USDT", FUTURE),
        "ETH260327": ("ETH", "USD", FUTURE),
        "ETH_CQ": ("ETH", "USD", FUTURE),
    },
    "hyperliquid": {
        "PURR/USDC": ("PURR", "USDC", SPOT),
        "@107": (None, None, SPOT),
        "ETH": ("ETH", "USD", PERPETUAL),
        "kPEPE": ("KPEPE", "USD", PERPETUAL),
        "xyz:TSLA": ("TSLA", "USD", PERPETUAL),
    },
    "kucoin": {
        "ETH-USDT": ("ETH", "USDT", SPOT),
        "ETH-BTC": ("ETH", "BTC", SPOT),
        "ETH3L-USDT": ("ETH3L", "USDT", LEVERAGED),
        "ETHUP-USDT": ("ETHUP", "USDT", LEVERAGED),
        "JUP-USDT": ("JUP", "USDT", SPOT),
        "ETHUSDTM": ("ETH", "USDT", PERPETUAL),
        "ETHUSDCM": ("ETH", "USDC", PERPETUAL),
        "XBTUSDM": ("BTC", "USD", PERPETUAL),
        "XBTMH26": ("BTC", "USD", FUTURE),
    },
    "mexc": {
        "ETHUSDT": ("ETH", "USDT", SPOT),
        "ethusdt": ("ETH", "USDT", SPOT),
        "STETHETH": ("STETH", "ETH", SPOT),
        "ETHUSDC": ("ETH", "USDC", SPOT),
        "ETH3LUSDT": ("ETH3L", "USDT", LEVERAGED),
        "ETH_USDT": ("ETH", "USDT", PERPETUAL),
    },
    "okx": {
        "STETH-USDT": ("STETH", "USDT", SPOT),
        "STETH-ETH": ("STETH", "ETH", SPOT),
        "ETH-USD": ("ETH", "USD", SPOT),
        "ETH-USDT-SWAP": ("ETH", "USDT", PERPETUAL),
        "UNI-USD-SWAP": ("UNI", "USD", PERPETUAL),
        "ETH-USD_UM-SWAP": ("ETH", "USD", PERPETUAL),
        "BTC-USD-220527": ("BTC", "USD", FUTURE),
        "ETH-USDT-260626": ("ETH", "USDT", FUTURE),
        "ETH-USD-260626-4000-C": ("ETH", "USD", OPTION),
        "ETH-USD-260626-4000-P": ("ETH", "USD", OPTION),
    },
}

NOT_SYMBOLS: dict[str, tuple[str, ...]] = {
    "binance": ("ETH/USDT", "ETH-USDT", "ETHXYZ", "USDT"),
    "bitfinex": ("ETHUSD", "fUSD", "tETH", "tWEETHUSD", "tETH:USD:X", "tETH-USD"),
    "bitget": ("ETH/USDT", "ETH-USDT", "ETHUSDT_UMCBL", "USDT"),
    "bitstamp": ("eth-usd", "eth/usd", "nope", "usd", "ethusd-perp-x"),
    "bybit": ("ETH/USDT", "ETH-USDT", "ETHXYZ", "USDT", "ETH-27MAR26-4000-X"),
    "coinbase": ("ETHUSD", "ETH/USD", "ETH-USD-X", "-USD", "ETH-"),
    "cryptocom": ("ETHUSD", "ETH-USD", "ETH/USD", "_USD", "ETH_", "ETH_USD_X", "PERP", "NOPE-PERP"),
    "gate": ("ETHUSDT", "ETH-USDT", "ETH/USDT", "ETH_USDT_2026", "ETH_USDT-20260327", "_USDT", "ETH_"),
    "gemini": ("ETH/USD", "ETH-USD", "eth_usd", "ETHXYZ", "USD", "PERP", "NOPEPERP"),
    "htx": ("eth/usdt", "eth_usdt", "nope", "usdt", "ETH-EUR"),
    "hyperliquid": ("ETH-USD", "ETH/USDC/X", "@", "@x", "#0", "", ":ETH", "/USDC"),
    "kraken": ("ETHUSD", "ETH-USD", "ETH/USD/X", "/USD", "ETH/"),
    "kucoin": ("ETHUSDT", "ETH/USDT", "ETH_USDT", "ETH-USDT-X", "-USDT", "USDTM", "XBTMH2"),
    "mexc": ("ETH/USDT", "ETH-USDT", "ETHUSD", "ETHXYZ", "USDT", "ETH_USDT_X", "_USDT"),
    "okx": (
        "ETHUSDT",
        "ETH/USDT",
        "ETH_USDT",
        "ETH-USDT-",
        "ETH-USDT-SWAP-X",
        "-USDT",
        "ETH-USD-2606",
        "ETH-USD-260626-4000-X",
    ),
}


@pytest.mark.parametrize(
    "row", [r for r in _SYMBOLS if r["venue"] in EXCHANGES], ids=lambda row: f"{row['venue']} {row['symbol']}"
)
def test_every_symbol_of_the_catalogue_is_about_its_pair(row: dict[str, str]) -> None:
    pair = Pair.parse(row["pair"])
    listing = EXCHANGES[row["venue"]].listing(row["symbol"])
    assert listing.instrument is SPOT
    assert (listing.base, listing.quote) == (pair.base.upper(), pair.quote.upper())


@pytest.mark.parametrize(
    ("name", "symbol", "expected"),
    [pytest.param(name, s, e, id=f"{name} {s}") for name, cases in CASES.items() for s, e in cases.items()],
)
def test_symbols_are_taken_apart_as_the_venue_spells(name: str, symbol: str, expected: Expected) -> None:
    base, quote, instrument = expected
    assert EXCHANGES[name].listing(symbol) == Listing(base=base, quote=quote, instrument=instrument)


@pytest.mark.parametrize(
    ("name", "symbol"), [pytest.param(n, s, id=f"{n} {s}") for n, symbols in NOT_SYMBOLS.items() for s in symbols]
)
def test_what_the_venue_cannot_have_written_is_refused_with_how_it_writes(name: str, symbol: str) -> None:
    with pytest.raises(ValueError, match="write") as refused:
        EXCHANGES[name].listing(symbol)
    assert repr(symbol) in str(refused.value)


@pytest.mark.parametrize("name", sorted(EXCHANGES))
@pytest.mark.parametrize("symbol", ["", "?", "ETH USD", "ETH-", "/USD", "ÉTHUSD", "E" * 60])
def test_what_no_venue_writes_is_refused(name: str, symbol: str) -> None:
    with pytest.raises(ValueError, match="write"):
        EXCHANGES[name].listing(symbol)


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_every_symbol_of_a_golden_book_is_read(name: str) -> None:
    symbols = {s for case in cases_of(name, "book") if "bids" in case["expect"] for s in case["symbols"]}
    for symbol in (HABITS[name].symbol, *symbols):
        assert EXCHANGES[name].listing(symbol).base


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_any_text_is_a_listing_or_a_value_error(name: str) -> None:
    @given(st.text(max_size=30) | st.text("ABCTEHUSDXtf/:-_.0123456789@", max_size=20))
    def run(symbol: str) -> None:
        try:
            listing = EXCHANGES[name].listing(symbol)
        except ValueError:
            return
        for coin in (listing.base, listing.quote):
            assert coin is None or (coin and coin == coin.upper() and not set(coin) & set("/:-_ "))

    run()


_ROW = re.compile(r"^\| `(?P<name>[a-z]+)` \| `(?P<symbol>[^`]+)` \| (?P<contracts>[^|]+) \|", re.MULTILINE)


def test_the_page_of_the_config_says_how_each_exchange_spells() -> None:
    page = (Path(catalog.__file__).parents[2] / "docs/config.md").read_text(encoding="utf-8")
    rows = {m["name"]: m for m in _ROW.finditer(page) if m["name"] in EXCHANGES}
    assert sorted(rows) == sorted(EXCHANGES)
    for name, row in rows.items():
        assert EXCHANGES[name].listing(row["symbol"]).instrument is SPOT
        for symbol in re.findall("`([^`]+)`", row["contracts"]):
            assert EXCHANGES[name].listing(symbol).instrument in (PERPETUAL, FUTURE), symbol
