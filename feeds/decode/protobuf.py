"""A strict reader of the protobuf wire format, as much of it as a price message needs. Pure.

Source: protobuf.dev/programming-guides/encoding. A message is a sequence of (field number, wire type, value); varints are
at most ten bytes; groups (wire types 3 and 4) are retired and refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from feeds.errors import Malformed

Fields: TypeAlias = Mapping[int, tuple[int | bytes, ...]]
"""Field number -> its values, in the order in which they came."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_MOST_FIELDS = 256
_LAST_NUMBER = (1 << 29) - 1


def fields(data: bytes, *, most: int = _MOST_FIELDS) -> Fields:
    """Read one message of at most so many fields: varints as unsigned integers, everything else as bytes.

    Raises:
        Malformed: it ends within a value, has a retired wire type, or more fields than any price message.
    """
    fields: dict[int, tuple[int | bytes, ...]] = {}
    at = count = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        count += 1
        if not 1 <= number <= _LAST_NUMBER or count > most:
            raise Malformed("no price message", field=number, fields=count)
        value, at = _value(data, at, kind)
        fields[number] = (*fields.get(number, ()), value)
    return MappingProxyType(fields)


def text_at(message: Fields, number: int) -> str | None:
    """Return a text field, None if it is not there; Malformed if it is listed twice, is not text or not UTF-8."""
    value = _bytes_at(message, number)
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        raise Malformed("not UTF-8", field=number) from None


def message_at(message: Fields, number: int, *, most: int = _MOST_FIELDS) -> Fields | None:
    """Return a nested message of at most so many fields, None if it is not there; Malformed if listed twice or none."""
    value = _bytes_at(message, number)
    return None if value is None else fields(value, most=most)


def parts_at(message: Fields, number: int) -> tuple[bytes | int, ...]:
    """Return a repeated field's values as they travelled, in their order; none where it is not there."""
    return message.get(number, ())


def nested(part: bytes | int) -> Fields:
    """Read one value of a repeated field as a nested message; Malformed if it is none."""
    if isinstance(part, int):
        raise Malformed("expected a nested message")
    return fields(part)


def int_at(message: Fields, number: int) -> int | None:
    """Return an int64 field, None if it is not there; Malformed if it is listed twice or is not one."""
    value = _single(message, number)
    if isinstance(value, bytes):
        raise Malformed("expected an integer", field=number)
    return None if value is None else value - (value >> 63 << 64)


def _bytes_at(message: Fields, number: int) -> bytes | None:
    value = _single(message, number)
    if isinstance(value, int):
        raise Malformed("expected bytes", field=number)
    return value


def _single(message: Fields, number: int) -> int | bytes | None:
    values = message.get(number, ())
    if len(values) > 1:
        raise Malformed("a field that is listed twice", field=number, values=len(values))
    return values[0] if values else None


def _value(data: bytes, at: int, kind: int) -> tuple[int | bytes, int]:
    if kind == _VARINT:
        return _varint(data, at)
    if kind == _BYTES:
        size, at = _varint(data, at)
    elif kind in _FIXED:
        size = _FIXED[kind]
    else:
        raise Malformed("retired wire type", wire_type=kind)
    if size > len(data) - at:
        raise Malformed("ends within a field", missing=size - (len(data) - at))
    return data[at : at + size], at + size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says whether more follows
            if value >> 64:
                break
            return value, at + i + 1
    raise Malformed("no varint", at=at)
