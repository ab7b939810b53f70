"""Five operators, a link for each ordered pair: a partition parts exactly its groups, and heals."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import permutations

import aiohttp
import pytest
import pytest_asyncio

from demo.world.frame_pump import DirectionCounts
from demo.world.hostile_link import LinkName
from demo.world.hostile_network import HostileNetwork, PartitionKind
from demo.world.link_conditions import Conditions
from tests.demo.relayed_pair import End, Listener, balanced, until

pytestmark = pytest.mark.loopback
OPERATORS = ("a", "b", "c", "d", "e")
REDIAL_S = 0.5
"""A dial that leads nowhere is given up after this, and made again."""
LINKS = [LinkName(*pair) for pair in permutations(OPERATORS, 2)]
SPLITS = pytest.mark.parametrize("groups", [["ab", "cde"], ["a", "bcde"], ["a", "b", "c", "d", "e"], ["abcde"]])


@dataclass
class Meshed:
    """Every operator's listener, the network between them, and what came through: (sender, receiver, what)."""

    network: HostileNetwork
    session: aiohttp.ClientSession
    urls: dict[LinkName, str]
    listeners: dict[str, Listener]
    near: dict[LinkName, End] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def dial(self, link: LinkName) -> None:
        socket = await self.session.ws_connect(f"{self.urls[link]}/{link.dialler}")
        self.near[link] = End(socket)
        self.tasks.append(asyncio.create_task(self.near[link].listen(socket)))

    def heard(self) -> dict[LinkName, int]:
        """Frames that came to the listener, by link."""
        ends = {}
        for name, listener in self.listeners.items():
            for request, end in zip(listener.asked, listener.ends, strict=False):
                link = LinkName(request.path[1:], name)
                ends[link] = ends.get(link, 0) + len(end.heard)
        return ends


@pytest_asyncio.fixture
async def meshed() -> AsyncIterator[Meshed]:
    listeners = {name: Listener() for name in OPERATORS}
    for listener in listeners.values():
        await listener.start()
    async with HostileNetwork(5) as network, aiohttp.ClientSession() as session:
        urls = await network.add_all({name: listener.url for name, listener in listeners.items()})
        assert set(urls) == set(LINKS)
        made = Meshed(network, session, urls, listeners)
        for link in LINKS:
            await made.dial(link)
        yield made
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)
    for listener in listeners.values():
        await listener.stop()


def apart(groups: list[str]) -> set[LinkName]:
    return {link for link in LINKS if not any(link.dialler in g and link.listener in g for g in groups)}


@SPLITS
async def test_a_cut_partition_breaks_what_lies_between_and_nothing_else(meshed: Meshed, groups: list[str]) -> None:
    parted = apart(groups)
    meshed.network.partition(groups)
    await until(lambda: {n for n, c in meshed.network.stats().items() if not c.live} == parted)
    for link in parted:
        with pytest.raises(aiohttp.ClientError):
            await meshed.dial(link)
    for link in set(LINKS) - parted:
        await meshed.near[link].send(b"inside")
    await until(lambda: meshed.heard() == {link: int(link not in parted) for link in LINKS})
    meshed.network.heal()
    for link in parted:
        await meshed.dial(link)
        await meshed.near[link].send(b"again")
    await until(lambda: meshed.heard() == dict.fromkeys(LINKS, 1))


@SPLITS
async def test_a_silent_partition_holds_what_lies_between_until_it_heals(meshed: Meshed, groups: list[str]) -> None:
    parted = apart(groups)
    meshed.network.partition(groups, kind=PartitionKind.SILENT)
    for link in LINKS:
        await meshed.near[link].send(b"said meanwhile")
    await until(lambda: meshed.heard() == {link: int(link not in parted) for link in LINKS})
    await asyncio.sleep(0.1)
    assert meshed.heard() == {link: int(link not in parted) for link in LINKS}
    assert all(c.live == 1 for c in meshed.network.stats().values()), "nobody is told"
    meshed.network.heal()
    await until(lambda: meshed.heard() == dict.fromkeys(LINKS, 1))


async def test_the_next_partition_takes_the_place_of_the_one_before(meshed: Meshed) -> None:
    meshed.network.partition(["ab", "cde"], kind=PartitionKind.SILENT)
    meshed.network.partition(["abcd", "e"])
    await until(lambda: {n for n, c in meshed.network.stats().items() if not c.live} == apart(["abcd", "e"]))
    for link in set(LINKS) - apart(["abcd", "e"]):
        await meshed.near[link].send(b"inside")
    await until(lambda: sum(meshed.heard().values()) == 12)


async def talk(meshed: Meshed, link: LinkName, draw: random.Random) -> None:
    """Say something again and again, and dial again where the connection broke."""
    while True:
        try:
            await meshed.near[link].send(draw.randbytes(draw.choice((1, 100, 1_000))))
        except ConnectionError:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(REDIAL_S):  # wait_for of Python 3.11 may swallow a cancellation
                    await meshed.dial(link)
        await asyncio.sleep(draw.choice((0.001, 0.01)))


def change(network: HostileNetwork, draw: random.Random) -> None:
    """Another partition, heal, break or plan."""
    what = draw.randrange(5)
    if what == 0:
        network.partition(draw.choice((["ab", "cde"], ["a", "bcde"])), kind=draw.choice(list(PartitionKind)))
    elif what == 1:
        network.heal()
    elif what == 2:
        network.break_once(draw.sample(LINKS, 3))
    else:
        shares = {kind: draw.choice((0.0, 0.0, 0.1)) for kind in ("drop", "stall", "duplicate", "reorder")}
        rough = Conditions(
            delay_ms=draw.choice((0, 5, 50)), cut=draw.choice((0.0, 0.01)), cut_ms=20, overtaken_ms=20,
            silent=draw.random() < 0.1, bytes_per_s=draw.choice((None, 500_000)), stall_ms=30, **shares,
        )  # fmt: skip
        network.plan(rough, senders=draw.sample(OPERATORS, 2))


def all_counts(network: HostileNetwork) -> list[DirectionCounts]:
    return [counts for link in network.stats().values() for counts in link.sent_by.values()]


@pytest.mark.parametrize("seed", range(3))
async def test_no_frame_is_lost_to_the_counts_whatever_the_plan(meshed: Meshed, seed: int) -> None:
    """Seeded chaos: conditions, partitions, cuts and heals while everybody talks; afterwards all is carried again."""
    draw = random.Random(seed)
    talkers = [asyncio.create_task(talk(meshed, link, draw)) for link in LINKS]
    for _ in range(40):
        change(meshed.network, draw)
        await asyncio.sleep(0.02)
        assert all(map(balanced, all_counts(meshed.network)))
    for talker in talkers:
        talker.cancel()
    await asyncio.gather(*talkers, return_exceptions=True)
    meshed.network.heal()
    meshed.network.plan(Conditions())
    await until(lambda: not any(c.waiting for c in all_counts(meshed.network)))
    assert sum(c.frames_out for c in all_counts(meshed.network)) > 0
    for link in LINKS:
        await meshed.dial(link)
        before = meshed.heard().get(link, 0)
        await meshed.near[link].send(b"after all")
        await until(lambda link=link, before=before: meshed.heard().get(link, 0) > before)  # type: ignore[misc]
