"""Five operators, a link for each ordered pair: a partition parts exactly its groups, and heals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import permutations

import aiohttp
import pytest
import pytest_asyncio

from demo.world.hostile_link import LinkName
from demo.world.hostile_network import HostileNetwork, PartitionKind
from tests.demo.relayed_pair import End, Listener, until

pytestmark = pytest.mark.loopback
OPERATORS = ("a", "b", "c", "d", "e")
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
