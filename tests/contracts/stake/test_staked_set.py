"""Who signs by stake: laws of docs/invariants.md on the real store, each under its name there."""

from __future__ import annotations

import pytest

import contracts
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import GUARDIAN, OWNER, STRANGER
from tests.contracts.stake.stake_world import (
    ANSWER_S,
    DAY_S,
    DELAY_S,
    EPOCH_S,
    ETHER,
    EVIDENCE_S,
    JOIN_S,
    LONGEST_S,
    MAX_AGE_S,
    MEMBER,
    OBSERVED_S,
    OTHERS,
    OVERLAP_S,
    PENALTIES,
    SOURCE_GAS,
    SOURCES,
    TIMELOCK,
    TOO_LITTLE,
    TOO_NEW,
    ZERO,
    StakeWorld,
    operator,
    with_gas,
)
from tests.contracts.stake.weights_model import BPS


@pytest.fixture
def world() -> StakeWorld:
    return StakeWorld()


def test_the_members_with_the_most_stake_push(world: StakeWorld) -> None:
    world.register()
    everybody = world.enter_all(90, 80, 70, 60, 50, 40, 30, 20)
    epoch = world.rotate()
    assert world.push(epoch, world.evm.now) == "WrongEpoch", "it is not in force yet"
    world.arm()
    assert world.epoch == epoch == 2
    keys, operators, _ = world.members(epoch)
    assert keys == sorted(keys)
    assert sorted(operators) == sorted(everybody[:7]), "maxMembers"
    assert world.push(epoch, world.evm.now, only=keys[:2]) == "BelowThreshold"
    assert world.push(epoch, world.evm.now) == ""
    assert world.evm.ok(world.set, "frozenOf", 9) == (0, 0, 0, 0)
    assert world.evm.ok(world.set, "memberOf", epoch, ZERO) == (ZERO, 0)
    assert world.evm.ok(world.set, "memberOf", 9, keys[0]) == (ZERO, 0)
    assert world.members(9) == ([], [], [])


def test_the_store_has_what_was_frozen(world: StakeWorld) -> None:
    who = world.enter_all(400, 80, 70, 60)
    capture = world.evm.now
    epoch = world.rotate()
    frozen = world.evm.ok(world.set, "frozenOf", epoch)
    world.arm()
    keys, operators, weights = world.members(epoch)
    assert world.evm.ok(world.store, "signerSet") == (epoch, frozen[2], tuple(keys), tuple(weights))
    assert world.evm.ok(world.store, "thresholds") == (sum(weights) * 67 // 100 + 1, sum(weights) * 80 // 100 + 1)
    assert frozen == (capture, capture + ANSWER_S, sum(weights) * 67 // 100 + 1, sum(weights))
    assert max(weights) * BPS <= 3_400 * sum(weights) < (max(weights) + 1) * BPS, "the cap binds, to the wei"
    assert [world.evm.ok(world.set, "memberOf", epoch, k) for k in keys] == list(zip(operators, weights, strict=True))
    assert sorted(weights)[:3] == [60 * ETHER, 70 * ETHER, 80 * ETHER]
    assert {world.evm.ok(world.set, "boundUntil", w) for w in who} == {capture + ANSWER_S}


def test_anybody_rotates_once_an_epoch(world: StakeWorld) -> None:
    world.enter_all(90, 80, 70, 60)
    assert world.rotation() == ("", 2)
    assert world.rotation()[0] == "TooEarly", "the next set is still to come"
    world.arm()
    world.evm.jump(EPOCH_S - DELAY_S - 1)
    assert world.rotation()[0] == "TooEarly"
    assert world.evm.ok(world.set, "nextRotateAt") == world.evm.now + 1
    world.evm.jump(1)
    assert world.evm.call(world.set, "rotate", sender=operator(99)) == ("", 3)


def test_a_set_that_was_not_armed_is_replaced_at_once(world: StakeWorld) -> None:
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    world.evm.jump(EPOCH_S)
    assert world.rotate() == 3
    first = world.evm.ok(world.set, "frozenOf", 3)
    assert world.evm.ok(world.set, "nextRotateAt") == world.evm.now + DELAY_S
    world.evm.jump(DELAY_S - 1)
    assert world.rotation()[0] == "TooEarly"
    world.evm.jump(1)
    world.evm.ok(world.set, "leave", sender=who[3])
    assert world.rotate() == 3, "under its number"
    assert len(world.members(3)[0]) == 3
    second = world.evm.ok(world.set, "frozenOf", 3)
    assert second[:2] == (first[0] + DELAY_S, first[1] + DELAY_S)
    assert world.evm.ok(world.set, "boundUntil", who[0]) == second[1]
    assert world.evm.ok(world.set, "boundUntil", who[3]) == first[1], "it does not fall, and nothing frees it sooner"
    world.arm()


def test_a_next_set_that_is_armed_is_waited_for(world: StakeWorld) -> None:
    world.enter_all(90, 80, 70, 60)
    world.rotate()
    keys, _, _ = world.members(2)
    frozen_at = world.evm.now
    world.evm.ok(world.store, "arm", world.signed(world.evm.ok(world.store, "armDigest"), keys))
    assert world.evm.ok(world.set, "nextRotateAt") == frozen_at + EPOCH_S


def test_what_can_be_proven_ends_when_words_are_old(world: StakeWorld) -> None:
    """No push of an epoch is taken after the time for evidence has begun, whoever forgot to rotate."""
    world.register()
    world.enter_all(90, 80, 70, 60)
    epoch = world.change()
    ends = world.evm.ok(world.store, "expiresAt")
    assert ends == world.evm.now + LONGEST_S
    world.evm.jump(LONGEST_S - 1 + MAX_AGE_S)
    assert world.push(epoch, ends - 1) == ""
    world.evm.jump(1)
    for round_time_s in (ends - 1, ends, world.evm.now):
        assert world.push(epoch, round_time_s) in {"TooOld", "Expired"}
    assert world.evm.ok(world.set, "frozenOf", epoch)[1] == ends + OVERLAP_S + MAX_AGE_S + EVIDENCE_S + OBSERVED_S
    assert world.change() == epoch + 1, "a set that expired can be replaced"


def test_nobody_names_signers(world: StakeWorld) -> None:
    """The set owns the store, and nothing that it does takes signers, weights or thresholds from a caller."""
    artifact = contracts.load("StakedSet")
    changes = {f["name"] for f in artifact.abi if f["type"] == "function" and f["stateMutability"] != "view"}
    by_anybody = {"rotate", "observeAndRotate", "remove", "join", "leave", "acceptStore"}
    assert changes == by_anybody | {
        "connect",
        "joinFor",
        "leaveFor",
        "jail",
        "jailAbsent",
        "govern",
        "startMigration",
        "finishMigration",
    }
    signers = [operator(1), operator(2), operator(3)]
    everybody = (OWNER, GUARDIAN, STRANGER, TIMELOCK, PENALTIES, operator(1))
    for who in everybody:
        for name in ("setSigners", "setSignersInEmergency"):
            assert world.evm.call(world.store, name, signers, [1, 1, 1], 3, 3, sender=who)[0] in {
                "NotSetOwner",
                "NotOwner",
            }
        assert world.evm.call(world.store, "removeSigners", 1, [0], sender=who)[0] == "NotSetOwner"
        assert world.evm.call(world.store, "transferOwnership", who, sender=who)[0] == "NotOwner"
        assert world.evm.call(world.store, "setSetOwner", who, sender=who)[0] == "NotOwner"
    assert world.evm.call(world.set, "connect", world.set, STRANGER, STRANGER)[0] == "BadConnection"
    for who in (STRANGER, TIMELOCK, operator(1)):
        for name in ("jail", "jailAbsent"):
            assert world.evm.call(world.set, name, operator(1), 2**40, sender=who)[0] == "NotAllowed"
    for who in (OWNER, TIMELOCK, PENALTIES, operator(1)):
        for name in ("joinFor", "leaveFor"):
            assert world.evm.call(world.set, name, operator(1), sender=who)[0] == "NotAllowed"


def test_a_set_that_knows_no_penalties_makes_no_set() -> None:
    world = StakeWorld()
    made = world.evm.create(contracts.load("StakedSet"), *world.arguments())
    assert world.evm.call(made, "rotate")[0] == "BadConnection"
    assert world.evm.call(made, "connect", world.set, PENALTIES, PENALTIES)[0] == "BadConnection", "itself is the set"


def test_each_candidate_is_told_why_it_is_out(world: StakeWorld) -> None:
    who = world.enter_all(90, 80, 70, 60, 50, 40, 30, 20)
    late = world.enter(9)
    world.tell(who[2], 9 * ETHER)
    rows, threshold, total = world.preview()
    places = [rows[w].place for w in (*who, late)]
    assert places == [MEMBER, MEMBER, TOO_LITTLE, MEMBER, MEMBER, MEMBER, MEMBER, MEMBER, TOO_NEW]
    world.tell(who[2], 70 * ETHER)
    rows, threshold, total = world.preview()
    assert rows[who[7]].place == OTHERS
    epoch = world.rotate()
    members = {w: r.weight for w, r in rows.items() if r.place == MEMBER}
    assert world.weights(epoch) == members
    assert world.evm.ok(world.set, "frozenOf", epoch)[2:] == (threshold, total)


def test_who_joins_has_a_key_and_stake_and_waits(world: StakeWorld) -> None:
    evm, who = world.evm, operator(1)
    assert evm.call(world.set, "join", sender=who)[0] == "NoKey"
    world.new_key(who)
    world.tell(who, 10 * ETHER - 1)
    assert evm.call(world.set, "join", sender=who)[0] == "TooLittleStake"
    world.tell(who, 10 * ETHER)
    assert evm.call(world.set, "leave", sender=who)[0] == "NotCandidate"
    evm.ok(world.set, "join", sender=who)
    assert evm.call(world.set, "join", sender=who)[0] == "AlreadyJoined"
    assert evm.ok(world.set, "isCandidate", who)
    evm.jump(JOIN_S - 1)
    assert world.preview()[0][who].place == TOO_NEW
    evm.jump(1)
    assert world.preview()[0][who].place == MEMBER
    assert world.rotation()[0] == "TooFewMembers"
    evm.ok(world.set, "leave", sender=who)
    assert evm.ok(world.set, "candidates") == ()


def test_a_source_opts_in_and_out_what_it_vouches_for(world: StakeWorld) -> None:
    who, source = operator(1), world.sources[0]
    world.new_key(who)
    world.tell(who, 10 * ETHER)
    for _ in range(2):
        world.evm.ok(source, "joinFor", who)
        assert world.evm.ok(world.set, "candidates") == (who,)
    for _ in range(2):
        world.evm.ok(source, "leaveFor", who)
        assert world.evm.ok(world.set, "candidates") == ()


def test_dust_fills_no_list(world: StakeWorld) -> None:
    """Places are bounded, and the one with the least stake makes room for more."""
    most = world.evm.ok(world.set, "maxCandidates")
    for i in range(most):
        world.enter(i + 1, 10 * ETHER + i)
    poor, rich = operator(90), operator(91)
    for who, stake in ((poor, 10 * ETHER), (rich, 50 * ETHER)):
        world.new_key(who)
        world.tell(who, stake)
    assert world.evm.call(world.set, "join", sender=poor)[0] == "NoPlace"
    world.tell(operator(1), 60 * ETHER)
    assert world.evm.call(world.set, "join", sender=rich)[0] == "NoPlace", "who is to go has more by now"
    world.tell(operator(1), 11 * ETHER)
    world.evm.ok(world.set, "join", sender=rich)
    found = world.evm.ok(world.set, "candidates")
    assert len(found) == len(set(found)) == most
    assert rich in found
    assert operator(1) not in found
    world.evm.ok(world.set, "leave", sender=operator(5))
    world.evm.ok(world.set, "join", sender=poor)


def test_nobody_pushes_a_member_out(world: StakeWorld) -> None:
    """Stake that is shown for one newcomer after another takes the places of those who are in no set, and no others."""
    members = world.enter_all(*[20] * 7)
    world.change()
    most = world.evm.ok(world.set, "maxCandidates")
    for i in range(7, most):
        world.enter(i + 1, 15 * ETHER)
    for i in range(50, 50 + most):
        world.enter(i, 900 * ETHER)
        world.tell(operator(i), 0)
        world.evm.ok(world.windows, "observe", [operator(i)])
    found = world.evm.ok(world.set, "candidates")
    assert len(found) == most
    assert set(members) <= set(found)
    assert set(world.weights(world.change())) == set(members)


def test_a_freeze_takes_the_one_key_that_an_operator_has(world: StakeWorld) -> None:
    world.register()
    who = world.enter_all(90, 80, 70, 60)
    first = world.change()
    old = world.evm.ok(world.book, "keyOf", who[0])
    new = world.new_key(who[0])
    assert old in world.in_store()
    second = world.change()
    assert (old in world.in_store(), new in world.in_store()) == (False, True)
    assert world.evm.ok(world.set, "memberOf", first, old)[0] == who[0]
    assert world.evm.ok(world.set, "memberOf", second, new)[0] == who[0]
    assert world.evm.ok(world.set, "memberOf", second, old) == (ZERO, 0)
    assert world.weights(first) == world.weights(second), "the operator is the same: nothing rises"


@pytest.mark.parametrize(
    "change",
    [
        {"epochS": 0},
        {"epochS": LONGEST_S - DELAY_S},
        {"joinDelayS": 0},
        {"joinDelayS": OBSERVED_S - 1},
        {"joinDelayS": 365 * DAY_S + 1},
        {"evidenceS": 0},
        {"capBps": 3_333},
        {"capBps": BPS + 1},
        {"minStake": 10**9 - 1},
        {"minMembers": 0},
        {"minMembers": 8},
        {"maxMembers": 32},
        {"thresholdBps": 6_666},
        {"thresholdBps": BPS, "stepBps": BPS},
        {"stepBps": 6_699},
        {"stepBps": BPS + 1},
        {"timelock": ZERO},
        {"migrateDelayS": ANSWER_S},
    ],
)
def test_settings_that_do_not_fit_are_refused(world: StakeWorld, change: dict[str, int]) -> None:
    assert world.refusal() == ""
    assert world.refusal(**change) == "SettingsDoNotFit"


def test_a_store_whose_sets_never_expire_is_refused(world: StakeWorld) -> None:
    roles = (OWNER, GUARDIAN, MAX_AGE_S, DELAY_S, OVERLAP_S, 0)
    world.store = world.evm.create(contracts.load("PriceStore"), roles, [(1, 9_999, 1)], [operator(1)], [1], 1, 1)
    assert world.refusal() == "SettingsDoNotFit"


def test_bad_sources_are_refused(world: StakeWorld) -> None:
    good = world.sources[0]
    other = world.evm.create(compiled(SOURCES)["ToldStake"])
    for sources in ([], [good, good], [STRANGER], [good] * 5):
        assert world.refusal(sources=with_gas(sources)) == "BadSources"
    assert world.refusal(sources=with_gas([good], 49_999)) == "BadSources"
    assert world.refusal(sources=[(good, 6_900_000), (other, 100_000)]) == ""
    assert world.refusal(sources=[(good, 6_900_000), (other, 100_001)]) == "BadSources", (
        "more than one operator may cost"
    )
    assert [world.evm.ok(world.windows, "gasOf", s) for s in (good, STRANGER)] == [SOURCE_GAS, 0]
    assert world.evm.ok(world.set, "answerS") == ANSWER_S
    assert world.evm.ok(world.set, "sources") == (good,)
