"""Everything around the service: a chain with contracts, venues, keys and a config.toml, started and ended together."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import settings
from demo.venues.server import Venue
from demo.world import anvil
from demo.world.chain import LocalChain
from demo.world.deploy import DemoWorld, backdated, deploy
from oracle.config import sections
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment_file import Deployment
from oracle.deploy.store_settings import StoreSettings
from oracle.runtime.clock import now_ms
from oracle.sign import curve, keyfiles
from oracle.sign.eip712 import address_of
from oracle.sign.sign_journal import SignJournal

_THRESHOLD = 2
_FAST_KDF = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the command line. ``seconds`` 0 runs until interrupted; no ``folder``: a temporary one.

    ``operators``: so many, each a process of its own; 0: three in one process.
    """

    seconds: float
    scenario: str
    port: int
    json_file: Path | None = None
    folder: Path | None = None
    table: bool = True
    operators: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Testbed:
    """Everything around the service: a chain with contracts, venues, a folder with keys and the config."""

    node: anvil.Anvil
    chain: LocalChain
    world: DemoWorld
    venues: Mapping[str, Venue]
    deployment: Deployment
    folder: Path
    config: Path
    environ: Mapping[str, str]
    seconds_to_start: float


@asynccontextmanager
async def running_testbed(
    folder: Path, *, port: int, endpoints: Callable[[str], tuple[str, ...]] = lambda url: (url,)
) -> AsyncIterator[Testbed]:
    """Start the chain, deploy everything, start the venues, write keys and config; ends all of it afterwards.

    Args:
        folder: for keys, journals, the database and the config.
        port: of the local endpoint.
        endpoints: the RPC addresses for the config, given the node's own.
    """
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        node = stack.enter_context(anvil.running(block_time_s=1, extra=backdated()))
        chain = await stack.enter_async_context(LocalChain(node.url))
        world = await deploy(chain, block_time_s=None)
        operators = {name: _key(world.accounts.operators[i]) for i, name in enumerate(settings.OPERATORS)}
        venues = {name: Venue(name) for name in settings.SYMBOLS}
        for venue in venues.values():
            await venue.start()
            stack.push_async_callback(venue.stop)
        environ = _write_keys(folder, operators, _key(world.accounts.pusher))
        urls = {n: (v.ws_url, v.rest_url) for n, v in venues.items()}
        path = folder / "config.toml"

        def write_config(store: str) -> ResolvedConfig:
            places = {"rpc_urls": endpoints(node.url), "venues": urls, "store": store, "folder": folder, "port": port}
            path.write_text(settings.config_text(world, **places), encoding="utf-8")  # type: ignore[arg-type]
            return resolve(sections.load(path))

        specs = write_config("0x" + "00" * 20).specs
        signers = StoreSettings(
            signers=tuple(address_of(k) for k in operators.values()),
            weights=(1,) * len(operators),
            threshold=_THRESHOLD,
            max_push_age_s=settings.MAX_PUSH_AGE_S,
        )
        deployer = Deployer(node.url, _key(world.accounts.owner))
        stack.push_async_callback(deployer.close)
        pushed = [s for s in specs.values() if s.is_cross or s.feed in settings.PUSHED]
        deployment = await deployer.deploy(signers, pushed)
        write_config(deployment.store)
        await chain.rpc("evm_setIntervalMining", 1)
        await chain.automine(on=False)
        yield Testbed(
            node=node,
            chain=chain,
            world=world,
            venues=venues,
            deployment=deployment,
            folder=folder,
            config=path,
            environ=environ,
            seconds_to_start=time.monotonic() - started,
        )


def resolved_config(testbed: Testbed) -> ResolvedConfig:
    """The demo's config, read and resolved as in production."""
    return resolve(sections.load(testbed.config))


def _write_keys(folder: Path, operators: Mapping[str, curve.PrivateKey], gas: curve.PrivateKey) -> dict[str, str]:
    """Encrypted keyfiles under a passphrase of this run, and a new journal for each operator's key."""
    passphrase = secrets.token_hex(16)
    for name, key in operators.items():
        keyfiles.save(folder / f"{name}.key.json", key, passphrase, iterations=_FAST_KDF)
        path = folder / f"{name}.journal.db"
        SignJournal(path, address_of(key), now_ms=now_ms(), mute_ms=0, newborn=True).close()
    keyfiles.save(folder / "gas.key.json", gas, passphrase, iterations=_FAST_KDF)
    return {settings.PASSPHRASE_ENV: passphrase, settings.GAS_PASSPHRASE_ENV: passphrase}


def _key(account: Any) -> curve.PrivateKey:
    return curve.PrivateKey(bytes(account.key))
