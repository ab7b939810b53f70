"""Everything that the default config names, as stand-ins on the loopback: venues by their own protocols, Ethereum, a chain to push to.

The config is the shipped file itself; what is changed in it is written in :func:`config_text`, and nothing else is.
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import coincurve

from demo.venues.server import Venue
from demo.world import anvil
from demo.world.chain import LocalChain, accounts
from oracle.config import sections
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.runtime.clock import now_ms
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of
from oracle.sign.sign_journal import SignJournal
from tests.e2e.mainnet_stand_in import ETHER_USD, MainnetStandIn

CONFIG = Path(__file__).parents[2] / "config.toml"
TIMES_FASTER = 10
"""A round a second, where the shipped config has one each ten: blocks and heartbeats come as much sooner."""
_PASSPHRASE = "LRT_ORACLE_PASSPHRASE"
_MAX_PUSH_AGE_S = 60
_HEARTBEAT_S = 3_600 // TIMES_FASTER
_BLOCK_S, _WANDER_BPS = 1, 12.0
_QUOTE_S = 0.2
_HALF_SPREAD, _STEP, _NOISE = Decimal("0.0001"), 0.00002, 0.0001
_FAST_KDF = 1
_OPERATOR = """
[chains.local]
chain_id = {chain_id}
endpoints = ["{url}"]
poll_ms = 500

[[operators]]
name = "alpha"
keyfile = "{folder}/alpha.key.json"
journal = "{folder}/alpha.journal.db"

[targets.local]
chain = "local"
store = "{store}"
gas_keyfile = "{folder}/gas.key.json"
max_push_age_s = {max_push_age_s}
bump_after_s = 5
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakWorld:
    """What the process under test is started with: its config, its environment, its endpoint."""

    config: Path
    database: Path
    environ: dict[str, str]
    url: str
    resolved: ResolvedConfig


@asynccontextmanager
async def running_world(folder: Path) -> AsyncIterator[SoakWorld]:
    """Start all stand-ins, deploy the store, write keys and config; ends them afterwards."""
    shipped = sections.load(CONFIG)
    known = resolve(shipped)
    async with AsyncExitStack() as stack:
        ethereum = [MainnetStandIn(known, block_s=_BLOCK_S, wander_bps=_WANDER_BPS) for _ in range(2)]
        for endpoint in ethereum:
            await endpoint.start()
            stack.push_async_callback(endpoint.stop)
        venues = _listed(known)
        for venue in venues:
            await venue.venue.start()
            stack.push_async_callback(venue.venue.stop)
        quoting = asyncio.create_task(_quote(venues))
        stack.callback(quoting.cancel)
        node = stack.enter_context(anvil.running(block_time_s=1))
        chain = await stack.enter_async_context(LocalChain(node.url))
        roles = accounts()
        report, gas, owner = (
            coincurve.PrivateKey(bytes(a.key)) for a in (roles.operators[0], roles.pusher, roles.owner)
        )
        signers = StoreSettings(
            signers=(address_of(report),), weights=(1,), threshold=1, max_push_age_s=_MAX_PUSH_AGE_S
        )
        deployer = Deployer(node.url, owner)
        stack.push_async_callback(deployer.close)
        pushed = [known.specs[feed] for feed in known.pushed]
        deployment = await deployer.deploy(signers, pushed)
        environ = _write_keys(folder, report, gas)
        port = anvil.free_port()
        own = _OPERATOR.format(
            chain_id=await chain.chain_id(), url=node.url, folder=folder, store=deployment.store,
            max_push_age_s=_MAX_PUSH_AGE_S,
        )  # fmt: skip
        places = [
            f'[venues.{v.venue.name}]\nws_url = "{v.venue.ws_url}"\nrest_url = "{v.venue.rest_url}"' for v in venues
        ]
        path = folder / "config.toml"
        text = config_text(CONFIG.read_text(encoding="utf-8"), folder, port, [e.url for e in ethereum])
        path.write_text("\n".join((text, *places, own)), encoding="utf-8")
        yield SoakWorld(
            config=path,
            database=folder / "oracle.db",
            environ=environ,
            url=f"http://127.0.0.1:{port}",
            resolved=resolve(sections.load(path)),
        )


def config_text(shipped: str, folder: Path, port: int, endpoints: list[str]) -> str:
    """The shipped config with a round a second, heartbeats as much sooner, and local places."""
    listed = ", ".join(f'"{u}"' for u in endpoints)
    changes = (
        (r"^round_interval_s = 10$", "round_interval_s = 1\nscaled_times = true"),
        (r'^database = ".*"$', f'database = "{folder}/oracle.db"\nwitness = "{folder}/witness"'),
        (r"^port = \d+$", f"port = {port}"),
        (r"^endpoints = \[.*\]$", f"endpoints = [{listed}]\npoll_ms = 250"),
    )
    for pattern, replacement in changes:
        shipped, count = re.subn(pattern, replacement, shipped, count=1, flags=re.MULTILINE)
        if not count:
            raise ValueError(f"config.toml has no line {pattern}: change what this file looks for")
    pushed = r'^(\[feeds\."[^"]+"\][^\n]*\n)(?!off)'
    return re.sub(pushed, rf"\1heartbeat_s = {_HEARTBEAT_S}\n", shipped, flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Listed:
    venue: Venue
    symbols: tuple[str, ...]


def _listed(known: ResolvedConfig) -> list[_Listed]:
    plans = [p for p in known.sources if p.venue is not None and p.symbol is not None]
    names = sorted({p.venue or "" for p in plans})
    found = [_Listed(Venue(n), tuple(sorted({p.symbol or "" for p in plans if p.venue == n}))) for n in names]
    _set_quotes(found, 1.0, random.Random(1))
    return found


async def _quote(venues: list[_Listed]) -> None:
    """Every symbol a few times a second: ether wanders, and venues are a little apart."""
    chance, ether = random.Random(2), 1.0
    while True:
        ether *= 1 + chance.gauss(0, _STEP)
        _set_quotes(venues, ether, chance)
        await asyncio.sleep(_QUOTE_S)


def _set_quotes(venues: list[_Listed], ether: float, chance: random.Random) -> None:
    for listed in venues:
        for symbol in listed.symbols:
            is_dollar = symbol.startswith("USDT")
            worth = 1.0 if is_dollar else (ETHER_USD * ether if "USD" in symbol else 1.0)
            mid = Decimal(f"{worth * (1 + chance.gauss(0, _NOISE)):.6f}")
            half = mid * _HALF_SPREAD
            listed.venue.set_quote(symbol, mid - half, mid + half, mid, Decimal(100_000))


def _write_keys(folder: Path, report: coincurve.PrivateKey, gas: coincurve.PrivateKey) -> dict[str, str]:
    passphrase = secrets.token_hex(16)
    keyfiles.save(folder / "alpha.key.json", report, passphrase, iterations=_FAST_KDF)
    keyfiles.save(folder / "gas.key.json", gas, passphrase, iterations=_FAST_KDF)
    SignJournal(folder / "alpha.journal.db", address_of(report), now_ms=now_ms(), mute_ms=0, newborn=True).close()
    return {_PASSPHRASE: passphrase, "LRT_ORACLE_GAS_PASSPHRASE": passphrase}
