from __future__ import annotations

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from oracle.chain.quorum_rpc import NodeRefused
from oracle.chain.rpc_answers import LEAST_TIP_WEI, read_fee_market
from oracle.chain.transaction import (
    FeeConditions,
    FeeMarket,
    Fees,
    PaidBlock,
    Unsigned,
    data_of,
    market_of,
    unsigned_of,
)
from oracle.serve.metrics import Metrics

GWEI = 10**9
WHOLE = 1_000_000
THIN = WHOLE // 20 - 1
WEI = st.integers(1, 10**13)
CONDITIONS = st.builds(FeeConditions, urgent=st.booleans(), raised_tip=st.booleans(), small_headroom=st.booleans())
MARKETS = st.builds(FeeMarket, base_wei=st.integers(0, 10**12), tip_wei=WEI, raised_tip_wei=WEI)
ABOVE = st.none() | st.builds(lambda tip, more: Fees(tip_wei=tip, max_wei=tip + more), WEI, WEI)


def test_fees_are_read_from_a_signed_transaction_and_raised_by_an_eighth() -> None:
    fields = {"type": 2, "chainId": 1, "nonce": 7, "to": "0x" + "11" * 20, "value": 0, "gas": 21_000, "data": b"\xab"}
    signed = Account.sign_transaction({**fields, "maxFeePerGas": 101, "maxPriorityFeePerGas": 8}, b"\1" * 32)
    fees = Fees.of(bytes(signed.raw_transaction))
    assert fees == Fees(tip_wei=8, max_wei=101)
    assert data_of(bytes(signed.raw_transaction)) == b"\xab"
    assert Fees(tip_wei=1, max_wei=1).at_least(fees) == Fees(tip_wei=10, max_wei=114)
    assert Fees(tip_wei=1, max_wei=500).at_least(fees) == Fees(tip_wei=10, max_wei=500)
    assert fees.at_least(None) == fees


def test_a_transaction_without_its_signature_is_what_was_signed() -> None:
    unsigned = Unsigned(chain_id=1, nonce=3, fees=Fees(tip_wei=1, max_wei=2), gas=5, to=b"\1" * 20, data=b"\2" * 70)
    assert unsigned_of(unsigned.signed(b"\7" * 65).raw) == unsigned.preimage


# --- the tip --------------------------------------------------------------------------------------------------------


def full(*tips: int) -> list[PaidBlock]:
    return [PaidBlock(tip_wei=tip, used_ppm=WHOLE // 2) for tip in tips]


@pytest.mark.parametrize(
    ("tips", "usual", "raised"),
    [([0, 0, 5, 9, 0, 7], 7, 7), ([4, 8], 4, 8), ([0, 0], 3, 3), ([], 3, 3), ([1, 1, 1], 3, 3)],
)
def test_the_tip_is_the_middle_of_what_blocks_were_content_with(tips: list[int], usual: int, raised: int) -> None:
    assert market_of(30, full(*tips), least_tip_wei=3) == FeeMarket(base_wei=30, tip_wei=usual, raised_tip_wei=raised)


@given(honest=st.lists(WEI, max_size=20), stranger=st.lists(st.tuples(WEI, st.integers(0, THIN)), max_size=20))
def test_who_is_alone_in_blocks_that_are_nearly_empty_sets_no_tip(
    honest: list[int], stranger: list[tuple[int, int]]
) -> None:
    blocks = [*full(*honest), *(PaidBlock(tip_wei=tip, used_ppm=used) for tip, used in stranger)]
    assert market_of(1, blocks, least_tip_wei=1).tip_wei == market_of(1, full(*honest), least_tip_wei=1).tip_wei


@given(
    honest=st.lists(st.tuples(WEI, st.integers(WHOLE // 20, WHOLE)), min_size=1, max_size=20),
    stranger=st.lists(st.tuples(WEI, st.integers(1, WHOLE)), max_size=20),
)
def test_who_pays_for_less_than_half_of_the_gas_moves_no_tip_beyond_the_others(
    honest: list[tuple[int, int]], stranger: list[tuple[int, int]]
) -> None:
    theirs = sum(used for _, used in honest)
    kept: list[tuple[int, int]] = []
    for one in stranger:
        if sum(used for _, used in [*kept, one]) < theirs:
            kept.append(one)
    blocks = [PaidBlock(tip_wei=tip, used_ppm=used) for tip, used in [*honest, *kept]]
    tip_wei = market_of(1, blocks, least_tip_wei=1).tip_wei
    assert min(tip for tip, _ in honest) <= tip_wei <= max(tip for tip, _ in honest)


def test_control_who_pays_for_most_of_the_gas_does_set_the_tip() -> None:
    blocks = [PaidBlock(tip_wei=9, used_ppm=WHOLE), PaidBlock(tip_wei=1, used_ppm=WHOLE // 2)]
    assert market_of(1, blocks, least_tip_wei=1).tip_wei == 9


# --- the ceiling ----------------------------------------------------------------------------------------------------


@given(market=MARKETS, above=ABOVE, ceiling_wei=st.integers(10, 10**13), conditions=CONDITIONS)
def test_the_tip_is_clipped_and_never_the_push_while_the_base_fee_is_below_the_ceiling(
    market: FeeMarket, above: Fees | None, ceiling_wei: int, conditions: FeeConditions
) -> None:
    fees = market.fees(above, ceiling_wei, conditions)
    if market.base_wei > ceiling_wei:
        assert fees is None
        return
    assert fees is not None
    assert market.base_wei <= fees.max_wei <= ceiling_wei
    assert 0 < fees.tip_wei <= fees.max_wei


@given(market=MARKETS, above=ABOVE, ceiling_wei=st.integers(1, 10**14), conditions=CONDITIONS)
def test_a_replacement_pays_an_eighth_more_of_both_wherever_the_ceiling_leaves_it(
    market: FeeMarket, above: Fees | None, ceiling_wei: int, conditions: FeeConditions
) -> None:
    fees = market.fees(above, ceiling_wei, conditions)
    if above is None or fees is None or above.max_wei * 9 // 8 + 1 > ceiling_wei:
        return
    assert fees.max_wei * 8 >= above.max_wei * 9
    assert fees.tip_wei * 8 >= above.tip_wei * 9


@given(market=MARKETS, later=MARKETS, ceiling_wei=st.integers(10, 10**13), conditions=CONDITIONS)
def test_an_urgent_push_can_always_outbid_a_calm_one_while_the_base_fee_has_a_block_to_grow(
    market: FeeMarket, later: FeeMarket, ceiling_wei: int, conditions: FeeConditions
) -> None:
    calm = market.fees(
        None, ceiling_wei, FeeConditions(raised_tip=conditions.raised_tip, small_headroom=conditions.small_headroom)
    )
    left_wei = (ceiling_wei - 1) * 8 // 9
    if calm is None or market.base_wei * 9 > left_wei * 8:
        return
    urgent = later.fees(calm, ceiling_wei, FeeConditions(urgent=True))
    if urgent is not None:
        assert urgent.max_wei * 8 >= calm.max_wei * 9
        assert urgent.tip_wei * 8 >= calm.tip_wei * 9


def test_the_maximum_leaves_room_for_a_doubled_base_fee_up_to_the_ceiling() -> None:
    market = FeeMarket(base_wei=10 * GWEI, tip_wei=GWEI)
    urgent = FeeConditions(urgent=True)
    assert market.fees(None, 500 * GWEI) == Fees(tip_wei=GWEI, max_wei=21 * GWEI)
    assert market.fees(None, 500 * GWEI, FeeConditions(small_headroom=True)) == Fees(
        tip_wei=GWEI, max_wei=12_250_000_000
    )
    assert market.fees(None, 15 * GWEI) == Fees(tip_wei=GWEI, max_wei=13_333_333_332), (
        "an eighth stays for an urgent one"
    )
    assert market.fees(None, 15 * GWEI, urgent) == Fees(tip_wei=GWEI, max_wei=15 * GWEI)
    assert market.fees(None, 11 * GWEI) == Fees(tip_wei=GWEI, max_wei=11 * GWEI), "the base fee needs all of it"
    assert market.fees(None, 10 * GWEI) == Fees(tip_wei=GWEI, max_wei=10 * GWEI)
    assert market.fees(None, 10 * GWEI - 1) is None


def test_at_the_ceiling_nothing_more_is_offered_in_vain() -> None:
    market = FeeMarket(base_wei=GWEI, tip_wei=1)
    waiting = Fees(tip_wei=80, max_wei=55 * GWEI)
    assert market.fees(waiting, 100 * GWEI) == Fees(tip_wei=91, max_wei=55 * GWEI * 9 // 8 + 1)
    assert market.fees(waiting, 60 * GWEI) == Fees(tip_wei=91, max_wei=60 * GWEI)
    at_ceiling = Fees(tip_wei=91, max_wei=60 * GWEI)
    assert market.fees(at_ceiling, 60 * GWEI) == at_ceiling


# --- what nodes tell ------------------------------------------------------------------------------------------------


def history(**told: object) -> FeeMarket | None:
    return read_fee_market({"oldestBlock": "0x1", **told})


def test_a_fee_history_is_read_with_how_full_its_blocks_were() -> None:
    rewards = [["0x77359400"], ["0xdf8475800"], ["0x0"]]
    found = history(baseFeePerGas=["0x1", "0x2", "0x3", "0x4"], reward=rewards, gasUsedRatio=[0.5, 0.0007, 0])
    assert found == FeeMarket(base_wei=4, tip_wei=2 * GWEI, raised_tip_wei=60 * GWEI)


@pytest.mark.parametrize(
    ("told", "base_wei", "tip_wei"),
    [
        ({"baseFeePerGas": ["0x5"] * 3}, 5, LEAST_TIP_WEI),
        ({"baseFeePerGas": ["0x5"] * 3, "reward": None, "gasUsedRatio": [0.5, 0.5]}, 5, LEAST_TIP_WEI),
        ({"baseFeePerGas": ["0x5"] * 3, "reward": [[], []], "gasUsedRatio": [0.5, 0.5]}, 5, LEAST_TIP_WEI),
        ({"baseFeePerGas": ["0x0"] * 3, "reward": [["0x0"], ["0x0"]], "gasUsedRatio": [0, 0]}, 0, LEAST_TIP_WEI),
        ({"baseFeePerGas": None, "reward": [["0x3b9aca00"]], "gasUsedRatio": [0.3]}, 0, GWEI),
        ({"baseFeePerGas": [None, None], "reward": [["0x3b9aca00"]]}, 0, GWEI),
        ({"baseFeePerGas": ["0x5", "0x6"], "reward": [["0x3b9aca00"]], "gasUsedRatio": [None]}, None, 0),
        ({"reward": [["lots"]]}, None, 0),
        ({"baseFeePerGas": []}, None, 0),
        ({}, None, 0),
    ],
)
def test_a_history_that_lacks_something_is_taken_for_what_it_has(
    told: dict[str, object], base_wei: int | None, tip_wei: int
) -> None:
    found = history(**told)
    assert (found and (found.base_wei, found.tip_wei)) == (None if base_wei is None else (base_wei, tip_wei))


def test_no_history_is_none() -> None:
    refused = NodeRefused("the method eth_feeHistory does not exist/is not available", b"", endpoint="a")
    assert [read_fee_market(answer) for answer in (refused, None, [], "0x1")] == [None] * 4


def test_the_balance_is_measured() -> None:
    metrics = Metrics(lambda: 0)
    metrics.balance("main", 5 * 10**17, 321)
    text = metrics.render().decode()
    assert 'lrt_oracle_gas_balance_ether{target="main"} 0.5' in text
    assert 'lrt_oracle_gas_pushes_left{target="main"} 321.0' in text
