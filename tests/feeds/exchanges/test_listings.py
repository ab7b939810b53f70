"""What a symbol is about, by each venue's own spelling: every symbol of the catalogue, and hand-picked ones of each venue.

``CASES``: symbol -> (base, quote, instrument). ``NOT_SYMBOLS``: what the venue cannot have written.
"""

from __future__ import annotations

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
}

NOT_SYMBOLS: dict[str, tuple[str, ...]] = {
    "binance": ("ETH/USDT", "ETH-USDT", "ETHXYZ", "USDT"),
    "bitfinex": ("ETHUSD", "fUSD", "tETH", "tWEETHUSD", "tETH:USD:X", "tETH-USD"),
    "bitget": ("ETH/USDT", "ETH-USDT", "ETHUSDT_UMCBL", "USDT"),
    "bitstamp": ("eth-usd", "eth/usd", "nope", "usd", "ethusd-perp-x"),
    "bybit": ("ETH/USDT", "ETH-USDT", "ETHXYZ", "USDT", "ETH-27MAR26-4000-X"),
    "coinbase": ("ETHUSD", "ETH/USD", "ETH-USD-X", "-USD", "ETH-"),
    "kraken": ("ETHUSD", "ETH-USD", "ETH/USD/X", "/USD", "ETH/"),
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
