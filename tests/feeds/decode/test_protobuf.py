"""The protobuf reader: what the wire format says, a frame that travelled, and everything that is cut or spoilt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.decode import protobuf
from feeds.errors import Malformed

LIVE = (
    b"\n/spot@public.miniTicker.v3.api.pb@USDCUSDT@UTC+8\x1a\x08USDCUSDT0\xd0\xfb\xb5\x8c\x8d4\xaa\x13u\n\x08USDCUSDT"
    b'\x12\x061.0001\x1a\x060.0001"\x060.0001*\x071.000242\x070.99989:\x0f117749638.58042B\x0c117741814.97'
    b"J\x060.0001R\x060.0001Z\x071.00024b\x070.99989"
)
"""A frame of MEXC's stream of September 2026: facts of a public capture."""


def test_a_frame_that_travelled() -> None:
    message = protobuf.fields(LIVE)
    assert set(message) == {1, 3, 6, 309}
    assert protobuf.text_at(message, 1) == "spot@public.miniTicker.v3.api.pb@USDCUSDT@UTC+8"
    assert protobuf.text_at(message, 3) == "USDCUSDT"
    assert protobuf.int_at(message, 6) == 1_790_222_106_064, "of 2026-09-24, the day on which it was captured"
    body = protobuf.message_at(message, 309)
    assert body is not None
    texts = {n: protobuf.text_at(body, n) for n in (1, 2, 5, 6, 7, 8)}
    assert texts == {1: "USDCUSDT", 2: "1.0001", 5: "1.00024", 6: "0.99989", 7: "117749638.58042", 8: "117741814.97"}
    assert protobuf.text_at(body, 13) is None
    assert protobuf.int_at(message, 5) is None
    assert protobuf.message_at(message, 315) is None


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x08\x96\x01", 150),  # the example of the format's own guide
        (b"\x08\x00", 0),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 2**63 - 1),
        (b"\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", -2),  # the same guide: int64 in two's complement
        (b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", -(2**63)),
    ],
)
def test_varints(data: bytes, value: int) -> None:
    assert protobuf.int_at(protobuf.fields(data), 1) == value


def test_the_guides_text_example() -> None:
    assert protobuf.text_at(protobuf.fields(b"\x12\x07testing"), 2) == "testing"


def test_fields_of_other_kinds_are_stepped_over() -> None:
    message = protobuf.fields(b"\x0d\x01\x02\x03\x04" + b"\x11" + bytes(8) + b"\x1a\x01a")
    assert message == {1: (b"\x01\x02\x03\x04",), 2: (bytes(8),), 3: (b"a",)}


@pytest.mark.parametrize(
    "data",
    [
        b"\x08", b"\x08\x80", b"\x0a\x05abcd", b"\x0d\x01\x02\x03", b"\x11" + bytes(7), b"\x0b", b"\x0c", b"\x0e\x00",
        b"\x0f", b"\x00\x00", b"\x02\x00", b"\x08" + b"\xff" * 9 + b"\x02", b"\x08" + b"\x80" * 10 + b"\x01",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\xff" * 12, b"\x08\x00" * 257, b"<!doctype html>",
        b"\x1f\x8b\x08" + bytes(20),
    ],
)  # fmt: skip
def test_what_is_cut_retired_or_too_long_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        protobuf.fields(data)


def test_a_field_of_another_kind_or_twice_is_malformed() -> None:
    message = protobuf.fields(b"\x08\x01\x12\x01\xff\x1a\x01a\x1a\x01b")
    for read, number in (
        (protobuf.text_at, 1), (protobuf.message_at, 1), (protobuf.int_at, 2), (protobuf.text_at, 2),
        (protobuf.text_at, 3), (protobuf.message_at, 2),
    ):  # fmt: skip
        with pytest.raises(Malformed):
            read(message, number)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    try:
        message = protobuf.fields(data)
    except Malformed:
        return
    assert sum(len(v) for v in message.values()) <= len(data) // 2


def encoded(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    rest, low = divmod(value, 128)
    return bytes((low,)) if not rest else bytes((low + 128,)) + varint(rest)


VALUES = st.integers(0, 2**64 - 1) | st.binary(max_size=300)


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), VALUES), max_size=20))
def test_what_is_written_is_read(pairs: list[tuple[int, int | bytes]]) -> None:
    message = protobuf.fields(b"".join(encoded(n, v) for n, v in pairs))
    for number in {n for n, _ in pairs}:
        assert message[number] == tuple(v for n, v in pairs if n == number)


@given(st.lists(st.binary(max_size=40), max_size=400))
def test_a_repeated_field_is_read_value_by_value(parts: list[bytes]) -> None:
    """A list may be longer than any other message, where that is said."""
    message = protobuf.message_at({7: (b"".join(encoded(1, p) for p in parts),)}, 7, most=400)
    assert message is not None
    assert protobuf.parts_at(message, 1) == tuple(parts)
    assert protobuf.parts_at(message, 2) == ()


def test_a_part_is_read_as_a_message_by_itself() -> None:
    assert protobuf.nested(encoded(3, b"x") + encoded(4, 7)) == {3: (b"x",), 4: (7,)}
    with pytest.raises(Malformed):
        protobuf.nested(b"\x0a\x05cut")


def test_a_list_is_no_longer_than_is_said() -> None:
    parts = b"".join(encoded(1, b"x") for _ in range(300))
    with pytest.raises(Malformed, match="no price message"):
        protobuf.message_at({7: (parts,)}, 7)
    with pytest.raises(Malformed, match="expected a nested message"):
        protobuf.nested(5)
