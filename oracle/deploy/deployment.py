"""Deploy what the settings say, keep it in the chain's file, and tell where the chain is otherwise by now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import coincurve
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import Web3Exception

from feeds.chains.abi import checksummed
from oracle.deploy.create2 import DeployError
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment_file import SALT, Deployment, as_made, check_same, read, record, room_for, views_of
from oracle.deploy.store_settings import MOVING, StoreSettings, differences, table_of
from oracle.model.spec import FeedSpec

_PATIENCE_S = 20.0


async def chain_of(url: str, *, patience_s: float = _PATIENCE_S) -> int:
    """Chain id that an endpoint serves; DeployError if it does not answer."""
    web3 = AsyncWeb3(AsyncHTTPProvider(url))
    try:
        async with asyncio.timeout(patience_s):
            return int(await web3.eth.chain_id)
    except (aiohttp.ClientError, OSError, TimeoutError, Web3Exception) as e:
        raise DeployError(
            f"{_host(url)} does not tell its chain ({type(e).__name__}): correct --rpc or the chain's endpoints"
        ) from None
    finally:
        await web3.provider.disconnect()


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


@contextmanager
def _answering(url: str) -> Iterator[None]:
    """What an endpoint that goes away or talks nonsense leaves behind: a run that can be run again."""
    try:
        yield
    except (aiohttp.ClientError, OSError, Web3Exception) as e:
        said = type(e).__name__  # its text may hold the address, and that a key
        said += f" {e.status}" if isinstance(e, aiohttp.ClientResponseError) else ""
        said += f": {str(e)[:200]}" if isinstance(e, Web3Exception) else ""
        raise DeployError(f"{_host(url)} stopped answering ({said}): run this again, nothing is made twice") from None


async def commission(
    url: str,
    key: coincurve.PrivateKey,
    settings: StoreSettings,
    specs: Sequence[FeedSpec],
    *,
    salt: str = SALT,
    path: Path,
) -> Deployment:
    """Deploy with a connection of its own, and keep what was made in the chain's file.

    Args:
        url: HTTP endpoint.
        key: pays, and owns the store until it is handed over.
        settings: of the store; what its owner may have changed since an earlier run is only compared.
        specs: feeds, legs before what needs them.
        salt: another word gives other addresses.
        path: the chain's file; one that is there says what an earlier run made.

    Raises:
        DeployError: as Deployer.deploy; the endpoint goes away; or, before anything is sent, the file holds another store
            of this chain or cannot be written.
    """
    held = read(path)
    made = settings if held is None else as_made(settings, held, path)
    room_for(path)
    deployer = Deployer(url, key)
    try:
        with _answering(url):
            check_same(held, await deployer.planned(made, specs, salt=salt), path)
            done = await deployer.deploy(made, specs, salt=salt)
        kept = record(done, path)
        with _answering(url):
            told = await notes(deployer.functions(done.store), done.store, settings)
        return replace(kept, notes=(*_moved(views_of(held), done.views), *told))
    finally:
        await deployer.close()


def _moved(held: Mapping[str, str], views: Mapping[str, str]) -> Iterator[str]:
    """Views that stand elsewhere than before, since another mode or heartbeat gives another address."""
    for feed, where in views.items():
        if held.get(feed, where) != where:
            yield (
                f"the view of {feed} with these settings is {where}; the one at {held[feed]}, with other ones, goes on:"
                " who reads it is not moved"
            )


async def notes(functions: Any, store: str, settings: StoreSettings) -> list[str]:
    """Where the store on the chain is not what the settings say, and who does what about it."""
    present, threshold, signers, weights = await functions.signerSet().call()
    guardian, owner = str(await functions.guardian().call()), str(await functions.owner().call())
    live = {
        "signers": [str(s) for s in signers],
        "weights": list(weights),
        "threshold": int(threshold),
        "step_threshold": int((await functions.thresholds().call())[1]),
        "guardian": "" if int(guardian, 16) == 0 else guardian,
    }
    wanted = table_of(settings)
    found = [
        f"{d}: the owner changes it on the chain, by {MOVING[d.split(':')[0]]}"
        for d in differences(live, {k: wanted[k] for k in MOVING})
    ]
    set_owner = str(await functions.setOwner().call())
    shown = "none" if int(set_owner, 16) == 0 else set_owner
    said = "none" if settings.set_owner is None else checksummed(settings.set_owner)
    if shown != said:
        found.append(f"set_owner: {shown} -> {said}: the owner changes it on the chain, by setSetOwner")
    epoch, active_at_s = await functions.nextSigners().call()
    if epoch > present:
        armed = "" if await functions.armed().call() else ", if they are armed before"
        found.append(f"signers of epoch {epoch} are set and count from {active_at_s} (Unix s){armed}")
    if settings.owner is not None and owner != checksummed(settings.owner):
        pending = str(await functions.pendingOwner().call())
        offered = pending == checksummed(settings.owner)
        what = f"it calls acceptOwnership() on {store}" if offered else f"{owner} calls transferOwnership(it)"
        found.append(f"{checksummed(settings.owner)} does not own the store yet: {what}")
    return found
