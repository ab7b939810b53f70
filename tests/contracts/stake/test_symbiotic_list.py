"""Which vaults of Symbiotic's real core get onto the list, and when they leave it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from demo.world import npm, symbiotic
from demo.world.symbiotic import DelegatorKind, SymbioticCore
from tests.contracts.evm_process import OWNER
from tests.contracts.stake.stake_world import error_in
from tests.contracts.stake.symbiotic_world import (
    ANN,
    ANSWER_S,
    ANYBODY,
    CURATOR,
    DAY_S,
    DISPUTE_S,
    EPOCH_S,
    KEEPS_S,
    LAST_STEP_S,
    MIN_VALUE,
    NOBODY,
    PENALTIES,
    REACH_S,
    REWARDS,
    RITA,
    SAM,
    UNLISTED,
    WAD,
    SymbioticWorld,
    selector,
)


@pytest.fixture
def world() -> SymbioticWorld:
    return SymbioticWorld()


def test_a_vault_is_looked_at_before_it_counts(world: SymbioticWorld) -> None:
    alien = world.evm.create(npm.own("DivETH"))
    second = world.evm.create(npm.own("WdivETH"), world.div)
    unfit = {
        "not of the factory": alien,
        "collateral": world.vault(collateral=second).vault,
        "epoch": world.vault(epoch_s=REACH_S - 1).vault,
        "veto": world.vault(veto_s=DISPUTE_S + 1).vault,
        "burner": world.vault(burner=CURATOR).vault,
        "no burner": world.vault(burner=NOBODY).vault,
        "full restake": world.vault(kind=DelegatorKind.FULL_RESTAKE).vault,
    }
    assert {why: world.refused(world.vaults, "prepare", at) for why, at in unfit.items()} == dict.fromkeys(
        unfit, "UnfitVault"
    )
    order = world.vault().terms.order()
    bare = world._step(
        symbiotic.ChainStep("VaultConfigurator", "create", ((*order[:5], False, *order[6:]),), world.core.configurator)
    )
    assert world.refused(world.vaults, "prepare", bare[0]) == "UnfitVault"
    elsewhere = world.vault(kind=DelegatorKind.OPERATOR_NETWORK, operator=_registered(world), network=world.source)
    world.act(world.vaults, "prepare", elsewhere.vault)
    assert world.refused(world.vaults, "prepare", elsewhere.vault) == "WrongState"
    assert world.refused(world.vaults, "addVault", elsewhere.vault, NOBODY) == "WrongValue"
    for fit in (world.vault(epoch_s=REACH_S), world.vault(veto_s=DISPUTE_S)):
        world.act(world.vaults, "prepare", fit.vault)


def _registered(world: SymbioticWorld) -> str:
    world.run(symbiotic.register_operator(world.core, ANN, world.source, []))
    return ANN


def test_the_network_is_the_resolver_from_the_first_capture_on(world: SymbioticWorld) -> None:
    made = world.counted({ANN: 1}, veto_s=DAY_S)
    assert world.ask(made.slasher, "resolverAt", world.subnetwork, world.evm.now - 2, b"") == world.source.lower()
    assert world.ask(made.slasher, "resolverAt", world.subnetwork, world.evm.now - 3, b"") == NOBODY
    assert world.refused(world.source, "adopt", made.delegator, made.slasher, True) == "NotAllowed"


def test_a_vault_answers_for_what_it_counted_and_for_nothing_before(world: SymbioticWorld) -> None:
    """In the second in which it is added nothing of it counts, and nothing is slashed for that capture."""
    made = world.vault()
    world.join(ANN, [made])
    world.act(world.vaults, "prepare", made.vault)
    world.run(symbiotic.give_stake(made, world.source, limit=10**24, shares={ANN: 1}))
    world.deposit(RITA, made, 100 * WAD)
    world.act(world.vaults, "addVault", made.vault, NOBODY)
    added = world.evm.now
    assert world.stake(ANN) == 0
    world.evm.jump(1)
    assert world.stake(ANN) == 50 * WAD
    world.evm.jump(12)
    assert [world.slashable(ANN, capture) for capture in (added - 1, added, added + 1)] == [0, 0, 100 * WAD]
    assert world.refused(world.source, "seize", ANN, WAD, added, bytes(32), sender=PENALTIES) == "NothingSlashable"


def test_the_list_is_short_and_the_best_are_on_it(world: SymbioticWorld) -> None:
    """Five count. A sixth takes the place of one that gave less than half as much, whose captures stay slashable."""
    made = [world.counted({ANN: 1}, (60 + i) * WAD) for i in range(5)]
    sixth = world.vault()
    world.join(ANN, [sixth])
    world.act(world.vaults, "prepare", sixth.vault)
    assert world.refused(world.vaults, "addVault", sixth.vault, made[0].vault) == "WrongValue"
    world.run(symbiotic.give_stake(sixth, world.source, limit=10**24, shares={ANN: 1}))
    world.deposit(RITA, sixth, 121 * WAD)
    assert world.refused(world.vaults, "addVault", sixth.vault, NOBODY) == "ListFull"
    assert world.refused(world.vaults, "addVault", sixth.vault, made[1].vault) == "WrongValue"
    capture = world.capture()
    before = world.stake(ANN)
    world.act(world.vaults, "addVault", sixth.vault, made[0].vault)
    world.evm.jump(1)
    assert world.stake(ANN) == before + 121 * WAD // 2 - 60 * WAD // 2
    assert world.slashable(ANN, capture) == 2 * before
    world.evm.jump(12)
    late = world.capture()
    assert world.slashable(ANN, late) == 2 * before + 121 * WAD - 60 * WAD
    # the displaced comes off when nothing that counted it can be slashed, and not before
    world.evm.jump(EPOCH_S - 36)
    assert world.refused(world.vaults, "removeVault", made[0].vault) == "WrongState"
    world.evm.jump(25)
    world.act(world.vaults, "removeVault", made[0].vault)
    assert len(world.ask(world.vaults, "vaults")) == 5
    assert world.refused(world.vaults, "removeVault", made[1].vault) == "WrongState"
    assert world.refused(world.vaults, "addVault", made[0].vault, NOBODY) == "ListFull"


def test_a_vault_is_displaced_only_where_there_is_no_room(world: SymbioticWorld) -> None:
    small = world.counted({ANN: 1}, 60 * WAD)
    big = world.vault()
    world.act(world.vaults, "prepare", big.vault)
    world.run(symbiotic.give_stake(big, world.source, limit=10**24, shares={}))
    world.deposit(RITA, big, 500 * WAD)
    assert world.refused(world.vaults, "addVault", big.vault, small.vault) == "WrongState"
    world.act(world.vaults, "addVault", big.vault, NOBODY)


def test_worthless_vaults_are_not_counted_and_do_not_stay(world: SymbioticWorld) -> None:
    empty = world.vault()
    world.act(world.vaults, "prepare", empty.vault)
    world.deposit(RITA, empty, 500 * WAD)
    assert world.refused(world.vaults, "addVault", empty.vault, NOBODY) == "WrongValue", "its curator gave us nothing"
    made = world.counted({ANN: 1}, MIN_VALUE)
    assert world.refused(world.vaults, "retireVault", made.vault) == "WrongValue"
    world.act(made.vault, "withdraw", RITA, MIN_VALUE // 2, sender=RITA)
    assert world.refused(world.vaults, "retireVault", made.vault) == "WrongValue"
    world.act(made.vault, "withdraw", RITA, MIN_VALUE * 2 // 3 - MIN_VALUE // 2, sender=RITA)
    world.act(world.vaults, "retireVault", made.vault)
    assert world.stake(ANN) == 0
    assert world.refused(world.vaults, "retireVault", made.vault) == "WrongState"
    assert world.refused(world.vaults, "addVault", made.vault, NOBODY) == "WrongState", "it is on the list"
    world.evm.jump(EPOCH_S + 1)
    world.act(world.vaults, "removeVault", made.vault)
    assert world.refused(world.vaults, "addVault", made.vault, NOBODY) == "WrongValue"
    world.deposit(SAM, made, MIN_VALUE)
    world.act(world.vaults, "addVault", made.vault, NOBODY)
    world.evm.jump(1)
    assert world.stake(ANN) == (2 * MIN_VALUE - MIN_VALUE * 2 // 3) // 2
    assert world.refused(world.vaults, "addVault", made.vault, NOBODY) == "WrongState"


def test_a_collateral_that_is_listed_no_more_is_retired(world: SymbioticWorld) -> None:
    made = world.counted({ANN: 1})
    world.act(world.values, "list", world.wdiv, UNLISTED)
    world.act(world.vaults, "retireVault", made.vault)


def test_times_of_the_set_the_dispute_and_the_vaults_are_checked(world: SymbioticWorld) -> None:
    assert world.ask(world.source, "reachS") == REACH_S - 1
    world.counted({ANN: 1})
    assert world.ask(world.source, "reachS") == EPOCH_S - 1
    world.counted({ANN: 1}, epoch_s=REACH_S + 5)
    assert world.ask(world.source, "reachS") == REACH_S + 4
    short = world.run(symbiotic.deploy_source(world.core, world.terms(min_reach_s=REACH_S - 1), OWNER))
    args = (world.set, PENALTIES, REWARDS)
    assert world.refused(short, "connect", *args, sender=OWNER) == "BadSettings"
    assert KEEPS_S + ANSWER_S + DISPUTE_S + LAST_STEP_S + 1 == REACH_S
    bad: list[dict[str, Any]] = [{"shared_bps": 10_001}, {"max_commission_bps": 10_001}, {"wrapped_ether": ANYBODY}]
    bad += [{name: 0} for name in ("dispute_s", "min_reach_s", "min_value_wei", "max_counted", "last_step_s")] + [
        {"max_counted": 6}
    ]
    for changes in (*bad, {"burners": [NOBODY]}, {"values": ANYBODY}):
        _not_made(world, world.core, changes)
    for factory in ("vault_factory", "staker_rewards_factory"):
        _not_made(world, replace(world.core, **{factory: ANYBODY}), {})


def _not_made(world: SymbioticWorld, core: SymbioticCore, changes: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError) as refused:
        world.run(symbiotic.deploy_source(core, world.terms(**changes), OWNER))
    assert error_in(str(refused.value)) in {"BadSettings", "BadVaultSettings"}


def test_nobody_but_the_network_slashes_for_it(world: SymbioticWorld) -> None:
    made = world.counted({ANN: 1})
    capture = world.capture()
    args = (world.subnetwork, ANN, WAD, capture, b"")
    for who in (ANYBODY, CURATOR, PENALTIES, OWNER):
        assert world.refused(made.slasher, "slash", *args, sender=who) == selector("NotNetworkMiddleware")
    assert world.refused(world.core.middleware_service, "setMiddleware", OWNER) == selector("NotNetwork")
