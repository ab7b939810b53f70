"""The members of rounds, read from a real chain while its store's signers change."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import web
from eth_account import Account
from web3.types import RPCEndpoint

from demo.world import anvil
from demo.world.front_node import FrontNode
from oracle.agree.leaders import NO_RANDOMNESS
from oracle.chain.block_times import BlockTimes
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.rpc_answers import BlockHead
from oracle.chain.store_reads import StoreReads
from oracle.network.members_reader import KNOWN_S, MembersReader
from oracle.network.membership import EpochExpired, MembersUnknown, RoundMembers
from oracle.sign.eip712 import Domain
from tests.contracts.contract_tools import KEYS, Bench, Item, connected, signatures
from tests.oracle.push.fault_proxy import FaultyNode, Mood

pytestmark = pytest.mark.chain
FIRST_S = 1_999_000_000
DELAY_S, OVERLAP_S, ROUND_S = 100, 60, 10
OLD, NEW = (0, 1, 2, 3), (4, 1, 5, 6)


class Site:
    """A store on a chain of its own, whose time is what the test says."""

    def __init__(self, bench: Bench, url: str) -> None:
        self.bench, self.url = bench, url
        self.domain = Domain(chain_id=bench.web3.eth.chain_id, store=bytes.fromhex(bench.store.address[2:]))

    def name(self, keys: tuple[int, ...], *, armed: bool = True) -> int:
        """Have these follow; returns when they take over."""
        addresses = [Account.from_key(KEYS[k]).address for k in keys]
        self.bench.send(self.bench.store.functions.setSigners(addresses, [1, 2, 3, 4], 7, 8))
        if armed:
            self.bench.arm([KEYS[k] for k in keys])
        return int(self.bench.store.functions.nextSigners().call()[1])

    def push(self, members: RoundMembers, round_s: int) -> None:
        """A batch of the round, signed by all its members, in the next block. It reverts if the store refuses."""
        signers = members.signers
        known = {bytes.fromhex(Account.from_key(k).address[2:]): k for k in KEYS}
        batch = self.bench.batch(round_s, [Item(0, market=10**18 + round_s % 1_000)], epoch=signers.epoch)
        keys = [known[a] for a in signers.signers]
        signed = signatures(self.bench.digest(batch), range(len(keys)), keys)
        self.bench.send(self.bench.store.functions.push(batch, signed))

    @asynccontextmanager
    async def reader(self, *urls: str) -> AsyncIterator[MembersReader]:
        store = StoreReads(urls or (self.url,), self.domain, timeout_ms=2_000)
        try:
            yield MembersReader(store)
        finally:
            await store.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with anvil.running(extra=("--timestamp", str(FIRST_S))) as running, connected(running.url) as web3:
        bench = Bench(web3, weights=(1, 2, 3, 4), threshold=7, delays=(DELAY_S, OVERLAP_S))
        bench.register("weETH/ETH")
        bench.at(FIRST_S + 200)
        yield Site(bench, running.url)


async def test_a_rotation_loses_no_round_and_needs_no_restart(site: Site) -> None:
    """Each round's batch is taken; who looks every round, every other one or begins late says the same; no zeros for long."""
    epochs: list[int] = []
    async with site.reader() as steady, site.reader() as idle, site.reader() as late:
        said: dict[int, RoundMembers] = {}
        active_s = 0
        for n in range(24):
            round_s = FIRST_S + 210 + n * ROUND_S
            site.bench.at(round_s)
            if n == 4:
                active_s = site.name(NEW)
            await steady.refresh()
            if n % 2 == 0:
                await idle.refresh()
            members = said[round_s] = steady.at(round_s)
            assert members.certain
            assert idle.at(round_s) == members
            site.push(members, round_s)
            epochs.append(members.signers.epoch)
            assert (members.signers.epoch == 2) == (bool(active_s) and round_s >= active_s)
        await late.refresh()
        recent = [r for r in said if r >= site.bench.now - KNOWN_S + 40]
        assert len(recent) > 5
        assert [late.at(r) for r in recent] == [said[r] for r in recent]
        assert sorted(set(epochs)) == [1, 2]
        seed = first_block(site.bench, active_s - 30)
        for round_s, members in said.items():
            counts = round_s >= active_s and round_s >= seed["timestamp"] + 30
            assert members.randomness == (bytes(seed["hash"]) if counts else NO_RANDOMNESS)
        assert sum(m.randomness == NO_RANDOMNESS for r, m in said.items() if r >= active_s) <= 2


def first_block(bench: Bench, time_s: int) -> dict[str, object]:
    """By looking at every block of the chain."""
    blocks = (bench.web3.eth.get_block(i) for i in range(bench.web3.eth.block_number + 1))
    return next(dict(b) for b in blocks if b["timestamp"] >= time_s)


async def test_a_set_that_is_not_armed_or_loses_its_arms_never_leads(site: Site) -> None:
    async with site.reader() as reader:
        active_s = site.name(NEW, armed=False)
        for round_s in range(site.bench.now + ROUND_S, active_s + 60, ROUND_S):
            site.bench.at(round_s)
            await reader.refresh()
            assert reader.at(round_s).signers.epoch == 1
            site.push(reader.at(round_s), round_s)
        assert not await reader.refresh(), "nothing has changed since"
        active_s = site.name(NEW)
        site.bench.at(active_s - 60)
        assert await reader.refresh(), "another set is named, and armed"
        assert reader.at(active_s).signers.epoch == 2
        assert not reader.at(active_s).certain, "it can still be taken back"
        site.bench.send(site.bench.store.functions.removeSigners(2, [0]))
        site.bench.at(active_s)
        await reader.refresh()
        assert reader.at(active_s).signers.epoch == 1
        site.push(reader.at(active_s), active_s)


async def test_a_removed_signer_is_a_member_for_another_half_minute_for_everybody(site: Site) -> None:
    async with site.reader() as before, site.reader() as after:
        await before.refresh()
        removed_s = site.bench.send(site.bench.store.functions.removeSigners(1, [2]))["blockNumber"]
        removed_s = int(site.bench.web3.eth.get_block(removed_s)["timestamp"])
        site.bench.at(removed_s + 60)
        await before.refresh()
        await after.refresh()
        for at_s, weights in ((29, (1, 2, 3, 4)), (30, (1, 2, 0, 4))):
            told = [reader.at(removed_s + at_s) for reader in (before, after)]
            assert [t.signers.weights for t in told] == [weights] * 2
            assert told[0] == told[1]
            assert len(told[0].order) == sum(w > 0 for w in weights)


async def test_a_store_that_was_made_just_now_has_members_and_one_that_is_none_says_so(site: Site) -> None:
    fresh = Site(Bench(site.bench.web3, delays=(DELAY_S, OVERLAP_S)), site.url)
    made_s = fresh.bench.now
    async with fresh.reader() as reader:
        with pytest.raises(MembersUnknown, match="has not been read yet"):
            reader.at(made_s)
        await reader.refresh()
        with pytest.raises(MembersUnknown):
            reader.at(made_s)
        assert reader.newest_at(made_s).epoch == 1
        assert reader.at(made_s + 60).signers.epoch == 1
    site.domain = Domain(chain_id=site.domain.chain_id, store=b"\x99" * 20)
    async with site.reader() as reader:
        with pytest.raises(ChainError, match="this is not a PriceStore"):
            await reader.refresh()


async def test_the_end_of_a_set_is_read_with_it(site: Site) -> None:
    """From its own code, and by the store's word: the same; after it a round is nobody's, until the next set has it."""
    longest_s = DELAY_S + 3_600
    ending = Site(Bench(site.bench.web3, delays=(DELAY_S, OVERLAP_S), longest=longest_s), site.url)
    ends_s = ending.bench.now + longest_s
    ending.bench.at(ends_s - 50)
    store, plain = (StoreReads((one.url,), one.domain) for one in (ending, site))
    try:
        async with ending.reader() as reader:
            await reader.refresh()
            assert reader.at(ends_s - 1).signers == await store.connect()
            assert (await store.connect()).expires_s == ends_s
            with pytest.raises(EpochExpired):
                reader.at(ends_s)
            active_s = ending.name((0, 1, 2, 3))
            for at_s in (active_s - 5, active_s):
                ending.bench.at(at_s)
                await reader.refresh()
            with pytest.raises(EpochExpired):
                reader.at(active_s - 1)
            assert reader.at(active_s).signers == await store.connect()
            assert reader.at(active_s).signers.expires_s == active_s + longest_s
        assert (await plain.connect()).expires_s is None
    finally:
        await store.close()
        await plain.close()


async def test_an_endpoint_that_lies_changes_no_member(site: Site) -> None:
    proxies = [FaultyNode(site.url, i) for i in range(3)]
    for proxy in proxies:
        await proxy.start()
    proxies[1].mood = Mood(lies=True)
    try:
        async with site.reader(*(p.url for p in proxies)) as reader, site.reader() as alone:
            active_s = site.name(NEW)
            for round_s in range(site.bench.now + ROUND_S, active_s + 40, ROUND_S):
                site.bench.at(round_s)
                await reader.refresh()
                await alone.refresh()
                assert reader.at(round_s).order == alone.at(round_s).order
            assert proxies[1].done["lie"] > 0
            assert reader.at(active_s + 30).randomness != NO_RANDOMNESS
            for proxy in proxies[:2]:
                proxy.mood = Mood(dead=True)
            with pytest.raises(ChainError):
                await reader.refresh()
            assert reader.at(round_s) == alone.at(round_s), "what was known stays"
    finally:
        for proxy in proxies:
            await proxy.stop()


class CountingNode(FrontNode):
    """Passes everything on and counts what it was asked."""

    def __init__(self, node_url: str) -> None:
        super().__init__(node_url)
        self.asked: Counter[str] = Counter()

    async def _answer(self, request: web.Request) -> web.Response:
        call = orjson.loads(await request.read())
        self.asked[call["method"]] += 1
        return web.json_response(await self._forward(call))


async def test_a_look_that_finds_nothing_new_costs_a_head_and_three_words(site: Site) -> None:
    """Also in an epoch whose randomness lies far back: a block that is old enough is asked for once."""
    active_s = site.name(NEW)
    for at_s in range(active_s, active_s + 400, 25):
        site.bench.at(at_s)
    node = CountingNode(site.url)
    await node.start()
    try:
        async with site.reader(node.url) as reader:
            await reader.refresh()
            assert reader.at(site.bench.now).randomness != NO_RANDOMNESS
            node.asked.clear()
            for _ in range(5):
                site.bench.at(site.bench.now + 10)
                await reader.refresh()
                assert reader.at(site.bench.now).certain
            assert node.asked == {"eth_getBlockByNumber": 5, "eth_getStorageAt": 15}
    finally:
        await node.stop()


async def test_after_a_long_time_without_a_look_it_begins_anew(site: Site) -> None:
    async with site.reader() as reader, site.reader() as fresh:
        await reader.refresh()
        active_s = site.name(NEW)
        for at_s in range(active_s, active_s + 2_000, 100):
            site.bench.at(at_s)
        await reader.refresh()
        await fresh.refresh()
        now = site.bench.now
        assert reader.at(now) == fresh.at(now)
        assert reader.at(now).signers.epoch == 2
        with pytest.raises(MembersUnknown):
            reader.at(active_s + 40)


async def test_the_first_block_of_a_time_is_found_by_halving(site: Site) -> None:
    """Against a look at every block; irregular times, both ends of the chain."""
    bench, at_s = site.bench, site.bench.now
    for gap in (1, 1, 2, 40, 1, 12, 12, 300, 1):
        at_s = bench.at(at_s + gap)
    store = StoreReads((site.url,), site.domain)
    times, head = BlockTimes(store.nodes), BlockHead(number=bench.web3.eth.block_number, time_s=at_s)
    try:
        everything = [int(bench.web3.eth.get_block(i)["timestamp"]) for i in range(head.number + 1)]
        for time_s in {t + d for t in everything for d in (-1, 0, 1)} | {0}:
            found = await times.first_at(time_s, head)
            if time_s > at_s:
                assert found is None
            else:
                true = first_block(bench, time_s)
                assert found is not None
                assert (found.number, found.time_s, found.hash) == (true["number"], true["timestamp"], true["hash"])
    finally:
        await store.close()


async def test_a_set_of_a_block_that_was_replaced_leaves_nothing_behind(site: Site) -> None:
    """The one that follows lies at the same address of the chain: who saw the first agrees with whoever did not."""
    bench = site.bench
    async with site.reader() as seer, site.reader() as other:
        await seer.refresh()
        before = bench.web3.provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
        site.name(OLD[::-1])
        await seer.refresh()
        bench.ask("evm_revert", before)
        bench.at(bench.now + 12)
        active_s = site.name(NEW)
        bench.at(bench.now + 12)
        for at_s in range(bench.now, active_s + 60, ROUND_S):
            bench.at(at_s + ROUND_S)
            await seer.refresh()
        await other.refresh()
        round_s = bench.now
        assert other.at(round_s).signers.epoch == 2
        assert seer.at(round_s) == other.at(round_s)
        site.push(seer.at(round_s), round_s)
