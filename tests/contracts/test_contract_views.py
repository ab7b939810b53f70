"""FeedView and CrossView: what lenders read, in every mode, before there is data and long after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from contract_tools import WAD, Bench, Item, connected
from web3 import Web3

from demo import anvil

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
    with pytest.raises(Exception, match="0x"):
        view(bench, "ETH/USD", REDEMPTION)
    for bad in ({"mode": 4}, {"decimals": 19}, {"decimals": 0}):
        with pytest.raises(Exception, match="0x"):
            view(bench, **bad)


def test_a_view_never_answers_more_than_the_wad(bench: Bench) -> None:
    market = 1_234_567_890_123_456_789
    bench.push(bench.now, [Item(0, market=market)])
    for decimals in (1, 6, 8, 18):
        answer = view(bench, mode=MARKET, decimals=decimals).functions.latestRoundData().call()[1]
        assert answer == market // 10 ** (18 - decimals)


def test_chainlink_semantics(bench: Bench) -> None:
    made, now = view(bench), bench.now
    bench.push(now, [Item(0, market_age_s=5)])
    round_id, answer, started, updated, answered_in = made.functions.latestRoundData().call()
    assert (round_id, answered_in) == (PHASE | now, PHASE | now)
    assert (started, updated) == (now - 5, now - 5)
    assert made.functions.getRoundData(round_id).call() == [round_id, answer, started, updated, answered_in]
    assert made.functions.getRoundData(round_id - 1).call() == [0] * 5
    assert made.functions.getAnswer(round_id).call() == made.functions.latestAnswer().call() == answer
    assert made.functions.getAnswer(1).call() == made.functions.getTimestamp(1).call() == 0
    assert made.functions.getTimestamp(round_id).call() == made.functions.latestTimestamp().call() == now - 5
    assert made.functions.latestRound().call() == round_id
    assert (made.functions.decimals().call(), made.functions.version().call()) == (18, 1)
    assert made.functions.readWithAge().call() == [answer, now - 5]
    assert made.functions.description().call() == "weETH / ETH (min)"


def test_updated_at_is_never_in_the_future(bench: Bench) -> None:
    now = bench.now
    bench.push(now + 25, [Item(0, market_age_s=0)])
    head = bench.now
    for mode in (MARKET, REDEMPTION):
        assert view(bench, mode=mode).functions.latestRoundData().call({}, head_number(bench))[3] <= bench.now
    assert head <= bench.now


def head_number(bench: Bench) -> int:
    return int(bench.web3.eth.block_number)


def test_a_redemption_rate_holds_at_round_time(bench: Bench) -> None:
    made, now = view(bench, mode=REDEMPTION), bench.now
    bench.push(now, [Item(0, market_age_s=50)])
    assert made.functions.latestTimestamp().call() == now


def test_without_data_nothing_reverts_but_rates_do(bench: Bench) -> None:
    made = view(bench)
    assert made.functions.latestRoundData().call() == [0] * 5
    assert made.functions.latestAnswer().call() == made.functions.latestRound().call() == 0
    assert made.functions.getRoundData(0).call() == [0] * 5
    assert (made.functions.status().call(), made.functions.spreadBps().call()) == (0, 0)
    for name in ("getRate", "read", "readWithAge"):
        assert bench.refused(made.functions[name]()) == "NoData"


def test_status_reason_spread_and_the_whole_record(bench: Bench) -> None:
    made, now = view(bench), bench.now
    bench.push(now, [Item(0, status=4 | 1 << 4, spread_bps=77)])
    assert (made.functions.status().call(), made.functions.reason().call()) == (4, 1)
    assert made.functions.spreadBps().call() == 77
    assert made.functions.report().call()[4] == now
    assert made.functions.heartbeat().call() == 3600


def test_a_cross_is_the_product_as_old_as_the_older_and_as_bad_as_the_worse(bench: Bench) -> None:
    legs = [view(bench, mode=LOWER).address, view(bench, "ETH/USD", MARKET, 8).address]
    cross = bench.create("CrossView", *legs, 8)
    assert cross.functions.latestRoundData().call() == [0] * 5
    now = bench.now
    bench.push(now, [Item(0, market=1_234_567_890_123_456_789, redemption=2 * WAD, market_age_s=9, status=2 | 6 << 4)])
    assert cross.functions.latestRoundData().call() == [0] * 5
    bench.push(now + 1, [Item(1, market=2_000_123_456_789_012_345_678, redemption=0)])
    round_id, answer, _, updated, _ = cross.functions.latestRoundData().call()
    assert answer == 1_234_567_890_123_456_789 * 2_000_123_456_789_012_345_678 // WAD // 10**10
    assert (round_id, updated) == (PHASE | now, now - 9)
    assert (cross.functions.status().call(), cross.functions.reason().call()) == (2, 6)
    assert cross.functions.heartbeat().call() == 3600
    assert cross.functions.description().call() == "weETH / ETH (min) x ETH / USD (market)"
    with pytest.raises(Exception, match="0x"):
        bench.create("CrossView", legs[0], legs[0], 8)
