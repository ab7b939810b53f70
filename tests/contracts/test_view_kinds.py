"""Strict, capped, mode and cross views on a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from web3 import Web3

from demo.world import anvil
from oracle.model.spec import Mode
from oracle.report.compose import cross, price_of
from oracle.report.wire import decode_slot
from tests.contracts.adapter_bench import BASE, FIRST_S, HALT, MAX_AGE_S, NO_DATA, NONE, QUOTE, SEQUENCER, STALE
from tests.contracts.contract_tools import WAD, Bench, Item, connected

pytestmark = pytest.mark.chain
ZERO = "0x" + "00" * 20
YEAR_S = 365 * 86_400


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    with anvil.running(extra=("--timestamp", str(FIRST_S))) as running, connected(running.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    made = Bench(web3, max_age=3_600)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    return made


def strict(bench: Bench, source: Any, sequencer: str = ZERO, grace_s: int = 0) -> Any:
    return bench.create("StrictFeedView", source.address, MAX_AGE_S, sequencer, grace_s)


def answers(view: Any, bench: Bench, trouble: int) -> None:
    """The view says this trouble, everywhere."""
    functions = view.functions
    assert functions.trouble().call() == trouble
    if trouble == NONE:
        assert functions.latestAnswer().call() == functions.latestRoundData().call()[1] > 0
        return
    assert functions.latestAnswer().call() == 0
    assert bench.refusal(functions.latestRoundData()) == ("Unusable", trouble)
    if latest := functions.latestRound().call():
        assert bench.refusal(functions.getRoundData(latest)) == ("Unusable", trouble)
        assert functions.getAnswer(latest).call() == 0


def test_a_strict_view_answers_only_a_price_that_may_be_used(bench: Bench) -> None:
    source = bench.view()
    view = strict(bench, source)
    answers(view, bench, NO_DATA)
    now = bench.now
    for at, status, trouble in ((now, 1, NONE), (now + 1, 2, NONE), (now + 2, 3, NONE), (now + 3, 4, HALT)):
        bench.push(at, [Item(0, status=status, market_age_s=0)])
        answers(view, bench, trouble)
    bench.push(now + 4, [Item(0, market_age_s=0)])
    bench.at(now + 4 + MAX_AGE_S)
    answers(view, bench, NONE)
    bench.at(now + 5 + MAX_AGE_S)
    answers(view, bench, STALE)
    assert view.functions.latestTimestamp().call() == source.functions.latestTimestamp().call()
    assert view.functions.description().call() == "weETH / ETH (min), strict"
    assert view.functions.decimals().call() == 18


def test_a_strict_view_is_what_its_source_is_while_all_is_well(bench: Bench) -> None:
    source = bench.view(decimals=8)
    view = strict(bench, source)
    bench.push(bench.now, [Item(0)])
    latest = source.functions.latestRound().call()
    assert bench.refusal(source.functions.getRoundData(1)) == ("NoData",)
    assert bench.refusal(view.functions.getRoundData(1)) == ("Unusable", NO_DATA)
    for name, args in (("latestRoundData", []), ("getRoundData", [latest]), ("getAnswer", [1])):
        assert view.functions[name](*args).call() == source.functions[name](*args).call()
    assert view.functions.getTimestamp(latest).call() == source.functions.latestTimestamp().call()


def test_a_pause_is_a_halt_to_a_strict_view(bench: Bench) -> None:
    view = strict(bench, bench.view())
    bench.push(bench.now, [Item(0)])
    bench.send(bench.store.functions.pause([0]))
    answers(view, bench, HALT)


def test_the_sequencer_must_be_up_for_longer_than_the_grace(bench: Bench) -> None:
    feed = bench.consumer("Sequencer")
    view = strict(bench, bench.view(), feed.address, 100)
    bench.push(bench.now, [Item(0)])
    now = bench.now
    for answer, changed_at, trouble in (
        (0, now - 1_000, NONE),
        (1, now - 1_000, SEQUENCER),
        (0, now - 50, SEQUENCER),
        (0, 0, SEQUENCER),
    ):
        bench.send(feed.functions.set(answer, changed_at))
        answers(view, bench, trouble)


@pytest.mark.parametrize(("age_s", "grace_s"), [(0, 0), (604_801, 0), (1, 86_401)])
def test_a_strict_view_has_limits(bench: Bench, age_s: int, grace_s: int) -> None:
    assert bench.create_refusal("StrictFeedView", bench.view().address, age_s, ZERO, grace_s) == ("BadAge",)


def cap_wad(snapshot_wad: int, bps: int, seconds: int) -> int:
    """Source: the integer form of Aave's correlated-asset adapters (onchain.md of the design)."""
    return snapshot_wad + snapshot_wad * bps * 10**6 // 10_000 // YEAR_S * seconds // 10**6


def capped(bench: Bench, snapshot_wad: int, bps: int, *, days: int = 7, decimals: int = 18) -> list[Any]:
    at = bench.now - days * 86_400 - 100
    return [bench.store.address, b"weETH/ETH".ljust(32, b"\0"), decimals, 3_600, snapshot_wad, at, bps]


def test_a_rate_grows_no_faster_than_its_cap_and_falls_freely(bench: Bench) -> None:
    snapshot, bps = 106 * WAD // 100, 875
    now = bench.now
    bench.push(now, [Item(0)])
    args = capped(bench, snapshot, bps)
    view, since = bench.create("CappedFeedView", *args), args[5]
    assert view.functions.getRate().call() == Item(0).redemption
    most = cap_wad(snapshot, bps, bench.now - since)
    assert view.functions.capWad().call() == most > snapshot
    for turn, (rate, expected) in enumerate([(most + 1, most), (WAD, WAD), (2 * WAD, None), (most, most)], start=1):
        bench.push(now + turn, [Item(0, redemption=rate)])
        limit = cap_wad(snapshot, bps, bench.now - since)
        assert view.functions.capWad().call() == limit
        assert view.functions.getRate().call() == min(rate, limit)
        assert expected is None or expected <= view.functions.getRate().call() <= limit
        assert view.functions.isCapped().call() is (rate > limit)
    assert view.functions.description().call() == "weETH / ETH (capped)"
    bench.at(bench.now + YEAR_S)
    assert view.functions.capWad().call() == cap_wad(snapshot, bps, bench.now - since)


def test_a_cap_that_binds_at_its_creation_is_refused(bench: Bench) -> None:
    bench.push(bench.now, [Item(0)])
    rate = Item(0).redemption
    error, told, most = bench.create_refusal("CappedFeedView", *capped(bench, rate * 99 // 100, 1))
    assert (error, told) == ("CapBinds", rate)
    assert rate > most >= rate * 99 // 100


@pytest.mark.parametrize(
    ("snapshot_wad", "bps", "days"),
    [(106 * WAD // 100, 875, 6), (106 * WAD // 100, 875, 181), (0, 875, 7), (WAD, 10_001, 7), (WAD, 0, 7), (3, 1, 7)],
)
def test_a_snapshot_out_of_step_is_refused(bench: Bench, snapshot_wad: int, bps: int, days: int) -> None:
    bench.push(bench.now, [Item(0)])
    assert bench.create_refusal("CappedFeedView", *capped(bench, snapshot_wad, bps, days=days)) == ("BadSnapshot",)


def test_a_cap_needs_a_rate(bench: Bench) -> None:
    assert bench.create_refusal("CappedFeedView", *capped(bench, WAD, 875)) == ("NoRate",)
    bench.push(bench.now, [Item(1, redemption=0)])
    args = capped(bench, WAD, 875)
    args[1] = b"ETH/USD".ljust(32, b"\0")
    assert bench.create_refusal("CappedFeedView", *args) == ("NoRate",)


def modes(bench: Bench, mode: int, ramp_s: int = 0) -> Any:
    legs = (bench.view(mode=0).address, bench.view(mode=1).address)
    return bench.create("ModeView", *legs, mode, ramp_s, 18)


def test_min_and_max_of_two_views_are_what_python_says(bench: Bench) -> None:
    lower, higher, now = modes(bench, 2), modes(bench, 3), bench.now
    for turn, (market, redemption) in enumerate([(5 * WAD, 9 * WAD), (9 * WAD, 5 * WAD), (7, 7)]):
        bench.push(now + turn, [Item(0, market=market, redemption=redemption)])
        report = decode_slot(bench.word(0))
        assert lower.functions.read().call() == price_of(report, Mode.MIN)
        assert higher.functions.read().call() == price_of(report, Mode.MAX)
    assert lower.functions.description().call() == "min of weETH / ETH (market) and weETH / ETH (redemption)"
    assert lower.functions.latestTimestamp().call() == now + 2 - 3
    assert lower.functions.heartbeat().call() == 3_600


def test_a_depeg_moves_to_the_market_price_over_the_ramp_and_back(bench: Bench) -> None:
    view, item = modes(bench, 4, 1_000), Item(0, market=WAD * 9 // 10, redemption=WAD, market_age_s=0)
    functions = view.functions

    def check(ppm: int) -> None:
        got = functions.rampPpm().call()
        assert abs(got - ppm) <= 5_000, "a few seconds for the blocks between"
        assert functions.read().call() == price_of(decode_slot(bench.word(0)), Mode.REDEMPTION_UNLESS_DEPEG, got)

    now = bench.now
    bench.push(now, [item])
    check(0)
    bench.push(now + 1, [replace(item, status=3 | 6 << 4)])
    bench.send(functions.poke())
    check(0)
    start = bench.now
    bench.at(start + 250)
    check(250_000)
    bench.push(start + 251, [replace(item, status=4)])
    bench.send(functions.poke())
    bench.at(start + 600)
    check(252_000)
    bench.push(start + 601, [replace(item, status=3)])
    bench.send(functions.poke())
    bench.at(start + 601 + 2_000)
    check(1_000_000)
    bench.push(start + 2_602, [item])
    bench.send(functions.poke())
    bench.at(start + 2_602 + 400)
    check(600_000)
    bench.at(start + 2_602 + 1_100)
    check(0)


def test_a_ramp_that_nobody_pokes_is_reckoned_from_the_last_round(bench: Bench) -> None:
    view, item = modes(bench, 4, 1_000), Item(0, market=WAD // 2, redemption=WAD, market_age_s=0)
    bench.at(bench.now + 5_000)
    bench.push(bench.now, [replace(item, status=3)])
    start = bench.now
    bench.at(start + 100)
    assert abs(view.functions.rampPpm().call() - 100_000) <= 2_000


def test_a_mode_of_one_price_alone_is_that_price_with_the_wider_spread(bench: Bench) -> None:
    market, silent = bench.view("ETH/USD", 0), bench.view()
    for legs, mode in ((market, silent), 2), ((silent, market), 3):
        view = bench.create("ModeView", *(leg.address for leg in legs), mode, 0, 18)
        bench.push(bench.now + mode, [Item(1, market=2 * WAD, redemption=0, spread_bps=55)])
        assert view.functions.peek().call() == market.functions.peek().call()
        assert view.functions.spreadBps().call() == 55
    bench.push(bench.now, [Item(0, spread_bps=99)])
    assert view.functions.spreadBps().call() == 99


def test_what_a_view_is_made_of_can_be_read(bench: Bench) -> None:
    """Every function without arguments, of every view, answers; those that refuse while there is no price say so."""
    bench.push(bench.now, [Item(0)])
    plain, other = bench.view().address, bench.view(mode=1).address
    made = {
        "FeedView": [bench.store.address, b"weETH/ETH".ljust(32, b"\0"), 0, 18, 60],
        "CappedFeedView": capped(bench, 106 * WAD // 100, 875),
        "CrossView": [plain, other, 18],
        "ModeView": [plain, other, 2, 0, 18],
        "StrictFeedView": [plain, MAX_AGE_S, ZERO, 0],
        "QuoteView": [plain, MAX_AGE_S, BASE, 18, QUOTE, 6],
        "SiloView": [plain, MAX_AGE_S, BASE, 18, QUOTE, 6],
        "MorphoView": [plain, MAX_AGE_S, 18, 6],
    }
    for name, args in made.items():
        view = bench.create(name, *args)
        reads = [e["name"] for e in view.abi if e["type"] == "function" and not e["inputs"] and e["name"] != "poke"]
        assert reads
        told = {one: view.functions[one]().call() for one in reads}
        assert told.get("source", plain) == told.get("first", plain) == plain
        assert told.get("maxAgeS", MAX_AGE_S) == MAX_AGE_S


@pytest.mark.parametrize(("mode", "ramp_s"), [(0, 0), (1, 0), (5, 0), (4, 0), (2, 1), (3, 1)])
def test_a_mode_that_cannot_be_is_refused(bench: Bench, mode: int, ramp_s: int) -> None:
    legs = (bench.view(mode=0).address, bench.view(mode=1).address)
    assert bench.create_refusal("ModeView", *legs, mode, ramp_s, 18) == ("BadMode", mode)
    assert bench.create_refusal("ModeView", legs[0], legs[0], 2, 0, 18) == ("SameView",)


def test_a_cross_has_the_spread_that_python_gives_it(bench: Bench) -> None:
    made = bench.create("CrossView", bench.view().address, bench.view("ETH/USD", 0).address, 8)
    bench.push(bench.now, [Item(0, spread_bps=77), Item(1, redemption=0, spread_bps=133)])
    reports = [decode_slot(bench.word(i)) for i in (0, 1)]
    assert made.functions.spreadBps().call() == cross(reports).spread_bps
