"""FeedView and CrossView: what lenders read, in every mode, before there is data and long after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from web3 import Web3

from demo.world import anvil
from tests.contracts.contract_tools import WAD, Bench, Item, connected

pytestmark = pytest.mark.chain
PHASE = 1 << 64
MARKET, REDEMPTION, LOWER, HIGHER = range(4)


@pytest.fixture(scope="module")
def web3(node: anvil.Anvil) -> Iterator[Web3]:
    with connected(node.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    made = Bench(web3)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    return made


def view(bench: Bench, name: str = "weETH/ETH", mode: int = LOWER, decimals: int = 18) -> Any:
    return bench.create("FeedView", bench.store.address, name.encode().ljust(32, b"\0"), mode, decimals, 3600)


@pytest.mark.parametrize(("mode", "price"), [(MARKET, 105), (REDEMPTION, 106), (LOWER, 105), (HIGHER, 106)])
def test_the_mode_picks_the_price(bench: Bench, mode: int, price: int) -> None:
    made = view(bench, mode=mode)
    bench.push(bench.now, [Item(0)])
    assert made.functions.latestAnswer().call() == price * WAD // 100
    assert made.functions.getRate().call() == price * WAD // 100


def test_an_absent_price_is_no_zero(bench: Bench) -> None:
    for mode in (MARKET, LOWER, HIGHER):
        made = view(bench, "ETH/USD", mode, 8)
        bench.push(bench.now + mode, [Item(1, market=2_000 * WAD, redemption=0)])
        assert made.functions.latestAnswer().call() == 2_000 * 10**8
    bench.register("pufETH/ETH", market=False)
    bench.push(bench.now, [Item(2, market=0)])
    for mode in (REDEMPTION, LOWER, HIGHER):
        assert view(bench, "pufETH/ETH", mode).functions.getRate().call() == Item(2).redemption


@pytest.mark.parametrize(
    ("name", "mode", "decimals", "error"),
    [
        ("ETH/USD", REDEMPTION, 8, ("BadMode", REDEMPTION)),
        ("pufETH/ETH", MARKET, 8, ("BadMode", MARKET)),
        ("weETH/ETH", 4, 8, ("BadMode", 4)),
        ("weETH/ETH", 255, 8, ("BadMode", 255)),
        ("weETH/ETH", MARKET, 0, ("BadDecimals", 0)),
        ("weETH/ETH", MARKET, 19, ("BadDecimals", 19)),
        ("none/ETH", MARKET, 8, ("UnknownFeed", b"none/ETH".ljust(32, b"\0"))),
    ],
)
def test_a_view_that_cannot_be_is_refused(
    bench: Bench, name: str, mode: int, decimals: int, error: tuple[Any, ...]
) -> None:
    bench.register("pufETH/ETH", market=False)
    args = [bench.store.address, name.encode().ljust(32, b"\0"), mode, decimals, 3600]
    assert bench.create_refusal("FeedView", *args) == error


@pytest.mark.parametrize("mode", [MARKET, REDEMPTION, LOWER, HIGHER])
@pytest.mark.parametrize("decimals", [1, 8, 18])
def test_every_mode_in_every_decimals_rounds_down(bench: Bench, mode: int, decimals: int) -> None:
    market, redemption = 1_239_999_999_999_999_999, 1_259_999_999_999_999_999
    bench.push(bench.now, [Item(0, market=market, redemption=redemption)])
    functions = view(bench, mode=mode, decimals=decimals).functions
    wad = (market, redemption, min(market, redemption), max(market, redemption))[mode]
    assert functions.latestAnswer().call() == functions.latestRoundData().call()[1] == wad // 10 ** (18 - decimals)
    assert functions.read().call() == functions.readWithAge().call()[0] == functions.latestAnswer().call()
    assert functions.getRate().call() == functions.peek().call()[0] == wad
    assert functions.decimals().call() == decimals


def test_min_and_max_do_not_depend_on_the_order(bench: Bench) -> None:
    lower, higher = view(bench, mode=LOWER), view(bench, mode=HIGHER)
    for turn, (market, redemption) in enumerate([(5, 9), (9, 5), (7, 7), (2**88 - 1, 1)]):
        bench.push(bench.now + turn, [Item(0, market=market, redemption=redemption)])
        assert lower.functions.read().call() == min(market, redemption)
        assert higher.functions.read().call() == max(market, redemption)


def test_a_price_below_the_decimals_is_none(bench: Bench) -> None:
    """A lender that takes an answer of 0 for a price would liquidate everybody."""
    made, now = view(bench, mode=MARKET, decimals=8), bench.now
    bench.push(now, [Item(0, market=10**10 - 1)])
    latest = made.functions.latestRound().call()
    assert latest == PHASE | now
    for call in (made.functions.latestRoundData(), made.functions.getRoundData(latest), made.functions.read()):
        assert bench.refusal(call) == ("NoData",)
    assert made.functions.latestAnswer().call() == 0
    assert made.functions.getRate().call() == 10**10 - 1


@pytest.mark.parametrize(
    ("mode", "word"), [(MARKET, "market"), (REDEMPTION, "redemption"), (LOWER, "min"), (HIGHER, "max")]
)
def test_the_description_names_pair_and_mode(bench: Bench, mode: int, word: str) -> None:
    bench.register("a@base#x" + "y" * 19 + "/ETH")
    assert view(bench, mode=mode).functions.description().call() == f"weETH / ETH ({word})"
    long = view(bench, "a@base#x" + "y" * 19 + "/ETH", mode)
    assert long.functions.description().call() == "a@base#x" + "y" * 19 + f" / ETH ({word})"


def test_chainlink_semantics(bench: Bench) -> None:
    made, now = view(bench), bench.now
    bench.push(now, [Item(0, market_age_s=5)])
    round_id, answer, started, updated, answered_in = made.functions.latestRoundData().call()
    assert (round_id, answered_in) == (PHASE | now, PHASE | now)
    assert (started, updated) == (now - 5, now - 5)
    assert made.functions.getRoundData(round_id).call() == [round_id, answer, started, updated, answered_in]
    for other in (0, 1, round_id - 1, round_id + 1):
        assert bench.refusal(made.functions.getRoundData(other)) == ("NoData",)
    assert made.functions.getAnswer(round_id).call() == made.functions.latestAnswer().call() == answer
    assert made.functions.getAnswer(1).call() == made.functions.getTimestamp(1).call() == 0
    assert made.functions.getTimestamp(round_id).call() == made.functions.latestTimestamp().call() == now - 5
    assert made.functions.latestRound().call() == round_id
    assert (made.functions.decimals().call(), made.functions.version().call()) == (18, 1)
    assert made.functions.readWithAge().call() == [answer, now - 5]
    assert made.functions.description().call() == "weETH / ETH (min)"


def test_a_redemption_rate_holds_at_round_time(bench: Bench) -> None:
    made, now = view(bench, mode=REDEMPTION), bench.now
    bench.push(now, [Item(0, market_age_s=50)])
    assert made.functions.latestTimestamp().call() == now


def test_without_data_a_round_and_a_rate_revert_and_the_rest_is_zero(bench: Bench) -> None:
    """As an aggregator of Chainlink's without a round: FluxAggregator's "No data present", and zeros of what is older."""
    made = view(bench)
    assert made.functions.latestAnswer().call() == made.functions.latestRound().call() == 0
    assert made.functions.getAnswer(0).call() == made.functions.getTimestamp(0).call() == 0
    assert made.functions.latestTimestamp().call() == 0
    assert [made.functions[n]().call() for n in ("status", "reason", "spreadBps")] == [0, 0, 0]
    assert list(made.functions.report().call()) == [0] * 8
    assert made.functions.peek().call() == [0] * 4
    assert made.functions.newestRound().call() == 0
    cross = bench.create("CrossView", made.address, view(bench, "ETH/USD", MARKET).address, 18)
    for functions in (made.functions, cross.functions):
        for name in ("latestRoundData", "getRate", "read", "readWithAge"):
            assert bench.refusal(functions[name]()) == ("NoData",)
        assert bench.refusal(functions.getRoundData(0)) == ("NoData",)


def test_status_reason_spread_and_the_whole_record(bench: Bench) -> None:
    made, now = view(bench), bench.now
    bench.push(now, [Item(0, status=3 | 1 << 4, spread_bps=77)])
    assert (made.functions.status().call(), made.functions.reason().call()) == (3, 1)
    assert made.functions.spreadBps().call() == 77
    assert list(made.functions.report().call()) == [Item(0).market, Item(0).redemption, 77, 3 | 1 << 4, now, 3, 9, 0]
    assert made.functions.heartbeat().call() == 3600


def test_a_cross_is_the_product_as_old_as_the_older_and_as_bad_as_the_worse(bench: Bench) -> None:
    legs = [view(bench, mode=LOWER).address, view(bench, "ETH/USD", MARKET, 8).address]
    cross = bench.create("CrossView", *legs, 8)
    now = bench.now
    bench.push(now, [Item(0, market=1_234_567_890_123_456_789, redemption=2 * WAD, market_age_s=9, status=2 | 6 << 4)])
    assert bench.refusal(cross.functions.latestRoundData()) == ("NoData",)
    assert cross.functions.peek().call() == [0] * 4
    assert cross.functions.newestRound().call() == now
    bench.push(now + 1, [Item(1, market=2_000_123_456_789_012_345_678, redemption=0)])
    round_id, answer, _, updated, _ = cross.functions.latestRoundData().call()
    assert answer == 1_234_567_890_123_456_789 * 2_000_123_456_789_012_345_678 // WAD // 10**10
    assert (round_id, updated) == (PHASE | now, now - 9)
    assert cross.functions.newestRound().call() == now + 1
    assert (cross.functions.status().call(), cross.functions.reason().call()) == (2, 6)
    assert cross.functions.heartbeat().call() == 3600
    assert cross.functions.description().call() == "weETH / ETH (min) x ETH / USD (market)"
    bench.push(now + 2, [Item(1, market=1, redemption=0, market_age_s=40, status=3 | 2 << 4)])
    assert cross.functions.peek().call() == [1, now - 38, now, 3 | 2 << 4]
    assert bench.create_refusal("CrossView", legs[0], legs[0], 8) == ("SameLeg",)
    assert bench.create_refusal("CrossView", *legs, 19) == ("BadDecimals", 19)


def test_a_cross_takes_the_first_reason_of_equals_and_the_longer_heartbeat(bench: Bench) -> None:
    ids = [n.ljust(32, b"\0") for n in (b"weETH/ETH", b"ETH/USD")]
    legs = [
        bench.create("FeedView", bench.store.address, i, MARKET, 18, s).address
        for i, s in zip(ids, (60, 86_400), strict=True)
    ]
    cross = bench.create("CrossView", *legs, 18)
    bench.push(bench.now, [Item(0, status=2 | 6 << 4), Item(1, redemption=0, status=2 | 7 << 4)])
    assert (cross.functions.status().call(), cross.functions.reason().call()) == (2, 6)
    assert cross.functions.heartbeat().call() == 86_400
    assert [cross.functions[n]().call() for n in ("first", "second")] == legs


def test_a_cross_of_the_largest_and_of_the_smallest_prices_does_not_revert(bench: Bench) -> None:
    legs = [view(bench, mode=MARKET).address, view(bench, "ETH/USD", MARKET).address]
    cross, now = bench.create("CrossView", *legs, 18), bench.now
    of_cross = bench.create("CrossView", cross.address, legs[0], 18)
    most = 2**88 - 1
    bench.push(now, [Item(0, market=most), Item(1, market=most, redemption=0)])
    assert cross.functions.latestAnswer().call() == most * most // WAD
    assert of_cross.functions.latestAnswer().call() == most * most // WAD * most // WAD
    bench.push(now + 1, [Item(0, market=1), Item(1, market=1, redemption=0)])
    assert cross.functions.latestRound().call() == PHASE | now + 1
    assert bench.refusal(cross.functions.latestRoundData()) == ("NoData",)
    assert bench.refusal(cross.functions.getRate()) == ("NoData",)
