"""Our calldata against the reference encoder."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from feeds.chains import abi, multicall
from feeds.errors import FeedError, Malformed, Reverted
from feeds.types import Call

ADDRESS = "0x" + "ab" * 20


def test_selectors_are_the_known_ones() -> None:
    known = {"transfer(address,uint256)": "a9059cbb", "getRate()": "679aefce", "latestRoundData()": "feaf968c"}
    assert {name: abi.selector(name).hex() for name in known} == known


@given(
    st.integers(-(2**255), 2**255 - 1), st.integers(0, 2**256 - 1), st.booleans(), st.binary(min_size=32, max_size=32)
)
def test_static_arguments_encode_as_the_reference_does(a: int, b: int, c: bool, d: bytes) -> None:
    types = ["int256", "uint256", "bool", "bytes32", "address"]
    ours = abi.calldata(f"f({','.join(types)})", (str(a), b, "true" if c else "false", "0x" + d.hex(), ADDRESS))
    assert ours[4:] == encode(types, [a, b, c, d, ADDRESS])


@given(st.binary(min_size=20, max_size=20).filter(any))
def test_checksums_are_the_reference_ones(raw: bytes) -> None:
    assert abi.checksummed(raw) == to_checksum_address(raw)
    assert abi.address(abi.checksummed(raw)) == raw


@given(st.lists(st.tuples(st.binary(min_size=20, max_size=20), st.binary(max_size=140)), max_size=6))
def test_many_calls_are_packed_as_the_reference_does(calls: list[tuple[bytes, bytes]]) -> None:
    made = [Call(to=to, data=data) for to, data in calls]
    reference = encode(["(address,bool,bytes)[]"], [[(to, True, data) for to, data in calls]])
    assert multicall.pack(made)[4:] == reference
    assert len(reference) == 64 + sum(multicall.packed_size(c) for c in made)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=140)), max_size=6))
def test_answers_are_unpacked_in_order(results: list[tuple[bool, bytes]]) -> None:
    replies = multicall.unpack(encode(["(bool,bytes)[]"], [results]), len(results))
    for (success, data), reply in zip(results, replies, strict=True):
        assert reply == data if success else isinstance(reply, Reverted)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=4), st.data())
def test_a_spoilt_answer_is_malformed_or_replies(results: list[tuple[bool, bytes]], data: st.DataObject) -> None:
    good = bytearray(encode(["(bool,bytes)[]"], [results]))
    at = data.draw(st.integers(0, len(good) // 32 - 1)) * 32
    good[at : at + 32] = data.draw(st.sampled_from([0, 1, 31, 32, 64, 2**64, 2**255, 2**256 - 1])).to_bytes(32, "big")
    cut = data.draw(st.integers(0, len(good)))
    for body in (bytes(good), bytes(good[:cut])):
        try:
            replies = multicall.unpack(body, len(results))
        except Malformed:
            continue
        assert all(isinstance(r, bytes | FeedError) for r in replies)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), max_size=6), st.binary(min_size=1), st.data())
def test_an_answer_that_is_cut_off_is_malformed(
    results: list[tuple[bool, bytes]], last: bytes, data: st.DataObject
) -> None:
    whole = encode(["(bool,bytes)[]"], [[*results, (True, last)]])
    cut = data.draw(st.integers(0, len(whole) - -len(last) % 32 - 1))
    with pytest.raises(Malformed):
        multicall.unpack(whole[:cut], len(results) + 1)


@pytest.mark.parametrize(
    ("revert", "said"),
    [
        (abi.selector("Error(string)") + encode(["string"], ["OLD"]), "OLD"),
        (abi.selector("Panic(uint256)") + encode(["uint256"], [0x11]), "panic 0x11"),
        (b"", "no reason given"),
        (bytes.fromhex("deadbeef"), "0xdeadbeef"),
    ],
)
def test_a_reverts_reason_is_kept(revert: bytes, said: str) -> None:
    (reply,) = multicall.unpack(encode(["(bool,bytes)[]"], [[(False, revert)]]), 1)
    assert isinstance(reply, Reverted)
    assert reply.detail == said


@pytest.mark.parametrize(
    ("text", "decimals", "amount"), [("0.5", 18, 5 * 10**17), ("10", 6, 10**7), (3, 0, 3), ("1e-6", 6, 1)]
)
def test_amounts_are_exact(text: str | int, decimals: int, amount: int) -> None:
    assert abi.amount_of(text, decimals) == amount


def test_an_amount_with_more_digits_than_the_token_has_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 6 digits"):
        abi.amount_of("0.0000001", 6)
