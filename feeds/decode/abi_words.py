"""The only way return data becomes numbers: 32-byte words by their place, or a typed error.

Source: Solidity contract ABI specification, "Formal Specification of the Encoding".
"""

from __future__ import annotations

from feeds.errors import FeedError, Malformed
from feeds.types import Reply

_WORD = 32


def returned(reply: Reply, *, words: int = 1) -> bytes:
    """Return data of a contract call, of at least `words` 32-byte words; raises the reply's own error, or Malformed."""
    if isinstance(reply, FeedError):
        raise reply
    if len(reply) < words * _WORD:
        raise Malformed("return data too short: no such function or no contract", bytes=len(reply), words=words)
    return reply


def uint_at(data: bytes, word: int = 0) -> int:
    """Read the unsigned integer in the given 32-byte word."""
    part = data[word * _WORD : (word + 1) * _WORD]
    if len(part) != _WORD:
        raise Malformed("return data too short", bytes=len(data), word=word)
    return int.from_bytes(part, "big")


def int_at(data: bytes, word: int = 0) -> int:
    """Read the signed (two's complement) integer in the given 32-byte word."""
    n = uint_at(data, word)
    return n - (1 << 256) if n >> 255 else n


def address_at(data: bytes, word: int = 0) -> bytes:
    """Read the 20-byte address in the given word; Malformed if the word is not an address."""
    n = uint_at(data, word)
    if n >> 160:
        raise Malformed("not an address", word=word)
    return n.to_bytes(20, "big")


def uints_at(data: bytes, word: int, *, most: int = 64) -> tuple[int, ...]:
    """Read the dynamic uint array whose offset stands in the given word (ABI encoding).

    Raises:
        Malformed: the offset or the length does not fit the data, or it has more than `most` items.
    """
    offset = uint_at(data, word)
    if offset % _WORD or offset >= len(data):
        raise Malformed("bad array offset", word=word)
    start = offset // _WORD
    length = uint_at(data, start)
    if length > most:
        raise Malformed("array too long", length=str(length)[:20], most=most)
    return tuple(uint_at(data, start + 1 + i) for i in range(length))
