"""What stops a wrong price on a real chain: classes, gaps, steps, waits, thresholds and one round a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3
from web3.exceptions import ContractLogicError

from demo.world import anvil
from oracle.report.wire import decode_slot
from tests.contracts.contract_tools import WAD, WIDE, Bench, Item, connected, error_of, signatures
from tests.contracts.safety_bench import ADDRESSES, FIRST_S, GAP_S, GUARDIAN, LOW_32, STEP_BPS, WAIT_S, land

pytestmark = pytest.mark.chain
OUT_OF_RANGE = 11 << 4 | 2


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    with anvil.running(extra=("--timestamp", str(FIRST_S))) as running, connected(running.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    """Three signers of weight 1: two push, three may move a price by any step."""
    guardian = Account.from_key(GUARDIAN).address
    limits = [(GAP_S, STEP_BPS, WAIT_S), WIDE]
    made = Bench(web3, step_threshold=3, limits=limits, guardian=guardian, max_age=3_600)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    return made


def moved(item: Item, bps: int) -> Item:
    return replace(item, market=item.market * (10_000 + bps) // 10_000)


BOTH = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF << 80
"""Both prices in a slot."""


def test_a_class_binds_its_limits_to_the_index(bench: Bench) -> None:
    functions = bench.store.functions
    assert bench.register("x/ETH", limits=1) == 1 << 13
    assert bench.register("y/ETH", limits=1) == (1 << 13) + 1
    assert functions.limitsOf(0).call() == (GAP_S, STEP_BPS, WAIT_S)
    assert functions.limitsOf((1 << 13) + 1).call() == WIDE
    assert bench.refusal(functions.limitsOf(2 << 13)) == ("BadClass", 2)
    assert bench.refusal(functions.register(b"z/ETH".ljust(32, b"\0"), True, True, 2)) == ("BadClass", 2)
    neither = functions.register(b"z/ETH".ljust(32, b"\0"), False, False, 1)
    assert bench.refusal(neither) == ("WrongPresence", 8_194)
    names = [(b"weETH/ETH", 0), (b"ETH/USD", 1), (b"x/ETH", 8_192), (b"y/ETH", 8_193)]
    got = [functions.feedAt(i).call() for i in range(functions.count().call())]
    assert [(raw.rstrip(b"\0"), index) for raw, index in got] == names
    assert [functions.idAt(index).call().rstrip(b"\0") for _, index in names] == [n for n, _ in names]
    assert bench.refusal(functions.feedAt(4)) == ("UnknownIndex", 4)
    assert bench.refusal(functions.idAt(8_194)) == ("UnknownIndex", 8_194)


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ([], ("BadSettings",)),
        ([WIDE] * 9, ("BadSettings",)),
        ([WIDE, (0, 1, 1)], ("BadLimits", 1)),
        ([(3_601, 1, 3_601)], ("BadLimits", 0)),
        ([(1, 0, 1)], ("BadLimits", 0)),
        ([(1, 10_000, 1)], ("BadLimits", 0)),
        ([(10, 1, 9)], ("BadLimits", 0)),
        ([(10, 1, 604_801)], ("BadLimits", 0)),
    ],
)
def test_limits_have_limits(bench: Bench, limits: list[tuple[int, int, int]], error: tuple[Any, ...]) -> None:
    who = (bench.owner.address, bench.owner.address, 60, 0, 0, 0)
    assert bench.create_refusal("PriceStore", who, limits, ADDRESSES[:1], [1], 1, 1) == error


def test_inside_a_gap_a_near_price_lands_and_a_better_status_waits(bench: Bench) -> None:
    now = bench.now
    land(bench, now, [Item(0, status=2 | 6 << 4), Item(1, redemption=0)])
    later = now + GAP_S - 1
    fallen = replace(moved(Item(0), -300), status=1, spread_bps=5, market_age_s=1, redemption_age_h=1)
    receipt = land(bench, later, [fallen, Item(1, redemption=0)])
    waits = replace(fallen, status=2 | 6 << 4).word(later)
    assert bench.word(0) == waits
    assert bench.event(receipt, "Kept") == {"index": 0, "word": waits}
    assert bench.word(1) & LOW_32 == later
    assert bench.gap(0) == (Item(0).market, Item(0).redemption, now, later)
    land(bench, now + GAP_S, [fallen])
    assert bench.word(0) == fallen.word(now + GAP_S)


def test_more_signers_move_a_price_with_a_worse_status_inside_a_gap(bench: Bench) -> None:
    now, far = bench.now, moved(Item(0), -9_000)
    land(bench, now, [Item(0)])
    land(bench, now + 3, [replace(far, status=3)], who=(0, 1, 2))
    assert bench.word(0) == replace(far, status=3).word(now + 3)
    assert bench.gap(0) == (far.market, far.redemption, now, now + 3), "steps count from it, and the gap goes on"
    near = replace(moved(far, 500), status=1)
    land(bench, now + 4, [near])
    assert bench.word(0) == replace(near, status=3).word(now + 4)
    land(bench, now + GAP_S, [near])
    assert bench.word(0) == near.word(now + GAP_S)


def test_a_far_price_stands_on_through_a_worse_status_and_lands_inside_a_gap_too(bench: Bench) -> None:
    now, far = bench.now, moved(Item(0), 2_000)
    land(bench, now, [Item(0)])
    since, last = now + 20, now + 20 + WAIT_S - 3
    for at in (since, last):
        land(bench, at, [far])
    land(bench, since + WAIT_S, [replace(far, status=3)])
    assert bench.word(0) == replace(far, status=3).word(since + WAIT_S)


def test_the_first_prices_of_a_token_open_a_gap_like_any_other(bench: Bench) -> None:
    now, halted = bench.now, replace(moved(Item(0), 100), status=4 | 2 << 4)
    land(bench, now, [replace(halted, status=2)])
    land(bench, now + 1, [halted])
    report = decode_slot(bench.word(0))
    assert (report.market_wad, int(report.status), report.market_age_s) == (halted.market, 4, 4)
    assert bench.gap(0)[2:] == (now, now + 1)


@pytest.mark.parametrize(("bps", "taken"), [(500, True), (501, False), (-500, True), (-501, False)])
@pytest.mark.parametrize("which", ["market", "redemption"])
def test_a_step_is_taken_up_to_its_limit(bench: Bench, which: str, bps: int, taken: bool) -> None:
    now, first = bench.now, Item(0, market=WAD, redemption=WAD)
    land(bench, now, [first])
    far = replace(first, **{which: WAD * (10_000 + bps) // 10_000})
    land(bench, now + GAP_S, [far])
    assert (bench.word(0) == far.word(now + GAP_S)) is taken
    assert (bench.word(0) & BOTH == first.word(0) & BOTH) is not taken


def test_a_far_price_waits_while_its_status_moves_and_its_age_goes_on(bench: Bench) -> None:
    now, first = bench.now, Item(0, market_age_s=3)
    land(bench, now, [first])
    view = bench.view(mode=0)
    true_at = view.functions.latestTimestamp().call()
    receipt = land(bench, now + 20, [replace(moved(first, -3_000), spread_bps=99, status=3 | 6 << 4)])
    assert bench.event(receipt, "Held") == {
        "index": 0,
        "field": 0,
        "price": moved(first, -3_000).market,
        "since": now + 20,
    }
    assert bench.event(receipt, "Kept") == {"index": 0, "word": bench.word(0)}
    report = decode_slot(bench.word(0))
    assert (report.market_wad, report.redemption_wad) == (first.market, first.redemption)
    assert (int(report.status), report.spread_bps, report.round_time_s) == (3, 99, now + 20)
    assert report.market_age_s == 23
    assert view.functions.latestTimestamp().call() == true_at


def test_a_far_price_with_a_good_status_is_at_least_watched(bench: Bench) -> None:
    now = bench.now
    land(bench, now, [Item(0)])
    land(bench, now + 20, [moved(Item(0), 600)])
    assert bench.word(0) >> 56 & 0xFF == OUT_OF_RANGE


def test_a_rate_alone_is_held_without_an_age_of_a_market_that_is_not_there(bench: Bench) -> None:
    index = bench.register("pufETH/ETH", market=False)
    now = bench.now
    land(bench, now, [Item(index, market=0, market_age_s=0)])
    land(bench, now + 20, [Item(index, market=0, redemption=2 * WAD, market_age_s=0, spread_bps=1, redemption_age_h=1)])
    report = decode_slot(bench.word(index))
    assert (report.market_wad, report.redemption_wad) == (0, Item(0).redemption)
    assert (report.market_age_s, report.redemption_age_h, report.spread_bps) == (0, 9, 1)


def test_the_age_of_a_held_price_saturates(bench: Bench) -> None:
    now = bench.now
    land(bench, now, [Item(0, market_age_s=65_530)])
    land(bench, now + 20, [moved(Item(0), 600)])
    assert decode_slot(bench.word(0)).market_age_s == 65_535


def test_a_far_price_that_stands_is_taken(bench: Bench) -> None:
    now, far = bench.now, moved(Item(0), 2_000)
    land(bench, now, [Item(0)])
    since = now + 20
    for at in (since, since + 50, since + WAIT_S - 1):
        land(bench, at, [moved(far, at - since)])
        assert decode_slot(bench.word(0)).market_wad == Item(0).market
    land(bench, since + WAIT_S + GAP_S, [moved(far, 7)])
    assert bench.word(0) == moved(far, 7).word(since + WAIT_S + GAP_S)


def test_a_far_price_that_changes_begins_to_wait_anew(bench: Bench) -> None:
    now = bench.now
    land(bench, now, [Item(0)])
    land(bench, now + 20, [moved(Item(0), 2_000)])
    land(bench, now + 80, [moved(Item(0), -2_000)])
    land(bench, now + 20 + WAIT_S, [moved(Item(0), -2_000)])
    assert decode_slot(bench.word(0)).market_wad == Item(0).market
    land(bench, now + 80 + WAIT_S, [moved(Item(0), -2_000)])
    assert decode_slot(bench.word(0)).market_wad == moved(Item(0), -2_000).market


def test_a_price_that_was_once_held_and_gone_does_not_stand(bench: Bench) -> None:
    """Otherwise k operators could park a far price and take it up months later without a wait."""
    now, far = bench.now, moved(Item(0), 2_000)
    land(bench, now, [Item(0)])
    land(bench, now + 20, [far])
    land(bench, now + 40, [Item(0)])
    land(bench, now + 20 + 2 * WAIT_S, [far])
    assert decode_slot(bench.word(0)).market_wad == Item(0).market


def test_more_signers_move_a_price_at_once(bench: Bench) -> None:
    now, far = bench.now, moved(Item(0), -9_000)
    land(bench, now, [Item(0)])
    land(bench, now + GAP_S, [far], who=(0, 1, 2))
    assert bench.word(0) == far.word(now + GAP_S)


def test_steps_count_from_what_is_stored(bench: Bench) -> None:
    now, item = bench.now, Item(0)
    land(bench, now, [item])
    for turn in range(1, 6):
        item = moved(item, 490)
        land(bench, now + turn * GAP_S, [item])
        assert bench.word(0) == item.word(now + turn * GAP_S)


def test_one_transaction_sees_one_round(bench: Bench) -> None:
    now = bench.now
    many = bench.consumer("Many")
    batches = [bench.batch(now + i * GAP_S, [Item(0, market=WAD + i)]) for i in range(2)]
    signed = [signatures(bench.digest(b), (0, 1)) for b in batches]
    call = many.functions.all(bench.store.address, batches, signed)
    assert bench.refusal(call) == ("SecondRound", now + GAP_S, now)
    other = bench.batch(now, [Item(1, redemption=0)])
    two = [batches[0], other], [signed[0], signatures(bench.digest(other), (0, 1))]
    bench.send(many.functions.all(bench.store.address, *two))
    assert [bench.word(i) & LOW_32 for i in (0, 1)] == [now, now]
    bench.send(bench.store.functions.push(batches[1], signed[1]))
    assert bench.word(0) & LOW_32 == now + GAP_S


def test_two_bytes_are_the_cheapest_read_and_other_bytes_are_no_function(bench: Bench) -> None:
    land(bench, bench.now, [Item(0)])
    bench.send(bench.store.functions.pause([0]))
    call = {"to": bench.store.address, "data": "0x0000"}
    assert int.from_bytes(bench.web3.eth.call(call), "big") == bench.word(0)
    for field in ("00", "01"):
        assert bench.web3.eth.call({"to": bench.store.address, "data": "0x0000" + field}) == bytes(32)
    for data in ("0x", "0x00", "0x000002", "0x0000ff", "0x00000001"):
        with pytest.raises(ContractLogicError) as told:
            bench.web3.eth.call({"to": bench.store.address, "data": data})
        assert error_of(str(told.value.data)) == ("UnknownFunction",)


@pytest.mark.parametrize("strong", [1, 4])
def test_the_second_threshold_lies_between_the_first_and_all(bench: Bench, strong: int) -> None:
    call = bench.store.functions.setSigners(ADDRESSES[:3], [1, 1, 1], 2, strong)
    assert bench.refusal(call) == ("BadThreshold", strong, 3)
