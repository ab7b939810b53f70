"""Whether a store matches the config: its feeds, their prices, the age of the batches that it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from oracle.chain.store_client import StoreClient, Unfit
from oracle.chain.store_rules import StoreLimits
from oracle.model.spec import FeedSpec


def indexes_of(feeds: Sequence[str], registered: Mapping[str, int]) -> dict[str, int]:
    """Index of each feed; Unfit names those that the store does not have."""
    missing = [f for f in feeds if f not in registered]
    if missing:
        raise Unfit(f"not registered in the store: {', '.join(missing)}; run `lrt-oracle deploy` or register them")
    return {f: registered[f] for f in feeds}


async def check_presence(client: StoreClient, indexes: Mapping[str, int], specs: Mapping[str, FeedSpec]) -> None:
    """Compare each feed's prices with what it was registered with: one wrong item would spoil every batch.

    Raises:
        Unfit: which feed has other prices, and what to do.
    """
    presences = await asyncio.gather(*(client.presence(i) for i in indexes.values()))
    for feed, presence in zip(indexes, presences, strict=True):
        if presence != (specs[feed].has_market, specs[feed].has_redemption):
            words = [w for w, has in zip(("market price", "redemption rate"), presence, strict=True) if has]
            raise Unfit(
                f"{feed} is registered with {' and '.join(words) or 'nothing'} only, the config gives it other sources:"
                f" register it under another id ({feed}#2), or correct its sources"
            )


async def read_limits(client: StoreClient, indexes: Mapping[str, int], max_push_age_s: int) -> dict[int, StoreLimits]:
    """What the store takes, by index.

    Raises:
        Unfit: it takes reports of another age than the config says.
    """
    limits = await asyncio.gather(*(client.limits(i) for i in indexes.values()))
    for of_feed in limits:
        if of_feed.max_push_age_s != max_push_age_s:
            raise Unfit(
                f"max_push_age_s is {max_push_age_s} in the config and {of_feed.max_push_age_s} in the store: write"
                f" max_push_age_s = {of_feed.max_push_age_s}"
            )
    return dict(zip(indexes.values(), limits, strict=True))
