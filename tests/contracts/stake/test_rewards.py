"""What the module pays its signers. Invariants of docs/invariants.md, each under its name there.

Over a real store; frozen sets and sources are stand-ins, see `rewards_world`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

import contracts
from oracle.rewards.report import ETHER, EpochRewards, RewardLeaf
from oracle.sign.eip712 import Domain
from oracle.sign.epoch_words import RewardsWord
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.rewards_world import (
    CLAIM_S,
    FEED,
    JAIL_S,
    NO_ADDRESS,
    PROVABLE_S,
    REPORT_S,
    RewardsWorld,
    text,
)

ROOT = Path(__file__).parents[3]
FUNDED = 10**18
PAID_FOR = keccak(b"PaidFor(bytes32,uint48,address,address,uint256)")


@pytest.fixture
def world() -> RewardsWorld:
    return RewardsWorld()


def ended(world: RewardsWorld, amount: int = FUNDED) -> EpochRewards:
    """Epoch 1 with a pot of ether, ended; its report, which is not posted."""
    assert world.fund(1, ETHER, amount) == ""
    world.next_epoch()
    return world.report(1)


def word(world: RewardsWorld, epoch: int, *absent: bytes) -> RewardsWord:
    return RewardsWord(domain=world.domain, epoch=epoch, root=keccak(b"root"), absent=absent, grounds=keccak(b""))


def owing(report: EpochRewards, leaves: Sequence[RewardLeaf], absent: Sequence[bytes] = ()) -> EpochRewards:
    """The same report with other leaves, as liars of weight T could sign it."""
    return replace(report, leaves=tuple(leaves), absent=tuple(absent))


# ---------------------------------------------------------------------------------------------------------- invariants


@pytest.mark.parametrize("seed", range(6))
def test_what_is_paid_was_funded(seed: int) -> None:
    """Also of reports that promise anything: a pot pays until it is empty, and the contract holds what all pots say."""
    rng, world = random.Random(seed), RewardsWorld()
    funded: dict[tuple[int, bytes], int] = {}
    for _ in range(12):
        epoch, asset, amount = rng.randrange(1, 4), rng.choice(world.assets), rng.randrange(1, 1_000)
        assert world.fund(epoch, asset, amount) == ""
        funded[epoch, asset] = funded.get((epoch, asset), 0) + amount
    paid = dict.fromkeys(world.assets, 0)
    for epoch in (1, 2):
        assert world.next_epoch() == epoch + 1
        leaves = [
            RewardLeaf(epoch, rng.choice(world.operators), rng.randrange(2), asset, rng.randrange(1, 900))
            for asset in world.assets
            for _ in range(4)
        ]
        report = owing(world.report(epoch), sorted(set(leaves)))
        assert world.post(report) == ""
        for leaf in rng.sample(report.leaves, len(report.leaves)):
            left = world.left(epoch, leaf.asset)
            said = world.claim(leaf, report.tree.proof(leaf.hash))
            assert said == ("" if leaf.amount <= left else "PotEmpty")
            paid[leaf.asset] += 0 if said else leaf.amount
            assert world.left(epoch, leaf.asset) == left - (0 if said else leaf.amount)
    for asset in world.assets:
        all_funded = sum(n for (_, a), n in funded.items() if a == asset)
        assert sum(world.given(o, asset, s) for o in world.operators for s in (0, 1)) == paid[asset]
        assert world.held(asset) == sum(world.left(e, asset) for e in range(5)) == all_funded - paid[asset]
        assert {e: world.left(e, asset) for e in (3, 4)} == {3: funded.get((3, asset), 0), 4: 0}, (
            "no other epoch's funds"
        )


def test_one_root_an_epoch(world: RewardsWorld) -> None:
    """By weight T of the epoch's own set, once it has ended, and never another one."""
    assert world.fund(1, ETHER, FUNDED) == ""
    report = world.report(1)
    assert world.post(report) == "TooEarly"
    world.next_epoch()
    other = owing(report, report.leaves[1:])
    for who in ((0,), (0, 1), (1, 2, 3), ()):  # 67 of 100 are needed
        expected = "BadLength" if not who else "BelowThreshold"
        assert world.post(report, who) == expected
    assert world.post(report, (0, 1, 2)) == ""
    for said in (report, other):
        assert world.post(said) == "Closed"
    assert world.evm.ok(world.at, "reportOf", 1)[0] == report.tree.root
    assert world.post(replace(report, grounds=world.grounds(2))) == "TooEarly", "the present epoch has not ended"
    assert world.post_word(replace(report.word, epoch=9), b"") == "TooEarly"


def test_a_report_is_nobody_s_who_did_not_sign_exactly_it(world: RewardsWorld) -> None:
    report = ended(world)
    said, raw = report.word, report.grounds.raw
    signed = world.signed(said)
    each = [signed[i : i + 65] for i in range(0, len(signed), 65)]
    absent: list[str] = []
    bent = [
        (said.root, absent, raw, b"".join(order)) for order in permutations(each, 3) if list(order) != sorted(order)
    ]
    bent += [
        (keccak(said.root), absent, raw, signed),
        (said.root, [text(world.operators[0])], raw, signed),
        (said.root, absent, raw + b"\0", signed),
        (said.root, absent, raw, each[0] + each[0] + each[1]),
        (said.root, absent, raw, b"\xfe" + signed[1:]),
        (said.root, absent, raw, world.signed(replace(said, domain=Domain(chain_id=2, store=said.domain.store)))),
    ]
    for root, jailed, grounds, words in bent:
        assert world.call("post", 1, root, jailed, grounds, words)[0] == "BadSignature"
    assert world.call("post", 1, bytes(32), absent, raw, signed)[0] == "NothingToPost"
    assert world.call("post", 1, said.root, absent, raw, signed[:-1])[0] == "BadLength"
    assert world.call("post", 1, said.root, absent, raw, signed)[0] == ""


def test_a_leaf_is_paid_once(world: RewardsWorld) -> None:
    """Whoever asks, in whatever order, from inside of a payment too; and nothing else is a leaf."""
    report = ended(world)
    assert world.post(report) == ""
    first, second = report.leaves[:2]
    tree = report.tree
    assert world.claim(first, tree.proof(first.hash)) == ""
    assert world.claim(first, tree.proof(first.hash)) == "AlreadyPaid"
    assert world.given(first.operator, source=first.source) == first.amount
    changed: list[dict[str, Any]] = [
        {"amount": second.amount + 1}, {"operator": keccak(b"other")[:20]}, {"source": 1 - second.source},
        {"asset": world.assets[1]}, {"epoch": 2},
    ]  # fmt: skip
    for change in changed:
        assert world.claim(replace(second, **change), tree.proof(second.hash)) == "BadProof"
    assert world.claim(second, tree.proof(second.hash)[1:]) == "BadProof"
    assert world.claim(second, (bytes(32),) * 33) == "BadProof"
    assert world.claim(replace(second, source=2), tree.proof(second.hash)) == "UnknownSource"
    world.evm.ok(world.sources[second.source], "set", 2)
    assert world.claim(second, tree.proof(second.hash)) == "Reentrant"
    world.evm.ok(world.sources[second.source], "set", 1)
    assert world.claim(second, tree.proof(second.hash)) not in {"", "AlreadyPaid"}, "the source fails"
    world.evm.ok(world.sources[second.source], "set", 0)
    assert world.claim(second, tree.proof(second.hash)) == ""


def test_jail_by_report_takes_at_most_w_minus_t() -> None:
    """For every choice of members: by frozen weights, so liars of weight T cannot throw out the rest."""
    refused = 0
    members = list(enumerate((40, 25, 20, 15)))
    for some in (c for n in range(5) for c in combinations(members, n)):
        world = RewardsWorld()
        absent = sorted(world.operators[i] for i, _ in some)
        weight = sum(w for _, w in some)
        said = world.post(owing(ended(world), (), absent))
        assert said == ("" if weight <= 100 - world.threshold else "TooManyAbsent"), (some, said)
        refused += said != ""
        until = world.evm.now + JAIL_S
        for operator in world.operators:
            expected = until if operator in absent and not said else 0
            assert world.evm.ok(world.set, "jailedUntil", text(operator)) == expected
    assert refused == 12, "of 16: taken are nobody, 25, 20 and 15, for no two fit into 33"


def test_jail_by_several_reports_takes_no_more() -> None:
    """Who is in jail still weighs: also of reports that follow one another, and none of an epoch of long ago jails."""
    world = RewardsWorld(weights=(40, 25, 20, 15))

    def jailed() -> set[int]:
        until = [int(world.evm.ok(world.set, "jailedUntil", text(o))) for o in world.operators]
        return {world.weights[i] for i, u in enumerate(until) if u > world.evm.now}

    def post(epoch: int, *weights: int) -> set[int]:
        absent = sorted(world.operators[world.weights.index(w)] for w in weights)
        assert world.post(owing(world.report(epoch), (), absent)) == ""
        return jailed()

    for epoch in (2, 3, 4, 5):
        assert world.next_epoch() == epoch
    assert post(1, 25) == set(), "three epochs ended after it"
    assert post(4, 20) == {20}
    world.next_epoch()
    assert post(5, 15) == {20}, "35 together, and 33 may be missing"
    world.evm.jump(JAIL_S - 1)
    world.next_epoch()
    assert post(6, 20) == {20}, "it stays longer"
    world.evm.jump(2)
    world.next_epoch()
    assert post(7, 25) == {20}, "until a day after its second report"
    world.evm.jump(JAIL_S)
    world.next_epoch()
    assert post(8, 25) == {25}


@pytest.mark.parametrize("kind", ["stranger", "twice", "descending"])
def test_absent_are_members_each_once(kind: str) -> None:
    world = RewardsWorld(weights=(100, 10, 10, 10))
    small = sorted(world.operators[1:])
    listed = {"stranger": [keccak(b"other")[:20]], "twice": [small[0]] * 2, "descending": small[1::-1]}[kind]
    assert world.post(owing(ended(world), (), listed)) == "BadAbsent"


def test_nothing_is_stuck(world: RewardsWorld) -> None:
    """What is not claimed, or has no report, is for the present epoch in the end; whoever calls, nobody gains by it."""
    for asset in world.assets:
        assert world.fund(1, asset, 1_000) == ""
    assert world.fund(2, ETHER, 500) == ""
    assert world.call("rollOver", 1)[0] == "TooEarly", "it is the present one"
    world.next_epoch()
    report = world.report(1)
    assert world.post(report) == ""
    world.evm.ok(world.sources[0], "set", 1)
    taken = world.claim_all(report)
    assert {"" if leaf.source else "failed" for leaf in report.leaves} == {"", "failed"}
    assert [said == "" for said in taken] == [leaf.source == 1 for leaf in report.leaves]
    rest = {a: world.left(1, a) for a in world.assets}
    world.evm.jump(CLAIM_S)
    assert world.call("rollOver", 1)[0] == "TooEarly"
    world.evm.jump(1)
    assert world.next_epoch() == 3
    assert world.call("rollOver", 2)[0] == "", "it has no report, and waited for it long enough"
    assert (world.left(2), world.left(3)) == (0, 500)
    assert world.call("rollOver", 1)[0] == ""
    assert {a: world.left(3, a) - (500 if a == ETHER else 0) for a in world.assets} == rest
    assert world.call("rollOver", 1)[0] == "", "there is nothing left of it"
    assert {a: world.held(a) for a in world.assets} == {a: world.left(3, a) for a in world.assets}
    assert world.post(replace(report, grounds=world.grounds(2))) == "Closed", "what was rolled over is not owed again"
    world.next_epoch()
    again = world.report(3)
    world.evm.ok(world.sources[0], "set", 0)
    assert world.post(again) == ""
    assert set(world.claim_all(again)) == {""}


def test_an_epoch_without_a_report_waits_for_it(world: RewardsWorld) -> None:
    ended(world)
    world.evm.jump(PROVABLE_S + REPORT_S)
    world.next_epoch()
    assert world.call("rollOver", 1)[0] == "TooEarly"
    world.evm.jump(1)
    assert world.call("rollOver", 1)[0] == ""
    assert world.left(3) == FUNDED


def test_a_set_that_nobody_replaces_is_paid_too(world: RewardsWorld) -> None:
    """Its words can be proven no longer: its epoch has ended, whatever the store says; what comes in is for the next one."""
    assert world.fund(1, ETHER, FUNDED) == ""
    world.evm.jump(PROVABLE_S)
    assert world.post(world.report(1)) == "TooEarly"
    world.evm.jump(1)
    assert world.fund(1, ETHER, 5) == "NotFundable"
    assert world.fund(2, ETHER, 5) == ""
    report = world.report(1)
    assert world.post(report) == ""
    world.evm.ok(world.sources[0], "set", 1)
    world.claim_all(report)
    rest = world.left(1)
    world.evm.jump(CLAIM_S + 1)
    assert world.call("rollOver", 1)[0] == ""
    assert world.left(2) == rest + 5 > 5
    assert world.post_word(word(world, 2), b"") == "TooEarly"


# -------------------------------------------------------------------------------------------------------------- funds


def test_an_epoch_is_funded_until_it_ends(world: RewardsWorld) -> None:
    world.next_epoch()
    assert {e: world.fund(e, ETHER, 1) for e in (1, 2, 102, 103)} == {
        1: "NotFundable", 2: "", 102: "", 103: "NotFundable",
    }  # fmt: skip
    assert world.fund(2, keccak(b"token")[:20], 1) == "UnknownAsset"
    assert world.fund(2, ETHER, 0) == "BadAmount"
    assert world.fund(2, ETHER, 2, sent=1) == "BadAmount"
    assert world.fund(2, world.assets[1], 2, sent=2) == "BadAmount"
    assert world.fund(2, world.assets[1], 2**128) == "BadAmount"


@pytest.mark.parametrize(("how", "said"), [(1, "TokenFailed"), (2, "TokenFailed"), (0, "")])
def test_a_token_that_misbehaves_funds_nothing(world: RewardsWorld, how: int, said: str) -> None:
    world.evm.ok(world.odd, "set", how)
    assert world.fund(1, world.assets[3], 1_000) == said
    assert world.left(1, world.assets[3]) == world.held(world.assets[3]) == (0 if said else 1_000)


def test_a_consumer_pays_for_a_feed(world: RewardsWorld) -> None:
    """Into the same pot, and on record as of the payer and the feed; of no feed that the store does not have."""
    assert world.call("payFor", FEED, 1, NO_ADDRESS, 70, value=70)[0] == ""
    logs = [e for e in world.evm.evm.result.logs if bytes.fromhex(str(e.topics[0])[2:]) == PAID_FOR]
    ((_, feed, epoch, payer),) = [[int(str(t), 16) for t in log.topics] for log in logs]
    assert (feed, epoch, payer) == (int.from_bytes(FEED, "big"), 1, int(STRANGER, 16))
    assert world.call("payFor", FEED[::-1], 1, NO_ADDRESS, 70, value=70)[0] == "UnknownFeed"
    assert world.left(1) == 70


def bad_settings(world: RewardsWorld) -> Iterator[tuple[Any, ...]]:
    token, source = world.token, world.sources[0]
    yield world.set, [], [token], JAIL_S
    yield world.set, [source, source], [token], JAIL_S
    yield world.set, [NO_ADDRESS], [token], JAIL_S
    yield world.set, [text(keccak(bytes([i]))[:20]) for i in range(5)], [token], JAIL_S
    yield world.set, [source], [token, token], JAIL_S
    yield world.set, [source], [], JAIL_S
    yield world.set, [source], [NO_ADDRESS, NO_ADDRESS], JAIL_S
    yield world.set, [source], [text(keccak(bytes([i]))[:20]) for i in range(5)], JAIL_S
    yield world.set, [source], [token], 0
    yield world.set, [source], [token], 7 * 86_400 + 1


def test_settings_that_cannot_work_are_refused(world: RewardsWorld) -> None:
    for settings in bad_settings(world):
        with pytest.raises(RuntimeError, match="Revert"):
            world.evm.create(contracts.load("Rewards"), *settings)
