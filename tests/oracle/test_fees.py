from __future__ import annotations

import pytest
from eth_account import Account

from oracle.metrics import Metrics
from oracle.onchain.answers import Sent, read_sent
from oracle.onchain.nodes import NodeRefused
from oracle.onchain.transaction import Fees, Market, data_of, market_of

GWEI = 10**9


def test_fees_are_read_from_a_signed_transaction_and_raised_by_an_eighth() -> None:
    fields = {"type": 2, "chainId": 1, "nonce": 7, "to": "0x" + "11" * 20, "value": 0, "gas": 21_000, "data": b"\xab"}
    signed = Account.sign_transaction({**fields, "maxFeePerGas": 101, "maxPriorityFeePerGas": 8}, b"\1" * 32)
    fees = Fees.of(bytes(signed.raw_transaction))
    assert fees == Fees(tip_wei=8, max_wei=101)
    assert data_of(bytes(signed.raw_transaction)) == b"\xab"
    assert Fees(tip_wei=1, max_wei=1).at_least(fees) == Fees(tip_wei=10, max_wei=114)
    assert Fees(tip_wei=1, max_wei=500).at_least(fees) == Fees(tip_wei=10, max_wei=500)
    assert fees.at_least(None) == fees


@pytest.mark.parametrize(
    ("rewards", "tip"), [([0, 0, 5, 9, 0, 7], 7), ([4, 8], 8), ([0, 0], 3), ([], 3), ([1, 1, 1], 3)]
)
def test_the_tip_is_the_middle_of_what_blocks_were_content_with(rewards: list[int], tip: int) -> None:
    assert market_of([10, 20, 30], rewards, least_tip_wei=3) == Market(base_wei=30, tip_wei=tip)


def test_a_fee_history_without_a_base_fee_is_none() -> None:
    with pytest.raises(ValueError, match="without a base fee"):
        market_of([], [1], least_tip_wei=1)


def test_the_maximum_leaves_room_for_a_doubled_base_fee_up_to_the_ceiling() -> None:
    market = Market(base_wei=10 * GWEI, tip_wei=GWEI)
    assert market.fees(None, 500 * GWEI) == Fees(tip_wei=GWEI, max_wei=21 * GWEI)
    assert market.fees(None, 15 * GWEI) == Fees(tip_wei=GWEI, max_wei=15 * GWEI)
    assert market.fees(None, 11 * GWEI) == Fees(tip_wei=GWEI, max_wei=11 * GWEI)
    assert market.fees(None, 11 * GWEI - 1) is None


def test_a_replacement_is_raised_as_far_as_the_ceiling_and_is_never_stuck_above_it() -> None:
    market = Market(base_wei=GWEI, tip_wei=1)
    waiting = Fees(tip_wei=80, max_wei=55 * GWEI)
    raised = market.fees(waiting, 100 * GWEI)
    assert raised == Fees(tip_wei=91, max_wei=55 * GWEI * 9 // 8 + 1)
    assert market.fees(waiting, 60 * GWEI) == Fees(tip_wei=91, max_wei=60 * GWEI)
    at_ceiling = Fees(tip_wei=91, max_wei=60 * GWEI)
    assert market.fees(at_ceiling, 60 * GWEI) == Fees(tip_wei=103, max_wei=60 * GWEI)


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("already known", Sent.TAKEN),
        ("ALREADY_EXISTS: already known", Sent.TAKEN),
        ("transaction already imported", Sent.TAKEN),
        ("nonce too low: next nonce 5, tx nonce 4", Sent.NONCE_USED),
        ("replacement transaction underpriced", Sent.UNDERPRICED),
        ("insufficient funds for gas * price + value", Sent.NO_FUNDS),
        ("Insufficient funds for gas", Sent.NO_FUNDS),
        ("the node is on fire", Sent.UNKNOWN),
    ],
)
def test_a_node_s_words_about_a_transaction_are_typed(said: str, sent: Sent) -> None:
    assert read_sent(NodeRefused(said, b"", endpoint="a")) is sent
    assert read_sent("0x" + "11" * 32) is Sent.TAKEN
    assert read_sent(None) is Sent.UNKNOWN


def test_the_balance_is_measured() -> None:
    metrics = Metrics(lambda: 0)
    metrics.balance("main", 5 * 10**17, 321)
    text = metrics.render().decode()
    assert 'lrt_oracle_gas_balance_ether{target="main"} 0.5' in text
    assert 'lrt_oracle_gas_pushes_left{target="main"} 321.0' in text
