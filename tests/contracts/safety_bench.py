"""Limits and signers that tests of limits, pauses and rotations share, and a push after a block of its own time."""

from __future__ import annotations

from typing import Any

from eth_account import Account

from tests.contracts.contract_tools import KEYS, Bench, Item

GUARDIAN = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
ADDRESSES = [Account.from_key(k).address for k in KEYS]
GAP_S, STEP_BPS, WAIT_S = 10, 500, 100
FIRST_S = 1_999_000_000
LOW_32 = 2**32 - 1


def land(bench: Bench, at: int, items: list[Item], who: tuple[int, ...] = (0, 1)) -> Any:
    """Push after a block of the round's own time."""
    if at > bench.now:
        bench.at(at)
    return bench.push(at, items, who)
