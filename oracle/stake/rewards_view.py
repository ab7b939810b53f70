"""What the epochs of a set are funded with, whether their report is there, and what was claimed of it. As JSON documents."""

from __future__ import annotations

import asyncio
from typing import Any

from oracle.stake.discover import StakeSystem
from oracle.stake.reads import StakeReads

EPOCHS_SHOWN = 4
"""The present epoch and the ones before it."""


async def rewards_rows(reads: StakeReads, system: StakeSystem, epoch: int) -> list[dict[str, Any]]:
    """Epochs, the present one first.

    Args:
        reads: the chain.
        system: the contracts.
        epoch: that is in force.

    Raises:
        ChainError: endpoints do not answer or agree.
    """
    (assets,) = await reads.call(system.rewards, "Rewards", "allAssets")
    epochs = range(epoch, max(0, epoch - EPOCHS_SHOWN), -1)
    return list(await asyncio.gather(*(_epoch(reads, system.rewards, e, assets) for e in epochs)))


async def _epoch(reads: StakeReads, rewards: str, epoch: int, assets: tuple[str, ...]) -> dict[str, Any]:
    (root, posted_s, rolled), (ended,), (closes_s,), pots = await asyncio.gather(
        reads.call(rewards, "Rewards", "reportOf", epoch),
        reads.call(rewards, "Rewards", "hasEnded", epoch),
        reads.call(rewards, "Rewards", "closesAt", epoch),
        asyncio.gather(*(reads.call(rewards, "Rewards", "potOf", epoch, a) for a in assets)),
    )
    return {
        "epoch": epoch,
        "ended": ended,
        "root": "0x" + root.hex() if any(root) else None,
        "posted_s": posted_s or None,
        "rolled_over": rolled,
        "closes_s": closes_s or None,
        "missing": ended and not any(root) and not rolled and any(left for _, left in pots),
        "pots": [
            {
                "asset": asset, "funded": str(funded), "left": str(left),
                "claimed": None if rolled else str(funded - left),
            }
            for asset, (funded, left) in zip(assets, pots, strict=True)
        ],
    }  # fmt: skip
