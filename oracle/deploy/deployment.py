"""Deploy what the settings say, record it in the chain's file, and note where the chain differs by now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import Web3Exception

from feeds.chains.abi import checksummed
from feeds.secret_refs import hide, host_and_port
from feeds.secret_values import filled
from oracle.deploy.create2 import DeployError
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment_file import (
    SALT,
    Deployment,
    check_same_store,
    check_writable,
    known_views,
    read_deployment,
    settings_as_made,
    write_deployment,
)
from oracle.deploy.rehearsal import DeployStep, rehearse
from oracle.deploy.store_settings import CHANGED_BY, StoreSettings, differences, table_of
from oracle.model.spec import FeedSpec
from oracle.sign import curve
from oracle.stake.moments import ether_text

_PATIENCE_S = 20.0


async def chain_id_of(url: str, *, patience_s: float = _PATIENCE_S) -> int:
    """Chain id that an endpoint serves; DeployError if it does not answer."""
    web3 = AsyncWeb3(AsyncHTTPProvider(filled(url).text))
    try:
        async with asyncio.timeout(patience_s):
            return int(await web3.eth.chain_id)
    except (aiohttp.ClientError, OSError, TimeoutError, Web3Exception) as e:
        raise DeployError(
            f"{_host(url)} does not state its chain ({type(e).__name__}): correct --rpc or the chain's endpoints"
        ) from None
    finally:
        await web3.provider.disconnect()


def _host(url: str) -> str:
    return host_and_port(url, filled(url).text)


@contextmanager
def _endpoint_errors(url: str) -> Iterator[None]:
    """An endpoint that goes away or answers nonsense is a DeployError: the run can be run again."""
    try:
        yield
    except (aiohttp.ClientError, OSError, Web3Exception) as e:
        cause = type(e).__name__  # its text may hold the address, and that a key
        cause += f" {e.status}" if isinstance(e, aiohttp.ClientResponseError) else ""
        cause += f": {hide(str(e), filled(url).hidden)[:200]}" if isinstance(e, Web3Exception) else ""
        raise DeployError(f"{_host(url)} stopped answering ({cause}): run this again, nothing is made twice") from None


async def deploy_and_record(
    url: str,
    key: curve.PrivateKey,
    settings: StoreSettings,
    specs: Sequence[FeedSpec],
    *,
    salt: str = SALT,
    path: Path,
    told: Callable[[str], None] | None = None,
) -> Deployment:
    """Deploy over a connection of its own, and record what was made in the chain's file.

    Args:
        url: HTTP endpoint.
        key: pays, and owns the store until it is handed over.
        settings: of the store; what its owner may have changed since an earlier run is only compared.
        specs: feeds, legs before what needs them.
        salt: another text gives other addresses.
        path: the chain's file; if it exists, it says what an earlier run made.
        told: is given a line when a transaction is sent, and one when it has landed.

    Raises:
        DeployError: as Deployer.deploy; the endpoint goes away; or, before anything is sent, the file holds another store
            of this chain or cannot be written.
    """
    held = read_deployment(path)
    made = settings if held is None else settings_as_made(settings, held, path)
    check_writable(path)
    deployer = Deployer(url, key, told=told)
    try:
        with _endpoint_errors(url):
            check_same_store(held, await deployer.plan(made, specs, salt=salt), path)
            done = await deployer.deploy(made, specs, salt=salt)
        recorded = write_deployment(done, path)
        with _endpoint_errors(url):
            notes = await chain_notes(deployer.functions(done.store), done, settings)
        return replace(recorded, notes=(*_moved_views(known_views(held), done.views), *notes))
    finally:
        await deployer.close()


def _moved_views(held: Mapping[str, str], views: Mapping[str, str]) -> Iterator[str]:
    """Views that are at another address than before, since they have another mode or heartbeat."""
    for feed, view in views.items():
        if held.get(feed, view) != view:
            yield (
                f"the view of {feed} with these settings is {view}; the one at {held[feed]}, with other ones, goes on:"
                " its readers are not moved"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What `lrt-oracle deploy` would send.

    Attributes:
        planned: what would be there then.
        steps: in order.
        gas: of each step; None where the node cannot tell.
        gas_price_wei: at present fees.
    """

    planned: Deployment
    steps: Sequence[DeployStep]
    gas: Sequence[int] | None
    gas_price_wei: int

    def document(self) -> dict[str, Any]:
        """As one JSON document."""
        rows = [
            {
                "what": step.label,
                "contract": None if step.made is None else step.made.contract,
                "at": checksummed(step.to if step.made is None else step.made.address),
                "gas": None if gas is None else str(gas),
            }
            for step, gas in zip(self.steps, self._each, strict=True)
        ]
        total = None if self.gas is None else str(sum(self.gas))
        cost = None if self.gas is None else str(sum(self.gas) * self.gas_price_wei)
        return {"dry": True, "steps": rows, "gas": total, "cost_wei": cost, "planned": self.planned.document()}

    def lines(self) -> list[str]:
        """For people: the steps with their gas, and the file as it would be."""
        told = []
        for step, gas in zip(self.steps, self._each, strict=True):
            where = checksummed(step.to if step.made is None else step.made.address)
            what = (
                f"{step.label} ({step.made.contract}) at {where}" if step.made else f"{step.label}: a call of {where}"
            )
            told.append(f"would send: {what}{'' if gas is None else f', {gas:,} gas'}")
        if self.gas is None:
            told.append("gas: this endpoint cannot simulate (eth_simulateV1), so nothing was tried")
        else:
            told.append(f"gas: {sum(self.gas):,} in {len(self.gas)} transactions; nothing was sent")
            told.append(f"costs: {ether_text(sum(self.gas) * self.gas_price_wei)} ether at present fees")
        told.append("undone: never: what is deployed stays; another --salt makes another store")
        return [*told, "", self.planned.toml().rstrip()]

    @property
    def _each(self) -> Sequence[int | None]:
        return self.gas if self.gas is not None else [None] * len(self.steps)


async def dry_run(
    url: str, account: bytes, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT, path: Path
) -> DryRun:
    """Rehearse a deployment. Args and errors as `deploy_and_record`, but an account in the place of a key."""
    held = read_deployment(path)
    made = settings if held is None else settings_as_made(settings, held, path)
    deployer = Deployer(url, account)
    try:
        with _endpoint_errors(url):
            planned = await deployer.plan(made, specs, salt=salt)
            check_same_store(held, planned, path)
            steps = await deployer.steps(made, specs, salt=salt)
            gas = await rehearse(deployer.web3, deployer.sender, steps)
            price_wei = int(await deployer.web3.eth.gas_price)
        return DryRun(planned=planned, steps=steps, gas=gas, gas_price_wei=price_wei)
    finally:
        await deployer.close()


async def chain_notes(functions: Any, done: Deployment, settings: StoreSettings) -> list[str]:
    """Where the store on the chain differs from the settings, and who does what about it."""
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
    by_stake = done.stake.get("set") == owner
    keys = ("guardian",) if by_stake else tuple(CHANGED_BY)
    who = "the set's timelock changes it, by govern and" if by_stake else "the owner changes it on the chain, by"
    notes = [f"{d}: {who} {CHANGED_BY[d.split(':')[0]]}" for d in differences(live, {k: wanted[k] for k in keys})]
    set_owner = str(await functions.setOwner().call())
    shown = "none" if int(set_owner, 16) == 0 else set_owner
    wanted_owner = "none" if settings.set_owner is None else checksummed(settings.set_owner)
    if shown != wanted_owner:
        notes.append(f"set_owner: {shown} -> {wanted_owner}: the owner changes it on the chain, by setSetOwner")
    epoch, active_at_s = await functions.nextSigners().call()
    if epoch > present:
        armed = "" if await functions.armed().call() else ", if they are armed before"
        notes.append(f"signers of epoch {epoch} are set and count from {active_at_s} (Unix s){armed}")
    if done.stake:
        if not by_stake:
            calls = f"transferOwnership({done.stake['set']}) of {done.store}, then anybody acceptStore() of the set"
            notes.append(f"the set does not own the store yet, and decides nothing: {owner} calls {calls}")
    elif settings.owner is not None and owner != checksummed(settings.owner):
        pending = str(await functions.pendingOwner().call())
        offered = pending == checksummed(settings.owner)
        what = f"it calls acceptOwnership() on {done.store}" if offered else f"{owner} calls transferOwnership(it)"
        notes.append(f"{checksummed(settings.owner)} does not own the store yet: {what}")
    return notes
