"""What secures a price, on the real contracts of all sources: what is said is what they say, and what is lost is what they take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from itertools import combinations

import pyrevm
import pytest
from eth_utils.crypto import keccak

from oracle.chain.quorum_rpc import ChainError
from oracle.stake.discover import NotStaked, SourceKind
from oracle.stake.secured.facts import PenaltyFacts, RewardFacts, SecuredFacts, SetTerms
from oracle.stake.secured.price import PriceSecurity, price_security
from oracle.stake.secured.text import security_document, security_lines
from oracle.stake.standing import set_document
from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.stake_world import DAY_S, SETTINGS, TIMELOCK
from tests.contracts.stake.story_sources import KINDS, SOURCE_GAS, SymbioticPart
from tests.contracts.stake.story_world import (
    ARBITER,
    DEPOSIT,
    DISPUTE_S,
    FINDER_BPS,
    LEAST,
    OPERATORS,
    RESTAKERS,
    StoryWorld,
)
from tests.contracts.stake.symbiotic_world import CURATOR
from tests.oracle.stake.evm_nodes import EvmNodes, code_at, found, reads_of

GRANTED = "0x" + keccak(text="RoleGranted(bytes32,address,address)").hex()
LIMITS = keccak(text="NETWORK_LIMIT_SET_ROLE")


@cache
def begun(kind: str) -> StoryWorld:
    world = StoryWorld(KINDS[kind], SOURCE_GAS[kind])
    assert world.begin() == 2
    return world


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[StoryWorld]:
    made = begun(request.param)
    with made.branch():
        yield made


@pytest.fixture
def three() -> Iterator[StoryWorld]:
    made = begun("all three")
    with made.branch():
        yield made


def secured(world: StoryWorld) -> PriceSecurity:
    reads = reads_of(world.evm)
    return asyncio.run(price_security(reads, found(reads, world.store)))


def test_figures_equal_those_of_stake_status(world: StoryWorld) -> None:
    """By operator and source; and both are what the sources say for the capture of the set in force, not weights."""
    world.evm.jump(1)
    reads = reads_of(world.evm)
    status = asyncio.run(set_document(reads, found(reads, world.store)))
    document = security_document(secured(world))
    capture, _, threshold, total = world.frozen(2)
    assert document["capture_s"] == capture
    for row in status["operators"]:
        here = document["operators"][row["operator"]]
        assert (here["weight"], here["slashable"]) == (row["weight"], row["slashable"])
        assert here["sources"] == {s["address"]: s["slashable"] for s in row["sources"]}
    said = {o.lower(): sum(world.ask(s, "slashableOf", o, capture) for s in world.sources) for o in OPERATORS}
    assert {o: int(r["slashable"]) for o, r in document["operators"].items()} == said
    assert all(said.values()), "each operator has something to lose"
    assert int(document["slashable"]) == sum(said.values()) == sum(int(v) for v in document["by_source"].values())
    assert (status["threshold"], status["total"]) == (str(threshold), str(total))


def test_the_cheapest_coalition_is_exact_on_the_real_contracts(world: StoryWorld) -> None:
    """Beside all subsets of the members, who have more to lose than their weights of the freeze say, and not alike."""
    for i, operator in enumerate(OPERATORS):
        for part in world.parts:
            if operator in part.served:
                part.put_in(RESTAKERS[i], operator, (7 * i % 5 + 1) * WAD)
    answer = secured(world)
    weights, said = world.weights(2), answer.slashable
    for cost in (answer.two_contents, answer.false_price, answer.any_price, answer.silence):
        sets = [s for n in range(6) for s in combinations(OPERATORS, n) if sum(weights[o] for o in s) >= cost.needed]
        assert cost.coalition is not None
        assert cost.coalition.wei == min(sum(said[o.lower()] for o in s) for s in sets)
        assert cost.fewest == min(map(len, sets))
    assert answer.is_complete


def test_stake_is_counted_once_and_by_place(three: StoryWorld) -> None:
    """The places of an operator come to what its sources say, each with its collateral; nothing of it in two of them."""
    answer = secured(three)
    kinds = {p.kind for m in answer.facts.members for p in m.parts}
    assert kinds == {SourceKind.DELEGATED, SourceKind.SYMBIOTIC, SourceKind.EIGENLAYER}
    for member in answer.facts.members:
        for source, wei in member.slashable_wei.items():
            assert wei == sum(p.wei or 0 for p in member.parts if p.source == source)
    assert answer.shared.by_collateral == {three.token.lower(): answer.slashable_wei}
    assert set(answer.shared.twice) == {o.lower() for o in OPERATORS}, "each has stake in two places or three"
    assert answer.shared.others_can_slash == 0, "the vault is for one operator and one network"
    assert answer.shared.curator_unknown == next(p.wei for m in answer.facts.members for p in m.parts if p.vault)


def test_who_has_two_contents_sealed_loses_what_is_said(world: StoryWorld) -> None:
    """The cheapest coalition lies, anybody proves it, the dispute passes: what the sources have less is what was said."""
    answer = secured(world)
    coalition = answer.two_contents.coalition
    assert coalition is not None
    liars = [o for o in OPERATORS if o.lower() in coalition.operators]
    lies = [world.lie(world.key_of(o), 2) for o in liars]
    before = {o: sum(world.ask(s, "slashableOf", o, world.frozen(2)[0]) for s in world.sources) for o in liars}
    cases = [world.prove(words) for words in lies]
    for case in cases[:-1]:
        world.ok(world.penalties, "topUp", case)
    assert {world.ask(world.penalties, "fractionDue", c) for c in cases} == {WAD}
    for case in cases:
        world.end_dispute(case)
    left = {o: sum(world.ask(s, "slashableOf", o, world.frozen(2)[0]) for s in world.sources) for o in liars}
    off = len(liars) * sum(p.off_by() for p in world.parts)
    assert abs(sum(before.values()) - sum(left.values()) - answer.two_contents.lost_wei) <= off
    assert answer.two_contents.lost_wei == coalition.wei


def test_a_shared_vault_is_shared_and_its_curator_is_named(three: StoryWorld) -> None:
    """Roles are taken from what the delegator says now: an account that once was named in a log and has no role is no curator."""
    symbiotic = next(p for p in three.parts if isinstance(p, SymbioticPart))
    # no room for another vault in this source: the one that counts is asked about
    vault = symbiotic.behind[OPERATORS[0]]
    topic = "0x" + LIMITS.hex()
    names = ("0x" + "00" * 32, CURATOR), (topic, STRANGER)
    logs = [(GRANTED, role, "0x" + who[2:].lower().rjust(64, "0"), "0x" + "00" * 32) for role, who in names]
    reads = reads_of(three.evm, {vault.delegator.lower(): logs})
    answer = asyncio.run(price_security(reads, found(reads, three.store)))
    held = next(p for m in answer.facts.members for p in m.parts if p.vault)
    assert held.curators == (CURATOR.lower(),)
    assert answer.shared.by_curator == {CURATOR.lower(): held.wei}
    assert answer.shared.curator_unknown == 0


def test_a_rate_that_cannot_be_read_is_unknown_and_not_nothing(world: StoryWorld) -> None:
    """When the recorded rate is too old as well, sources answer 0; here it is None, and every cost the least that is known."""
    world.evm.jump(2 * DAY_S + 1)
    evm = world.evm.evm
    code = code_at(evm, world.token)
    evm.insert_account_info(world.token, pyrevm.AccountInfo(nonce=1, code=bytes.fromhex("fe")))
    try:
        answer = secured(world)
    finally:  # no branch takes this back
        evm.insert_account_info(world.token, pyrevm.AccountInfo(nonce=1, code=code))
    assert not answer.is_complete
    assert all(None in m.slashable_wei.values() for m in answer.facts.members)
    assert "NOT ALL IS KNOWN" in security_lines(answer)[9]
    assert security_document(answer)["complete"] is False


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_source_that_does_not_answer_is_unknown_and_hides_no_other(three: StoryWorld, broken: int) -> None:
    """Its code ends each call without a revert, found before it broke and found anew."""
    evm, at = three.evm.evm, three.sources[broken]
    before = found(reads_of(three.evm), three.store)
    known = secured(three).by_source
    code = code_at(evm, at)
    evm.insert_account_info(at, pyrevm.AccountInfo(nonce=1, code=bytes.fromhex("fe")))
    try:
        reads = reads_of(three.evm)
        answers = [asyncio.run(price_security(reads, s)) for s in (before, found(reads, three.store))]
    finally:  # no branch takes this back
        evm.insert_account_info(at, pyrevm.AccountInfo(nonce=1, code=code))
    for answer in answers:
        assert not answer.is_complete
        assert all(m.slashable_wei[at.lower()] is None for m in answer.facts.members)
        assert {a: w for a, w in answer.by_source.items() if w} == {a: w for a, w in known.items() if a != at.lower()}
        assert any(at.lower() in d and "does not say all" in d for d in answer.doubts)
    assert answers[1].facts.system.sources[broken].kind is SourceKind.UNKNOWN


def test_terms_and_governance_are_those_of_the_contracts(three: StoryWorld) -> None:
    facts = secured(three).facts
    assert (facts.terms.cap_bps, facts.terms.migrate_delay_s) == (SETTINGS["capBps"], SETTINGS["migrateDelayS"])
    assert facts.terms.answer_s == three.ask(three.set, "answerS") < facts.terms.migrate_delay_s
    assert (facts.governance.timelock, facts.governance.timelock_is_key) == (TIMELOCK.lower(), True)
    assert facts.governance.migrates_to is None
    assert (facts.penalties.arbiter, facts.penalties.min_fraction) == (ARBITER.lower(), LEAST)
    assert (facts.penalties.dispute_s, facts.penalties.finder_bps) == (DISPUTE_S, FINDER_BPS)
    assert facts.penalties.needs_s == three.ask(three.penalties, "needsS")
    assert [s.reach_s for s in facts.sources] == [three.ask(s, "reachS") for s in three.sources]
    (token,) = facts.collateral
    assert (token.rate, token.limit) == (
        three.ask(three.values, "rateOf", three.token),
        three.ask(three.values, "limitOf", three.token),
    )
    three.ok(three.set, "startMigration", STRANGER, by=TIMELOCK)
    governance = secured(three).facts.governance
    assert (governance.migrates_to, governance.migrates_at_s) == (
        STRANGER.lower(),
        three.evm.now + facts.terms.migrate_delay_s,
    )
    assert f"ANNOUNCED: to {STRANGER.lower()}" in security_lines(secured(three))[9]


def test_every_fact_is_in_the_document_and_passes_as_json(three: StoryWorld) -> None:
    """Wei as texts: nothing that passes 2^53 is a number."""
    facts = secured(three).facts
    document = security_document(secured(three))["facts"]
    kept = {f.name for f in fields(SecuredFacts)} - {
        "system",
        "block",
        "time_s",
        "frozen",
        "capture_s",
        "governance",
        "strange",
    }
    assert kept <= set(document), "what is missing stands beside it in the answer"
    for name, whole in (("terms", SetTerms), ("penalties", PenaltyFacts), ("rewards", RewardFacts)):
        assert set(document[name]) == {f.name for f in fields(whole)}
    for row, made in zip(document["members"], facts.members, strict=True):
        assert (row["capture_s"], row["book_key"], len(row["parts"])) == (
            made.capture_s,
            made.book_key,
            len(made.parts),
        )
        assert row["book_key"] == three.key_of(made.operator).lower()

    def numbers(value: object) -> Iterator[int]:
        if isinstance(value, dict | list):
            for one in value.values() if isinstance(value, dict) else value:
                yield from numbers(one)
        elif isinstance(value, int):
            yield value

    assert max(numbers(json.loads(json.dumps(document)))) < 2**53


def test_a_freeze_that_made_no_set_is_told() -> None:
    """Two of five leave with all, the others with half: T cannot fall so far in one epoch."""
    world = begun("delegated")
    with world.branch():
        (part,) = world.parts
        for i, operator in enumerate(OPERATORS):
            part.ask_exit(RESTAKERS[i], operator, DEPOSIT if i < 2 else DEPOSIT // 2)
        assert not secured(world).facts.silent
        assert world.freeze() == 0
        answer = secured(world)
        assert answer.facts.silent
        assert any("made no set" in d for d in answer.doubts)
        assert answer.slashable_wei == world.value(5 * DEPOSIT), "what was asked back can be slashed until it is paid"


def test_a_proven_liar_is_in_jail_its_case_open_and_its_part_off(world: StoryWorld) -> None:
    liar = OPERATORS[0]
    before = secured(world)
    words = world.lie(world.key_of(liar), 2)
    world.prove(words)
    after = secured(world)
    (row,) = [m for m in after.facts.members if m.operator == liar.lower()]
    assert (row.weight, row.open_cases) == (0, 1)
    assert row.jailed_until_s == world.ask(world.set, "jailedUntil", liar) == after.facts.jailed[liar.lower()]
    assert liar.lower() not in after.slashable, "who signs nothing any more secures nothing"
    assert after.two_contents.needed > before.two_contents.needed, "T stays, W is less"
    assert any("a penalty is open" in d for d in after.doubts)
    assert row.book_key is None, "its key is retired"


def test_a_node_without_the_state_and_an_owner_without_stake_are_errors_of_their_own(three: StoryWorld) -> None:
    reads = reads_of(three.evm)
    system = found(reads, three.store)
    nodes = reads.nodes
    assert isinstance(nodes, EvmNodes)
    nodes.pruned = True
    with pytest.raises(ChainError, match="missing trie node"):
        asyncio.run(price_security(reads, system))
    nodes.pruned = False
    three.evm.jump(1)
    three.ok(three.set, "startMigration", STRANGER, by=TIMELOCK)
    three.until(three.evm.now + SETTINGS["migrateDelayS"])
    three.ok(three.set, "finishMigration", by=TIMELOCK)
    assert secured(three).facts.governance.pending_owner == STRANGER.lower()
    assert any("can accept the store now" in d for d in secured(three).doubts)
    three.ok(three.store, "acceptOwnership", by=STRANGER)
    with pytest.raises(NotStaked) as refused:
        found(reads_of(three.evm), three.store)
    assert (refused.value.owner, refused.value.is_set) == (STRANGER.lower(), False)
