"""A push as calldata, and with the views that are poked with it as one call to Multicall3, and back. Pure.

Source: mds1/multicall, src/Multicall3.sol, ``aggregate3((address,bool,bytes)[])``: target, whether it may fail, calldata.
PriceStore.push takes a batch from anybody and reads no sender, so it does there what it does alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import decode, encode

from oracle.chain.store_abi import calldata, selector
from oracle.chain.transaction import data_of, gas_of
from oracle.sign.messages import SignedBatch

POKE = selector("poke", ())
_PUSH = selector("push", ("bytes", "bytes"))
_HEADER, _ITEM = 10, 30  # bytes of a batch
_CALLS = "(address,bool,bytes)[]"
_AGGREGATE3 = selector("aggregate3", (_CALLS,))


def wrap(store: bytes, push: bytes, views: Sequence[bytes]) -> bytes:
    """Calldata of aggregate3: the push, then a poke of each view. Each of them may fail.

    Anybody can take the push out of the memory pool and bring it first. The views must be poked all the same, and
    we do not pay for a transaction that does nothing because somebody else was faster. So a success of the whole says
    nothing of the push: whether it landed shows in the store's event, else in what the store holds.

    Args:
        store: address, 20 bytes.
        push: calldata of PriceStore.push; empty for the pokes alone.
        views: addresses of ModeViews.
    """
    pushes = [(store, True, push)] if push else []
    return _AGGREGATE3 + encode([_CALLS], [[*pushes, *((view, True, POKE) for view in views)]])


def unwrap(data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Calldata of the push in a transaction of ours, and the views that are poked after it.

    Returns:
        The push, empty where there are pokes alone; no views where the push goes alone.
    """
    if data[:4] != _AGGREGATE3:
        return data, ()
    calls = decode([_CALLS], data[4:])[0]
    push = next((call for _, _, call in calls if call != POKE), b"")
    return push, tuple(bytes.fromhex(view[2:]) for view, _, call in calls if call == POKE)


def ran_out(raw: bytes, gas_used: int) -> str | None:
    """Say that a push which did not land ran out of gas; None where it failed for another reason.

    A call that runs out of gas has used all of its limit. A push inside a call gets 63 of 64 parts of it (EIP-150).
    """
    limit, inside = gas_of(raw), data_of(raw)[:4] == _AGGREGATE3
    least = limit - limit // 64 if inside else limit
    return f"out of gas, it used {gas_used} of {limit}" if gas_used >= least else None


def push_data(batch: SignedBatch) -> bytes:
    """Calldata of PriceStore.push for a batch."""
    return calldata("push", (batch.batch, batch.signatures))[0]


def items_in(data: bytes) -> int:
    """How many items the calldata of a push holds; 0 in any other call."""
    if data[:4] != _PUSH:
        return 0
    return (len(decode(["bytes", "bytes"], data[4:])[0]) - _HEADER) // _ITEM
