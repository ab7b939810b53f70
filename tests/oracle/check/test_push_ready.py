"""`lrt-oracle check` refuses what can never push, and a key that no store knows; each beside a set-up that it must let be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import coincurve
import pytest
import pytest_asyncio

from demo.world import anvil
from demo.world.chain import account
from oracle.chain.store_abi import calldata
from oracle.check import push_ready
from oracle.check.check import check
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
KEYS = [coincurve.PrivateKey(bytes([n]) * 32) for n in (61, 62, 63, 64)]
STRANGER = KEYS[3]
MAX_PUSH_AGE_S = 60
PAID, POOR = coincurve.PrivateKey(bytes(account(2).key)), coincurve.PrivateKey(b"\x09" * 32)
ALL_SET = {"LRT_ORACLE_PASSPHRASE": "x", "LRT_ORACLE_GAS_PASSPHRASE": "x"}


@dataclass(frozen=True)
class Site:
    """Two stores: the signers of the first are KEYS 0 to 2 with a threshold of 2, of the second KEYS 0 alone."""

    url: str
    folder: Path
    stores: tuple[str, str]

    def keyfile(self, key: coincurve.PrivateKey) -> str:
        path = self.folder / f"{address_of(key).hex()}.json"
        if not path.exists():
            keyfiles.save(path, key, "x", iterations=1)
        return str(path)

    def config(
        self, operators: Sequence[coincurve.PrivateKey] = KEYS[:2], gas: coincurve.PrivateKey | None = PAID, **more: Any
    ) -> dict[str, Any]:
        sources = [{"type": "coinbase", "symbol": "A-B"}, {"type": "kraken", "symbol": "A/B"}]
        target: dict[str, Any] = {"chain": "local", "store": self.stores[0], "max_push_age_s": MAX_PUSH_AGE_S}
        if gas is not None:
            target["gas_keyfile"] = self.keyfile(gas)
        signers = [
            {"name": f"op{i}", "keyfile": self.keyfile(k), "journal": str(self.folder / f"{i}.db")}
            for i, k in enumerate(operators)
        ]
        table = {
            "oracle": {"database": "/nonexistent/o.db"},
            "chains": {"local": {"chain_id": 31_337, "endpoints": [self.url]}},
            "targets": {"t": target},
            "operators": signers,
            "feeds": {f: {"sources": sources} for f in ("wX/ETH", "ETH/USD")},
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    with anvil.running(block_time_s=1) as node:
        deployer = Deployer(node.url, coincurve.PrivateKey(bytes(account(0).key)))
        stores = []
        for signers, threshold in ((KEYS[:3], 2), (KEYS[:1], 1)):
            settings = StoreSettings(
                signers=tuple(map(address_of, signers)), weights=(1,) * len(signers), threshold=threshold,
                max_push_age_s=MAX_PUSH_AGE_S,
            )  # fmt: skip
            made = await deployer.deploy(settings, [], salt=f"able {threshold}")
            for feed in ("wX/ETH", "ETH/USD"):
                await deployer.register(made.store, feed, market=True, redemption=False)
            stores.append(made.store)
        await deployer.close()
        yield Site(node.url, tmp_path_factory.mktemp("able"), (stores[0], stores[1]))


async def found(table: dict[str, Any], *, offline: bool = False) -> dict[str, Any]:
    return await check(resolve(parse(table)), offline=offline, environ=ALL_SET)


async def errors(table: dict[str, Any], *, offline: bool = False) -> list[tuple[str, str]]:
    return [(e["key"], e["text"]) for e in (await found(table, offline=offline))["errors"]]


async def test_what_can_push_passes_and_so_does_a_dry_run(site: Site) -> None:
    got = await found(site.config())
    assert (got["errors"], got["notes"]) == ([], [])
    assert await errors(site.config(), offline=True) == []
    dry = await found(site.config(operators=(), gas=None))
    assert dry["errors"] == []
    assert (
        "target t: no gas key, nothing is sent; anybody can take what is signed from the endpoint and push it"
        in dry["notes"]
    )
    assert await errors(site.config(operators=KEYS[:1], gas=None)) == [], "who sends nothing needs no quorum"


async def test_too_little_weight_is_refused_with_who_is_missing(site: Site) -> None:
    ((key, text),) = await errors(site.config(operators=KEYS[:1]))
    assert key == "targets.t"
    assert text.startswith("the operators here have weight 1, a push needs 2: it can never push.")
    assert all(f"0x{address_of(k).hex()} (weight 1)" in text for k in KEYS[1:3])


async def test_a_key_that_the_store_does_not_know_is_refused_and_one_of_another_store_is_not(site: Site) -> None:
    ((key, text),) = await errors(site.config(operators=[*KEYS[:2], STRANGER]))
    assert key == "operators.op2.keyfile"
    assert text.startswith(f"0x{address_of(STRANGER).hex()} is not among the signers of 0x")
    second = {"chain": "local", "store": site.stores[1], "max_push_age_s": MAX_PUSH_AGE_S}
    one = site.config()["targets"]["t"]
    both = site.config(targets={"t": second, "other": one})
    assert await errors(both) == [], "op1 signs at one of the two"
    both["operators"].append({**both["operators"][0], "name": "x", "keyfile": site.keyfile(STRANGER), "journal": "x"})
    ((key, text),) = await errors(both)
    assert (key, text.count("0x")) == ("operators.x.keyfile", 3)
    two = "operators.x.signer_address"
    both["operators"][-1] = {
        "name": "x", "journal": "x", "signer_url": "http://127.0.0.1:1", "signer_address": "0x" + "77" * 20,
    }  # fmt: skip
    assert [k for k, _ in await errors(both)] == [two]


async def test_a_store_that_can_not_be_read_proves_no_key_wrong(site: Site) -> None:
    table = site.config(operators=[*KEYS[:2], STRANGER])
    table["targets"]["gone"] = {**table["targets"]["t"], "store": "0x" + "55" * 20}
    del table["targets"]["gone"]["gas_keyfile"]
    assert [k for k, _ in await errors(table)] == ["targets.gone"]


async def test_a_gas_key_without_ether_or_without_a_file_is_refused(site: Site) -> None:
    ((key, text),) = await errors(site.config(gas=POOR))
    assert (key, text) == (
        "targets.t",
        f"the gas key 0x{address_of(POOR).hex()} has no ether on this chain: send it some",
    )
    table = site.config()
    table["targets"]["t"]["gas_keyfile"] = "nowhere.json"
    table["operators"][0]["keyfile"] = "nowhere.too.json"
    assert [k for k, _ in await errors(table, offline=True)] == ["targets.t.gas_keyfile", "operators.op0.keyfile"]


async def test_a_gas_key_without_operators_or_feeds_is_refused(site: Site) -> None:
    (first,) = await errors(site.config(operators=()), offline=True)
    assert first[0] == "targets.t"
    assert "no operator signs here" in first[1]
    sources = [{"type": "coinbase", "symbol": "A-B"}, {"type": "kraken", "symbol": "A/B"}]
    table = site.config()
    table["feeds"] = {"wX/ETH": {"sources": sources, "reference_only": True}}
    ((key, text),) = await errors(table, offline=True)
    assert (key, text.split(":")[0]) == ("targets.t", "no feed goes on chain")


async def test_a_heartbeat_that_no_round_can_keep_is_refused(site: Site) -> None:
    table = site.config()
    table["feeds"]["ETH/USD"]["heartbeat_s"] = 9
    ((key, text),) = await errors(table, offline=True)
    assert key == 'feeds."ETH/USD".heartbeat_s'
    assert "a round comes every 10 s" in text
    table["feeds"]["ETH/USD"]["heartbeat_s"] = 10
    assert await errors(table, offline=True) == []


async def test_what_the_process_would_not_start_with_is_refused_by_the_check(site: Site) -> None:
    table = site.config()
    table["targets"]["t"]["max_push_age_s"] = 30
    ((key, text),) = await errors(table)
    assert (key, text) == (
        "targets.t",
        "max_push_age_s is 30 in the config and 60 in the store: write max_push_age_s = 60",
    )
    table = site.config()
    rate = {
        "type": "rate_call",
        "kind": "redemption",
        "chain": "local",
        "contract": site.stores[0],
        "function": "count()",
    }
    table["feeds"]["wX/ETH"]["sources"] = [*table["feeds"]["wX/ETH"]["sources"], rate]
    assert [k for k, t in await errors(table) if "is registered with market price only" in t] == ["targets.t"]
    table = site.config()
    table["feeds"]["new/ETH"] = table["feeds"]["wX/ETH"]
    assert [k for k, _ in await errors(table)] == ["targets.t.store"]


async def test_a_batch_that_is_too_old_before_a_block_comes_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_ready, "_MAKING_S", MAX_PUSH_AGE_S)
    ((key, text),) = await errors(site.config())
    assert key == "targets.t.max_push_age_s"
    assert "it needs a store that takes" in text


async def test_a_paused_feed_and_a_missing_passphrase_are_notes(site: Site) -> None:
    index = 1
    await site.call("pause", [index])
    try:
        got = await check(resolve(parse(site.config())), offline=False, environ={})
        assert got["errors"] == []
        assert [n for n in got["notes"] if "the guardian paused ETH/USD" in n]
        assert [n for n in got["notes"] if n.startswith("operator op0: LRT_ORACLE_PASSPHRASE is not set here")]
        assert [n for n in got["notes"] if n.startswith("target t: LRT_ORACLE_GAS_PASSPHRASE is not set here")]
    finally:
        await site.call("resume", [index])
