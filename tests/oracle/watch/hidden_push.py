"""A push that the input of its transaction does not show: made by code, of bytes that are turned around on the way."""

from __future__ import annotations

_WORD = 32


def hidden_push(store: bytes, call: bytes) -> bytes:
    """Creation code that holds the complement of a call, turns it around and makes it; it leaves no contract."""
    length = -(-len(call) // _WORD) * _WORD
    size = length.to_bytes(2, "big")

    def code(offset: int) -> bytes:
        head = (
            b"\x61" + size + b"\x61" + offset.to_bytes(2, "big") + b"\x5f\x39\x5f"
        )  # CODECOPY(0, offset, size); i = 0
        loop = len(head).to_bytes(1, "big")
        turn = b"\x5b\x80\x51\x19\x81\x52"  # JUMPDEST; MSTORE(i, NOT(MLOAD(i)))
        on = b"\x60\x20\x01\x80\x61" + size + b"\x11\x60" + loop + b"\x57"  # i += 32; if size > i: again
        made = b"\x5f\x5f\x61" + len(call).to_bytes(2, "big") + b"\x5f\x5f\x73" + store + b"\x5a\xf1\x00"  # CALL; STOP
        return head + turn + on + made

    body = code(len(code(0)))
    return body + bytes(b ^ 0xFF for b in call.ljust(length, b"\0"))
