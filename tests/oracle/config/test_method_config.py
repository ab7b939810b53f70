"""What a config may say of methods, and what is refused with the key and what to write."""

from __future__ import annotations

from typing import Any

import pytest

from feeds.units import WAD
from oracle.combine.methods.registry import METHODS
from oracle.config.feed_sources import sources_of
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError
from oracle.model.spec import FeedSpec, Tuning

SOURCES = [
    {"type": "coinbase", "symbol": "ETH-USD"},
    {"type": "kraken", "symbol": "ETH/USD"},
    {"type": "gemini", "symbol": "ETHUSD"},
]


def planned(tuning: dict[str, Any] | None = None, oracle: dict[str, Any] | None = None, **feed: Any) -> FeedSpec:
    section = {"sources": SOURCES, **feed} | ({"tuning": tuning} if tuning else {})
    return resolve(parse({"oracle": oracle or {}, "feeds": {"ETH/USD": section}})).specs["ETH/USD"]


def refused(tuning: dict[str, Any] | None = None, **feed: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        planned(tuning, **feed)
    return str(caught.value)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_chosen_with_a_filter(method: str) -> None:
    assert planned(method=method, window_s=120).method == method


@pytest.mark.parametrize("method", [n for n, m in METHODS.items() if not m.breakdown_bps])
def test_a_method_that_one_bad_source_moves_needs_a_filter(method: str) -> None:
    text = refused(method=method, window_s=120, outliers="none")
    assert 'feeds."ETH/USD".outliers' in text
    assert 'write outliers = "mad"' in text
    assert planned(method=method, window_s=120, outliers="none", oracle={"scaled_times": True}).outliers is None


def test_a_window_that_would_be_shortened_is_refused() -> None:
    assert planned(method="twap_geometric", window_s=5_120).window_s == 5_120
    assert "window_s: 5121 s are more than the 512 rounds" in refused(method="twap_geometric", window_s=5_121)
    assert planned(method="dia_mair", window_s=86_400).window_s == 86_400
    assert planned(method="ema", window_s=86_400).method == "ema"
    assert "write at most 86390" in refused({"shift_s": 10}, method="dia_mair", window_s=86_400)
    assert "shorter than a round" in refused(method="vwap", window_s=9)


@pytest.mark.parametrize("method", [n for n, m in METHODS.items() if m.of_trades])
@pytest.mark.parametrize("other", ["json_http", "ccxt", "uniswap_v2"])
def test_a_source_that_reports_no_trades_is_refused_where_the_price_is_made_of_them(method: str, other: str) -> None:
    pool = {
        "token0": "0x" + "11" * 20,
        "pool": "0x" + "22" * 20,
        "notional": "1",
        "base": "0x" + "11" * 20,
        "quote": "0x" + "33" * 20,
    }
    keys: dict[str, dict[str, Any]] = {
        "json_http": {"url": "https://api.example.com/p", "price": "p"},
        "ccxt": {"exchange": "bitvavo", "symbol": "ETH/USD"},
        "uniswap_v2": {"chain": "ethereum", **pool},
    }
    text = refused(
        method=method, window_s=120, sources=[*SOURCES, {"type": other, "name": "silent one", **keys[other]}]
    )
    assert f'feeds."ETH/USD".method: {method} is made of trades, and silent one reports none' in text
    assert "lwap or depth_weighted_median" in text


def test_the_observer_is_asked_for_trades_where_the_method_needs_them() -> None:
    def asked(method: str) -> set[bool]:
        section = {"sources": SOURCES, "method": method, "window_s": 120}
        return {s.trades for s in sources_of(resolve(parse({"feeds": {"ETH/USD": section}})))}

    assert {name: asked(name) for name in METHODS} == {name: {m.of_trades} for name, m in METHODS.items()}


def test_a_market_is_named_once_where_its_trades_count() -> None:
    for symbol in ("ETH-USD", "eth-usd"):
        twice = [*SOURCES, {"type": "coinbase", "name": "again", "symbol": symbol}]
        text = refused(method="vwap", window_s=120, sources=twice)
        assert 'feeds."ETH/USD".sources: coinbase ETH-USD stands here 2 times' in text
    other = [*SOURCES, {"type": "coinbase", "name": "stated", "symbol": "ETH-USD", "kind": "reference"}]
    assert planned(method="vwap", window_s=120, sources=other).method == "vwap"


def test_the_observer_knows_what_is_dust() -> None:
    section = {"sources": SOURCES, "method": "vwap", "window_s": 120, "tuning": {"dust": "0.5"}}
    assert {s.dust_wad for s in sources_of(resolve(parse({"feeds": {"ETH/USD": section}})))} == {WAD // 2}


def test_rounds_take_trades_in_before_they_are_forgotten() -> None:
    slow = {"round_interval_s": 901}
    text = refused(method="vwap", window_s=3_600, oracle=slow)
    assert "oracle.round_interval_s: vwap needs a round at least every 900 s" in text
    assert planned(method="vwap", window_s=3_600, oracle={"round_interval_s": 900}).method == "vwap"
    assert planned(oracle=slow).method == "median"


def test_a_cap_on_volume_needs_a_method_of_trades() -> None:
    assert planned({"volume_cap_percent": 40}, method="vwap", window_s=120).tuning.volume_cap_percent == 40
    assert "tuning.volume_cap_percent: lwap is not made of trades" in refused({"volume_cap_percent": 40}, method="lwap")
    for counts in ("dia_ma", "dia_medir", "dia_ema"):
        assert f"{counts} counts trades whatever their volume, so a cap on volume does nothing" in refused(
            {"volume_cap_percent": 40}, method=counts, window_s=120
        )
    assert "write 0 to 100" in refused({"volume_cap_percent": 101}, method="vwap", window_s=120)


def test_tuning_reaches_the_spec_in_its_units() -> None:
    got = planned(
        {
            "half_life_s": 30, "shares": {"kraken": 2}, "check_bps": 7, "winsor_bps_minute": 8, "recent_bps": 9, "recent_s": 10,
            "least": "0.5", "most": "2", "shift_s": 11, "dust": "0.1", "points": 12, "drift_bps_day": 13, "horizon_s": 14,
            "min_cost_100bps": "250",
        },
    ).tuning  # fmt: skip
    assert got == Tuning(
        half_life_s=30,
        shares=(("kraken", 2),),
        check_bps=7,
        winsor_bps_minute=8,
        recent_bps=9,
        recent_s=10,
        least=WAD // 2,
        most=2 * WAD,
        shift_s=11,
        dust=WAD // 10,
        points=12,
        drift_bps_day=13,
        horizon_s=14,
        min_cost_100bps=250 * WAD,
    )


def test_left_out_it_is_the_default() -> None:
    assert planned().tuning == Tuning()


@pytest.mark.parametrize(
    ("tuning", "text"),
    [
        ({"half_life_s": 0}, "half_life_s: 0 is out of range: write 1 or more"),
        ({"points": 65}, "points: 65 is out of range: write 1 to 64"),
        ({"shift_s": -1}, "shift_s: -1 is out of range: write 0 or more"),
        ({"shares": {"kraken": 0}}, "shares.kraken: 0 is out of range: write 1 or more"),
        ({"shares": {"krakn": 2}}, "did you mean 'kraken'"),
        ({"least": "1"}, "write both or neither"),
        ({"least": "2", "most": "1"}, "tuning.most: is not above least"),
        ({"min_cost_100bps": "lots"}, "tuning.min_cost_100bps"),
        ({"half_live_s": 3}, "did you mean 'half_life_s'"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(tuning: dict[str, Any], text: str) -> None:
    assert text in refused(tuning)
