"""A push in the input of a transaction, called by itself or from another contract. Pure.

A store says in its log which batch landed, by its digest. The input holds the batch as the arguments of `push`, whatever stands
around it (Multicall3, a wallet, a relay of its own); else the bytes of the batch somewhere, with signatures somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from oracle.chain.store_abi import selector
from oracle.report.wire import ITEM_BYTES
from oracle.sign.eip712 import BadSignature, Domain, batch_digest, recover
from oracle.watch.words import SIGNATURE_BYTES

_PUSH = selector("push", ("bytes", "bytes"))
_HEADER, _EPOCH, _WORD = 10, 6, 32
_INDEXED = 1 + SIGNATURE_BYTES
_MOST_PLACES, _MOST_ITEMS, _MOST_RECOVERED = 64, 512, 2_048
"""How far bytes without the arguments of a push are searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPush:
    """A batch that landed, and who signed it: key and r | vs."""

    epoch: int
    round_time_s: int
    items: bytes
    signatures: tuple[tuple[bytes, bytes], ...]


def find_push(
    data: bytes, domain: Domain, digest: bytes, round_time_s: int, sets: Mapping[int, Sequence[bytes]]
) -> FoundPush | None:
    """The push that emitted a log; None where its batch is not in these bytes.

    Args:
        data: input of the transaction.
        domain: the store.
        digest: that the log states.
        round_time_s: that the log states.
        sets: keys of signer sets by epoch, in the store's order. Of one that is not known, whoever signed is believed: the
            store has checked it.
    """
    for batch, signatures in _calls(data):
        found = _read(batch, domain, digest)
        if found is not None:
            epoch, items = found
            signed = tuple(_signers(digest, signatures, sets.get(epoch)))
            if signed:
                return FoundPush(epoch=epoch, round_time_s=round_time_s, items=items, signatures=signed)
    return _searched(data, domain, digest, round_time_s, sets)


def _calls(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Arguments of every call of push in these bytes."""
    at = data.find(_PUSH)
    while at >= 0:
        start = at + len(_PUSH)
        batch, signatures = (_argument(data, start, n) for n in (0, 1))
        if batch is not None and signatures is not None:
            yield batch, signatures
        at = data.find(_PUSH, at + 1)


def _argument(data: bytes, start: int, number: int) -> bytes | None:
    head = start + number * _WORD
    length_at = start + int.from_bytes(data[head : head + _WORD], "big")
    if head + _WORD > len(data) or length_at + _WORD > len(data):
        return None
    first = length_at + _WORD
    length = int.from_bytes(data[length_at:first], "big")
    return data[first : first + length] if first + length <= len(data) else None


def _read(batch: bytes, domain: Domain, digest: bytes) -> tuple[int, bytes] | None:
    """Epoch and items of a batch, if it is the one with this digest."""
    if len(batch) <= _HEADER or len(batch) % ITEM_BYTES != _HEADER:
        return None
    epoch, round_s = int.from_bytes(batch[:_EPOCH], "big"), int.from_bytes(batch[_EPOCH:_HEADER], "big")
    items = batch[_HEADER:]
    return (epoch, items) if batch_digest(domain, epoch, round_s, items) == digest else None


def _signers(digest: bytes, signatures: bytes, keys: Sequence[bytes] | None) -> Iterator[tuple[bytes, bytes]]:
    for at in range(0, len(signatures) - _INDEXED + 1, _INDEXED):
        one = _signer(digest, signatures[at : at + _INDEXED], keys)
        if one is not None:
            yield one


def _signer(digest: bytes, indexed: bytes, keys: Sequence[bytes] | None) -> tuple[bytes, bytes] | None:
    """Who signed, of index 1 | r | vs; None where that is not the key of this index."""
    index, signature = indexed[0], indexed[1:]
    if keys is not None and index >= len(keys):
        return None
    try:
        key = recover(digest, signature)
    except BadSignature:
        return None
    return (key, signature) if keys is None or keys[index] == key else None


def _searched(
    data: bytes, domain: Domain, digest: bytes, round_time_s: int, sets: Mapping[int, Sequence[bytes]]
) -> FoundPush | None:
    """The bytes of the batch where no call of push has them as its arguments, and the members' signatures around it."""
    at, round_bytes = -1, round_time_s.to_bytes(4, "big")
    for _ in range(_MOST_PLACES):
        at = data.find(round_bytes, at + 1)
        if at < 0:
            return None
        start = at - _EPOCH
        found = _longest(data, start, domain, digest) if start >= 0 else None
        if found is None:
            continue
        epoch, items = found
        keys = sets.get(epoch)
        signed = {} if keys is None else _scattered(data, digest, keys)
        if signed:
            return FoundPush(epoch=epoch, round_time_s=round_time_s, items=items, signatures=tuple(signed.items()))
    return None


def _longest(data: bytes, start: int, domain: Domain, digest: bytes) -> tuple[int, bytes] | None:
    most = min(_MOST_ITEMS, (len(data) - start - _HEADER) // ITEM_BYTES)
    reads = (_read(data[start : start + _HEADER + n * ITEM_BYTES], domain, digest) for n in range(1, most + 1))
    return next((r for r in reads if r is not None), None)


def _scattered(data: bytes, digest: bytes, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    signed: dict[bytes, bytes] = {}
    tried = 0
    for at in range(len(data) - _INDEXED + 1):
        if data[at] >= len(keys) or keys[data[at]] in signed:
            continue
        tried += 1
        if tried > _MOST_RECOVERED:
            break
        one = _signer(digest, data[at : at + _INDEXED], keys)
        if one is not None:
            signed[one[0]] = one[1]
    return signed
