"""Operators as in production, each with its own database, journal, mesh and targets, around stores on one real chain.

They share an event loop and a clock that may be set ahead; between them there are real sockets with TLS. Rounds come at their
times, every two seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import coincurve
import orjson

from demo.world import anvil
from demo.world.chain import account
from demo.world.deploy import backdated
from feeds.types import Kind, Observation
from feeds.units import MS, WAD, Wad
from oracle.agree.leaders import NO_RANDOMNESS, leader_order
from oracle.agree.outcome import RoundOutcome
from oracle.agree.terms import CommonRules, timing_of
from oracle.audit.checks import Check
from oracle.audit.recompute import verify
from oracle.chain.store_abi import calldata
from oracle.chain.store_client import StoreClient
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.model.publication import PushRow
from oracle.network.agreements import Agreements
from oracle.network.members_reader import MembersReader
from oracle.network.mesh.certificates import self_signed
from oracle.network.mesh.roster import Peer
from oracle.network.operator_network import NetworkPlace, OperatorNetwork
from oracle.network.sealed_rounds import SealedRounds
from oracle.network.seats import LocalMember
from oracle.network.store_peers import StorePeers
from oracle.network.times import AgreementClock
from oracle.push.context import OtherOperators, TargetContext
from oracle.push.settings import TargetPace
from oracle.push.target import Target
from oracle.round.rounds import Member, Round, Rounds
from oracle.round.seat import HomeStore
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database
from tests.oracle.network.mesh.mesh_world import free_port
from tests.oracle.push.fault_world import PATIENT_MS, RULES, SPECS

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon")
KEYS = {name: coincurve.PrivateKey(bytes([60 + i]) * 32) for i, name in enumerate(NAMES)}
ADDRESSES = {name: address_of(k) for name, k in KEYS.items()}
ROUND_S = 2
RARELY_MS = 3_600_000
"""From one look at the signer sets to the next, where nothing is seen to have changed: longer than any test."""
DELAY_S = 100
LONG_S = 150.0
RATE = 105 * WAD // 100
_OWNER, _FIRST_GAS = account(0), 30
_PURSE_WAD = 10**21
Prices = Callable[[str, str, int], tuple[int, int] | None]
"""Market and rate that an operator sees of a feed in a round; None where it sees nothing."""


def moving(_name: str, feed: str, round_s: int) -> tuple[int, int]:
    """Every other round lies a percent higher, which is always due."""
    base = RATE if feed == "wdivETH/ETH" else 2_000 * WAD
    return base * (10_000 + (100 if round_s % (2 * ROUND_S) else 0)) // 10_000, RATE


@dataclass(frozen=True, kw_only=True)
class StorePlace:
    """A store: who signs for it, and who pays there, with which gas key."""

    name: str
    domain: Domain
    signers: tuple[str, ...]
    purses: Mapping[str, coincurve.PrivateKey]


@dataclass
class NetworkedWorld:
    """The stores and the operators. ``ahead_ms``: how far the clock was set ahead."""

    node: str
    folder: Path
    prices: Prices = moving
    ahead_ms: int = 0
    stores: dict[str, StorePlace] = field(default_factory=dict)
    operators: dict[str, NetworkedOperator] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in NAMES})
    session: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    async def rpc(self, method: str, *params: Any) -> Any:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(self.node, json=call) as reply:
            body = orjson.loads(await reply.read())
        assert "error" not in body, (method, body)
        return body["result"]

    async def put(self, name: str, signers: Sequence[str], threshold: int, payers: Sequence[str]) -> StorePlace:
        """A store, and a gas key of its own for each that pays there."""
        deployer = Deployer(self.node, coincurve.PrivateKey(bytes(_OWNER.key)))
        settings = StoreSettings(
            signers=tuple(ADDRESSES[n] for n in signers), weights=(1,) * len(signers), threshold=threshold,
            max_push_age_s=RULES.max_push_age_s, rotation_delay_s=DELAY_S, overlap_s=RULES.max_push_age_s,
        )  # fmt: skip
        made = await deployer.deploy(settings, [])
        for feed, spec in SPECS.items():
            await deployer.register(made.store, feed, market=spec.has_market, redemption=spec.has_redemption)
        await deployer.close()
        first = _FIRST_GAS + 10 * len(self.stores)
        purses = {n: coincurve.PrivateKey(bytes(account(first + i).key)) for i, n in enumerate(payers)}
        for key in purses.values():
            await self.rpc("anvil_setBalance", "0x" + address_of(key).hex(), hex(_PURSE_WAD))
        domain = Domain(chain_id=made.chain_id, store=bytes.fromhex(made.store[2:]))
        self.stores[name] = StorePlace(name=name, domain=domain, signers=tuple(signers), purses=purses)
        return self.stores[name]

    async def by_owner(self, store: str, function: str, *args: Any) -> None:
        data = "0x" + calldata(function, args)[0].hex()
        call = {"from": _OWNER.address, "to": "0x" + self.stores[store].domain.store.hex(), "data": data}
        tx = await self.rpc("eth_sendTransaction", call | {"gas": hex(3_000_000)})
        async with asyncio.timeout(LONG_S):
            while (receipt := await self.rpc("eth_getTransactionReceipt", tx)) is None:  # noqa: ASYNC110 - a node has no event
                await asyncio.sleep(0.1)
        assert receipt["status"] == "0x1"

    async def go_ahead(self, seconds: int) -> None:
        """Set all clocks and the chain ahead."""
        await self.rpc("evm_increaseTime", hex(seconds))
        self.ahead_ms += seconds * MS

    async def start(self, *names: str) -> None:
        for name in names:
            self.operators[name] = NetworkedOperator(self, name)
            await self.operators[name].start()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LONG_S):
            while not condition():
                for operator in self.operators.values():
                    if operator.life is not None and operator.life.done():
                        operator.life.result()
                await asyncio.sleep(0.1)

    def states(self, store: str) -> Counter[tuple[str, str]]:
        """How many pushes of whom have come to what."""
        return Counter((n, r.state.value) for n, o in self.operators.items() for r in o.pushes(store))

    def landed(self, store: str) -> int:
        return sum(count for (_, state), count in self.states(store).items() if state == "landed")


class NetworkedOperator:
    """One operator: all that its process would have but sources and endpoint."""

    def __init__(self, world: NetworkedWorld, name: str) -> None:
        self.world, self.name = world, name
        self.life: asyncio.Task[None] | None = None
        self.outcomes: dict[tuple[str, int], RoundOutcome] = {}
        self.stages: list[int] = []
        self.failed: list[str] = []
        self.done: Round | None = None
        now_ms = world.now_ms
        self.journal = SignJournal(
            world.folder / f"{name}.journal", ADDRESSES[name], now_ms=now_ms(), mute_ms=0, newborn=True
        )
        self.operator = Operator(name, KEYS[name], self.journal, bound_bps=1_000)
        self.database = Database(world.folder / f"{name}.db")
        home, *_ = world.stores
        self.network = OperatorNetwork(
            self._place(world.stores[home].domain), self.operator, coincurve.PrivateKey(), self.database, now_ms=now_ms
        )
        self.agreements = Agreements(
            [self.network.member(LocalMember(operator=self.operator))],
            clock=AgreementClock(now_ms=now_ms, clock_ok=lambda: True), rules=CommonRules(), timing=timing_of(ROUND_S),
            order=lambda signers, round_s: leader_order(signers, NO_RANDOMNESS, round_s), sealed=SealedRounds(self._learn),
            transport=self.network, names={a: n for n, a in ADDRESSES.items()}, on_outcome=self._note,
        )  # fmt: skip
        self.network.receive, self.network.say_again = self.agreements.inbox.receive, self.agreements.inbox.say_again
        self.agreements.inbox.on_refused = self.network.note_refused
        states = {f: self.database.state(name, f) for f in SPECS}
        member = Member(name=name, specs=SPECS, states=states, signer=self.operator)
        self.rounds = Rounds(SPECS, [member], HomeStore(target=home, feeds=frozenset(SPECS), networked=True))
        self.targets = {n: self._target(place) for n, place in world.stores.items()}

    def _place(self, domain: Domain) -> NetworkPlace:
        ports = self.world.ports
        peers = {
            a: Peer(address=a, name=n, urls=(f"wss://127.0.0.1:{ports[n]}",))
            for n, a in ADDRESSES.items()
            if n != self.name
        }
        return NetworkPlace(
            domain=domain, urls=(f"wss://127.0.0.1:{ports[self.name]}",), host="127.0.0.1", port=ports[self.name],
            tls=self_signed(), peers=peers, interval_s=ROUND_S, versions=(1,), build="1.2.3",
        )  # fmt: skip

    def _target(self, place: StorePlace) -> Target:
        purse = place.purses.get(self.name)
        client = StoreClient(
            (self.world.node,), place.domain, LocalSigner(purse) if purse is not None else None, max_fee_gwei=500,
            timeout_ms=PATIENT_MS,
        )  # fmt: skip
        if purse is not None:
            self.network.note_purse(place.domain, address_of(purse))
        context = TargetContext(
            database=self.database, rounds=self.rounds, now_ms=self.world.now_ms, collect=self.agreements.cut,
            on_signatures=lambda _: None, on_landed=lambda _: None, on_failed=self.failed.append,
            on_stage=self.stages.append,
        )  # fmt: skip
        return Target(
            place.name, client, RULES, feeds=list(SPECS), operators=[self.operator], can_send=purse is not None,
            context=context, round_s=ROUND_S, pace=TargetPace(signers_ms=RARELY_MS), others=OtherOperators(
                members=MembersReader(client), on_members=partial(self.network.note_members, place.name),
                peers=StorePeers(domain=place.domain, agreements=self.agreements, network=self.network),
            ),
        )  # fmt: skip

    async def start(self) -> None:
        for target in self.targets.values():
            await target.start()
        await self.network.start()
        self.life = asyncio.create_task(self._live())

    async def stop(self) -> None:
        """Its process ends."""
        if self.life is not None:
            self.life.cancel()
            await asyncio.gather(self.life, return_exceptions=True)
            self.life = None
        await self.network.close()
        for target in self.targets.values():
            await target.close()

    def release(self) -> None:
        self.database.close()
        self.journal.close()

    def pushes(self, store: str) -> Sequence[PushRow]:
        return self.database.pushes(store)

    def sealed(self, store: str) -> list[int]:
        """Rounds of a store that it saw sealed."""
        return sorted(s for (name, s), o in self.outcomes.items() if name == store and o.sealed is not None)

    async def _live(self) -> None:
        """Rounds at their times, and a look at every target four times a second."""
        while True:
            next_s = (self.world.now_ms() // MS // ROUND_S + 1) * ROUND_S
            while self.world.now_ms() < next_s * MS:
                await self._look()
                await asyncio.sleep(min(0.25, max(0.0, next_s - self.world.now_ms() / MS)))
            await self._round(next_s)
            await self._look()

    async def _look(self) -> None:
        for target in self.targets.values():
            await target.tick()

    async def _round(self, round_s: int) -> None:
        now_ms = self.world.now_ms()
        observed = {f: self._observed(f, round_s) for f in SPECS}
        folded = self.rounds.fold(round_s, observed, now_ms=now_ms)
        outcomes = await asyncio.gather(*(self.agreements.agree(ask) for ask in folded.asks.values()))
        done = self.rounds.finish(folded, dict(zip(folded.asks, outcomes, strict=True)))
        self._keep(done, done.feeds)
        for target in self.targets.values():
            target.offer(done)

    def _keep(self, done: Round, feeds: Any) -> None:
        self.database.save_round(feeds, done.agreements, done.records, done.transitions)
        self.rounds.commit(done)
        self.done = done

    def _note(self, outcome: RoundOutcome) -> None:
        self.outcomes[outcome.terms.target, outcome.terms.round_time_s] = outcome

    def _learn(self, outcome: RoundOutcome) -> None:
        self._note(outcome)
        done = self.rounds.learn(outcome, self.world.now_ms())
        if done is not None:
            self._keep(done, ())

    def _observed(self, feed: str, round_s: int) -> list[Observation]:
        seen, spec = self.world.prices(self.name, feed, round_s), SPECS[feed]
        if seen is None:
            return []
        base = {"pair": spec.pair, "observed_at_ms": round_s * MS}
        market = [
            Observation(source=n, group=n, kind=Kind.MARKET, price_wad=Wad(seen[0]), **base)
            for n in ("coinbase", "kraken")
        ]
        owed = Observation(source="rate", group="rate", kind=Kind.REDEMPTION, price_wad=Wad(seen[1]), **base)
        return [*market, owed] if spec.has_redemption else market


@asynccontextmanager
async def networked_world(folder: Path) -> AsyncIterator[NetworkedWorld]:
    """A chain with a block a second, and nothing on it."""
    async with AsyncExitStack() as stack:
        node = stack.enter_context(anvil.running(extra=backdated()))
        world = NetworkedWorld(node.url, folder)
        stack.push_async_callback(world.session.close)
        try:
            yield world
        finally:
            await asyncio.gather(*(o.stop() for o in world.operators.values()))
            for operator in world.operators.values():
                operator.release()


def not_verified(world: NetworkedWorld, newest: int = 12) -> list[tuple[str, str, int, Check]]:
    """Of the newest records of every operator, what does not recompute or does not follow from what was sealed."""
    return [
        (name, feed, record.report.round_time_s, check)
        for name, operator in world.operators.items()
        for feed in SPECS
        for record in operator.database.history(feed, 0, 1 << 45, newest)
        for check in verify(operator.database, feed, record.report.round_time_s)
        if not check.ok
    ]


async def blocks_every_second(world: NetworkedWorld) -> None:
    """From now on, and none with a transaction."""
    await world.rpc("evm_setTime", world.now_ms() // MS)
    await world.rpc("evm_mine")
    await world.rpc("evm_setAutomine", False)
    await world.rpc("evm_setIntervalMining", 1)
