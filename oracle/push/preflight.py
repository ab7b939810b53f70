"""Whether a store is what the config takes it for: its feeds, their prices, what it takes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from oracle.chain.store_client import StoreClient, Unfit
from oracle.chain.store_rules import StoreLimits
from oracle.model.spec import FeedSpec


def bind(feeds: Sequence[str], known: Mapping[str, int]) -> dict[str, int]:
    """Index of each feed; Unfit names those that the store does not have."""
    missing = [f for f in feeds if f not in known]
    if missing:
        raise Unfit(f"not registered in the store: {', '.join(missing)}; run `lrt-oracle deploy` or register them")
    return {f: known[f] for f in feeds}


async def check_presence(client: StoreClient, indexes: Mapping[str, int], specs: Mapping[str, FeedSpec]) -> None:
    """Hold each feed's prices against what it was registered with: one wrong item would spoil every batch.

    Raises:
        Unfit: which feed has other prices, and what to do.
    """
    found = await asyncio.gather(*(client.presence(i) for i in indexes.values()))
    for feed, there in zip(indexes, found, strict=True):
        if there != (specs[feed].has_market, specs[feed].has_redemption):
            words = [w for w, has in zip(("market price", "redemption rate"), there, strict=True) if has]
            raise Unfit(
                f"{feed} is registered with {' and '.join(words) or 'nothing'} only, the config gives it other sources:"
                f" register it under another id ({feed}#2), or correct its sources"
            )


async def read_limits(client: StoreClient, indexes: Mapping[str, int], max_push_age_s: int) -> dict[int, StoreLimits]:
    """What the store takes, by index.

    Raises:
        Unfit: it takes reports of another age than the config says.
    """
    found = await asyncio.gather(*(client.limits(i) for i in indexes.values()))
    for one in found:
        if one.max_push_age_s != max_push_age_s:
            raise Unfit(
                f"max_push_age_s is {max_push_age_s} in the config and {one.max_push_age_s} in the store: write"
                f" max_push_age_s = {one.max_push_age_s}"
            )
    return dict(zip(indexes.values(), found, strict=True))
