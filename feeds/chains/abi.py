"""Calldata: selector and static arguments, encoded once when an adapter is built. Pure.

Source: Solidity contract ABI specification, "Function Selector" and "Formal Specification of the Encoding"; EIP-55.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from eth_hash.auto import keccak

from feeds.units import WAD

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_FUNCTION = re.compile(r"([A-Za-z_$][\w$]*)\(([a-z0-9,]*)\)")
_INTEGER = re.compile(r"(u?)int(\d{1,3})")
_FIXED_BYTES = re.compile(r"bytes(\d{1,2})")
_WORD = 32
_BITS = range(8, 257, 8)


def selector(signature: str) -> bytes:
    """First four bytes of keccak-256 of a canonical signature such as ``convertToAssets(uint256)``."""
    return bytes(keccak(signature.encode()))[:4]


@lru_cache(maxsize=4096)
def address(text: str | bytes) -> bytes:
    """Return the 20 bytes of an address; a text of mixed case must have the right checksum (EIP-55).

    Raises:
        ValueError: it is not an address, is zero, or its checksum is wrong.
    """
    if isinstance(text, bytes):
        text = "0x" + text.hex()
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text!r} is not an address: write 0x and 40 hexadecimal digits")
    raw = bytes.fromhex(text[2:])
    if not any(raw):
        raise ValueError("the zero address is nobody's: write the address that is meant")
    if text[2:] not in {text[2:].lower(), text[2:].upper()} and text != checksummed(raw):
        raise ValueError(f"{text} has a wrong checksum: write {checksummed(raw)} if that is the address you mean")
    return raw


def checksummed(raw: bytes) -> str:
    """Return the EIP-55 text of a 20-byte address."""
    low = raw.hex()
    digest = bytes(keccak(low.encode())).hex()
    return "0x" + "".join(c.upper() if int(d, 16) >= 8 else c for c, d in zip(low, digest, strict=False))  # noqa: PLR2004 - EIP-55


def word(value: int) -> bytes:
    """One 32-byte word, two's complement."""
    return (value % (1 << 256)).to_bytes(_WORD, "big")


def calldata(function: str, args: Sequence[str | int | bytes] = ()) -> bytes:
    """Selector and arguments of a call whose arguments are all of fixed size.

    Args:
        function: name and types, such as ``getRateInQuoteSafe(address)``.
        args: one integer, integer text (``1e18`` is allowed), 0x-address, 0x-bytes (or bytes) or true/false for each
            type.

    Raises:
        ValueError: the signature cannot be read, or an argument does not fit its type.
    """
    match = _FUNCTION.fullmatch(function)
    if match is None:
        raise ValueError(f"{function!r} is not a function: write its name and types, such as convertToAssets(uint256)")
    types = match[2].split(",") if match[2] else []
    if len(types) != len(args):
        raise ValueError(f"{function} takes {len(types)} arguments, {len(args)} are given in args")
    encoded = (_argument(kind, value) for kind, value in zip(types, args, strict=True))
    return selector(function) + b"".join(encoded)


def _argument(kind: str, value: str | int | bytes) -> bytes:
    if kind == "address":
        return word(int.from_bytes(address(value if isinstance(value, bytes) else str(value)), "big"))
    if kind == "bool" and value in (True, False, "true", "false"):
        return word(int(value in (True, "true")))
    if (integer := _INTEGER.fullmatch(kind)) and int(integer[2]) in _BITS and not isinstance(value, bytes):
        return word(_bounded(kind, integer_of(value), unsigned=bool(integer[1]), bits=int(integer[2])))
    if (fixed := _FIXED_BYTES.fullmatch(kind)) and 1 <= int(fixed[1]) <= _WORD:
        return _fixed(kind, value, int(fixed[1]))
    raise ValueError(f"an argument {value!r} of type {kind} cannot be written in the config: only fixed-size types can")


def _bounded(kind: str, value: int, *, unsigned: bool, bits: int) -> int:
    low, high = (0, 1 << bits) if unsigned else (-(1 << (bits - 1)), 1 << (bits - 1))
    if not low <= value < high:
        raise ValueError(f"{value} does not fit {kind}")
    return value


def _fixed(kind: str, text: str | int | bytes, size: int) -> bytes:
    try:
        raw = text if isinstance(text, bytes) else bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != size:
        raise ValueError(f"{text!r} is not {kind}: write 0x and {2 * size} hexadecimal digits")
    return raw.ljust(_WORD, b"\0")


def integer_of(value: str | int) -> int:
    """Return an exact integer from an int or a text such as ``1000`` or ``1e18``; ValueError for anything else."""
    return _whole(value, 0, "an integer such as 1000 or 1e18")


def amount_of(text: str | int, decimals: int = 18) -> int:
    """Return a decimal text such as ``0.5`` in the token's smallest units, exactly; ValueError if it has more digits."""
    if not 0 <= decimals <= 36:  # noqa: PLR2004 - 10**36 is beyond every token
        raise ValueError(f"decimals {decimals} are out of range: write 0 to 36")
    return _whole(text, decimals, f"a decimal number with at most {decimals} digits after the point")


def wad_of(text: str | int) -> int:
    """Return a decimal text times 1e18, exactly; ValueError if it is negative or has more than 18 digits after the point."""
    value = _whole(text, 18, "a decimal number with at most 18 digits after the point")
    if not 0 <= value <= WAD * 10**24:
        raise ValueError(f"{text!r} is out of range: write a number from 0 to 1e24")
    return value


def _whole(value: str | int, shift: int, wanted: str) -> int:
    try:
        number = None if isinstance(value, bool) else Decimal(value)
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or abs(number.adjusted()) > 80:  # noqa: PLR2004 - beyond 256 bits
        raise ValueError(f"{value!r}: write {wanted}")
    numerator, denominator = number.as_integer_ratio()
    result: int = numerator * 10**shift // denominator
    if result * denominator != numerator * 10**shift:
        raise ValueError(f"{value!r}: write {wanted}")
    return result
