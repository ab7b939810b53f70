"""A fleet: chain, contracts and venues here, and each operator as a process beside them."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo import settings
from demo.fleet.fleet_config import NAMES, REWARDS_KEY, WATCH_KEY, Contact, OperatorPlace, operator_config
from demo.fleet.process import OperatorProcess
from demo.venues.server import Venue
from demo.world import anvil
from demo.world.chain import LocalChain, account, accounts
from demo.world.deploy import HISTORY_S, DemoWorld, backdated, deploy
from demo.world.hostile_network import HostileNetwork
from demo.world.lying_rpc import LyingRpc
from demo.world.restaking import JOINED_S, RESTAKED_S, Restaking, Vaults, restake, take_over
from oracle.config import sections
from oracle.config.resolve import resolve
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment_file import Deployment
from oracle.deploy.store_settings import StoreSettings
from oracle.runtime.clock import now_ms
from oracle.sign import curve, keyfiles
from oracle.sign.eip712 import address_of
from oracle.sign.sign_journal import SignJournal

_FIRST_ACCOUNT = 20
"""Accounts of the node's mnemonic from here on are operators' gas keys."""
FIRST_PROVER = 120
"""Accounts from here on pay for proofs."""
FIRST_POSTER = 140
"""Accounts from here on pay for reports of epochs."""
_FAST_KDF = 1
_PURSE_WAD = 10**21


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Everything that runs: the world, and the operators by name."""

    node: anvil.Anvil
    chain: LocalChain
    world: DemoWorld
    venues: Mapping[str, Venue]
    deployment: Deployment
    operators: Mapping[str, OperatorProcess]
    interval_s: int
    threshold: int
    keys: Mapping[str, curve.PrivateKey] = field(repr=False)
    endpoints: Mapping[str, LyingRpc] = field(default_factory=dict)
    network: HostileNetwork | None = None
    restaking: Restaking | None = None

    @property
    def names(self) -> Mapping[bytes, str]:
        """Of all operators, by report address."""
        return {address_of(k): n for n, k in self.keys.items()}

    @property
    def addresses(self) -> Mapping[str, bytes]:
        """Report addresses, by name."""
        return {n: address_of(k) for n, k in self.keys.items()}

    async def start(self, *names: str) -> None:
        """Start these operators, all without names, at the same time."""
        await asyncio.gather(*(self.operators[n].start() for n in names or self.operators))


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """What a fleet is to be.

    Attributes:
        operators: how many.
        threshold: of the store, heads; 0: the least above two thirds of those that sign.
        seated: how many sign from the start, the first ones; 0: all.
        interval_s: between rounds.
        payers: how many have a gas key, the first ones.
        silent: numbers of operators that never listen.
        behaviours: of operators by number; honest without one.
        rpc_urls: endpoints of an operator, by its number and the node's address.
        contact: where one operator dials another one, by both numbers and the address that the other listens at.
        network: stands between all of them, who then speak ws:// to it.
        own_endpoints: numbers of operators with an endpoint of their own before the node, in ``Fleet.endpoints``.
        api_port: of the first operator's endpoint; 0: any.
        rotation_delay_s: of the store.
        directory: whether operators find each other in an OperatorDirectory as well.
        longest_epoch_s: of the store; 0: for ever.
        raised: number of the operator that gets more stake; with it, stake decides who signs. None: nobody owns a vault.
        provers: numbers of operators whose watch pays for proofs.
    """

    operators: int = 5
    threshold: int = 0
    seated: int = 0
    interval_s: int = 2
    payers: int = 3
    silent: frozenset[int] = frozenset()
    behaviours: Mapping[int, str] = field(default_factory=dict)
    rpc_urls: Callable[[int, str], tuple[str, ...]] = lambda _number, url: (url,)
    contact: Callable[[int, int, str], tuple[str, str]] = lambda _from, _to, url: (url, "")
    network: HostileNetwork | None = None
    own_endpoints: frozenset[int] = frozenset()
    api_port: int = 0
    rotation_delay_s: int = 0
    directory: bool = False
    longest_epoch_s: int = 0
    raised: int | None = None
    provers: frozenset[int] = frozenset()

    @property
    def members(self) -> int:
        """How many sign from the start."""
        return self.seated or self.operators

    @property
    def needed(self) -> int:
        """T: of so many agreement stays safe and alive with as many faulty ones as can be."""
        return self.threshold or 2 * self.members // 3 + 1


@asynccontextmanager
async def running_fleet(folder: Path, plan: FleetPlan) -> AsyncIterator[Fleet]:
    """Start chain, contracts and venues, and make all operators, which the caller starts; ends all of them afterwards."""
    async with AsyncExitStack() as stack:
        ago_s = HISTORY_S if plan.raised is None else RESTAKED_S
        node = stack.enter_context(anvil.running(block_time_s=1, extra=backdated(ago_s)))
        chain = await stack.enter_async_context(LocalChain(node.url))
        keys = {name: curve.PrivateKey() for name in NAMES[: plan.operators]}
        deployer = Deployer(node.url, curve.PrivateKey(bytes(accounts().owner.key)))
        stack.push_async_callback(deployer.close)
        store = _store_settings(plan, keys)
        world, vaults = await _deploy_world(chain, deployer, plan, store)
        venues = {name: Venue(name) for name in settings.SYMBOLS}
        for venue in venues.values():
            await venue.start()
            stack.push_async_callback(venue.stop)
        endpoints = await _own_endpoints(stack, plan, node.url)
        places = await _places(plan, folder, keys, node.url, endpoints)
        urls = {n: (v.ws_url, v.rest_url) for n, v in venues.items()}
        passphrase = secrets.token_hex(16)
        for place in places:
            await _write_keys(chain, place, keys[place.name], passphrase)

        def write(store: str, directory: str = "", made: Restaking | None = None) -> list[Path]:
            return [_write(p, world, urls, (store, directory, made), plan.interval_s) for p in places]

        specs = resolve(sections.load(write("0x" + "00" * 20)[0])).specs
        pushed = [s for s in specs.values() if s.is_cross or s.feed in settings.PUSHED]
        deployment = await deployer.deploy(store if vaults is None else vaults.settings, pushed)
        restaking: Restaking | None = None
        if vaults is not None:
            restaking = await take_over(chain, vaults, deployment, list(keys.values()))
        configs = write(deployment.store, deployment.directory or "", restaking)
        await chain.rpc("evm_setIntervalMining", 1)
        await chain.automine(on=False)
        environ = {settings.PASSPHRASE_ENV: passphrase, settings.GAS_PASSPHRASE_ENV: passphrase}
        operators = {
            p.name: OperatorProcess(p, c, environ, plan.behaviours.get(p.number, "honest"))
            for p, c in zip(places, configs, strict=True)
        }
        stack.push_async_callback(_stop_all, operators.values())
        yield Fleet(
            node=node, chain=chain, world=world, venues=venues, deployment=deployment, operators=operators,
            interval_s=plan.interval_s, threshold=plan.needed, keys=keys,
            endpoints={places[n].name: e for n, e in endpoints.items()}, network=plan.network, restaking=restaking,
        )  # fmt: skip


async def _deploy_world(
    chain: LocalChain, deployer: Deployer, plan: FleetPlan, store: StoreSettings
) -> tuple[DemoWorld, Vaults | None]:
    """The world, and vaults that were there long ago where stake decides who signs."""
    if plan.raised is None:
        return await deploy(chain, block_time_s=None), None
    made: list[Vaults] = []
    raised = plan.raised

    async def then(world: DemoWorld) -> None:
        made.append(await restake(chain, deployer, world, store, operators=plan.operators, raised=raised))

    world = await deploy(chain, block_time_s=None, then=then, behind_s=JOINED_S)
    return world, made[0]


async def _stop_all(operators: Iterable[OperatorProcess]) -> None:
    await asyncio.gather(*(o.stop() for o in operators))


async def _own_endpoints(stack: AsyncExitStack, plan: FleetPlan, url: str) -> dict[int, LyingRpc]:
    made = {number: LyingRpc(url) for number in sorted(plan.own_endpoints)}
    for endpoint in made.values():
        await endpoint.start()
        stack.push_async_callback(endpoint.stop)
    return made


def _store_settings(plan: FleetPlan, keys: Mapping[str, curve.PrivateKey]) -> StoreSettings:
    return StoreSettings(
        signers=tuple(address_of(k) for k in keys.values())[: plan.members],
        weights=(1,) * plan.members,
        threshold=plan.needed,
        max_push_age_s=settings.MAX_PUSH_AGE_S,
        rotation_delay_s=plan.rotation_delay_s,
        longest_epoch_s=plan.longest_epoch_s,
        directory=plan.directory,
    )


async def _places(
    plan: FleetPlan, folder: Path, keys: Mapping[str, curve.PrivateKey], node_url: str,
    endpoints: Mapping[int, LyingRpc],
) -> list[OperatorPlace]:  # fmt: skip
    ports = free_ports(2 * plan.operators)
    scheme = "wss" if plan.network is None else "ws"
    listens = {n: f"127.0.0.1:{ports[2 * n + 1]}" for n in range(plan.operators) if n not in plan.silent}
    if plan.network is not None:
        reached = await plan.network.add_all(
            {NAMES[n]: f"ws://{at}" for n, at in listens.items()}, only_dial=[NAMES[n] for n in sorted(plan.silent)]
        )
        relayed = {(link.dialler, link.listener): url for link, url in reached.items()}
    places = []
    for number, name in enumerate(keys):
        own = folder / name
        own.mkdir(parents=True, exist_ok=True)
        contacts = []
        for other, (other_name, key) in enumerate(keys.items()):
            if other == number:
                continue
            at, certificate = f"{scheme}://{listens[other]}" if other in listens else "", ""
            if plan.network is not None:
                at = relayed.get((name, other_name), "")
            elif at:
                at, certificate = plan.contact(number, other, at)
            contacts.append(
                Contact(name=other_name, address="0x" + address_of(key).hex(), url=at, certificate=certificate)
            )
        rpc_urls = (endpoints[number].url,) if number in endpoints else plan.rpc_urls(number, node_url)
        places.append(OperatorPlace(
            name=name, number=number, folder=own,
            api_port=plan.api_port if plan.api_port and number == 0 else ports[2 * number],
            listen=listens.get(number, ""), scheme=scheme, rpc_urls=rpc_urls, pays=number < plan.payers,
            proves=number in plan.provers, posts=plan.raised is not None and number < plan.payers, contacts=contacts,
        ))  # fmt: skip
    return places


def _write(
    place: OperatorPlace,
    world: DemoWorld,
    urls: Mapping[str, tuple[str, str]],
    deployed: tuple[str, str, Restaking | None],
    interval_s: int,
) -> Path:
    path = place.folder / "config.toml"
    store, directory, made = deployed
    text = operator_config(
        place, world, urls, store=store, directory=directory, interval_s=interval_s,
        penalties="" if made is None else made.penalties.address, rewards="" if made is None else made.rewards.address,
    )  # fmt: skip
    path.write_text(text, encoding="utf-8")
    return path


async def _write_keys(chain: LocalChain, place: OperatorPlace, key: curve.PrivateKey, passphrase: str) -> None:
    keyfiles.save(place.folder / f"{place.name}.key.json", key, passphrase, iterations=_FAST_KDF)
    journal = place.folder / f"{place.name}.journal.db"
    SignJournal(journal, address_of(key), now_ms=now_ms(), mute_ms=0, newborn=True).close()
    purses = [("gas.key.json", _FIRST_ACCOUNT)] if place.pays else []
    purses += [(WATCH_KEY, FIRST_PROVER)] if place.proves else []
    purses += [(REWARDS_KEY, FIRST_POSTER)] if place.posts else []
    for name, first in purses:
        gas = curve.PrivateKey(bytes(account(first + place.number).key))
        keyfiles.save(place.folder / name, gas, passphrase, iterations=_FAST_KDF)
        await chain.rpc("anvil_setBalance", "0x" + address_of(gas).hex(), hex(_PURSE_WAD))


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
