"""`lrt-oracle check` on deployed contracts: its trust table is what the contracts themselves say, through web3."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import coincurve
import pytest
import pytest_asyncio
from click.testing import CliRunner
from web3 import AsyncHTTPProvider, AsyncWeb3

import contracts
from demo.world import anvil
from demo.world.chain import account
from oracle.__main__ import main
from oracle.check.trust import trust_documents
from oracle.check.trust_text import trust_lines
from oracle.config.resolve import resolve
from oracle.config.sections import load, parse
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment_file import Deployment
from oracle.deploy.store_settings import ClassLimits, StoreSettings
from oracle.sign.eip712 import address_of, sign_compact
from tests.oracle.check.quoted_venues import quoting
from tests.oracle.config.small_config import spot_sources

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
OWNER = coincurve.PrivateKey(bytes(account(0).key))
KEYS = [coincurve.PrivateKey(bytes([n]) * 32) for n in (21, 22, 23)]
SIGNERS = tuple(address_of(k) for k in KEYS)
SAFE, GUARDIAN = (account(n).address for n in (5, 6))
DAY_S = 86_400


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


SETTINGS = StoreSettings(
    signers=SIGNERS, weights=(4, 3, 2), threshold=6, step_threshold=7, guardian=raw(GUARDIAN), max_push_age_s=60,
    rotation_delay_s=2 * DAY_S, overlap_s=600, owner=raw(SAFE), class_of={"ETH/USD": 1},
    classes=(ClassLimits(min_gap_s=10, step_bps=500, step_wait_s=600), ClassLimits(min_gap_s=20, step_bps=900, step_wait_s=60)),
)  # fmt: skip
FEEDS = """
[feeds."wX/ETH"]
sources = [{ type = "coinbase", symbol = "WX-ETH" }, { type = "kraken", symbol = "WX/ETH" }]
[feeds."ETH/USD"]
sources = [{ type = "coinbase", symbol = "ETH-USD" }, { type = "kraken", symbol = "ETH/USD" }]
"""


@dataclass
class Site:
    """A store that a plain key owns."""

    url: str
    web3: AsyncWeb3
    deployer: Deployer
    made: Deployment

    def config(self, **target: Any) -> dict[str, Any]:
        table: dict[str, Any] = {
            "oracle": {"database": "/nonexistent/o.db"},
            "chains": {"local": {"chain_id": 31_337, "endpoints": [self.url]}},
            "targets": {"t": {"chain": "local", "store": self.made.store, **target}},
        }
        return table | {"feeds": {f: {"sources": spot_sources(f)} for f in ("wX/ETH", "ETH/USD")}}

    async def done(self, call: Any, options: Any) -> None:
        """Send a transaction, and wait until it is in a block: a node answers before that."""
        await self.web3.eth.wait_for_transaction_receipt(await call.transact(options))

    async def row(self, **target: Any) -> dict[str, Any]:
        (row,) = await trust_documents(resolve(parse(self.config(**target))))
        return row

    def contract(self, name: str, where: str) -> Any:
        return self.web3.eth.contract(
            address=AsyncWeb3.to_checksum_address(where), abi=contracts.load(name).abi
        ).functions

    @property
    def store(self) -> Any:
        return self.contract("PriceStore", self.made.store)

    async def rpc(self, method: str, *params: Any) -> Any:
        return await self.web3.provider.make_request(method, list(params))  # type: ignore[arg-type]


ME = {"from": account(0).address}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    path = tmp_path_factory.mktemp("trust") / "config.toml"
    path.write_text(FEEDS)
    specs = list(resolve(load(path)).specs.values())
    with anvil.running() as node:
        web3, deployer = AsyncWeb3(AsyncHTTPProvider(node.url)), Deployer(node.url, OWNER)
        here = Site(node.url, web3, deployer, await deployer.deploy(SETTINGS, specs))
        yield here
        await deployer.close()
        await web3.provider.disconnect()


async def test_every_role_is_who_the_contracts_say(site: Site) -> None:
    row = await site.row()
    who, store = {r["role"]: r for r in row["roles"]}, site.store
    assert who["owner"]["who"] == f"{await store.owner().call()} (a plain key)"
    assert who["owner"]["delay_s"] == await store.rotationDelayS().call() == 2 * DAY_S
    assert who["pending owner"]["who"] == await store.pendingOwner().call() == SAFE
    assert who["guardian"]["who"] == await store.guardian().call() == GUARDIAN
    assert f"within {await store.maxPushAgeS().call()} s" in who["anyone"]["worst"]
    signers, (epoch, threshold, members, weights) = row["signers"], await store.signerSet().call()
    assert (signers["epoch"], signers["threshold"]) == (epoch, str(threshold))
    assert signers["step_threshold"] == str((await store.thresholds().call())[1])
    shown = [(m["address"], m["weight"], m["operator"], m["slashable"]) for m in signers["members"]]
    assert shown == [(m, str(w), None, None) for m, w in zip(members, weights, strict=True)]
    for one in row["classes"]:
        (feed,) = one["feeds"]
        index = await store.indexOf(feed.encode().ljust(32, b"\0")).call()
        limits = await store.limitsOf(index).call()
        assert (one["min_gap_s"], one["step_bps"], one["step_wait_s"]) == limits
        assert index >> 13 == one["class"]
    assert row["next_signers"] is None
    assert row["cautions"] == [], "the chain is a local one"


async def test_without_stake_the_weights_are_said_and_nothing_is_at_stake(site: Site) -> None:
    row = await site.row()
    assert {c["what"]: (c["weight"], c["operators"]) for c in row["costs"]} == {
        "no news": ("4", 1),
        "a crash delayed": ("3", 1),
        "two prices for one round": ("3", 1),  # no two sets of 6 share the signer of 3 alone
        "a price beyond the step, after its wait": ("6", 2),
        "any price at once": ("7", 2),
    }
    assert {c["stake"] for c in row["costs"]} == {None}
    owner = (await site.store.owner().call()).lower()
    assert row["stake"]["decides"] is False
    assert row["stake"]["why_not"].endswith(
        f"is owned by {owner}, which is no StakedSet of it: its owner names the signers"
    )
    lines = trust_lines(row)
    assert sum(line.endswith("nothing of it can be slashed") for line in lines) == 3
    assert sum(", no stake; " in line for line in lines) == 5
    assert f"  stake: {row['stake']['why_not']}" in lines


async def test_signers_to_come_are_named_and_armed(site: Site) -> None:
    snapshot = (await site.rpc("evm_snapshot"))["result"]
    stranger = AsyncWeb3.to_checksum_address(b"\x44" * 20)
    signers = [*(AsyncWeb3.to_checksum_address(s) for s in SIGNERS[:2]), stranger]
    await site.done(site.store.setSigners(signers, [1, 1, 1], 2, 2), ME)
    coming = await site.row()
    assert [m["address"] for m in coming["next_signers"]["members"]] == signers
    assert "epoch 2 is due at" in coming["cautions"][0]
    digest = await site.store.armDigest().call()
    await site.done(site.store.arm(b"".join(bytes([i]) + sign_compact(KEYS[i], digest) for i in (0, 1))), ME)
    armed = await site.row()
    assert (armed["next_signers"]["armed"], armed["cautions"]) == (True, [])
    await site.rpc("evm_increaseTime", 2 * DAY_S + 1)
    await site.rpc("evm_mine")
    row = await site.row()
    assert row["next_signers"] is None
    assert [m["address"] for m in row["signers"]["members"]] == signers
    assert "signers of the epoch before" in {r["role"] for r in row["roles"]}
    await site.rpc("evm_revert", snapshot)


async def test_a_rotation_to_come_is_shown_with_its_time_and_its_signers(site: Site) -> None:
    snapshot = (await site.rpc("evm_snapshot"))["result"]
    signers = [AsyncWeb3.to_checksum_address(s) for s in SIGNERS[::-1]]
    await site.done(site.store.setSigners(signers, [5, 2, 1], 5, 8), ME)
    row = await site.row()
    epoch, at_s = await site.store.nextSigners().call()
    coming = row["next_signers"]
    assert (coming["epoch"], coming["from_s"]) == (epoch, at_s)
    assert (coming["threshold"], coming["step_threshold"]) == ("5", "8")
    assert [(m["address"], m["weight"]) for m in coming["members"]] == list(zip(signers, ["5", "2", "1"], strict=True))
    head = await site.web3.eth.get_block("latest")
    told = next(r for r in row["roles"] if r["role"] == "signers to come")
    assert told["delay_s"] == at_s - head["timestamp"]
    assert row["signers"]["epoch"] == 1, "until then the old ones count"
    await site.rpc("evm_revert", snapshot)


async def test_the_end_of_a_set_is_shown(site: Site) -> None:
    """Of a store whose sets expire: of the set in force and of the one to come, and a caution once it is over."""
    settings = replace(SETTINGS, owner=None, guardian=None, longest_epoch_s=3 * DAY_S)
    made = await site.deployer.deploy(settings, [], salt="expires")
    snapshot = (await site.rpc("evm_snapshot"))["result"]
    store = site.contract("PriceStore", made.store)
    ends_s = await store.expiresAt().call()
    signers = [AsyncWeb3.to_checksum_address(s) for s in SIGNERS]
    await site.done(store.setSigners(signers, [4, 3, 2], 6, 7), ME)
    row = await site.row(store=made.store)
    next_s = (await store.nextSigners().call())[1]
    assert (row["signers"]["expires_s"], row["next_signers"]["expires_s"]) == (ends_s, next_s + 3 * DAY_S)
    assert not any(c.startswith("epoch 1 expire") for c in row["cautions"])
    await site.rpc("evm_increaseTime", 3 * DAY_S + 1)
    await site.rpc("evm_mine")
    row = await site.row(store=made.store)
    assert [c for c in row["cautions"] if c.startswith(f"epoch 1 expired at {ends_s} (Unix s)")]
    await site.rpc("evm_revert", snapshot)
    assert (await site.row())["signers"]["expires_s"] is None


async def test_a_pause_and_a_contract_as_owner_are_seen(site: Site) -> None:
    snapshot = (await site.rpc("evm_snapshot"))["result"]
    await site.rpc("anvil_impersonateAccount", GUARDIAN)
    index = await site.store.indexOf(b"ETH/USD".ljust(32, b"\0")).call()
    await site.done(site.store.pause([index]), {"from": GUARDIAN})
    await site.done(site.store.acceptOwnership(), {"from": SAFE})
    await site.rpc("anvil_setCode", SAFE, "0x6001")
    row = await site.row()
    who = {r["role"]: r["who"] for r in row["roles"]}
    assert row["paused"] == ["ETH/USD"]
    assert who["owner"] == f"{SAFE} (a contract)"
    assert "pending owner" not in who
    await site.rpc("evm_revert", snapshot)


async def test_the_command_prints_the_table_and_gives_it_as_json(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"""
        [oracle]
        database = "{tmp_path / "o.db"}"
        [chains.local]
        chain_id = 31337
        endpoints = ["{site.url}"]
        [targets.t]
        chain = "local"
        store = "{site.made.store}"
        {FEEDS}
    """)
    prices = {"coinbase": {"WX-ETH": "1.1", "ETH-USD": "2000"}, "kraken": {"WX/ETH": "1.1", "ETH/USD": "2000"}}
    async with quoting(prices) as venues:
        addresses = "".join(f'[venues.{n}]\nrest_url = "{v.rest_url}"\n' for n, v in venues.items())
        path.write_text(path.read_text() + addresses)
        await assert_the_command_prints(site, path)


async def assert_the_command_prints(site: Site, path: Path) -> None:
    run = CliRunner()
    done = await asyncio.to_thread(lambda: run.invoke(main, ["--config", str(path), "check", "--json"]))
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)["trust"]
    assert {k: v for k, v in row.items() if k != "block"} == {
        k: v for k, v in (await site.row()).items() if k != "block"
    }
    text = (await asyncio.to_thread(lambda: run.invoke(main, ["--config", str(path), "check"]))).stdout
    for line in trust_lines(row)[1:]:
        assert line in text
    assert "  any price at once: weight 7, 2 operators, no stake; nothing is slashed for it alone" in text
    offline = await asyncio.to_thread(lambda: run.invoke(main, ["--config", str(path), "check", "--offline", "--json"]))
    assert json.loads(offline.stdout)["trust"] == []
