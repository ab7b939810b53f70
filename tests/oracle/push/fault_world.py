"""A small world for the pusher: a store on a chain, operators with keys, prices that move, faults, a clock to set.

Everything of ours is the real thing: rounds, operators with journals, the database, target and pusher. The clock, the
prices and the faults follow from a seed. `FaultWorld` may be left in one process and taken up in another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import coincurve
import orjson

from feeds.types import Kind, Observation, Outcome, Pair
from feeds.units import WAD, Wad
from oracle.chain.store_client import GasSigner, StoreClient
from oracle.model.spec import Bands, FeedSpec, Mode, SourceSpec
from oracle.push.context import TargetContext
from oracle.push.due import Decision, PushPolicy
from oracle.push.settings import PushRules, TargetPace
from oracle.push.target import Target
from oracle.round.rounds import Member, Round, Rounds
from oracle.round.seat import HomeStore
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database, last_published
from tests.oracle.network.agreement_world import agreed_round, agreements_here

OPERATORS = ("alpha", "beta", "gamma")
KEYS = {name: coincurve.PrivateKey(bytes([40 + i]) * 32) for i, name in enumerate(OPERATORS)}
MAX_PUSH_AGE_S = 24
CONFIRMATIONS = 6
RULES = PushRules(max_push_age_s=MAX_PUSH_AGE_S, bump_after_s=4, confirmations=CONFIRMATIONS)
POLICY = PushPolicy()
PACE = TargetPace()
MAX_FEE_GWEI = 60
TIMEOUT_MS = 300
PATIENT_MS = 5_000
"""For endpoints that never hang: no answer of theirs is late on a busy machine."""
ROUND_S = 2
_BANDS = Bands(
    watch_bps=100, watch_leave_bps=50, depeg_bps=300, depeg_leave_bps=150, watch_dwell_s=0, depeg_dwell_s=2,
    leave_dwell_s=4,
)  # fmt: skip


def _source(pair: Pair, name: str, kind: Kind) -> SourceSpec:
    return SourceSpec(name=name, pair=pair, kind=kind, group=name, max_age_s=60)


def make_spec(feed: str, *, redemption: bool) -> FeedSpec:
    pair = Pair.parse(feed)
    sources = [_source(pair, n, Kind.MARKET) for n in ("coinbase", "kraken")]
    sources += [_source(pair, "rate", Kind.REDEMPTION)] if redemption else []
    return FeedSpec(
        feed=feed, pair=pair, sources=tuple(sources), method="median", outliers=None, outlier_floor_bps=50,
        window_s=60, mode=Mode.MARKET, min_groups=2, max_age_s=30, max_spread_bps=1_000, heartbeat_s=16,
        push_bps=50, halt_after_s=10, bands=_BANDS, has_market=True, has_redemption=redemption,
    )  # fmt: skip


SPECS = {s.feed: s for s in (make_spec("wdivETH/ETH", redemption=True), make_spec("ETH/USD", redemption=False))}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a world stands: enough to take it up in another process."""

    seed: int
    node: str
    endpoints: tuple[str, ...]
    chain_id: int
    store: str
    gas_key: str
    folder: str
    views: tuple[str, ...] = ()

    def text(self) -> str:
        return orjson.dumps(self.__dict__).decode()

    @classmethod
    def of(cls, text: str) -> Place:
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in orjson.loads(text).items()})


@dataclass
class TargetEvents:
    """What a target reported, for the checks at the end.

    ``decisions``: (round_time, decision, whether a push was under way). ``deferred``: rounds whose batch waited for one.
    """

    decisions: list[tuple[int, Decision, bool]] = field(default_factory=list)
    deferred: set[int] = field(default_factory=set)
    landed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    looks_failed: list[str] = field(default_factory=list)
    spent_wei: list[int] = field(default_factory=list)
    balances: list[tuple[int, int]] = field(default_factory=list)
    unpoked: list[str] = field(default_factory=list)


class FaultWorld:
    """Rounds and one or more targets at the same store with the same gas key.

    Args:
        place: where it stands.
        now_s: the clock, Unix seconds.
        databases: one for each pusher.
        specs: its feeds.
        policy: of the targets.
        pace: of the targets.
        gas_signer: pays instead of the gas key of the place.
        database_class: of the databases; a test may have one that acts at each step.
        client_class: of the clients, likewise.
        yields_ms: so long another process with the same journals has the first word.
        options: of the clients, besides.

    Attributes:
        agreements: of the operators here, at every store; the first target's is home.
        after_decision: called after every decision of a target.
    """

    def __init__(
        self,
        place: Place,
        now_s: int,
        databases: tuple[str, ...] = ("one.db",),
        *,
        specs: Mapping[str, FeedSpec] | None = None,
        policy: PushPolicy = POLICY,
        pace: TargetPace = PACE,
        gas_signer: GasSigner | None = None,
        database_class: Callable[[Path], Database] = Database,
        client_class: Callable[..., StoreClient] = StoreClient,
        yields_ms: int = 0,
        **options: Any,
    ) -> None:
        self.place = place
        self.specs = specs or SPECS
        self._pace, self._gas_signer, self._client_class = pace, gas_signer, client_class
        self._database_class = database_class
        self.after_decision: Callable[[], None] = lambda: None
        self._options = {"timeout_ms": TIMEOUT_MS, "max_fee_gwei": MAX_FEE_GWEI, **options}
        self.now_s = now_s
        self.rng = random.Random(f"{place.seed} {now_s}")
        self.events: list[TargetEvents] = []
        self.targets: list[Target] = []
        self.clients: list[StoreClient] = []
        folder = Path(place.folder)
        self.databases = [database_class(folder / name) for name in databases]
        self.journals = {
            n: SignJournal(folder / f"{n}.db", address_of(k), now_ms=now_s * 1_000, mute_ms=0, newborn=True)
            for n, k in KEYS.items()
        }
        operators = {n: Operator(n, KEYS[n], j, bound_bps=1_000) for n, j in self.journals.items()}
        self.operators = list(operators.values())
        main = self.databases[0]
        members = [
            Member(name=n, specs=self.specs, states={f: main.state(n, f) for f in self.specs}, signer=o)
            for n, o in operators.items()
        ]
        self.rounds = Rounds(self.specs, members, HomeStore(target="t", feeds=frozenset(self.specs)))
        self.agreements = agreements_here(self.operators, now_ms=lambda: self.now_s * 1_000, yields_ms=yields_ms)
        records = [r for f in self.specs if (r := main.record(f)) is not None]
        self.rounds.resume(records, {f: p for f in self.specs if (p := last_published(main, f)) is not None})
        self._last_s = main.last_round_s()
        self.done: Round | None = None
        self._session = aiohttp.ClientSession()
        for database in self.databases:
            self._add_target(database, place, policy)

    def add(
        self,
        database: str,
        *,
        name: str = "t",
        place: Place | None = None,
        policy: PushPolicy = POLICY,
        dry: bool = False,
    ) -> Target:
        """One more target: at another store, by another name, or a backup at this one, or one without its gas key."""
        self.databases.append(self._database_class(Path(self.place.folder) / database))
        self._add_target(self.databases[-1], place or self.place, policy, name=name, dry=dry)
        return self.targets[-1]

    def _add_target(
        self, database: Database, place: Place, policy: PushPolicy, *, name: str = "t", dry: bool = False
    ) -> None:
        events = TargetEvents()
        domain = Domain(chain_id=place.chain_id, store=bytes.fromhex(place.store[2:]))
        signer = self._gas_signer or LocalSigner(coincurve.PrivateKey(bytes.fromhex(place.gas_key)))
        client = self._client_class(place.endpoints, domain, None if dry else signer, **self._options)

        def decided(newest: Round, decision: Decision, busy: bool) -> None:
            events.decisions.append((newest.round_time_s, decision, busy))
            self.after_decision()

        context = TargetContext(
            database=database,
            rounds=self.rounds,
            now_ms=lambda: self.now_s * 1_000,
            collect=self.agreements.cut,
            on_signatures=lambda _: None,
            on_landed=lambda row: events.landed.append(row.tx_hash),
            on_failed=events.failed.append,
            on_look_failed=events.looks_failed.append,
            on_spent=events.spent_wei.append,
            on_balance=lambda wei, pushes: events.balances.append((wei, pushes)),
            on_unpoked=events.unpoked.append,
            on_decision=decided,
            on_deferred=events.deferred.add,
        )
        target = Target(
            name, client, RULES, feeds=list(self.specs), operators=self.operators, can_send=not dry, context=context, policy=policy,
            views=[bytes.fromhex(v[2:]) for v in place.views], pace=self._pace,
        )  # fmt: skip
        self.events.append(events)
        self.targets.append(target)
        self.clients.append(client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for target in self.targets:
            await target.close()
        await self.agreements.close()
        await self._session.close()
        for database in self.databases:
            database.close()
        for journal in self.journals.values():
            journal.close()

    async def rpc(self, method: str, *params: Any) -> Any:
        """Ask the node itself, past all faults."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._session.post(self.place.node, json=call) as reply:
            body = orjson.loads(await reply.read())
        assert "error" not in body, (method, body)
        return body["result"]

    async def step(self, *, mine: bool, tick: Callable[[int], None] = lambda _: None) -> None:
        """One second: perhaps a round, a look of every target, perhaps a block."""
        self.now_s += 1
        tick(self.now_s)
        if self.now_s % ROUND_S == 0 and self.now_s > self._last_s:
            await self.round({f: prices(self.place.seed, f, self.now_s) for f in self.specs})
        for target in self.targets:
            await target.tick()
        if mine:
            await self.mine()

    async def settle(self, blocks: int) -> None:
        """Nothing new: every second a look and a block, until what is under way has ended and is deep."""
        for _ in range(blocks):
            self.now_s += 1
            await self.mine()
            for target in self.targets:
                await target.tick()

    async def mine(self) -> None:
        head = await self.rpc("eth_getBlockByNumber", "latest", False)
        at_s = max(self.now_s, int(head["timestamp"], 16) + 1)
        await self.rpc("evm_setNextBlockTimestamp", at_s)
        await self.rpc("evm_mine")

    async def round(self, priced: Mapping[str, tuple[int, int]]) -> None:
        """A round now, with these (market, rate) by feed, offered to all targets; a feed that is left out abstains."""
        self.offer(await self.agree(priced))

    async def agree(self, priced: Mapping[str, tuple[int, int]]) -> Round:
        """Such a round, not yet stored."""
        at_ms = self.now_s * 1_000
        observed: dict[str, list[Outcome]] = {}
        for feed, spec in self.specs.items():
            if feed not in priced:
                observed[feed] = []
                continue
            price, rate = priced[feed]
            base = {"pair": spec.pair, "observed_at_ms": at_ms}
            market: list[Outcome] = [
                Observation(source=n, group=n, kind=Kind.MARKET, price_wad=Wad(price), **base)
                for n in ("coinbase", "kraken")
            ]
            owed = Observation(source="rate", group="rate", kind=Kind.REDEMPTION, price_wad=Wad(rate), **base)
            observed[feed] = [*market, owed] if spec.has_redemption else market
        return await agreed_round(self.rounds, self.agreements, self.now_s, observed)

    def offer(self, done: Round) -> None:
        """Store a round, and offer it to all targets."""
        self.databases[0].save_round(done.feeds, done.agreements, done.records, done.transitions)
        self.rounds.commit(done)
        self._last_s, self.done = done.round_time_s, done
        for target in self.targets:
            target.offer(done)


def prices(seed: int, feed: str, now_s: int) -> tuple[int, int]:
    """Market and rate at a time: a walk in steps of half a minute, and now and then half a minute off the peg."""
    part = random.Random(f"{seed} {feed} {now_s // 30}")
    noise = random.Random(f"{seed} {feed} {now_s}").randint(-5, 5)
    shock = part.choice((0, 0, -150, -450, 60, -60))
    rate = 105 * WAD // 100
    base = rate if feed == "wdivETH/ETH" else 2_000 * WAD
    return base * (10_000 + shock + noise) // 10_000, rate
