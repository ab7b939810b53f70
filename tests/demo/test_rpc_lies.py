"""Lies about single calls and calls inside aggregate3: what is meant changes, and not a byte of anything else."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from demo.world.aggregate3 import CallResult, asked_calls, call_results, encoded
from demo.world.rpc_lies import CallLie, changed_word, head_lies, log_lies, value_lie
from feeds.chains import multicall
from feeds.chains.abi import selector
from feeds.errors import Reverted
from feeds.types import Call

RATE = "0x" + "11" * 20
OTHER = "0x" + "22" * 20
GET_RATE = selector("getRate()")
CALLS = st.lists(
    st.builds(
        Call,
        to=st.binary(min_size=20, max_size=20),
        data=st.binary(max_size=100).filter(lambda d: d[:4] != bytes.fromhex("82ad56cb")),
    ),
    max_size=6,
)
RESULTS = st.lists(st.builds(CallResult, st.booleans(), st.binary(max_size=100)), max_size=6)
LIE = value_lie(RATE, "getRate()", lambda v: v + 1)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def told(lie: CallLie, call: Call, true: bytes) -> bytes:
    params = [{"to": "0x" + call.to.hex(), "data": "0x" + call.data.hex()}, "latest"]
    return bytes.fromhex(lie.told("eth_call", params, "0x" + true.hex())[2:])


def rate_call() -> Call:
    return Call(to=bytes.fromhex(RATE[2:]), data=GET_RATE)


@given(CALLS, RESULTS)
def test_calls_and_results_are_read_as_the_product_writes_and_reads_them(
    calls: list[Call], results: list[CallResult]
) -> None:
    assert asked_calls(multicall.pack(calls)) == calls
    assert call_results(encoded(results)) == results
    replies = multicall.unpack(encoded(results), len(results))
    assert [not isinstance(r, Reverted) for r in replies] == [r.success for r in results]
    assert [r for r in replies if isinstance(r, bytes)] == [r.data for r in results if r.success]


@given(CALLS, st.data())
def test_a_lie_changes_its_call_and_no_other_however_deep(calls: list[Call], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(calls)))
    asked = [*calls[:at], rate_call(), *calls[at:]]
    true = [CallResult(data.draw(st.booleans()), data.draw(st.binary(max_size=70))) for _ in asked]
    true[at] = CallResult(success=True, data=word(105))
    outer = Call(to=b"\3" * 20, data=multicall.pack(asked))
    body = encoded(true)
    depth = data.draw(st.integers(0, 2))
    for _ in range(depth):
        outer, body = Call(to=b"\3" * 20, data=multicall.pack([outer])), encoded([CallResult(success=True, data=body)])
    false = told(LIE, outer, body)
    for _ in range(depth):
        false = call_results(false)[0].data
    results = call_results(false)
    assert results[at].data == word(106)
    assert results[:at] + results[at + 1 :] == true[:at] + true[at + 1 :]


def test_a_call_that_failed_stays_failed_and_what_is_not_meant_stays_byte_for_byte() -> None:
    failed = encoded([CallResult(success=False, data=word(105))])
    assert told(LIE, Call(to=b"\3" * 20, data=multicall.pack([rate_call()])), failed) == failed
    assert told(LIE, Call(to=bytes.fromhex(OTHER[2:]), data=GET_RATE), word(5)) == word(5)
    assert told(LIE, Call(to=rate_call().to, data=selector("other()")), word(5)) == word(5)
    assert told(LIE, rate_call(), b"") == b""
    assert told(LIE, rate_call(), word(5)) == word(6)
    assert LIE.told("eth_getBalance", [RATE, "latest"], "0x5") == "0x5"
    assert LIE.told("eth_call", [{"data": "0x"}, "latest"], "0x") == "0x"


def test_a_lie_in_the_form_of_input_and_of_mixed_case_is_told_too() -> None:
    lie = value_lie(multicall.ADDRESS.lower(), "getRate()", lambda _: 7)
    asked = {"to": multicall.ADDRESS, "input": "0x" + GET_RATE.hex()}
    assert int(lie.told("eth_call", [asked, "latest"], "0x" + word(1).hex()), 16) == 7


def test_a_word_is_changed_in_its_place_and_wraps() -> None:
    change = changed_word(1, lambda v: v - 1)
    assert change(word(5) + word(0) + b"x") == word(5) + word(2**256 - 1) + b"x"
    assert change(word(5)) == word(5)


def test_a_moved_head_keeps_what_is_asked_for_by_number() -> None:
    lies = head_lies(blocks=-3, seconds=-36)
    block = {"number": "0x10", "timestamp": "0x100", "hash": "0xab"}

    def all_told(method: str, params: list[Any], result: Any) -> Any:
        for lie in lies:
            result = lie.told(method, params, result)
        return result

    assert all_told("eth_blockNumber", [], "0x10") == "0xd"
    assert all_told("eth_blockNumber", [], "0x1") == "0x0"
    assert all_told("eth_getBlockByNumber", ["latest", False], block) == block | {"number": "0xd", "timestamp": "0xdc"}
    assert all_told("eth_getBlockByNumber", ["0x10", False], block) == block
    assert all_told("eth_getBlockByNumber", ["latest", False], None) is None
    call = {"to": multicall.ADDRESS, "data": "0x" + selector("getBlockNumber()").hex()}
    assert int(all_told("eth_call", [call, "latest"], "0x" + word(16).hex()), 16) == 13


def test_logs_are_hidden_and_invented_where_they_are_asked_for() -> None:
    mine, theirs = {"address": RATE, "data": "0x1"}, {"address": OTHER, "data": "0x2"}
    hide, invent = log_lies(RATE, lambda _: []), log_lies(RATE, lambda logs: [*logs, mine])
    assert hide[0].told("eth_getLogs", [{}], [mine, theirs]) == [theirs]
    assert hide[1].told("eth_getTransactionReceipt", [], {"logs": [mine, theirs]}) == {"logs": [theirs]}
    assert hide[1].told("eth_getTransactionReceipt", [], {"logs": [theirs]}) == {"logs": [theirs]}
    assert invent[0].told("eth_getLogs", [{"address": [RATE.upper().replace("X", "x")]}], []) == [mine]
    assert invent[0].told("eth_getLogs", [{"address": OTHER}], []) == []
