"""`lrt-oracle demo`: a local chain and local venues around the same service that runs in production."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coincurve
import structlog

from demo import anvil, settings
from demo.chain import Chain
from demo.deploy import World, backdated, deploy
from demo.market import Market
from demo.scenarios import SCENARIOS, Liar, Stage
from demo.summary import summarise
from demo.table import Screen
from demo.trader import Trader
from demo.venues import Venue
from oracle import config, keys
from oracle.app import App, make_operator
from oracle.clock import now_ms
from oracle.cosign import Operator
from oracle.deploy import Deployer, Deployment, StoreSettings
from oracle.eip712 import address_of
from oracle.journal import SignJournal
from oracle.plan import Plan, plan

_log = structlog.get_logger("demo")
_THRESHOLD = 2
_LIAR = "beta"
_FAST_KDF = 1
_READY_S = 30.0
_SETTLE_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for. ``seconds`` 0 runs until interrupted."""

    seconds: float
    scenario: str
    port: int
    json_file: Path | None = None
    folder: Path | None = None
    table: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """The world around the service: a chain with contracts, venues, a folder with keys and the config."""

    node: anvil.Anvil
    chain: Chain
    world: World
    venues: Mapping[str, Venue]
    deployment: Deployment
    folder: Path
    config: Path
    environ: Mapping[str, str]
    seconds_to_start: float


async def run(options: Options, stop: asyncio.Event) -> dict[str, Any]:
    """Run the demo; returns the summary that --json writes."""
    async with AsyncExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lrt-oracle-demo-")))
        stand = await stack.enter_async_context(standing(folder, port=options.port))
        app = App(load(stand), environ=stand.environ, operator=_operators(options.scenario))
        screen = Screen(app, stand, options) if options.table else None
        stage_ended = asyncio.Event()
        service = asyncio.create_task(app.run(stage_ended))
        try:
            await _play(app, stand, options, stop, screen)
            summary = await summarise(app, stand, options.scenario)
        finally:
            stage_ended.set()
            await service
    if options.json_file is not None:
        options.json_file.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


@asynccontextmanager
async def standing(
    folder: Path, *, port: int, endpoints: Callable[[str], tuple[str, ...]] = lambda url: (url,)
) -> AsyncIterator[Stand]:
    """Start the chain, deploy everything, start the venues, write keys and config; ends all of it afterwards.

    Args:
        folder: for keys, journals, the database and the config.
        port: of the local endpoint.
        endpoints: the RPC addresses that the config names, given the node's own.
    """
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        node = stack.enter_context(anvil.running(block_time_s=1, extra=backdated()))
        chain = await stack.enter_async_context(Chain(node.url))
        world = await deploy(chain, block_time_s=None)
        operators = {name: _key(world.accounts.operators[i]) for i, name in enumerate(settings.OPERATORS)}
        venues = {name: Venue(name) for name in settings.SYMBOLS}
        for venue in venues.values():
            await venue.start()
            stack.push_async_callback(venue.stop)
        environ = _write_keys(folder, operators, _key(world.accounts.pusher))
        urls = {n: (v.ws_url, v.rest_url) for n, v in venues.items()}
        path = folder / "config.toml"

        def write(store: str) -> Plan:
            where = {"rpc_urls": endpoints(node.url), "venues": urls, "store": store, "folder": folder, "port": port}
            path.write_text(settings.text(world, **where), encoding="utf-8")  # type: ignore[arg-type]
            return plan(config.load(path))

        specs = write("0x" + "00" * 20).specs
        signers = StoreSettings(
            signers=tuple(address_of(k) for k in operators.values()),
            weights=(1,) * len(operators),
            threshold=_THRESHOLD,
            max_push_age_s=settings.MAX_PUSH_AGE_S,
        )
        deployer = Deployer(node.url, _key(world.accounts.owner))
        on_chain = [s for s in specs.values() if s.is_cross or s.feed in settings.PUSHED]
        deployment = await deployer.deploy(signers, on_chain)
        await deployer.close()
        write(deployment.store)
        await chain.rpc("evm_setIntervalMining", 1)
        await chain.automine(on=False)
        yield Stand(
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


def load(stand: Stand) -> Plan:
    """The plan of the demo's config, as production reads it."""
    return plan(config.load(stand.config))


async def _play(app: App, stand: Stand, options: Options, stop: asyncio.Event, screen: Screen | None) -> None:
    """Run market and scenario until the time is up, or until interrupted."""
    market = Market(Trader(stand.chain, stand.world), stand.venues)
    say = screen.say if screen is not None else _say
    tasks = [asyncio.create_task(market.run_venues()), asyncio.create_task(market.run_pools())]
    if screen is not None:
        tasks.append(asyncio.create_task(screen.run()))
    try:
        await _until_ready(app, tasks)
        seconds = options.seconds or 60.0
        script = asyncio.create_task(_script(SCENARIOS[options.scenario], Stage(market, seconds, say)))
        tasks.append(script)
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
        if options.seconds:
            waits.append(asyncio.create_task(asyncio.sleep(options.seconds)))
        await asyncio.wait([*waits, *tasks[:2]], return_when=asyncio.FIRST_COMPLETED)
        for failed in (t for t in tasks if t.done() and t.exception()):
            failed.result()
        for wait in waits:
            wait.cancel()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(_SETTLE_S)


async def _script(scenario: Callable[[Stage], Any], stage: Stage) -> None:
    await scenario(stage)


async def _until_ready(app: App, tasks: list[asyncio.Task[None]]) -> None:
    """Wait until every feed that goes on chain has landed once."""
    deadline = time.monotonic() + _READY_S
    wanted = set(settings.PUSHED)
    while not all(wanted <= set(t.onchain) for t in app.targets.values()) or not app.targets:
        for failed in (t for t in tasks if t.done()):
            failed.result()
        if time.monotonic() > deadline:
            raise TimeoutError("the demo's feeds did not reach the chain within 30 s: look at the log lines above")
        await asyncio.sleep(0.1)


def _write_keys(
    folder: Path, operators: Mapping[str, coincurve.PrivateKey], gas: coincurve.PrivateKey
) -> dict[str, str]:
    """Encrypted keyfiles under a passphrase of this run, and a journal born with each operator's key."""
    passphrase = secrets.token_hex(16)
    for name, key in operators.items():
        keys.save(folder / f"{name}.key.json", key, passphrase, iterations=_FAST_KDF)
        path = folder / f"{name}.journal.db"
        SignJournal(path, address_of(key), now_ms=now_ms(), mute_ms=0, newborn=True).close()
    keys.save(folder / "gas.key.json", gas, passphrase, iterations=_FAST_KDF)
    return {settings.PASSPHRASE_ENV: passphrase, settings.GAS_PASSPHRASE_ENV: passphrase}


def _operators(scenario: str) -> Callable[[str, coincurve.PrivateKey, SignJournal, int], Operator]:
    def make(name: str, key: coincurve.PrivateKey, journal: SignJournal, bound_bps: int) -> Operator:
        if scenario == "liar" and name == _LIAR:
            return Liar(name, key, journal, bound_bps=bound_bps)
        return make_operator(name, key, journal, bound_bps)

    return make


def _key(account: Any) -> coincurve.PrivateKey:
    return coincurve.PrivateKey(bytes(account.key))


def _say(line: str) -> None:
    sys.stderr.write(f"demo: {line}\n")
