"""A push and the views that are poked with it, as one call to Multicall3, and back. Pure.

Source: mds1/multicall, src/Multicall3.sol, ``aggregate3((address,bool,bytes)[])``: target, whether it may fail, calldata.
PriceStore.push takes a batch from anybody and reads no sender, so it does there what it does alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import decode, encode

from oracle.onchain.store_abi import selector

POKE = selector("poke", ())
_CALLS = "(address,bool,bytes)[]"
_AGGREGATE3 = selector("aggregate3", (_CALLS,))


def wrap(store: bytes, push: bytes, views: Sequence[bytes]) -> bytes:
    """Calldata of aggregate3: the push, which must not fail, then a poke of each view, which may.

    Args:
        store: address, 20 bytes.
        push: calldata of PriceStore.push.
        views: addresses of ModeViews.
    """
    calls = [(store, False, push), *((view, True, POKE) for view in views)]
    return _AGGREGATE3 + encode([_CALLS], [calls])


def unwrap(data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Calldata of the push in a transaction of ours, and the views that are poked after it; none where it goes alone."""
    if data[:4] != _AGGREGATE3:
        return data, ()
    ((_, _, push), *pokes) = decode([_CALLS], data[4:])[0]
    return push, tuple(bytes.fromhex(view[2:]) for view, _, _ in pokes)
