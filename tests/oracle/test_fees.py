from __future__ import annotations

from eth_account import Account

from oracle.transaction import Fees


def test_fees_are_read_from_a_signed_transaction_and_raised_by_an_eighth() -> None:
    fields = {"type": 2, "chainId": 1, "nonce": 7, "to": "0x" + "11" * 20, "value": 0, "gas": 21_000, "data": b""}
    signed = Account.sign_transaction({**fields, "maxFeePerGas": 101, "maxPriorityFeePerGas": 8}, b"\1" * 32)
    fees = Fees.of(bytes(signed.raw_transaction))
    assert fees == Fees(tip_wei=8, max_wei=101)
    assert Fees(tip_wei=1, max_wei=1).at_least(fees) == Fees(tip_wei=10, max_wei=114)
    assert Fees(tip_wei=1, max_wei=500).at_least(fees) == Fees(tip_wei=10, max_wei=500)
    assert fees.at_least(None) == fees
