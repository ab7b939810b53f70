"""Return data becomes integers and addresses by their place, or a typed error."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.decode import abi_words
from feeds.errors import Malformed, Reverted


def words(*values: int) -> bytes:
    return b"".join(v.to_bytes(32, "big") for v in values)


def test_words_are_read_by_position() -> None:
    data = words(7, 2**256 - 1, 2**255)
    assert abi_words.uint_at(data) == 7
    assert abi_words.int_at(data, 1) == -1
    assert abi_words.int_at(data, 2) == -(2**255)
    assert abi_words.address_at(words(0xAB)) == b"\0" * 19 + b"\xab"
    with pytest.raises(Malformed):
        abi_words.address_at(words(2**160))
    with pytest.raises(Malformed):
        abi_words.uint_at(data, 3)


def test_a_reply_is_long_enough_or_an_error() -> None:
    assert abi_words.returned(words(1, 2), words=2) == words(1, 2)
    with pytest.raises(Malformed):
        abi_words.returned(b"")
    with pytest.raises(Reverted):
        abi_words.returned(Reverted())


def test_arrays_are_bounded() -> None:
    data = words(64, 5, 2, 10, 20)
    assert abi_words.uints_at(data, 0) == (10, 20)
    for bad in (words(64, 5, 3, 10, 20), words(65, 5, 2, 1, 1), words(2**255, 1), words(64, 5, 2**200), words(32, 65)):
        with pytest.raises(Malformed):
            abi_words.uints_at(bad, 0)


@given(st.binary(max_size=200), st.integers(0, 8))
def test_any_return_data_gives_integers_or_malformed(data: bytes, word: int) -> None:
    for read in (abi_words.uint_at, abi_words.int_at, abi_words.address_at, abi_words.uints_at):
        with contextlib.suppress(Malformed):
            read(data, word)
