"""Which of Symbiotic's vaults count, and what operators have in them: over the real core. Laws of docs/invariants.md by their names."""

from __future__ import annotations

from typing import Any

import pytest

from demo.world import npm, symbiotic
from demo.world.symbiotic import DelegatorKind
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import OWNER
from tests.contracts.stake.symbiotic_world import (
    ANN,
    ANYBODY,
    BOB,
    BURNER,
    BURNS,
    CURATOR,
    DAY_S,
    DISPUTE_S,
    EPOCH_S,
    NOBODY,
    PENALTIES,
    PRICE,
    REVERTS,
    RITA,
    SAM,
    SHARED_BPS,
    STAND_INS,
    WAD,
    SymbioticWorld,
    account,
)

OTHER = account(0x0E)
"""Another network, and its middleware."""
VERSION_SLOT = 0xF0C57E16840DF040F15088DC2F81FE391C3923BEC73E23A9662EFC9C229C6A00
"""Where OpenZeppelin's Initializable keeps it."""


@pytest.fixture
def world() -> SymbioticWorld:
    return SymbioticWorld()


def other_network(world: SymbioticWorld, made: Any, shares: dict[str, int], limit: int = 10**24) -> None:
    """A network of somebody else's is given the same stake."""
    world.evm.evm.set_balance(OTHER, 10**24)
    world.act(world.core.network_registry, "registerNetwork", sender=OTHER)
    world.act(world.core.middleware_service, "setMiddleware", OTHER, sender=OTHER)
    world.act(made.delegator, "setMaxNetworkLimit", 0, 2**255, sender=OTHER)
    for operator in shares:
        world.run(symbiotic.register_operator(world.core, operator, OTHER, []))
    alone = made.terms.kind is DelegatorKind.OPERATOR
    world.run(symbiotic.give_stake(made, OTHER, limit=limit, shares={} if alone else shares))


# ------------------------------------------------------------------------------------------------------------- stake


def test_stake_is_counted_once(world: SymbioticWorld) -> None:
    """Two networks, two operators, limits far above what is there: together they have what the vault has, less the discount."""
    shared = world.counted({ANN: 1, BOB: 3}, 100 * WAD)
    other_network(world, shared, {ANN: 7, BOB: 1})
    of_us = [world.ask(shared.delegator, "stake", world.subnetwork, who) for who in (ANN, BOB)]
    assert of_us == [25 * WAD, 75 * WAD]
    assert (
        sum(world.ask(shared.delegator, "stake", symbiotic.subnetwork(OTHER), who) for who in (ANN, BOB)) == 100 * WAD
    )
    assert [world.stake(ANN), world.stake(BOB)] == [n * SHARED_BPS // 10_000 for n in of_us]
    # stake that is for one operator of several networks is shared too; for one operator of one network nobody else can slash
    world.counted({ANN: 1}, 60 * WAD, kind=DelegatorKind.OPERATOR, operator=ANN)
    assert world.stake(ANN) == (25 + 60) * WAD // 2
    world.counted({BOB: 1}, 80 * WAD, kind=DelegatorKind.OPERATOR_NETWORK, operator=BOB, network=world.source)
    assert world.stake(BOB) == 75 * WAD // 2 + 80 * WAD
    assert world.stake(ANN) == (25 + 60) * WAD // 2
    # what waits for the end of a dispute counts no more, and can be put aside only once
    capture = world.capture()
    assert world.slashable(BOB, capture) == 155 * WAD
    assert world.seize(BOB, capture, WAD // 5, case=1) == 31 * WAD
    assert world.stake(BOB) == (75 - 15) * WAD // 2 + (80 - 16) * WAD
    assert world.slashable(BOB, capture) == 124 * WAD
    assert world.seize(BOB, capture, WAD, case=2) == 124 * WAD
    assert world.stake(BOB) == world.slashable(BOB, capture) == 0
    assert world.refused(world.source, "seize", BOB, WAD, capture, bytes(32), sender=PENALTIES) == "NothingSlashable"


def test_full_restake_vaults_are_refused(world: SymbioticWorld) -> None:
    """Each network and operator of such a vault has all of the same stake."""
    made = world.vault(kind=DelegatorKind.FULL_RESTAKE)
    world.join(ANN, [made])
    world.join(BOB, [made])
    world.deposit(RITA, made, 100 * WAD)
    assert world.refused(world.vaults, "prepare", made.vault) == "UnfitVault"
    assert world.refused(world.vaults, "addVault", made.vault, NOBODY) == "WrongState"
    # how another network sees it: twice the same stake
    other_network(world, made, {})
    sub = symbiotic.subnetwork(OTHER)
    for who in (ANN, BOB):
        world.run(symbiotic.register_operator(world.core, who, OTHER, []))
        world.act(made.delegator, "setOperatorNetworkLimit", sub, who, 10**24, sender=CURATOR)
        assert world.ask(made.delegator, "stake", sub, who) == 100 * WAD
        assert world.stake(who) == 0


def test_weights_follow_deposits_shares_limits_and_the_rate(world: SymbioticWorld) -> None:
    made = world.counted({ANN: 1, BOB: 1}, 100 * WAD)
    assert world.stake(ANN) == 25 * WAD
    world.deposit(SAM, made, 60 * WAD)
    assert world.stake(ANN) == 40 * WAD
    world.act(made.delegator, "setOperatorNetworkShares", world.subnetwork, BOB, 3, sender=CURATOR)
    assert [world.stake(ANN), world.stake(BOB)] == [20 * WAD, 40 * WAD], "what rises counts a second later"
    world.evm.jump(1)
    assert [world.stake(ANN), world.stake(BOB)] == [20 * WAD, 60 * WAD]
    world.act(made.delegator, "setNetworkLimit", world.subnetwork, 80 * WAD, sender=CURATOR)
    assert [world.stake(ANN), world.stake(BOB)] == [10 * WAD, 30 * WAD]
    ether = world.ask(world.div, "totalEther")
    world.act(world.div, "rebase", world.evm.now, DAY_S, ether * 11 // 10, 0, sender=OWNER)
    assert world.stake(BOB) == pytest.approx(33 * WAD, abs=10**4)
    world.act(made.vault, "withdraw", RITA, 90 * WAD, sender=RITA)
    assert world.stake(BOB) == pytest.approx(33 * WAD * 70 // 80, abs=10**4)
    world.evm.jump(12)
    world.leave(BOB, world.source)
    assert world.stake(BOB) == 0


def test_stake_that_left_stays_slashable_for_its_captures(world: SymbioticWorld) -> None:
    """A withdrawal, a limit that is cut, an operator that opts out: later captures have none of it, earlier ones all."""
    made = world.counted({ANN: 1}, 100 * WAD)
    capture = world.capture()
    world.act(made.vault, "withdraw", RITA, 100 * WAD, sender=RITA)
    world.act(made.delegator, "setNetworkLimit", world.subnetwork, 0, sender=CURATOR)
    world.leave(ANN, made.vault)
    world.leave(ANN, world.source)
    assert world.stake(ANN) == 0
    assert world.slashable(ANN, capture) == 100 * WAD
    world.evm.jump(1)
    late = world.capture()
    assert world.slashable(ANN, late) == 0
    world.evm.jump(capture - 1 + EPOCH_S - world.evm.now)
    assert world.slashable(ANN, capture) == 100 * WAD
    world.evm.jump(1)
    assert world.slashable(ANN, capture) == 0
    assert world.refused(world.source, "seize", ANN, WAD, capture, bytes(32), sender=PENALTIES) == "NothingSlashable"


def test_another_network_that_slashes_first_leaves_what_is_left(world: SymbioticWorld) -> None:
    made = world.counted({ANN: 1}, 100 * WAD)
    other_network(world, made, {ANN: 1})
    capture = world.capture()
    sub = symbiotic.subnetwork(OTHER)
    world.act(made.slasher, "slash", sub, ANN, 70 * WAD, capture, b"", sender=OTHER)
    assert world.ask(made.slasher, "slashableStake", world.subnetwork, ANN, capture, b"") == 100 * WAD
    assert world.stake(ANN) == 15 * WAD
    assert world.slashable(ANN, capture) == 30 * WAD
    assert world.seize(ANN, capture) == 30 * WAD
    world.evm.jump(DISPUTE_S)
    assert world.take() == 30 * WAD
    assert world.balance(BURNER) == 100 * WAD
    # and after it was put aside: what is taken is what there is
    again = world.counted({BOB: 1}, 100 * WAD)
    world.act(again.delegator, "setMaxNetworkLimit", 0, 2**255, sender=OTHER)
    world.run(symbiotic.register_operator(world.core, BOB, OTHER, []))
    world.run(symbiotic.give_stake(again, OTHER, limit=10**24, shares={BOB: 1}))
    capture = world.capture()
    assert world.seize(BOB, capture, WAD // 2, case=2) == 50 * WAD
    world.act(again.slasher, "slash", sub, BOB, 90 * WAD, capture, b"", sender=OTHER)
    assert world.take(2) == 10 * WAD
    assert world.balance(BURNER) == 200 * WAD


def test_what_leaves_with_an_older_epoch_is_not_put_aside_for_a_newer_capture(world: SymbioticWorld) -> None:
    """The vault has it still, and a slash of a newer capture does not take it, by Symbiotic's rule."""
    made = world.counted({ANN: 1}, 100 * WAD)
    other_network(world, made, {ANN: 1})
    world.act(made.vault, "withdraw", RITA, 40 * WAD, sender=RITA)
    world.evm.jump(EPOCH_S)
    capture = world.capture()
    assert world.slashable(ANN, capture) == 60 * WAD
    world.act(made.slasher, "slash", symbiotic.subnetwork(OTHER), ANN, 50 * WAD, capture, b"", sender=OTHER)
    assert world.ask(made.vault, "totalStake") == 50 * WAD
    assert world.slashable(ANN, capture) == world.seize(ANN, capture) == 10 * WAD
    world.evm.jump(DISPUTE_S)
    assert world.take() == 10 * WAD


def test_a_vault_of_other_code_counts_no_more(world: SymbioticWorld) -> None:
    """Whatever it says: here nothing of it is another but the version."""
    made = world.counted({ANN: 1}, 100 * WAD)
    assert world.stake(ANN) == 50 * WAD
    world.evm.evm.insert_account_storage(made.vault, VERSION_SLOT, 2)
    assert world.ask(made.vault, "version") == 2
    assert world.stake(ANN) == 0
    world.act(world.vaults, "retireVault", made.vault)


@pytest.mark.parametrize("mode", [REVERTS, BURNS])
def test_a_vault_that_fails_takes_no_other_along(world: SymbioticWorld, mode: int) -> None:
    """An unreadable rate without a record, a vault that moves to other code: nothing of theirs counts, all of the others'."""
    second = world.evm.create(npm.own("WdivETH"), world.div)
    world.act(world.values, "list", second, PRICE)
    made = [
        world.counted({ANN: 1}, 100 * WAD),
        world.counted({ANN: 1}, 100 * WAD, collateral=second),
        world.counted({ANN: 1}, 100 * WAD, veto_s=DAY_S),
        world.counted({ANN: 1}, 100 * WAD),
    ]
    assert world.stake(ANN) == 200 * WAD
    capture = world.capture()
    world.act(world.values, "list", second, mode)
    factory = world.core.vault_factory
    bad = world.evm.create(compiled(STAND_INS)["VaultThatBurns"], factory)
    world.act(factory, "whitelist", bad, sender=OWNER)
    world.act(factory, "migrate", made[3].vault, 2, b"", sender=CURATOR)
    assert world.stake(ANN) == 100 * WAD
    assert world.slashable(ANN, capture) == 200 * WAD
    # the vault without a rate is slashed all the same
    assert world.seize(ANN, capture) == 200 * WAD
    assert len(world.logs("PutAside")) == 3
    world.evm.jump(DISPUTE_S)
    assert world.take() == 200 * WAD
    assert [world.balance(BURNER), world.balance(BURNER, second)] == [200 * WAD, 100 * WAD]
    # a rate that is gone for now retires nothing; other code does
    assert world.with_gas(3_000_000, world.vaults, "retireVault", made[1].vault) is None
    world.act(world.vaults, "retireVault", made[3].vault)
    assert len(world.logs("VaultRetired")) == 1


def test_too_little_gas_is_no_failure_of_a_vault(world: SymbioticWorld) -> None:
    """Whoever calls with little gas makes no operator lose its stake by it: the call fails as a whole."""
    world.counted({ANN: 1}, 100 * WAD)
    world.counted({ANN: 1}, 100 * WAD, veto_s=DAY_S)
    capture = world.capture()
    calls: dict[str, tuple[int, tuple[Any, ...], str]] = {
        "stakeOf": (100 * WAD, (ANN,), ANYBODY),
        "slashableOf": (200 * WAD, (ANN, capture), ANYBODY),
        "seize": (200 * WAD, (ANN, WAD, capture, bytes(32)), PENALTIES),
    }
    for name, (whole, args, who) in calls.items():
        answers = [
            world.with_gas(gas, world.source, name, *args, sender=who) for gas in range(50_000, 1_200_000, 9_000)
        ]
        assert set(answers) == {None, whole}, name
