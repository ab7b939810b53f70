"""A symbol is held against the pair that the file says: another coin, another quote, or a derivative is refused with the fix."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.registry import EXCHANGES
from feeds.streams.ccxt_bridge import CcxtSource, installed
from feeds.types import Instrument, Listing, Pair
from oracle.check.check import check
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import parse
from oracle.config.tables.catalog import shipped
from oracle.config.tables.schema import ConfigError

needs_ccxt = pytest.mark.skipif(not installed(), reason='ccxt is not installed: pip install "lrt-oracle[ccxt]"')
USDT = {"USDT/USD": {"sources": [{"type": "coinbase", "symbol": "USDT-USD"}], "reference_only": True, "min_groups": 1}}
SPOT = {
    "binance": "ETHUSDT", "bitfinex": "tETHUST", "bitget": "ETHUSDT", "bitstamp": "ethusdt", "bybit": "ETHUSDT",
    "coinbase": "ETH-USDT", "cryptocom": "ETH_USDT", "gate": "ETH_USDT", "gemini": "ETHUSDT", "htx": "ethusdt",
    "hyperliquid": "ETH/USDT", "kraken": "ETH/USDT", "kucoin": "ETH-USDT", "mexc": "ETHUSDT", "okx": "ETH-USDT",
}  # fmt: skip
DERIVATIVES = [
    ("okx", "ETH-USDT-SWAP"), ("okx", "ETH-USD-260626"), ("okx", "ETH-USD-260626-4000-C"), ("bybit", "ETHPERP"),
    ("binance", "ETHUSD_PERP"), ("bitfinex", "tETHF0:USTF0"), ("kraken", "PF_ETHUSD"), ("gate", "ETH_USDT_20260327"),
    ("gate", "ETH3L_USDT"), ("kucoin", "ETHUSDTM"), ("htx", "ETH-USDT"), ("mexc", "ETH_USDT"), ("hyperliquid", "ETH"),
    ("cryptocom", "ETHUSD-PERP"), ("coinbase", "ETH-PERP"), ("bitstamp", "ethusd-perp"), ("gemini", "ETHGUSDPERP"),
]  # fmt: skip


def made(source: dict[str, Any], feed: str = "ETH/USD", **others: Any) -> ResolvedConfig:
    keys = {"min_groups": 1, "accept_single_group": True, "sources": [source]}
    return resolve(parse({"feeds": {feed: keys, **others}}))


def problems(source: dict[str, Any], feed: str = "ETH/USD", **others: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        made(source, feed, **others)
    return str(caught.value)


def of(venue: str, symbol: str, **keys: Any) -> dict[str, Any]:
    return {"type": venue, "symbol": symbol, **keys}


# --- the venues' own spellings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("venue", "symbol"), SPOT.items())
def test_a_quote_that_is_not_the_feeds_is_an_error_that_names_the_fix(venue: str, symbol: str) -> None:
    text = problems(of(venue, symbol))
    assert f'{venue} {symbol} states ETH/USDT, not ETH/USD: write pair = "ETH/USDT" and convert = "USDT/USD"' in text
    fixed = made(of(venue, symbol, pair="ETH/USDT", convert="USDT/USD"), **USDT)
    assert fixed.specs["ETH/USD"].sources[0].pair == Pair.parse("ETH/USDT")
    assert made(of(venue, symbol), "ETH/USDT")


@pytest.mark.parametrize(("venue", "symbol"), SPOT.items())
def test_another_coin_is_refused(venue: str, symbol: str) -> None:
    text = problems(of(venue, symbol), "BTC/USDT")
    assert f"{venue} {symbol} states ETH/USDT, not BTC/USDT: name the symbol of BTC/USDT" in text


@pytest.mark.parametrize(("venue", "symbol"), DERIVATIVES)
def test_a_derivative_is_no_spot_price(venue: str, symbol: str) -> None:
    for feed in ("ETH/USD", "ETH/USDT", "ETH/USDC", "ETH/GUSD", "ETH3L/USDT"):
        text = problems(of(venue, symbol), feed)
        assert f"{venue} {symbol} is a" in text
        assert "name a spot pair" in text


def test_a_derivative_may_be_compared_with() -> None:
    keys = {"kind": "reference", "pair": "ETH/USD"}
    sources = [of("coinbase", "ETH-USD"), of("okx", "ETH-USDT-SWAP", name="swap", **keys)]
    assert resolve(parse({"feeds": {"ETH/USD": {"min_groups": 1, "accept_single_group": True, "sources": sources}}}))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (of("kraken", "ETH/EUR"), 'kraken ETH/EUR states ETH/EUR, not ETH/USD: write pair = "ETH/EUR" and convert = "EUR/USD"'),
        (of("kraken", "XBT/USD"), "kraken XBT/USD states BTC/USD, not ETH/USD: name the symbol of ETH/USD"),
        (of("kraken", "ETHUSD"), "'ETHUSD' is not a pair of this venue: it writes BASE/QUOTE"),
        (of("okx", "ETH/USDT"), "it writes BASE-QUOTE"),
        (of("okx", "ETH-USDT", pair="ETH/USD"), 'write pair = "ETH/USDT" and convert = "USDT/USD"'),
        (of("okx", "ETH-USDT", convert="USDT/USD"), 'not ETH/USD: write pair = "ETH/USDT"'),
        (of("okx", "ETH-USD", pair="ETH/USDT", convert="USDT/USD"), 'write pair = "ETH/USD" and leave convert out'),
        (of("coinbase", "ETH-USDC"), "the two are one book at coinbase, name the product of USD"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_what_does(source: dict[str, Any], said: str) -> None:
    text = problems(source, **USDT)
    assert said in text
    assert "the units do not close" not in text, "one fault, one word"


@pytest.mark.parametrize("symbol", ["DA\u0131-USD", "\u0415TH-USD", "ETH\uff0dUSD"])
def test_letters_that_look_alike_are_no_symbol(symbol: str) -> None:
    """In upper case some of them are what they look like."""
    assert "has letters that no venue writes: type the symbol anew" in problems(of("coinbase", symbol), "DAI/USD")


def test_a_ratio_is_converted_by_the_feed_that_there_is() -> None:
    ether = {"ETH/USD": {"sources": [of("coinbase", "ETH-USD"), of("kraken", "ETH/USD")]}}
    text = problems(of("coinbase", "CBETH-USD"), "cbETH/ETH", **ether)
    assert 'write pair = "cbETH/USD" and convert = "ETH/USD"' in text
    assert made(of("coinbase", "CBETH-USD", pair="cbETH/USD", convert="ETH/USD"), "cbETH/ETH", **ether)


def test_aliases_belong_to_the_venue() -> None:
    assert made(of("bitfinex", "tETHUST"), "ETH/USDT")
    assert made(of("kraken", "XBT/USD"), "BTC/USD")
    assert made(of("binance", "WBETHETH"), "wBETH/ETH"), "coins are told apart without their case"


async def test_a_spelling_that_says_nothing_needs_a_pair_and_check_says_that_it_could_not_be_held() -> None:
    assert 'does not say what it is about: write pair = "BASE/QUOTE"' in problems(of("hyperliquid", "@107"))
    written = made(of("hyperliquid", "@107", pair="ETH/USDC", convert="USDC/USD"), **{
        "USDC/USD": {"sources": [of("kraken", "USDC/USD")], "reference_only": True, "min_groups": 1}
    })  # fmt: skip
    notes = (await check(written, offline=True, environ={}))["notes"]
    said = [n for n in notes if "@107" in n]
    assert said == [
        "ETH/USD: hyperliquid @107 is ETH/USDC because the file says so: its spelling does not, look at the venue's list"
    ]


# --- ccxt's spelling --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "listing"),
    [
        ("ETH/USDT", Listing(base="ETH", quote="USDT")),
        ("wstETH/ETH", Listing(base="WSTETH", quote="ETH")),
        ("ETH/USDT:USDT", Listing(base="ETH", quote="USDT", instrument=Instrument.PERPETUAL)),
        ("ETH/USD:ETH", Listing(base="ETH", quote="USD", instrument=Instrument.PERPETUAL)),
        ("ETH/USDT:USDT-260327", Listing(base="ETH", quote="USDT", instrument=Instrument.FUTURE)),
        ("ETH/USD:ETH-260327-4000-C", Listing(base="ETH", quote="USD", instrument=Instrument.OPTION)),
        ("ETH3L/USDT", Listing(base="ETH3L", quote="USDT", instrument=Instrument.LEVERAGED)),
    ],
)
def test_a_unified_symbol_is_taken_apart(symbol: str, listing: Listing) -> None:
    assert CcxtSource.listing(symbol) == listing


@pytest.mark.parametrize("symbol", ["ETH_USDT", "ETH-USDT", "ETHUSDT", "ETH/", "/USDT", "ETH/USDT:", "ETH/USDT/X", ""])
def test_an_exchanges_own_symbol_is_not_ccxts(symbol: str) -> None:
    with pytest.raises(ValueError, match="write BASE/QUOTE, ETH/USDT say"):
        CcxtSource.listing(symbol)


@needs_ccxt
def test_symbols_of_ccxt_are_held_against_the_pair_too() -> None:
    keys = {"exchange": "bitmart", "name": "cc"}
    assert "bitmart BTC/USD states BTC/USD, not ETH/USD" in problems(of("ccxt", "BTC/USD", **keys))
    assert "'ETH_USDT' is not how ccxt writes a pair" in problems(
        of("ccxt", "ETH_USDT", pair="ETH/USDT", convert="USDT/USD", **keys), **USDT
    )
    assert 'write pair = "ETH/USDT" and convert = "USDT/USD"' in problems(of("ccxt", "ETH/USDT", **keys), **USDT)
    assert "is a perpetual" in problems(of("ccxt", "ETH/USD:ETH", **keys))
    assert made(of("ccxt", "ETH/USDT", pair="ETH/USDT", convert="USDT/USD", **keys), **USDT)


# --- the catalogue ----------------------------------------------------------------------------------------------------


def test_every_symbol_of_the_catalogue_says_what_its_entry_says() -> None:
    wrong = {}
    for entry in shipped().symbols:
        listing, pair = EXCHANGES[entry.venue].listing(entry.symbol), Pair.parse(entry.pair)
        states = (listing.base, listing.quote, listing.instrument)
        if states != (pair.base.upper(), pair.quote.upper(), Instrument.SPOT):
            wrong[f"{entry.venue} {entry.symbol}"] = (entry.pair, states)
    assert wrong == {}
    assert len(shipped().symbols) > 10


# --- the law ----------------------------------------------------------------------------------------------------------

COINS = ["ETH", "BTC", "USDT", "USDC", "CBETH", "WEETH"]
SPELL = {
    "kraken": "{0}/{1}", "okx": "{0}-{1}", "gate": "{0}_{1}", "binance": "{0}{1}", "coinbase": "{0}-{1}",
    "kucoin": "{0}-{1}",
}  # fmt: skip


@given(
    st.sampled_from(sorted(SPELL)), st.sampled_from(COINS), st.sampled_from(["USD", "USDT", "ETH", "BTC", "EUR"]),
    st.sampled_from(COINS), st.sampled_from(["USD", "USDT", "ETH", "BTC", "EUR"]),
)  # fmt: skip
def test_what_passes_states_the_pair_that_is_stored(venue: str, base: str, quote: str, coin: str, unit: str) -> None:
    """Whatever symbol stands under whatever feed: it is refused, or its spelling is the source's pair and the feed's."""
    if base == quote or coin == unit:
        return
    try:
        resolved = made(of(venue, SPELL[venue].format(base, quote)), f"{coin}/{unit}")
    except ConfigError:
        assert (base, quote) != (coin, unit) or venue == "binance", "a plain symbol of the pair is taken"
        return
    assert resolved.sources[0].spec.pair == Pair(base=base, quote=quote) == Pair(base=coin, quote=unit)
