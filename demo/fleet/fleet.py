"""A fleet: chain, contracts and venues here, and each operator as a process beside them."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import coincurve

from demo import settings
from demo.fleet.fleet_config import NAMES, Contact, OperatorPlace, operator_config
from demo.venues.server import Venue
from demo.world import anvil
from demo.world.chain import LocalChain, account
from demo.world.deploy import DemoWorld, backdated, deploy
from oracle.config import sections
from oracle.config.resolve import resolve
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment_file import Deployment
from oracle.deploy.store_settings import StoreSettings
from oracle.runtime.clock import now_ms
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of
from oracle.sign.sign_journal import SignJournal

_FIRST_ACCOUNT = 20
"""Accounts of the node's mnemonic from here on are operators' gas keys."""
_FAST_KDF = 1
_STOP_S = 10.0
_PURSE_WAD = 10**21


@dataclass(slots=True)
class OperatorProcess:
    """One operator: its place, its config, and its process while it runs."""

    place: OperatorPlace
    config: Path
    environ: Mapping[str, str]
    behaviour: str = "honest"
    process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        """As in the config."""
        return self.place.name

    @property
    def database(self) -> Path:
        """Its file."""
        return self.place.folder / "oracle.db"

    async def start(self) -> None:
        """Start the process; its log goes to a file."""
        with (self.place.folder / "log.txt").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "demo.fleet.operator_process", str(self.config), self.behaviour,
                env=dict(self.environ), stdout=log, stderr=log,
            )  # fmt: skip

    async def kill(self) -> None:
        """As the power fails: SIGKILL."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not end it."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await self.process.wait()
        except TimeoutError:
            await self.kill()


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
    keys: Mapping[str, coincurve.PrivateKey] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """What a fleet is to be.

    Attributes:
        operators: how many.
        threshold: of the store, heads.
        interval_s: between rounds.
        payers: how many have a gas key, the first ones.
        silent: numbers of operators that never listen.
        behaviours: of operators by number; honest without one.
        rpc_urls: endpoints of an operator, by its number and the node's address.
        contact: where one operator dials another one, by both numbers and the address that the other listens at.
    """

    operators: int = 5
    threshold: int = 4
    interval_s: int = 2
    payers: int = 3
    silent: frozenset[int] = frozenset()
    behaviours: Mapping[int, str] = field(default_factory=dict)
    rpc_urls: Callable[[int, str], tuple[str, ...]] = lambda _number, url: (url,)
    contact: Callable[[int, int, str], tuple[str, str]] = lambda _from, _to, url: (url, "")


@asynccontextmanager
async def running_fleet(folder: Path, plan: FleetPlan) -> AsyncIterator[Fleet]:
    """Start chain, venues and all operators; ends them afterwards."""
    async with AsyncExitStack() as stack:
        node = stack.enter_context(anvil.running(block_time_s=1, extra=backdated()))
        chain = await stack.enter_async_context(LocalChain(node.url))
        world = await deploy(chain, block_time_s=None)
        venues = {name: Venue(name) for name in settings.SYMBOLS}
        for venue in venues.values():
            await venue.start()
            stack.push_async_callback(venue.stop)
        names = NAMES[: plan.operators]
        keys = {name: coincurve.PrivateKey() for name in names}
        ports = _free_ports(2 * plan.operators)
        passphrase = secrets.token_hex(16)
        places = [_place(plan, folder, n, ports, keys, node.url) for n in range(plan.operators)]
        urls = {n: (v.ws_url, v.rest_url) for n, v in venues.items()}

        def write(store: str) -> list[Path]:
            return [_write(p, world, urls, store, plan.interval_s) for p in places]

        for place in places:
            await _write_keys(chain, place, keys[place.name], passphrase)
        specs = resolve(sections.load(write("0x" + "00" * 20)[0])).specs
        deployer = Deployer(node.url, coincurve.PrivateKey(bytes(world.accounts.owner.key)))
        stack.push_async_callback(deployer.close)
        signers = StoreSettings(
            signers=tuple(address_of(k) for k in keys.values()),
            weights=(1,) * plan.operators,
            threshold=plan.threshold,
            max_push_age_s=settings.MAX_PUSH_AGE_S,
        )
        pushed = [s for s in specs.values() if s.is_cross or s.feed in settings.PUSHED]
        deployment = await deployer.deploy(signers, pushed)
        configs = write(deployment.store)
        await chain.rpc("evm_setIntervalMining", 1)
        await chain.automine(on=False)
        environ = {settings.PASSPHRASE_ENV: passphrase, settings.GAS_PASSPHRASE_ENV: passphrase, **_inherited()}
        operators = {
            p.name: OperatorProcess(p, c, environ, plan.behaviours.get(p.number, "honest"))
            for p, c in zip(places, configs, strict=True)
        }
        for operator in operators.values():
            stack.push_async_callback(operator.stop)
        yield Fleet(
            node=node, chain=chain, world=world, venues=venues, deployment=deployment, operators=operators,
            interval_s=plan.interval_s, keys=keys,
        )  # fmt: skip


def _inherited() -> dict[str, str]:
    import os  # noqa: PLC0415

    return {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "PYTHONPATH", "LANG", "TZ"}}


def _place(
    plan: FleetPlan, folder: Path, number: int, ports: Sequence[int], keys: Mapping[str, coincurve.PrivateKey], url: str
) -> OperatorPlace:
    name = NAMES[number]
    contacts = []
    for other, (other_name, key) in enumerate(keys.items()):
        if other != number:
            at = "" if other in plan.silent else f"wss://127.0.0.1:{ports[2 * other + 1]}"
            dialled, certificate = plan.contact(number, other, at) if at else ("", "")
            contacts.append(
                Contact(name=other_name, address="0x" + address_of(key).hex(), url=dialled, certificate=certificate)
            )
    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    return OperatorPlace(
        name=name,
        number=number,
        folder=own,
        api_port=ports[2 * number],
        listen="" if number in plan.silent else f"127.0.0.1:{ports[2 * number + 1]}",
        rpc_urls=plan.rpc_urls(number, url),
        pays=number < plan.payers,
        contacts=contacts,
    )


def _write(
    place: OperatorPlace, world: DemoWorld, urls: Mapping[str, tuple[str, str]], store: str, interval_s: int
) -> Path:
    path = place.folder / "config.toml"
    text = operator_config(place, world, urls, store=store, directory="", interval_s=interval_s)
    path.write_text(text, encoding="utf-8")
    return path


async def _write_keys(chain: LocalChain, place: OperatorPlace, key: coincurve.PrivateKey, passphrase: str) -> None:
    keyfiles.save(place.folder / f"{place.name}.key.json", key, passphrase, iterations=_FAST_KDF)
    journal = place.folder / f"{place.name}.journal.db"
    SignJournal(journal, address_of(key), now_ms=now_ms(), mute_ms=0, newborn=True).close()
    if place.pays:
        gas = coincurve.PrivateKey(bytes(account(_FIRST_ACCOUNT + place.number).key))
        keyfiles.save(place.folder / "gas.key.json", gas, passphrase, iterations=_FAST_KDF)
        await chain.rpc("anvil_setBalance", "0x" + address_of(gas).hex(), hex(_PURSE_WAD))


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
