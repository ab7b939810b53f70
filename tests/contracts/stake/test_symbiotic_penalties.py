"""Stake in Symbiotic's real vaults: put aside, taken, given back. Laws of docs/invariants.md by their names."""

from __future__ import annotations

import os
import random

import pytest

from demo.world import symbiotic
from tests.contracts.contract_tools import compiled
from tests.contracts.stake.symbiotic_history import SymbioticHistory
from tests.contracts.stake.symbiotic_world import (
    ANN,
    ANYBODY,
    BOB,
    BURNER,
    CURATOR,
    DAY_S,
    DISPUTE_S,
    EPOCH_S,
    PENALTIES,
    RITA,
    STAND_INS,
    WAD,
    SymbioticWorld,
    case_id,
    selector,
)

HISTORIES = int(os.environ.get("LRT_ORACLE_SYMBIOTIC_HISTORIES", "2"))
"""Random ones, each from a seed of its own."""
STEPS = 300
"""Of each: a vault that was slashed empty too often takes no deposits any more, by Symbiotic's own arithmetic."""


@pytest.fixture
def world() -> SymbioticWorld:
    return SymbioticWorld()


@pytest.mark.parametrize("veto_s", [None, DAY_S, DISPUTE_S])
def test_a_penalty_is_asked_for_at_the_proof_and_taken_after_the_dispute(
    world: SymbioticWorld, veto_s: int | None
) -> None:
    made = world.counted({ANN: 1, BOB: 1}, 100 * WAD, veto_s=veto_s)
    capture = world.capture()
    assert world.seize(ANN, capture, WAD * 3 // 5) == 30 * WAD
    if veto_s is not None:
        request = world.ask(made.slasher, "slashRequests", 0)
        assert request[1:] == (ANN.lower(), 30 * WAD, capture - 1, world.evm.now + veto_s, False)
    assert [world.stake(ANN), world.stake(BOB)] == [10 * WAD, 25 * WAD]
    # leaving is too late, and nobody can hurry it
    world.act(made.vault, "withdraw", RITA, 100 * WAD, sender=RITA)
    world.evm.jump(DISPUTE_S)
    assert world.take() == 30 * WAD
    assert world.logs("VaultSlashed") == [(case_id(1), bytes(12) + bytes.fromhex(made.vault[2:]), 30 * WAD)]
    assert world.balance(BURNER) == 30 * WAD
    assert world.balance(made.vault) == 70 * WAD
    assert world.ask(world.source, "asideOf", made.vault, ANN) == 0
    for again in ("take", "restore"):
        args = (case_id(1), ANYBODY, 0) if again == "take" else (case_id(1),)
        assert world.refused(world.source, again, *args, sender=PENALTIES) == "WrongStage"
    assert world.finish() == 0
    assert world.balance(BURNER) == 30 * WAD


def test_an_execution_before_the_veto_ends_is_refused_and_tried_again(world: SymbioticWorld) -> None:
    """The dispute may be shorter than a vault's veto would need, if penalties are carried out early: it waits."""
    made = world.counted({ANN: 1}, 100 * WAD, veto_s=DISPUTE_S)
    fast = world.counted({ANN: 1}, 100 * WAD)
    capture = world.capture()
    world.seize(ANN, capture)
    world.evm.jump(DISPUTE_S - 1)
    assert world.take() == 100 * WAD
    assert [log[1][-20:].hex() for log in world.logs("SlashWaits")] == [made.vault[2:].lower()]
    assert [world.balance(made.vault), world.balance(fast.vault)] == [100 * WAD, 0]
    assert world.stake(ANN) == 0
    world.evm.jump(1)
    assert world.finish() == 100 * WAD
    assert world.logs("RestTaken") == [(case_id(1), 100 * WAD)]
    assert world.finish() == 0
    assert world.logs("RestTaken") == []
    assert world.balance(BURNER) == 200 * WAD


@pytest.mark.parametrize("late", [False, True])
def test_a_restored_case_slashes_nothing(world: SymbioticWorld, late: bool) -> None:
    """Neither by the request that Symbiotic keeps nor by us; also where the time for a veto is over."""
    made = [world.counted({ANN: 1}, 100 * WAD, veto_s=DAY_S), world.counted({ANN: 1}, 100 * WAD)]
    capture = world.capture()
    assert world.seize(ANN, capture) == 200 * WAD
    world.evm.jump(DISPUTE_S - 1 if late else DAY_S // 2)
    world.restore()
    assert world.ask(made[0].slasher, "slashRequests", 0)[-1] is not late, "vetoed while it could be"
    assert world.stake(ANN) == 100 * WAD
    assert world.slashable(ANN, capture) == 200 * WAD
    world.evm.jump(2 * DAY_S)
    for call, args in (("take", (case_id(1), ANYBODY, 0)), ("restore", (case_id(1),))):
        assert world.refused(world.source, call, *args, sender=PENALTIES) == "WrongStage"
    assert world.refused(world.source, "finish", case_id(1)) == "WrongStage"
    for who in (ANYBODY, CURATOR, PENALTIES):
        error = world.refused(made[0].slasher, "executeSlash", 0, b"", sender=who)
        assert error == selector("NotNetworkMiddleware")
    assert world.balance(BURNER) == 0
    # what was given back can be put aside anew
    assert world.seize(ANN, capture, case=2) == 200 * WAD


def test_what_fails_in_one_vault_is_taken_later_and_never_twice(world: SymbioticWorld) -> None:
    """A token that stops: its vault waits, the others do not."""
    second = world.evm.create(compiled(STAND_INS)["StoppingToken"])
    world.act(world.values, "list", second, 1)
    made = world.vault(collateral=second)
    world.know(second, compiled(STAND_INS)["StoppingToken"])
    world.join(ANN, [made])
    world.act(world.vaults, "prepare", made.vault)
    world.run(symbiotic.give_stake(made, world.source, limit=10**24, shares={ANN: 1}))
    world.act(second, "mint", RITA, 100 * WAD)
    world.act(second, "approve", made.vault, 2**255, sender=RITA)
    world.act(made.vault, "deposit", RITA, 100 * WAD, sender=RITA)
    world.act(world.vaults, "addVault", made.vault, "0x" + "00" * 20)
    world.counted({ANN: 1}, 100 * WAD)
    capture = world.capture()
    assert world.seize(ANN, capture) == 200 * WAD
    world.evm.jump(DISPUTE_S)
    world.act(second, "stop", True)
    assert world.take() == 100 * WAD
    assert world.finish() == 0
    world.act(second, "stop", False)
    assert world.finish() == 100 * WAD
    assert world.finish() == 0
    assert [world.balance(BURNER), world.balance(BURNER, second)] == [100 * WAD, 100 * WAD]


def test_a_request_that_cannot_wait_out_its_veto_is_not_made(world: SymbioticWorld) -> None:
    world.counted({ANN: 1}, 100 * WAD, veto_s=DAY_S)
    world.counted({ANN: 1}, 100 * WAD)
    capture = world.capture()
    world.evm.jump(EPOCH_S - DAY_S - 13)
    assert world.slashable(ANN, capture) == 200 * WAD
    world.evm.jump(1)
    assert world.slashable(ANN, capture) == 100 * WAD
    assert world.seize(ANN, capture) == 100 * WAD
    assert not world.logs("RequestFailed")


@pytest.mark.parametrize("veto_s", [None, DAY_S])
def test_a_penalty_is_taken_to_the_last_second_of_the_vault_s_time(world: SymbioticWorld, veto_s: int | None) -> None:
    world.counted({ANN: 1}, 100 * WAD, veto_s=veto_s)
    capture = world.capture()
    world.seize(ANN, capture)
    world.evm.jump(capture - 1 + EPOCH_S - world.evm.now)
    assert world.take() == world.balance(BURNER) == 100 * WAD


def test_an_older_penalty_whose_time_is_over_holds_up_no_newer_one(world: SymbioticWorld) -> None:
    """Nobody has carried it out, and who delays it shields nothing by it."""
    world.counted({ANN: 1}, 100 * WAD)
    old = world.capture()
    world.seize(ANN, old, WAD // 2, case=1)
    world.evm.jump(EPOCH_S // 2)
    world.seize(ANN, world.capture(), WAD // 2, case=2)
    world.evm.jump(old + EPOCH_S - world.evm.now)
    assert world.take(2) == 25 * WAD
    assert world.take(1) == 0
    assert world.balance(BURNER) == 25 * WAD


def test_a_penalty_that_was_carried_out_holds_up_no_other(world: SymbioticWorld) -> None:
    world.counted({ANN: 1}, 100 * WAD)
    for case in (1, 2):
        world.seize(ANN, world.capture(), WAD // 2, case=case)
    world.evm.jump(DISPUTE_S)
    assert [world.take(1), world.take(2)] == [50 * WAD, 25 * WAD]


def test_what_the_gas_is_too_little_for_is_left_to_the_next_call(world: SymbioticWorld) -> None:
    """However many vaults have hooks that burn what they are given: a call that can slash one of them slashes one."""
    hook = world.evm.create(compiled(STAND_INS)["HostileHook"])
    world.evm.ok(hook, "aim", world.source, case_id(1), True)
    for _ in range(3):
        world.counted({ANN: 1}, 100 * WAD, hook=hook)
    world.seize(ANN, world.capture())
    world.evm.jump(DISPUTE_S)
    args = (case_id(1), ANYBODY, 0)
    answers = [
        world.with_gas(gas, world.source, "take", *args, sender=PENALTIES)
        for gas in range(1_000_000, 3_000_000, 50_000)
    ]
    assert list(dict.fromkeys(answers)) == [None, 100 * WAD, 200 * WAD, 300 * WAD]


def test_as_many_penalties_as_may_wait_in_a_vault_can_be_carried_out(world: SymbioticWorld) -> None:
    """And no more are put aside there: each one looks at all that wait."""
    world.counted({ANN: 1}, 100 * WAD)
    capture = world.capture()
    most = world.ask(world.source, "MAX_OPEN")
    due = [world.seize(ANN, capture, WAD // 100, case=case) for case in range(1, most + 1)]
    args = (ANN, WAD // 100, capture, case_id(most + 1))
    assert world.refused(world.source, "seize", *args, sender=PENALTIES) == "NothingSlashable"
    world.evm.jump(DISPUTE_S)
    last = (case_id(most), ANYBODY, 0)
    assert world.with_gas(2_000_000, world.source, "take", *last, sender=PENALTIES) == due[-1]
    assert [world.take(case) for case in range(1, most + 1)] == due
    assert world.balance(BURNER) == sum(due)


def test_a_vault_whose_time_is_over_lapses(world: SymbioticWorld) -> None:
    """What nobody carried out in time is stake again."""
    made = world.counted({ANN: 1}, 100 * WAD)
    capture = world.capture()
    world.seize(ANN, capture, WAD // 2)
    world.evm.jump(EPOCH_S)
    assert world.take() == 0
    assert len(world.logs("SlashLapsed")) == 1
    assert world.stake(ANN) == 50 * WAD
    assert world.balance(made.vault) == 100 * WAD


@pytest.mark.parametrize("veto_s", [None, DAY_S])
def test_an_older_penalty_comes_first(world: SymbioticWorld, veto_s: int | None) -> None:
    """Symbiotic refuses captures older than the newest slashed one: a small newer lie would shield a big older one."""
    world.counted({ANN: 1}, 100 * WAD, veto_s=veto_s)
    old = world.capture()
    world.evm.jump(DAY_S)
    new = world.capture()
    world.seize(ANN, new, WAD // 10, case=1)
    world.evm.jump(12)
    world.seize(ANN, old, WAD, case=2)
    world.evm.jump(DISPUTE_S - 12)
    assert world.take(1) == 0
    assert len(world.logs("SlashWaits")) == 1
    world.evm.jump(12)
    assert world.take(2) == 90 * WAD
    assert world.finish(1) == 10 * WAD
    assert world.balance(BURNER) == 100 * WAD


@pytest.mark.parametrize("veto_s", [None, DAY_S])
def test_a_newer_slash_shields_no_older_capture(world: SymbioticWorld, veto_s: int | None) -> None:
    """If the newer one was carried out before the older was proven, its time is used, for what there was at the older one."""
    made = world.counted({ANN: 1}, 100 * WAD, veto_s=veto_s)
    old = world.capture()
    world.deposit(RITA, made, 300 * WAD)
    world.evm.jump(DAY_S // 4)
    new = world.capture()
    world.seize(ANN, new, WAD // 10, case=1)
    world.evm.jump(DISPUTE_S)
    assert world.take(1) == 40 * WAD
    assert world.ask(made.slasher, "slashableStake", world.subnetwork, ANN, old, b"") == 0
    assert world.slashable(ANN, old) == 60 * WAD, "100 then, of which 40 are gone"
    assert world.seize(ANN, old, WAD, case=2) == 60 * WAD
    world.evm.jump(DISPUTE_S)
    assert world.take(2) == 60 * WAD
    assert world.balance(BURNER) == 100 * WAD


@pytest.mark.parametrize("burns", [False, True])
def test_a_hostile_vault_gains_nothing_by_its_hook(world: SymbioticWorld, burns: bool) -> None:
    """Made by the real factory: its delegator's hook calls back while it is slashed, or burns all gas it is given."""
    hook = world.evm.create(compiled(STAND_INS)["HostileHook"])
    world.counted({ANN: 1}, 100 * WAD, hook=hook, veto_s=DAY_S)
    world.counted({ANN: 1}, 100 * WAD)
    world.evm.ok(hook, "aim", world.source, case_id(1), burns)
    capture = world.capture()
    assert world.seize(ANN, capture) == 200 * WAD
    world.evm.jump(DISPUTE_S)
    assert world.take() == 200 * WAD
    assert world.balance(BURNER) == 200 * WAD
    assert world.ask(hook, "calls") == (0 if burns else 1)
    assert world.ask(hook, "entered") is False


def test_little_gas_for_the_hook_leaves_the_slash_to_the_next_call(world: SymbioticWorld) -> None:
    world.counted({ANN: 1}, 100 * WAD)
    capture = world.capture()
    world.seize(ANN, capture)
    world.evm.jump(DISPUTE_S)
    args = (case_id(1), ANYBODY, 0)
    answers = [
        world.with_gas(gas, world.source, "take", *args, sender=PENALTIES) for gas in range(100_000, 1_500_000, 50_000)
    ]
    assert set(answers) == {None, 100 * WAD}


def test_the_burner_s_hook_is_told_and_stops_nothing(world: SymbioticWorld) -> None:
    hook = world.evm.create(compiled(STAND_INS)["HostileHook"])
    world.network(burners=[hook])
    world.counted({ANN: 1}, 100 * WAD, burner=hook, burner_hook=True)
    world.evm.ok(hook, "aim", world.source, case_id(1), False)
    capture = world.capture()
    world.seize(ANN, capture)
    world.evm.jump(DISPUTE_S)
    assert world.take() == 100 * WAD
    assert world.ask(hook, "calls") == 1
    assert world.ask(hook, "entered") is False


def test_only_the_penalties_contract_touches_stake(world: SymbioticWorld) -> None:
    world.counted({ANN: 1})
    capture = world.capture()
    calls = {
        "seize": (ANN, WAD, capture, case_id(1)),
        "take": (case_id(1), ANYBODY, 0),
        "restore": (case_id(1),),
    }
    for who in (ANYBODY, CURATOR, ANN):
        assert {world.refused(world.source, name, *args, sender=who) for name, args in calls.items()} == {"NotAllowed"}
    for fraction in (0, WAD + 1):
        assert (
            world.refused(world.source, "seize", ANN, fraction, capture, case_id(1), sender=PENALTIES) == "BadFraction"
        )
    world.seize(ANN, capture, WAD // 2)
    assert world.refused(world.source, "seize", ANN, WAD, capture, case_id(1), sender=PENALTIES) == "WrongStage"


def test_what_is_seized_was_stake_at_capture() -> None:
    """Over a random history: at no capture more is put aside or taken than there was, the burner has all that was taken."""
    for seed in range(HISTORIES):
        history = SymbioticHistory(SymbioticWorld(), random.Random(seed))
        for _ in range(STEPS):
            history.step()
        assert history.slashed > 100 * WAD
        assert {"deposit", "withdraw", "shares", "seize", "take", "restore"} == history.done
