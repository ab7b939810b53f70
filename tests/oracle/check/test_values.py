"""Rules of the check and the drift table, on values as they could be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from feeds.catalog.records import Reference
from feeds.errors import FeedError, NoData, Reverted
from feeds.types import Kind, Quote, Reply
from feeds.units import Bps
from oracle.check.contracts import stated_pair, text_of
from oracle.check.references import ReferenceComparison, comparisons, divergence_rows, reads_of
from oracle.check.values import SourceValue, bounds_of, chain_prices, stored_value_problems, value_problems
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import parse
from oracle.config.tables.catalog import shipped
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.round.reference_divergence import Divergence, divergences
from tests.oracle.config.tiny_contract import text, words
from tests.oracle.oracle_build import T0, seen, wad

FEB_24 = 1_771_891_200_000
"""2026-02-24 in Unix ms, the day that the catalogue's rate of wstETH was published for."""
YEAR_MS = 365 * 86_400_000
CONFIG: dict[str, Any] = {
    "chains": {
        "main": {"chain_id": 1, "endpoints": ["http://127.0.0.1:1"]},
        "l2": {"chain_id": 8453, "endpoints": ["http://127.0.0.1:1"]},
    },
    "feeds": {
        "ETH/USD": {"catalog": ["coinbase ETH-USD", "kraken ETH/USD"]},
        "wstETH/ETH": {
            "catalog": ["uniswap_v3 wstETH/WETH 0.01%", "uniswap_v3 wstETH/WETH 0.05%", "rate", "second"],
            "notional": "50",
        },
        "weETH/ETH": {"mode": "redemption", "reference_only": True, "catalog": ["rate", "second"]},
        "weETH/ETH@base": {"mode": "redemption", "reference_only": True, "catalog": ["via chainlink"]},
        "rsETH/ETH": {
            "catalog": ["uniswap_v3 wstETH/rsETH 0.05%"], "notional": "1", "reference_only": True, "min_groups": 1,
        },
        "stETH/ETH": {"share_of": "wstETH/ETH"},
        "wstETH/USD": {"legs": ["wstETH/ETH", "ETH/USD"]},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> ResolvedConfig:
    return resolve(parse(CONFIG))


def said(whole: ResolvedConfig, feed: str, *prices: str, at_ms: int = FEB_24) -> list[SourceValue]:
    sources = [s for s in whole.sources if s.feed == feed]
    assert len(sources) >= len(prices), [s.spec.name for s in sources]
    return [SourceValue(source=s, price_wad=wad(p), block_ms=at_ms) for s, p in zip(sources, prices, strict=False)]


def texts(
    whole: ResolvedConfig, values: list[SourceValue], running: dict[str, Report] | None = None, *confirmed: str
) -> list[str]:
    return [str(p) for p in value_problems(shipped(), whole, values, running or {}, frozenset(confirmed))]


def report(market: str, redemption: str) -> Report:
    return Report(
        market_wad=wad(market), redemption_wad=wad(redemption), spread_bps=Bps(10), status=Status.OK, why=Why.NONE,
        round_time_s=T0 // 1_000, market_age_s=0, redemption_age_h=0,
    )  # fmt: skip


def test_bounds_grow_with_the_cap_from_the_last_known_rate() -> None:
    """1.2278065994 on that day; 9.68 % a year at most; 2 % to each side for what the published figure leaves open."""
    low, high = bounds_of(shipped(), "wstETH", FEB_24)
    assert (low, high) == (wad("1.203250467412"), wad("1.252362731388"))
    later_low, later = bounds_of(shipped(), "wstETH", FEB_24 + YEAR_MS)
    assert later_low == low, "a rate may stand still"
    assert later == wad("1.252362731388") * 10_968 // 10_000
    assert bounds_of(shipped(), "swETH", FEB_24) == (wad("0.5"), wad("3")), "nothing was published"


@pytest.mark.parametrize(("rate", "wrong"), [("1.2278", False), ("1.2033", False), ("1.2", True), ("1.26", True)])
def test_a_rate_outside_of_what_is_believed_is_named(whole: ResolvedConfig, rate: str, wrong: bool) -> None:
    values = said(whole, "wstETH/ETH", "1.227", "1.227", rate)
    assert [t for t in texts(whole, values) if "lies outside" in t] != [] if wrong else texts(whole, values) == []


def test_two_derivations_part_beyond_half_a_percent(whole: ResolvedConfig) -> None:
    near = said(whole, "weETH/ETH", "1.0889", "1.0930")
    far = said(whole, "weETH/ETH", "1.0889", "1.0950")
    assert texts(whole, near) == []
    (found,) = texts(whole, far)
    assert found.startswith('feeds."weETH/ETH".rate 2: 1.095000 lies 57 bps from rate of weETH/ETH (1.088900)')


def test_an_l2s_rate_by_a_provider_is_compared_with_the_main_chains(whole: ResolvedConfig) -> None:
    main, l2 = said(whole, "weETH/ETH", "1.0889"), said(whole, "weETH/ETH@base", "1.0820")
    (found,) = texts(whole, [*main, *l2])
    assert "lies -64 bps from rate of weETH/ETH (1.088900): two derivations of one rate disagree" in found
    assert texts(whole, [*main, *said(whole, "weETH/ETH@base", "1.0888")]) == []


def test_a_new_value_far_from_the_running_one_waits_until_confirmed(whole: ResolvedConfig) -> None:
    values = said(whole, "wstETH/ETH", "1.227", "1.228", "1.2278")
    before = {"wstETH/ETH": report("1.227", "1.19"), "weETH/ETH": report("1", "1")}
    (found,) = texts(whole, values, before)
    assert "the redemption value 1.227800 lies 318 bps from the running 1.190000" in found
    assert "check --confirm wstETH/ETH" in found
    assert texts(whole, values, before, "wstETH/ETH") == []


def test_two_feeds_swapped_in_a_store_are_found() -> None:
    ours = report("1.2270", "1.2278")
    assert list(stored_value_problems("wstETH/ETH", 0, ours, ours)) == []
    assert list(stored_value_problems("wstETH/ETH", 0, report("1.2280", "1.2280"), ours)) == [], (
        "other operators see a little else"
    )
    swapped = [str(p) for p in stored_value_problems("wstETH/ETH", 3, report("4000", "0"), ours)]
    assert len(swapped) == 2
    assert "the store holds a market value of 4000.000000 at index 3, we published 1.227000" in swapped[0]
    assert "two feeds are swapped" in swapped[1]


def test_own_values_are_lower_medians_converted_and_from_the_share_token(whole: ResolvedConfig) -> None:
    values = [*said(whole, "wstETH/ETH", "1.20", "1.23", "1.2278", "1.2279"), *said(whole, "rsETH/ETH", "0.9")]
    own = chain_prices(whole, values)
    assert own.market["wstETH/ETH"] == wad("1.20")
    assert own.redemption["wstETH/ETH"] == wad("1.2278")
    assert own.market["rsETH/ETH"] == wad("1.08"), "0.9 wstETH of 1.2 ether"
    assert own.market["stETH/ETH"] == wad("1.20") * 10**18 // wad("1.2278")
    assert own.redemption["stETH/ETH"] == wad("1")


def test_the_drift_table_holds_every_reference_of_our_feeds(whole: ResolvedConfig) -> None:
    here = comparisons(shipped(), whole, "main")
    names = {(c.feed, c.reference.name, c.against) for c in here}
    assert ("weETH/ETH", "chainlink weETH/ETH", Kind.MARKET) in names
    assert ("wstETH/ETH", "redstone wstETH/stETH rate", Kind.REDEMPTION) in names
    assert ("wstETH/USD", "aave_capo wstETH/USD capped", Kind.REDEMPTION) in names
    assert ("wstETH/USD", "chronicle wstETH/USD", Kind.MARKET) in names
    assert ("stETH/ETH", "chainlink stETH/ETH", Kind.MARKET) in names
    assert set(reads_of(here)) == {c.name for c in here}
    on_l2 = comparisons(shipped(), whole, "l2")
    assert {c.reference.provider for c in on_l2} >= {"pyth", "chronicle", "chainlink", "redstone"}


def test_a_reference_in_dollars_is_compared_through_ether_in_dollars(whole: ResolvedConfig) -> None:
    here = tuple(c for c in comparisons(shipped(), whole, "main") if c.feed in {"ETH/USD", "wstETH/USD", "wstETH/ETH"})
    answers: dict[str, Quote | FeedError] = {c.name: NoData("not here") for c in here}

    def answer(feed: str, name: str, price: str) -> None:
        (one,) = (c for c in here if (c.feed, c.reference.name) == (feed, name))
        answers[one.name] = Quote(price_wad=wad(price))

    answer("ETH/USD", "chainlink ETH/USD", "4000")
    answer("wstETH/USD", "aave_capo wstETH/USD capped", "4872")
    answer("wstETH/ETH", "redstone wstETH/stETH rate", "1.2")
    own = chain_prices(whole, said(whole, "wstETH/ETH", "1.2", "1.2", "1.2"))
    rows = list(divergence_rows(whole, own, here, answers))
    drifted = {r.source: (r.drift_bps, r.alarm) for r in rows if isinstance(r, Divergence)}
    assert drifted == {"aave_capo wstETH/USD capped": (150, True), "redstone wstETH/stETH rate": (0, False)}
    assert sum(not isinstance(r, Divergence) for r in rows) == len(here) - 3, "one that cannot be read is a row too"


def test_every_reference_beside_a_rounds_record() -> None:
    own = report("1.10", "1.05")
    outcomes = [
        seen("rate feed", "1.0553", kind=Kind.REFERENCE, group="redstone"),
        seen("market feed", "1.078", kind=Kind.REFERENCE, group="chainlink"),
        seen("coinbase", "1.10"),
    ]
    rows = divergences("wdivETH/ETH", outcomes, own, {"rate feed": Kind.REDEMPTION})
    assert [(r.source, r.provider, r.drift_bps, r.alarm) for r in rows] == [
        ("rate feed", "redstone", 51, True), ("market feed", "chainlink", -200, False),
    ]  # fmt: skip
    absent = replace(own, redemption_wad=wad("0"))
    assert [r.source for r in divergences("f", outcomes, absent, {"rate feed": Kind.REDEMPTION})] == ["market feed"]


def test_a_retired_feed_and_one_without_an_address_are_left_out(whole: ResolvedConfig) -> None:
    listed = {c.reference for c in comparisons(shipped(), whole, "main")}
    assert all(isinstance(r, Reference) and r.address is not None and not r.is_dead for r in listed)
    assert all(isinstance(c, ReferenceComparison) for c in comparisons(shipped(), whole, "l2"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (text("wstETH"), "wstETH"),
        (b"MKR".ljust(32, b"\0"), "MKR"),
        (text(""), ""),
        (b"", None),
        (words(10**9, 5), None),
        (words(32, 10**9), None),
        (words(32, 3) + b"abc", "abc"),
        (words(32, 3) + "é".encode(), None),
        (Reverted("no such function"), None),
    ],
)
def test_what_a_token_calls_itself_is_read_strictly(data: Reply, said: str | None) -> None:
    """The ABI's string, or the bytes32 of old tokens; anything else is a FeedError."""
    if said is not None:
        assert text_of(data) == said
        return
    with pytest.raises(FeedError):
        text_of(data)


@pytest.mark.parametrize(
    ("description", "pair"),
    [
        ("CBETH / ETH", "CBETH/ETH"),
        ("ETH / USD", "ETH/USD"),
        ("weETH / eETH Exchange Rate", "weETH/eETH"),
        ("Capped wstETH / stETH(ETH) / USD", None),
        ("RedStone Price Feed for weETH", None),
        ("", None),
    ],
)
def test_the_pair_in_a_feeds_description(description: str, pair: str | None) -> None:
    assert (str(p) if (p := stated_pair(description)) else None) == pair
