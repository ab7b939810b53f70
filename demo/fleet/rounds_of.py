"""The clock of a fleet's rounds, and who leads them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from demo.fleet.fleet import Fleet
from demo.fleet.ledger import rounds_sealed
from feeds.units import MS
from oracle.chain.store_reads import StoreReads
from oracle.network.members_reader import MembersReader
from oracle.runtime.clock import now_ms
from oracle.sign.eip712 import Domain


def next_round_s(fleet: Fleet) -> int:
    """The round that begins next."""
    return (now_ms() // MS // fleet.interval_s + 1) * fleet.interval_s


def rounds_between(fleet: Fleet, first_s: int, end_s: float) -> list[int]:
    """Round times from one on, of which each interval is over by the end."""
    last = int(end_s) // fleet.interval_s * fleet.interval_s - fleet.interval_s
    return list(range(first_s, last + 1, fleet.interval_s))


async def sleep_until(time_s: float) -> None:
    """Wait until a Unix time."""
    await asyncio.sleep(max(0.0, time_s - now_ms() / MS))


@asynccontextmanager
async def members_of(fleet: Fleet) -> AsyncIterator[MembersReader]:
    """Who takes part in which round, as the chain says."""
    domain = Domain(chain_id=fleet.world.chain_id, store=bytes.fromhex(fleet.deployment.store[2:]))
    store = StoreReads((fleet.node.url,), domain)
    try:
        yield MembersReader(store)
    finally:
        await store.close()


async def leader_of(fleet: Fleet, members: MembersReader, round_time_s: int) -> str:
    """Name of the operator that leads the first attempt of a round."""
    await members.refresh()
    return fleet.names[members.at(round_time_s).order[0]]


async def until_sealed(fleet: Fleet, name: str, after_s: int) -> int:
    """The first round that an operator's database has sealed after a time, once it has."""
    while True:
        later = [r for r in rounds_sealed(fleet.operators[name].database) if r > after_s]
        if later:
            return later[0]
        await asyncio.sleep(0.2)
