"""`lrt-oracle check` on a store whose signers are decided by stake, on a real chain: found from the store's owner, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import coincurve
import pytest

from demo.world import anvil
from demo.world.chain import LocalChain, account
from oracle.check.trust import trust_documents
from oracle.check.trust_text import trust_lines
from oracle.config.resolve import resolve
from oracle.config.sections import load
from tests.oracle.stake.people import ETHER, OTHER_KEYS, OTHERS, OWNER, STAKES, People

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Stake signs: epoch 2 is in force."""
    folder = tmp_path_factory.mktemp("staked")
    (folder / "var").mkdir()
    with anvil.running() as node:
        people = People(node.url, folder)
        people.write_key("gas.key.json", coincurve.PrivateKey(bytes(account(6).key)))
        people.jump(2 * 3_600)
        people.rotate()
        people.arm()
        yield people


@pytest.fixture
def people(made: People) -> Iterator[People]:
    before = made.on_chain(lambda chain: chain.rpc("evm_snapshot"))
    yield made
    made.on_chain(lambda chain: chain.rpc("evm_revert", before))


def row_of(people: People) -> dict[str, Any]:
    (row,) = asyncio.run(trust_documents(resolve(load(people.config()))))
    return row


def test_every_role_is_who_the_contracts_say(people: People) -> None:
    row = row_of(people)
    who, world = {r["role"]: r for r in row["roles"]}, people.world
    assert who["owner"]["who"] == f"{world.set.address} (a StakedSet: stake decides)"
    timelock = people.read("set", "timelock")
    assert who["timelock of the set"]["who"] == f"{timelock} (a plain key)"
    assert who["timelock of the set"]["delay_s"] == people.read("set", "migrateDelayS")
    assert f"answers for {people.read('set', 'answerS')} s" in who["timelock of the set"]["worst"]
    assert who["arbiter of penalties"]["who"] == people.read("penalties", "arbiter")
    assert who["penalties"]["who"] == world.penalties.address
    assert who["rewards"]["who"] == world.rewards.address
    assert who["sources of stake"]["who"] == world.source.address
    assert "until the timelock resumes it" in who["guardian"]["worst"]


def test_costs_and_stakes_are_those_of_stake_status(people: People) -> None:
    row, status = row_of(people), people.said("lrt-oracle stake status")
    security = status["security"]
    assert row["stake"]["security"] == {**security, "block": row["block"]}
    by_operator = {m["operator"]: m for m in row["signers"]["members"]}
    assert {o: int(m["slashable"]) for o, m in by_operator.items()} == {
        o.address.lower(): stake * ETHER for o, stake in zip(OTHERS, STAKES, strict=True)
    }
    found = {c["what"]: c for c in row["costs"]}
    two = found["two prices for one round"]
    assert (two["stake"], two["lost"]) == (security["two_contents"]["cost"], security["two_contents"]["lost"])
    assert int(two["stake"]) == 65 * ETHER, "the two with least: the weights are capped, what is lost is not"
    lines = trust_lines(row)
    assert any(line.endswith("2 operators, 65 ETH at stake, 65 ETH lost; slashed by anybody's proof") for line in lines)
    text = people.run("lrt-oracle stake status").output
    assert f"lose {int(two['lost']) // ETHER} ETH of it" in text


def test_a_migration_is_seen_before_it_can_happen(people: People) -> None:
    async def announce(chain: LocalChain) -> None:
        await chain.send(OWNER, people.world.set, "startMigration", OTHERS[0].address)
        await chain.settle()

    assert people.read("set", "timelock") == OWNER.address
    people.on_chain(announce)
    row = row_of(people)
    (coming,) = [r for r in row["roles"] if r["role"] == "owner that was announced"]
    assert (coming["who"], coming["delay_s"]) == (OTHERS[0].address, people.read("set", "migrateDelayS"))
    assert any(OTHERS[0].address.lower() in c for c in row["cautions"])


def test_a_source_that_burns_its_calls_hides_nothing_else(people: People) -> None:
    """Its code ends each call as no revert does, in the node's own words."""
    people.on_chain(lambda chain: chain.rpc("anvil_setCode", people.world.source.address, "0xfe"))
    row = row_of(people)
    assert (row["stake"]["decides"], row["stake"]["security"]["complete"]) == (True, False)
    assert {m["slashable"] for m in row["signers"]["members"]} == {None}
    assert all(c["exact"] is False for c in row["costs"])
    assert any("what can be slashed is unknown" in line for line in trust_lines(row))
    assert any("not all that can be slashed could be read" in c for c in row["cautions"])


def test_a_contract_of_the_set_that_is_gone_leaves_the_store_s_own_facts(people: People) -> None:
    people.on_chain(lambda chain: chain.rpc("anvil_setCode", people.world.penalties.address, "0x"))
    row = row_of(people)
    assert row["stake"]["decides"] is None
    assert "does not answer as a Penalties does" in row["stake"]["why_not"]
    assert {c["stake"] for c in row["costs"]} == {None}
    who = {r["role"]: r["who"] for r in row["roles"]}
    assert who["owner"] == f"{people.world.set.address} (a contract; whether stake decides could not be read)"
    assert [m["weight"] for m in row["signers"]["members"]] == [str(w) for w in people.read("store", "signerSet")[3]]


def test_a_liar_is_out_and_its_stake_no_longer_secures_anything(people: People) -> None:
    people.prove(OTHER_KEYS[1], epoch=2)
    security = people.said("lrt-oracle stake status")["security"]
    assert row_of(people)["stake"]["security"]["slashable"] == security["slashable"]
    liar = OTHERS[1].address.lower()
    jailed = people.read("set", "jailedUntil", OTHERS[1].address)
    text = people.run("lrt-oracle stake status").output
    assert jailed > people.now()
    assert f"in jail: {liar}" in text
    assert "penalties open: 1 (" in text
