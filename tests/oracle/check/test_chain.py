"""The check against a real chain: the demo's contracts pass, and each wrong thing is found and named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coincurve
import pytest
import pytest_asyncio

from demo.world import anvil
from demo.world.chain import LocalChain, account
from demo.world.deploy import DemoWorld, backdated, deploy
from feeds.units import Bps
from oracle.chain.store_client import StoreClient
from oracle.check.check import check
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.model.publication import Record
from oracle.model.spec import Mode
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.push.sending.pusher import Pusher
from oracle.push.settings import PushRules
from oracle.report.wire import encode_item
from oracle.sign.eip712 import Domain, address_of, batch_digest, sign_compact
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.messages import SignedBatch
from oracle.storage.database import Database
from tests.oracle.config.small_config import spot_sources
from tests.oracle.config.tiny_contract import chainlink, runtime, words
from tests.oracle.oracle_build import T0, wad

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
FEED = "wdivETH/ETH"
KEY = coincurve.PrivateKey(b"\7" * 32)


@dataclass(frozen=True)
class Site:
    """The demo's world on a node of its own."""

    url: str
    chain: LocalChain
    world: DemoWorld

    def table(self, folder: Path, **changes: Any) -> dict[str, Any]:
        """A config over the world; `changes` are merged into its sources by name."""
        world = self.world
        pool, other = world.pools["wdiveth_uniswap"], world.pools["wdiveth_balancer"]
        coins = {"base": world.wdiv_eth, "quote": world.weth, "notional": "10", "chain": "local"}
        sources: dict[str, dict[str, Any]] = {
            "uniswap": {"type": "uniswap_v3", "pool": pool.address, "average_s": 30, **coins},
            "balancer": {
                "type": "balancer_stable", "vault": world.vault, "pool": other.address, "average_s": 30,
                "pool_id": world.pool_ids()["wdiveth_balancer"], **coins,
            },
            "rate": {
                "type": "rate_call", "kind": "redemption", "chain": "local", "contract": world.div_eth,
                "function": "convertToAssets(uint256)", "args": ["1e18"],
            },
        }  # fmt: skip
        for name, change in changes.items():
            sources.setdefault(name, {}).update(change)
        return {
            "oracle": {"database": str(folder / "o.db")},
            "chains": {"local": {"chain_id": world.chain_id, "endpoints": [self.url], "max_head_age_s": 3_600}},
            "feeds": {FEED: {"sources": [{"name": n, **s} for n, s in sources.items()]}},
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    with anvil.running(extra=backdated()) as node:
        async with LocalChain(node.url) as chain:
            yield Site(node.url, chain, await deploy(chain))


async def found(table: dict[str, Any], *, confirmed: frozenset[str] = frozenset()) -> dict[str, Any]:
    return await check(resolve(parse(table)), offline=False, confirmed=confirmed)


async def errors(table: dict[str, Any], **options: Any) -> str:
    return "\n".join(f"{e['key']}: {e['text']}" for e in (await found(table, **options))["errors"])


def report(market: str, redemption: str, round_s: int) -> Report:
    return Report(
        market_wad=wad(market), redemption_wad=wad(redemption), spread_bps=Bps(10), status=Status.OK, why=Why.NONE,
        round_time_s=round_s, market_age_s=0, redemption_age_h=0,
    )  # fmt: skip


def record_of(published: Report) -> Record:
    return Record(
        feed=FEED, mode=Mode.MIN, report=published, price_wad=published.redemption_wad, deviation_bps=None, reasons=(),
        observed_at_ms=T0, computed_at_ms=T0, signed_at_ms=None,
    )  # fmt: skip


async def test_the_demos_contracts_pass(site: Site, tmp_path: Path) -> None:
    got = await found(site.table(tmp_path))
    assert got["errors"] == []
    assert {r["source"] for r in got["reads"]} == {"uniswap", "balancer", "rate"}
    assert got["in_use"]["contracts"] >= 4
    rate = next(r for r in got["reads"] if r["source"] == "rate")
    assert rate["price"].startswith("1.05")


async def test_an_address_without_code_is_named(site: Site, tmp_path: Path) -> None:
    text = await errors(site.table(tmp_path, rate={"contract": "0x" + "77" * 20}))
    assert f'feeds."{FEED}".rate: no contract at 0x7777' in text


async def test_a_token_with_other_decimals_is_named(site: Site, tmp_path: Path) -> None:
    text = await errors(site.table(tmp_path, uniswap={"base_decimals": 6}))
    assert "wdivETH has 18 decimals, the source counts with 6" in text


async def test_another_token_than_the_pair_says_is_named(site: Site, tmp_path: Path) -> None:
    wrong = site.world.pools["demolrt_uniswap"]
    text = await errors(site.table(tmp_path, uniswap={"pool": wrong.address, "base": site.world.lrt}))
    assert "calls itself 'demoLRT', the config means 'wdivETH'" in text


async def test_a_pool_of_other_coins_is_named(site: Site, tmp_path: Path) -> None:
    wrong = site.world.pools["demolrt_uniswap"]
    assert "WRONG_SYMBOL" in await errors(site.table(tmp_path, uniswap={"pool": wrong.address}))


async def test_a_rate_of_the_wrong_scale_is_out_of_bounds(site: Site, tmp_path: Path) -> None:
    text = await errors(site.table(tmp_path, rate={"scale": 16}))
    assert "105.000000 ETH lies outside 0.500000 to 3.000000" in text


async def test_derivations_that_part_are_named(site: Site, tmp_path: Path) -> None:
    second = {
        "type": "rate_call", "kind": "redemption", "chain": "local", "contract": site.world.lrt,
        "function": "getRate()",
    }  # fmt: skip
    text = await errors(site.table(tmp_path, second=second))
    assert "1.020000 lies -286 bps from rate of wdivETH/ETH (1.050000): two derivations of one rate disagree" in text


async def test_a_ratio_read_as_dollars_is_refused(site: Site, tmp_path: Path) -> None:
    table = site.table(tmp_path)
    sources = table["feeds"].pop(FEED)["sources"][:2]
    table["feeds"]["wdivETH/USD"] = {"sources": [{**s, "pair": "wdivETH/USD"} for s in sources]}
    text = await errors(table)
    assert "is not a price of wdivETH in USD: a ratio read as dollars" in text
    assert "the config means 'USD'" in text


async def test_a_feed_that_says_another_unit_is_refused(site: Site, tmp_path: Path) -> None:
    where = "0x" + "c1" * 20
    code = chainlink("CBETH / ETH", 18, 112 * 10**16, 1_700_000_000)
    await site.chain.rpc("anvil_setCode", where, "0x" + code.hex())
    reference = {"type": "chainlink", "kind": "reference", "chain": "local", "feed": where}
    got = await found(site.table(tmp_path, reference=reference))
    assert got["errors"] == []
    assert next(r["price"] for r in got["reads"] if r["source"] == "reference").startswith("1.12")
    table = site.table(tmp_path)
    usd = {"sources": [*spot_sources("cbETH/USD"), reference]}
    table["feeds"]["cbETH/USD"] = usd
    table["venues"] = {v: {"rest_url": "http://127.0.0.1:1"} for v in ("coinbase", "kraken")}
    text = await errors(table)
    assert "the feed calls itself 'CBETH / ETH', the source is about cbETH/USD: a ratio read as dollars" in text
    assert "1.120000 is not a price of cbETH in USD" in text


async def test_a_way_through_two_units_is_read_at_one_block(site: Site, tmp_path: Path) -> None:
    """An outer share of 1.1 wdivETH of 1.05 ether each is owed 1.155 ether."""
    where = "0x" + "c2" * 20
    code = runtime({"convertToAssets(uint256)": words(11 * 10**17)})
    await site.chain.rpc("anvil_setCode", where, "0x" + code.hex())
    steps = [
        f"outer/wdivETH {where} convertToAssets(uint256) 1e18",
        f"wdivETH/divETH {site.world.div_eth} convertToAssets(uint256) 1e18",
        "divETH/ETH par",
    ]
    table = site.table(tmp_path)
    path = {"type": "rate_path", "kind": "redemption", "chain": "local", "steps": steps}
    table["feeds"] = {"outer/ETH": {"mode": "redemption", "reference_only": True, "sources": [path]}}
    got = await found(table)
    assert got["errors"] == []
    assert [r["price"] for r in got["reads"]] == ["1.155000000000000000"]


async def test_a_value_far_from_the_running_one_waits_for_a_confirmation(site: Site, tmp_path: Path) -> None:
    store = Database(tmp_path / "o.db")
    record = record_of(report("1.1", "1.05", T0 // 1_000))
    store.save_round([], [], [record], [])
    store.close()
    text = await errors(site.table(tmp_path))
    assert "the market value 1.0" in text
    assert "from the running 1.100000" in text
    assert f"--confirm {FEED}" in text
    assert await errors(site.table(tmp_path), confirmed=frozenset({FEED})) == ""


async def test_a_store_must_know_the_feeds_and_hold_what_we_published(site: Site, tmp_path: Path) -> None:
    table = site.table(tmp_path)
    table["targets"] = {"t": {"chain": "local", "store": "0x" + "99" * 20, "max_push_age_s": 3_600}}
    assert "targets.t: no contract at" in await errors(table)
    deployer = Deployer(site.url, coincurve.PrivateKey(bytes(account(0).key)))
    made = await deployer.deploy(
        StoreSettings(signers=(address_of(KEY),), weights=(1,), threshold=1, max_push_age_s=3_600), []
    )
    await deployer.register(made.store, "first/ETH", market=True, redemption=True)
    table["targets"]["t"]["store"] = made.store
    assert f"targets.t.store: not registered in the store: {FEED}" in await errors(table)
    await deployer.register(made.store, FEED, market=True, redemption=True)
    assert await errors(table) == ""
    await deployer.close()

    domain = Domain(chain_id=made.chain_id, store=bytes.fromhex(made.store[2:]))
    client = StoreClient([site.url], domain, LocalSigner(coincurve.PrivateKey(bytes(account(2).key))), max_fee_gwei=500)
    round_s = (await client.head()).time_s
    store = Database(tmp_path / "o.db")
    store.save_round([], [], [record_of(report("1.0497", "1.05", round_s))], [])
    rules = PushRules(max_push_age_s=3_600, bump_after_s=5, confirmations=2)
    pusher = Pusher("t", client, store, rules, now_ms=lambda: round_s * 1_000, on_landed=lambda _: None)
    await pusher.start({"first/ETH": 0, FEED: 1})
    items = encode_item(1, report("4000", "0.9", round_s))
    signature = bytes([0]) + sign_compact(KEY, batch_digest(domain, 1, round_s, items))
    batch = SignedBatch(
        domain=domain, epoch=1, round_time_s=round_s, items=items, signatures=signature, signers=("a",),
        addresses=(address_of(KEY),),
    )  # fmt: skip
    assert await pusher.submit(batch) is not None
    await client.close()
    store.close()
    text = await errors(table)
    assert "the store holds a market value of 4000.000000 at index 1, we published 1.049700" in text
    assert "two feeds are swapped" in text


async def with_sequencer(site: Site, folder: Path, answer: bytes | None) -> dict[str, Any]:
    """The check where the chain's uptime feed answers so; None for an address without code."""
    where = "0x" + ("5e" if answer is not None else "5f") * 20
    if answer is not None:
        await site.chain.rpc("anvil_setCode", where, "0x" + runtime({"latestRoundData()": answer}).hex())
    table = site.table(folder)
    table["chains"]["local"] |= {"sequencer_feed": where, "sequencer_grace_s": 600}
    return await found(table)


async def test_a_sequencer_s_state_is_shown(site: Site, tmp_path: Path) -> None:
    block_s = int((await site.chain.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
    since = {"up for long": (0, 10_000), "just up": (0, 100), "down": (1, 50)}
    seen = {}
    for name, (answer, for_s) in since.items():
        got = await with_sequencer(site, tmp_path, words(7, answer, block_s - for_s, block_s, 7))
        assert got["errors"] == []
        (seen[name],) = got["sequencers"]
        assert seen[name]["since_s"] >= for_s
        notes = [n for n in got["notes"] if "nothing of this chain counts now" in n]
        assert len(notes) == (name != "up for long"), notes
    shown = {n: (s["state"], s["answer"], s["counts"], s["grace_s"]) for n, s in seen.items()}
    assert shown == {
        "up for long": ("up", 0, True, 600), "just up": ("up", 0, False, 600), "down": ("down", 1, False, 600)
    }  # fmt: skip


@pytest.mark.parametrize("answer", [words(7, 2, 0, 0, 7), words(7, 10**18, 0, 0, 7), words(1), b""])
async def test_an_answer_that_no_uptime_feed_gives_is_an_error(site: Site, tmp_path: Path, answer: bytes) -> None:
    (error,) = (await with_sequencer(site, tmp_path, answer))["errors"]
    assert error["key"] == "chains.local.sequencer_feed"
    assert "does not answer as an uptime feed does" in error["text"]
    assert "write the chain's uptime feed" in error["text"]


async def test_an_uptime_feed_without_code_is_an_error(site: Site, tmp_path: Path) -> None:
    got = await with_sequencer(site, tmp_path, None)
    (error,) = got["errors"]
    assert error["key"] == "chains.local.sequencer_feed"
    assert "no contract at 0x5f5f" in error["text"].lower()
    assert got["sequencers"] == []


async def test_a_chain_that_does_not_answer_is_one_error(site: Site, tmp_path: Path) -> None:
    table = site.table(tmp_path)
    table["chains"]["local"]["chain_id"] = 1
    text = await errors(table)
    assert "chains.local: WRONG_CHAIN" in text
