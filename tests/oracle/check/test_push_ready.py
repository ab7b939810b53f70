"""`lrt-oracle check` refuses what can never push, and a key that no store knows; each beside a set-up that it must let be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from oracle.check.check import check
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.sign.eip712 import address_of
from tests.oracle.check.push_site import (
    KEYS,
    MAX_PUSH_AGE_S,
    POOR,
    QUICK_AGE_S,
    STRANGER,
    Site,
    checked,
    errors,
    running_site,
)
from tests.oracle.config.small_config import spot_sources

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running_site(tmp_path_factory.mktemp("able")) as made:
        yield made


async def test_what_can_push_passes_and_so_does_a_dry_run(site: Site) -> None:
    got = await checked(site.config())
    assert got["errors"] == []
    assert [n.split(":")[0] for n in got["notes"]] == ["operators op0, op1 are keys of one process"]
    assert await errors(site.config(), offline=True) == []
    dry = await checked(site.config(operators=(), gas=None))
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


async def test_one_of_several_over_a_network_needs_others_and_a_threshold_of_more_than_two_thirds(site: Site) -> None:
    one = {**site.config(operators=KEYS[:1]), "network": {}}
    ((key, text),) = await errors(one)
    assert key == "targets.t"
    assert "agreement holds for a faulty weight f <= min(W - T, 2T - W - 1) = 0" in text
    assert text.endswith("with a threshold of at least 3")


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
    asked = "operators.x.signer_url"  # nobody answers there
    assert [k for k, _ in await errors(both)] == [two, asked]


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
    table = site.config()
    table["feeds"] = {"wX/ETH": {"sources": spot_sources("wX/ETH"), "reference_only": True}}
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
    table["feeds"]["new/ETH"] = {"sources": spot_sources("new/ETH")}
    assert [k for k, _ in await errors(table)] == ["targets.t.store"]


async def test_a_batch_that_is_too_old_before_a_block_comes_is_refused(site: Site) -> None:
    quick = {"store": site.stores[2], "max_push_age_s": QUICK_AGE_S}
    ((key, text),) = await errors(site.config(KEYS[:1], targets={"t": {**site.config()["targets"]["t"], **quick}}))
    assert key == "targets.t.max_push_age_s"
    assert "use a store that takes it for 4 s at least" in text


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
