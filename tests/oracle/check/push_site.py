"""Stores on a local chain, and configs that push to them: what the check of a set-up is tried on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import coincurve

from demo.world import anvil
from demo.world.chain import account
from oracle.chain.store_abi import calldata
from oracle.check.check import check
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of
from tests.oracle.check.quoted_venues import quoting, venues_table
from tests.oracle.config.small_config import spot_sources

KEYS = [coincurve.PrivateKey(bytes([n]) * 32) for n in (61, 62, 63, 64)]
STRANGER = KEYS[3]
MAX_PUSH_AGE_S = 60
QUICK_AGE_S = 3
"""As long as a batch may take until it is sent: no block is soon enough for it."""
PAID, POOR = coincurve.PrivateKey(bytes(account(2).key)), coincurve.PrivateKey(b"\x09" * 32)
ALL_SET = {"LRT_ORACLE_PASSPHRASE": "x", "LRT_ORACLE_GAS_PASSPHRASE": "x"}


@dataclass(frozen=True)
class Site:
    """Three stores: the signers of the first are KEYS 0 to 2 with a threshold of 2, of the others KEYS 0 alone.

    The third takes a batch for QUICK_AGE_S only.
    """

    url: str
    folder: Path
    stores: tuple[str, str, str]
    venues: dict[str, Any]

    def keyfile(self, key: coincurve.PrivateKey) -> str:
        path = self.folder / f"{address_of(key).hex()}.json"
        if not path.exists():
            keyfiles.save(path, key, "x", iterations=1)
        return str(path)

    def journal(self, number: int) -> str:
        path = self.folder / f"{number}.db"
        path.touch()
        return str(path)

    def config(
        self, operators: Sequence[coincurve.PrivateKey] = KEYS[:2], gas: coincurve.PrivateKey | None = PAID, **more: Any
    ) -> dict[str, Any]:
        target: dict[str, Any] = {"chain": "local", "store": self.stores[0], "max_push_age_s": MAX_PUSH_AGE_S}
        if gas is not None:
            target["gas_keyfile"] = self.keyfile(gas)
        signers = [
            {"name": f"op{i}", "keyfile": self.keyfile(k), "journal": self.journal(i)} for i, k in enumerate(operators)
        ]
        table = {
            "oracle": {"database": "/nonexistent/o.db"},
            "chains": {"local": {"chain_id": 31_337, "endpoints": [self.url]}},
            "venues": self.venues,
            "targets": {"t": target},
            "operators": signers,
            "feeds": {f: {"sources": spot_sources(f)} for f in ("wX/ETH", "ETH/USD")},
        }
        for name, change in more.items():
            table[name] = {**table[name], **change} if isinstance(change, dict) else change  # type: ignore[dict-item]
        return table

    async def call(self, function: str, *args: Any) -> None:
        data = "0x" + calldata(function, args)[0].hex()
        sent = [{"from": account(0).address, "to": self.stores[0], "data": data}]
        async with aiohttp.ClientSession() as session:
            for method, params in (("eth_sendTransaction", sent), ("evm_mine", [])):
                body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                async with session.post(self.url, json=body) as reply:
                    assert "error" not in await reply.json()


@asynccontextmanager
async def running_site(folder: Path) -> AsyncIterator[Site]:
    """The stores on a local chain with a block a second."""
    symbols = {f: spot_sources(f) for f in ("wX/ETH", "ETH/USD", "new/ETH")}
    prices = {v: {s[i]["symbol"]: "2000" for s in symbols.values()} for i, v in enumerate(("coinbase", "kraken"))}
    async with quoting(prices) as venues:
        with anvil.running(block_time_s=1) as node:
            yield await _deployed(node.url, folder, venues_table(venues))


async def _deployed(url: str, folder: Path, venues: dict[str, Any]) -> Site:
    deployer = Deployer(url, coincurve.PrivateKey(bytes(account(0).key)))
    stores = []
    for signers, threshold, age_s in (
        (KEYS[:3], 2, MAX_PUSH_AGE_S),
        (KEYS[:1], 1, MAX_PUSH_AGE_S),
        (KEYS[:1], 1, QUICK_AGE_S),
    ):
        settings = StoreSettings(
            signers=tuple(map(address_of, signers)), weights=(1,) * len(signers), threshold=threshold,
            max_push_age_s=age_s,
        )  # fmt: skip
        made = await deployer.deploy(settings, [], salt=f"able {threshold} {age_s}")
        for feed in ("wX/ETH", "ETH/USD"):
            await deployer.register(made.store, feed, market=True, redemption=False)
        stores.append(made.store)
    await deployer.close()
    return Site(url, folder, (stores[0], stores[1], stores[2]), venues)


async def checked(table: dict[str, Any], *, offline: bool = False) -> dict[str, Any]:
    return await check(resolve(parse(table)), offline=offline, environ=ALL_SET)


async def errors(table: dict[str, Any], *, offline: bool = False) -> list[tuple[str, str]]:
    return [(e["key"], e["text"]) for e in (await checked(table, offline=offline))["errors"]]
