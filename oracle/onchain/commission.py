"""Deploy what the settings say, keep it in the chain's file, and tell where the chain is otherwise by now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import coincurve
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import Web3Exception

from feeds.abi import checksummed
from oracle.onchain.deploy import Deployer
from oracle.onchain.deployed import SALT, Deployment, as_made, check_same, read, record
from oracle.onchain.place import DeployError
from oracle.onchain.settings import MOVING, StoreSettings, differences, table_of
from oracle.types import FeedSpec


async def chain_of(url: str) -> int:
    """Chain id that an endpoint serves; DeployError if it does not answer."""
    web3 = AsyncWeb3(AsyncHTTPProvider(url))
    try:
        return int(await web3.eth.chain_id)
    except (aiohttp.ClientError, OSError, TimeoutError, Web3Exception) as e:
        host = urlsplit(url).netloc.rpartition("@")[2]
        raise DeployError(
            f"{host} does not tell its chain ({type(e).__name__}): correct --rpc or the chain's endpoints"
        ) from None
    finally:
        await web3.provider.disconnect()


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
        DeployError: as Deployer.deploy; or the file holds another store of this chain, before anything is sent.
    """
    deployer = Deployer(url, key)
    try:
        held = read(path)
        made = settings if held is None else as_made(settings, held, path)
        check_same(held, await deployer.planned(made, specs, salt=salt), path)
        done = await deployer.deploy(made, specs, salt=salt)
        record(done, path)
        return replace(done, notes=tuple(await notes(deployer.functions(done.store), done.store, settings)))
    finally:
        await deployer.close()


async def notes(functions: Any, store: str, settings: StoreSettings) -> list[str]:
    """Where the store on the chain is not what the settings say, and who does what about it."""
    _, threshold, signers, weights = await functions.signerSet().call()
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
    epoch, active_at_s = await functions.nextSigners().call()
    if epoch:
        found.append(f"signers of epoch {epoch} are set and count from {active_at_s} (Unix s)")
    if settings.owner is not None and owner != checksummed(settings.owner):
        pending = str(await functions.pendingOwner().call())
        offered = pending == checksummed(settings.owner)
        what = f"it calls acceptOwnership() on {store}" if offered else f"{owner} calls transferOwnership(it)"
        found.append(f"{checksummed(settings.owner)} does not own the store yet: {what}")
    return found
