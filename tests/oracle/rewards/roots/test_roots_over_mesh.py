"""Operators agree on an epoch's report over the mesh's real sockets, with their own journals and databases, and one of them posts it.

The chain, the store and Rewards are real; frozen sets and sources are stand-ins.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import coincurve
import pytest
from web3.types import RPCEndpoint

from demo.fleet.fleet import free_ports
from demo.world.anvil import Anvil
from demo.world.chain import account
from feeds.units import MS
from oracle.agree.terms import CommonRules, timing_of
from oracle.agree.wire import EpochWord
from oracle.assemble.reporting import turn_after
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.network.agreements import Agreements
from oracle.network.mesh.certificates import self_signed
from oracle.network.mesh.roster import Peer
from oracle.network.operator_network import NetworkPlace, OperatorNetwork
from oracle.network.sealed_rounds import SealedRounds
from oracle.network.seats import LocalMember
from oracle.network.store_peers import StorePeers
from oracle.network.times import AgreementClock
from oracle.rewards.posted import RewardsReads
from oracle.rewards.recomputed import recompute
from oracle.rewards.roots.duty import RootDuty, RootProcess, RootSettings
from oracle.rewards.roots.kept import kept_words
from oracle.rewards.roots.poster import PostingPlace, RootPoster
from oracle.rewards.roots.words import RootSigned
from oracle.sign.eip712 import address_of
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database
from tests.contracts.contract_tools import Bench, connected
from tests.oracle.rewards.chain_epoch import KEYS, POT, THRESHOLD, WEIGHTS, ChainEpoch

pytestmark = [pytest.mark.chain, pytest.mark.loopback]
EPOCH, INTERVAL_S, ATTEMPT_S, PATIENCE_S = 1, 1, 4, 120.0
PAYS = (1, 2)
_FIRST_PURSE = 40


@pytest.fixture
def over(node: Anvil) -> Iterator[ChainEpoch]:
    """An epoch that has ended; the one after it is frozen, as it is when a real set takes over."""
    with connected(node.url) as web3:
        made = ChainEpoch(Bench(web3), node.url)
        signers = [address_of(k) for k in KEYS]
        for number in PAYS:
            web3.provider.make_request(
                RPCEndpoint("anvil_setBalance"), [account(_FIRST_PURSE + number).address, hex(POT)]
            )
        until = made.bench.now + 1_000_000  # else the second epoch is over as well, and may be reported on first
        made.bench.send(made.set.functions.freeze(2, signers, made.operators, list(WEIGHTS), THRESHOLD, until))
        for _ in range(2):  # the end of the epoch is deep
            web3.provider.make_request(RPCEndpoint("evm_mine"), [])
        yield made


class Process:
    """One operator: what its process has for the reports of epochs."""

    def __init__(self, epoch: ChainEpoch, folder: Path, number: int, ports: list[int], now_ms: Clock) -> None:
        key, own = KEYS[number], folder / str(number)
        own.mkdir(exist_ok=True)
        self.journal = SignJournal(own / "journal", address_of(key), now_ms=now_ms(), mute_ms=0, newborn=True)
        self.operator = Operator(f"member{number}", key, self.journal, bound_bps=100)
        self.database = Database(own / "o.db")
        for n in range(10):
            self.database.save_attended("main", EPOCH, epoch.capture_s + n, {0, 1, 2, 3} if n < 4 else {0, 1, 3})
        peers = {
            address_of(k): Peer(address=address_of(k), name=f"member{i}", urls=(f"wss://127.0.0.1:{ports[i]}",))
            for i, k in enumerate(KEYS)
            if i != number
        }
        place = NetworkPlace(
            domain=epoch.domain, urls=(f"wss://127.0.0.1:{ports[number]}",), host="127.0.0.1", port=ports[number],
            tls=self_signed(), peers=peers, interval_s=INTERVAL_S, versions=(1,), build="1.2.3",
        )  # fmt: skip
        self.network = OperatorNetwork(place, self.operator, coincurve.PrivateKey(), self.database, now_ms=now_ms)
        agreements = Agreements(
            [self.network.member(LocalMember(operator=self.operator))],
            clock=AgreementClock(now_ms=now_ms, clock_ok=lambda: True), rules=CommonRules(), timing=timing_of(INTERVAL_S),
            order=lambda signers, _: signers.signers, sealed=SealedRounds(), transport=self.network,
        )  # fmt: skip
        self.network.receive = agreements.inbox.receive
        store = StorePeers(domain=epoch.domain, agreements=agreements, network=self.network)
        nodes = QuorumRpc([epoch.url], chain_id=31337)
        contract = bytes.fromhex(epoch.rewards.address[2:])
        poster = None
        if number in PAYS:
            purse = coincurve.PrivateKey(bytes(account(_FIRST_PURSE + number).key))
            kept = PostingPlace(
                load=lambda e: self.database.posting("main", e), save=lambda e, raw: self.database.save_posting("main", e, raw),
                now_ms=now_ms,
            )  # fmt: skip
            poster = RootPoster(
                nodes, 31337, contract, LocalSigner(purse), max_fee_gwei=500, confirmations=2, place=kept
            )
        self.clones: list[Operator] = []
        self.duty = RootDuty(
            RootSettings(
                target="main", domain=epoch.domain, contract=contract, interval_s=INTERVAL_S, attempt_s=ATTEMPT_S,
                confirmations=2,
            ),
            nodes,
            RootProcess(
                database=self.database, operators=[self.operator], now_ms=now_ms, clock_ok=lambda: True,
                on_clone=self.clones.append, peers=_Peers(store), turn=turn_after(2),
            ),
            poster,
        )  # fmt: skip
        store.listen(lambda sender, _, w: self.duty.hear(sender, w.epoch, w.body) if isinstance(w, EpochWord) else "")
        self.faults: list[tuple[str, Exception]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Process]:
        await self.network.start()
        works = [asyncio.create_task(t()) for t in self.duty.tasks(lambda n, e: self.faults.append((n, e))).values()]
        try:
            yield self
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            await self.network.close()
            await self.duty.close()
            self.database.close()
            self.journal.close()


class _Peers:
    def __init__(self, store: StorePeers) -> None:
        self.store = store

    def tell(self, epoch: int, body: bytes) -> None:
        self.store.tell(0, EpochWord(epoch, body))

    def answer(self, to: bytes, epoch: int, body: bytes) -> None:
        self.store.answer(to, EpochWord(epoch, body))

    def note_members(self, keys: object) -> None:
        """All are peers by the config."""


class Clock:
    """It began a little before the first attempt, by the chain's time."""

    def __init__(self, start_ms: int) -> None:
        self.ahead_ms = start_ms - time.time_ns() // 1_000_000

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


def signed_in(database: Database) -> set[bytes]:
    return {w.address for w in kept_words(database, "main", EPOCH) if isinstance(w, RootSigned)}


async def until(condition: object, processes: list[Process]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # type: ignore[operator]
            assert not any(p.faults for p in processes), [p.faults for p in processes]
            await asyncio.sleep(0.1)


async def test_members_of_weight_t_report_by_themselves_and_one_who_was_away_learns_it(
    over: ChainEpoch, tmp_path: Path
) -> None:
    ports = free_ports(len(KEYS))
    now_ms = Clock((over.bench.now + 3 * INTERVAL_S) * MS - 500)
    async with AsyncExitStack() as running:
        there = [Process(over, tmp_path, n, ports, now_ms) for n in (0, 1, 2)]
        for one in there:
            await running.enter_async_context(one.running())
        await until(lambda: all(p.duty.posted == EPOCH for p in there), there)
        away = Process(over, tmp_path, 3, ports, now_ms)
        await running.enter_async_context(away.running())
        await until(lambda: away.duty.posted == EPOCH, [*there, away])
        nodes = QuorumRpc([over.url], chain_id=31337)
        running.push_async_callback(nodes.close)
        reads = await RewardsReads.open(nodes, bytes.fromhex(over.rewards.address[2:]), over.domain)
        frozen, posted = await reads.frozen(EPOCH), await reads.posted(EPOCH)
        assert frozen is not None
        assert posted is not None
        found = await recompute(reads, frozen, posted)
        assert found.faults == ()
        assert found.computed is not None
        assert found.computed.seen.credited == (10, 10, 4, 10)
        assert sum(leaf.amount for leaf in found.computed.leaves) <= POT
        everybody = {
            p.operator.address for p in there
        }  # a report may be seen on chain before each of its signatures is heard
        await until(lambda: all(everybody <= signed_in(p.database) for p in there), there)
        for one in there:
            assert not one.clones
            assert one.database.epoch_evidence("main", EPOCH) == []
        assert over.rewards.functions.reportOf(EPOCH).call()[0] == posted.root
