from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oracle.config.resolve import reachable_groups, resolve
from oracle.config.sections import load, parse
from oracle.config.tables.schema import ConfigError
from tests.oracle.config.small_config import problems, table


def feed(**changes: Any) -> dict[str, Any]:
    made = table()
    made["feeds"]["wdivETH/ETH"] |= changes
    return made


def test_a_good_config_puts_legs_before_what_needs_them() -> None:
    got = resolve(parse(table()))
    assert list(got.specs) == ["wdivETH/ETH", "ETH/USD", "wdivETH/USD"]
    assert got.pushed == ("wdivETH/ETH", "ETH/USD")
    assert reachable_groups(got.specs["wdivETH/ETH"]) == ("coinbase", "kraken")


@pytest.mark.parametrize(
    ("agree", "endpoints", "fits"), [(0, 1, True), (1, 1, True), (2, 1, False), (2, 2, True), (9, 3, False)]
)
def test_no_more_endpoints_must_agree_than_there_are_for_reading_and_for_pushing_alike(
    agree: int, endpoints: int, *, fits: bool
) -> None:
    chain = {"chain_id": 31337, "endpoints": [f"http://127.0.0.1:{n + 1}" for n in range(endpoints)]}
    target = {"chain": "local", "store": "0x" + "55" * 20, "agree": agree}
    pushing = table(chains={"local": chain}, targets={"t": target})
    reading = table(chains={"local": {**chain, "agree": agree}})
    if fits:
        assert (
            resolve(parse(pushing)).config.targets["t"].agree
            == resolve(parse(reading)).config.chains["local"].agree
            == agree
        )
        return
    told = f"agree = {agree}: there are {endpoints} endpoints; 0 chooses"
    assert f"targets.t.agree: {told}" in problems(pushing)
    assert told in problems(reading)


def test_every_error_comes_at_once_with_the_nearest_name() -> None:
    bad = table(oracel={})
    bad["feeds"]["wdivETH/ETH"] |= {"metod": "median", "mode": "minimum", "min_groups": "two"}
    with pytest.raises(ConfigError) as caught:
        parse(bad)
    text = str(caught.value)
    for part in ("oracel", "did you mean 'oracle'?", "did you mean 'method'?", "did you mean 'min'?", "'two'"):
        assert part in text
    assert len(caught.value.problems) == 4


def test_a_ratio_read_as_usd_is_a_config_error() -> None:
    made = table()
    made["feeds"]["ETH/USD"]["sources"][0] |= {"symbol": "ETH-USDT", "pair": "ETH/USDT"}
    assert 'ETH/USDT is not ETH/USD: name the feed that converts it, convert = "USDT/USD"' in problems(made)
    made = table()
    made["feeds"]["wdivETH/USD"]["legs"] = ["ETH/USD", "wdivETH/ETH"]
    assert "the units do not close" in problems(made)


def test_a_conversion_must_close_the_units() -> None:
    made = table()
    made["feeds"]["USDT/EUR"] = {
        "sources": [{"type": "coinbase", "symbol": "USDT-EUR"}, {"type": "kraken", "symbol": "USDT/EUR"}]
    }
    made["feeds"]["ETH/USD"]["sources"][0] |= {"symbol": "ETH-USDT", "pair": "ETH/USDT", "convert": "USDT/EUR"}
    assert "the units do not close" in problems(made)


def test_a_quorum_that_can_never_be_reached_is_refused() -> None:
    assert "3 groups can never be reached: there are 2 (coinbase, kraken)" in problems(feed(min_groups=3))
    assert "one group is not a quorum" in problems(feed(min_groups=1))
    both = [{"type": "coinbase", "symbol": "WDIVETH-ETH", "name": n} for n in ("one", "other")]
    assert "there are 1 (coinbase [one, other])" in problems(feed(sources=both))


def test_a_source_that_is_wrong_says_nothing_of_the_quorum() -> None:
    """Whether there are enough groups is only known once every source is right."""
    sources = [{"type": "coinbase", "symbol": "ETH-USD"}, {"type": "krakn", "symbol": "ETH/USD"}]
    text = problems(feed(sources=sources))
    assert "did you mean 'kraken'?" in text
    assert "min_groups" not in text


def test_a_quorum_of_one_needs_a_word() -> None:
    assert resolve(parse(feed(min_groups=1, reference_only=True))).pushed == ("ETH/USD",)
    assert resolve(parse(feed(min_groups=1, accept_single_group=True)))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"max_age_s": 315_360_000}, "max_age_s: 315360000 is out of range: write 1 to 3600"),
        ({"method": "medain"}, "did you mean 'median'?"),
        ({"outliers": "mda"}, "did you mean 'mad'?"),
        ({"bands": {"watch_bps": 300}}, "below depeg_bps"),
        ({"bands": {"watch_leave_bps": 40}}, "more than half"),
        ({"legs": ["ETH/USD"]}, "exactly one of sources, share_of and legs"),
    ],
)
def test_limits_have_limits(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text.replace("?", r"\?")):
        resolve(parse(feed(**change)))


def test_a_pool_average_that_is_too_short_needs_scaled_times() -> None:
    made = table()
    pool = {
        "type": "uniswap_v3",
        "chain": "local",
        "pool": "0x" + "22" * 20,
        "base": "0x" + "33" * 20,
        "quote": "0x" + "44" * 20,
        "notional": "10",
        "average_s": 5,
    }
    made["feeds"]["wdivETH/ETH"]["sources"].append(pool)
    assert "too short" in problems(made)
    assert resolve(parse({**made, "oracle": {"scaled_times": True}}))


def test_unknown_adapters_chains_and_adapter_keys_are_named() -> None:
    made = table()
    made["feeds"]["wdivETH/ETH"]["sources"][0]["type"] = "coinbse"
    made["feeds"]["wdivETH/ETH"]["sources"][2] |= {"chain": "locl", "contrac": "x"}
    text = problems(made)
    for part in ("did you mean 'coinbase'?", "did you mean 'local'?", "did you mean 'contract'?"):
        assert part in text


def test_a_key_that_all_sources_have_is_suggested_beside_the_adapter_s_own() -> None:
    made = table()
    made["feeds"]["wdivETH/ETH"]["sources"][2] |= {"average": 60}
    assert "sources[2].average: unknown key; did you mean 'average_s'?" in problems(made)


def test_a_key_in_milliseconds_is_told_the_unit_of_the_one_that_was_meant() -> None:
    text = "oracle.round_interval_ms: unknown key; did you mean 'round_interval_s', in seconds?"
    assert text in problems(table(oracle={"round_interval_ms": 10_000}))


def test_what_is_near_to_nothing_is_told_all_names() -> None:
    assert "oracle.window_ms: unknown key; known: catalog_path, database, " in problems(table(oracle={"window_ms": 1}))


def test_a_feed_is_named_as_the_file_writes_it() -> None:
    made = table()
    made["feeds"]["wdivETH/ETH"]["mode"] = "minimum"
    assert problems(made).startswith('feeds."wdivETH/ETH".mode: ')


def test_feeds_that_need_each_other_are_refused() -> None:
    made = table()
    made["feeds"]["a/ETH"] = {"share_of": "b/ETH"}
    made["feeds"]["b/ETH"] = {"share_of": "a/ETH"}
    assert "need each other" in problems(made)


def test_one_key_for_both_purposes_is_refused(tmp_path: Path) -> None:
    for name in ("report.json", "gas.json"):
        (tmp_path / name).write_text(json.dumps({"address": "ab" * 20}))
    made = table(
        operators=[{"name": "a", "keyfile": str(tmp_path / "report.json"), "journal": "j"}],
        targets={"t": {"chain": "local", "store": "0x" + "55" * 20, "gas_keyfile": str(tmp_path / "gas.json")}},
    )
    assert "also the report key of operator 'a'" in problems(made)


def test_a_missing_or_broken_file_is_one_clear_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("feeds = [")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(tmp_path / "bad.toml")
