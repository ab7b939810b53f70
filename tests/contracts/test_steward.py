"""The risk steward of the examples over the unmodified Aave v3: what it does on which record, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from demo.world.aave import VARIABLE_RATE
from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import GUARDIAN, STRANGER
from tests.contracts.steward_world import (
    BACKING,
    BONUS,
    BORROWER,
    CALM_S,
    DEPEG,
    DEPEGGED,
    DISCOUNT,
    FROZEN_RESERVE,
    HALT,
    HEALTHY,
    LENDER,
    LIQUIDITY,
    LTV,
    MAX_AGE_S,
    NO_LTV,
    OK,
    PUT_OFF_S,
    SILENT,
    THIEF,
    THRESHOLD,
    UNBACKED,
    WATCH,
    Rule,
    StewardWorld,
    whatever,
    when,
)

HOUR_S = 3_600


@pytest.fixture
def world() -> StewardWorld:
    return StewardWorld()


# ------------------------------------------------------------------------------------------------------- what it does


def test_a_rule_that_acts_stops_loans_and_liquidates_nobody(world: StewardWorld) -> None:
    """Nothing more is borrowed against the token, in an e-mode neither, and no more of it is supplied; nothing else changes."""
    one, category = world, ("setEModeCategory", 1, 9_000, 9_300, 10_100, "0x" + "00" * 20, "ether")
    one.evm.ok(one.configurator, *category)
    for token in (one.weth, one.token):
        one.evm.ok(one.configurator, "setAssetEModeCategory", token, 1)
    one.rules(Rule())
    for who, mode in ((BORROWER, 0), (THIEF, 1)):
        assert one.supply(who, one.token, 100 * WAD) == ""
        assert one.aave("setUserEMode", mode, sender=who) == ""
        assert one.borrow(who, 50 * WAD) == ""
        one.evm.ok(one.weth, "approve", one.pool, WAD, sender=who)
    one.says(WATCH, BACKING)
    assert one.borrow(BORROWER, WAD) == ""
    before, healths = one.word(), [one.health(w) for w in (BORROWER, THIEF)]
    assert one.names(one.poke()) == ["Armed", "Acted", "Changed"], "a delay of 0: one poke arms and acts"
    assert one.word() == before & ~0xFFFF | 1 << 57, "loan-to-value and the freeze, of the whole word"
    assert [one.health(w) for w in (BORROWER, THIEF)] == healths, "to the unit: thresholds stay"
    for who in (BORROWER, THIEF):
        assert one.borrow(who, 1) == NO_LTV
        assert one.supply(who, one.token, WAD) == FROZEN_RESERVE
        liquidation = (one.token, one.weth, who, 2**256 - 1, False)
        assert one.aave("liquidationCall", *liquidation, sender=LENDER) == HEALTHY
        assert one.aave("withdraw", one.token, WAD, who, sender=who) == ""
        assert one.aave("repay", one.weth, WAD, VARIABLE_RATE, who, sender=who) == ""


@pytest.mark.parametrize(("zero_ltv", "freeze"), [(True, False), (False, True)])
def test_a_rule_does_what_it_says_and_no_more(world: StewardWorld, *, zero_ltv: bool, freeze: bool) -> None:
    """Either alone leaves a door open: loans against what is there, or more of it."""
    assert world.supply(BORROWER, world.token, 100 * WAD) == ""
    before = world.word()
    world.rules(Rule(zero_ltv=zero_ltv, freeze=freeze))
    world.says(WATCH, BACKING)
    assert world.poke()[-1].data == (LTV * zero_ltv, freeze)
    assert world.borrow(BORROWER, WAD) == (NO_LTV if zero_ltv else "")
    assert world.supply(BORROWER, world.token, WAD) == (FROZEN_RESERVE if freeze else "")
    world.says(OK)
    assert (world.restore(), world.word()) == ("", before)


def test_a_rule_is_met_by_its_states_and_reasons_alone(world: StewardWorld) -> None:
    """Of each of the 48 bad conditions; ok, with whatever reason, meets nothing."""
    bad = whatever(WATCH) | whatever(DEPEG) | whatever(HALT)
    for state in (OK, WATCH, DEPEG, HALT):
        for reason in range(16):
            bit = when((state, reason))
            own = Rule(bit, HOUR_S) if state != OK else Rule(SILENT, HOUR_S)
            world.rules(Rule(bad & ~bit, HOUR_S), own)
            world.says(state, reason, after_s=2)
            told = world.poke()
            assert [(t.name, t.topics[1], t.data[0]) for t in told] == ([] if state == OK else [("Armed", 1, bit)])
    world.rules(Rule(whatever(HALT) | whatever(DEPEG), HOUR_S))
    world.says(OK, after_s=2)
    world.evm.ok(world.store, "pause", [0], sender=GUARDIAN)
    assert world.names(world.poke()) == ["Armed"], "a pause of the store reads as a halt"


def test_a_delay_is_over_when_a_second_record_says_so(world: StewardWorld) -> None:
    """Pokes in between move nothing; neither does one record alone, however long it stands."""
    world.rules(Rule(UNBACKED, MAX_AGE_S // 2))
    world.says(WATCH, BACKING)
    (armed,) = world.poke()
    due = world.evm.now + MAX_AGE_S // 2
    assert (armed.name, armed.data[1:]) == ("Armed", (world.evm.now, due))
    for _ in range(5):
        assert world.poke(60) == []
    assert world.poke(due - world.evm.now) == [], "the record that armed is young enough and not enough"
    world.says(WATCH, LIQUIDITY)
    assert world.names(world.poke()) == ["Disarmed"]
    world.says(WATCH, BACKING)
    (armed,) = world.poke()
    world.says(WATCH, BACKING, after_s=armed.data[2] - world.evm.now - 1)
    assert world.poke() == [], "a second too early"
    assert world.names(world.poke(1)) == ["Acted", "Changed"]
    assert world.stands == (0, True)


def test_a_status_that_flaps_begins_each_delay_anew(world: StewardWorld) -> None:
    """Whoever pokes on a record that meets nothing disarms; what no poke saw did not happen."""
    world.rules(Rule(DEPEGGED, HOUR_S))
    for _ in range(20):
        world.says(DEPEG, DISCOUNT, after_s=300)
        assert world.names(world.poke()) == ["Armed"]
        world.says(DEPEG, DISCOUNT, after_s=300)
        assert world.poke() == []
        world.says(OK, after_s=300)
        assert world.names(world.poke()) == ["Disarmed"]
    assert world.stands == (LTV, False)
    world.says(DEPEG, DISCOUNT)
    world.poke()
    world.says(OK, after_s=HOUR_S // 2)
    world.says(HALT, LIQUIDITY, after_s=HOUR_S // 2)
    assert world.names(world.poke()) == ["Acted", "Changed"], "a keeper pokes at each change"


def test_a_silence_meets_its_own_rule_and_holds_the_others(world: StewardWorld) -> None:
    """A record that is too old neither arms nor acts nor disarms for what it says; a newer one ends the silence's own clock."""
    world.rules(Rule(UNBACKED, HOUR_S), Rule(SILENT, 6 * HOUR_S))
    world.says(WATCH, BACKING)
    assert [t.topics[1] for t in world.poke(MAX_AGE_S + 1)] == [1], "what is too old arms nothing but silence"
    world.says(WATCH, BACKING)
    assert [(t.name, t.topics[1]) for t in world.poke()] == [("Armed", 0), ("Disarmed", 1)]
    assert [(t.name, t.topics[1]) for t in world.poke(2 * HOUR_S)] == [("Armed", 1)], "nor does it act"
    world.says(OK, after_s=HOUR_S)
    assert [t.name for t in world.poke(MAX_AGE_S + 1)] == ["Armed"], "of another silence, whose clock begins anew"
    assert world.poke(6 * HOUR_S - 1) == []
    assert [(t.name, t.topics[1:]) for t in world.poke(1)] == [("Acted", (1,)), ("Changed", ())]
    assert (world.stands, world.restore()) == ((0, True), "NotCalm"), "a silence is not ok"
    world.says(WATCH, BACKING)
    acted, _ = world.poke()
    assert (acted.name, acted.topics[1]) == ("Acted", 0), "armed before both silences, and signed again"


# ------------------------------------------------------------------------------------------------------ the guardian


def test_the_guardian_puts_off_for_a_bounded_time(world: StewardWorld) -> None:
    """Only what is armed; as long as it lasts nothing acts; the next time is as long again after it, whatever the feed does."""
    world.rules(Rule(UNBACKED, HOUR_S))
    assert world.put_off(sender=STRANGER) == "NotGuardian"
    assert (world.put_off(), world.put_off(7)) == ("NotArmed", "NotArmed")
    world.says(WATCH, BACKING)
    world.poke()
    world.says(WATCH, BACKING, after_s=HOUR_S - 60)
    assert (world.put_off(), world.put_off()) == ("", "PutOffBefore")
    until = world.evm.now + PUT_OFF_S
    world.says(OK, after_s=300)
    world.poke()
    world.says(WATCH, BACKING, after_s=300)
    assert world.names(world.poke()) == ["Armed"]
    world.says(WATCH, BACKING, after_s=until - world.evm.now - 1)
    assert (world.poke(), world.put_off()) == ([], "PutOffBefore")
    assert world.names(world.poke(1)) == ["Acted", "Changed"], "of its own: the guardian is asked nothing"
    assert (world.put_off(), world.restore()) == ("NotArmed", "NotCalm")
    world.says(OK)
    world.poke()
    world.says(WATCH, BACKING, after_s=until + PUT_OFF_S - world.evm.now - 1)
    world.poke()
    assert world.put_off() == "PutOffBefore"
    world.evm.jump(1)
    assert world.put_off() == ""


def test_what_is_restored_is_what_stood_before(world: StewardWorld) -> None:
    """Bit for bit: by the guardian once the feed is ok, by anybody after a calm that pokes saw whole."""
    before = world.word()
    world.rules(Rule())
    assert world.restore() == "NothingToRestore"
    for by_guardian in (True, False):
        world.says(WATCH, BACKING)
        world.poke()
        assert (world.restore(), world.stands) == ("NotCalm", (0, True))
        world.says(OK)
        if by_guardian:
            assert (world.restore(STRANGER), world.restore()) == ("NotCalm", "")
            assert [t.data for t in world.told() if t.name == "Restored"] == [(LTV, 1)]
        else:
            assert world.names(world.poke()) == ["Ended", "Calm"]
            for reason in (LIQUIDITY, None):
                world.says(OK, after_s=CALM_S - 1)
                assert world.restore(STRANGER) == "NotCalm"
                if reason:
                    world.says(WATCH, reason)
                    assert [(t.name, t.data) for t in world.poke()] == [("Calm", (0,))], "it meets no rule"
                    world.says(OK)
                    assert world.names(world.poke()) == ["Calm"]
            world.evm.jump(1)
            assert world.restore(STRANGER) == ""
        assert (world.word(), world.restore()) == (before, "NothingToRestore")
    world.rules(Rule(), calm_s=0)
    world.says(WATCH, BACKING)
    world.poke()
    for _ in range(3):
        world.says(OK, after_s=10 * CALM_S)
        world.poke()
    assert (world.restore(STRANGER), world.restore(), world.word()) == ("NotCalm", "", before)


def test_a_calm_is_of_the_feed_that_the_rules_follow(world: StewardWorld) -> None:
    """Rules that the owner sets anew begin it anew, and what was restored is watched again at once."""
    world.rules(Rule())
    world.says(WATCH, BACKING)
    world.poke()
    world.says(OK)
    world.poke()
    world.says(OK, after_s=CALM_S)
    world.rules(Rule())
    assert world.restore(STRANGER) == "NotCalm"
    assert world.restore() == ""
    world.says(WATCH, BACKING)
    world.poke()
    world.says(OK)
    assert world.restore() == "", "no poke has seen this ok but the one within"
    world.says(WATCH, BACKING)
    assert world.names(world.poke()) == ["Armed", "Acted", "Changed"]


def test_one_ok_record_alone_is_no_calm_for_anybody(world: StewardWorld) -> None:
    world.rules(Rule(), calm_s=MAX_AGE_S // 2)
    world.says(WATCH, BACKING)
    world.poke()
    world.says(OK)
    world.poke()
    world.evm.jump(MAX_AGE_S // 2)
    assert world.restore(STRANGER) == "NotCalm"
    world.says(OK)
    assert (world.restore(STRANGER), world.stands) == ("", (LTV, False))


# --------------------------------------------------------------------------------------------------- what others change


CHANGES: dict[str, tuple[Callable[[StewardWorld], None], str]] = {
    "ltv": (lambda w: w.governs("configureReserveAsCollateral", 5_000, THRESHOLD, BONUS), "ChangedSince"),
    "threshold": (lambda w: w.governs("configureReserveAsCollateral", 0, THRESHOLD - 1, BONUS), "ChangedSince"),
    "bonus": (lambda w: w.governs("configureReserveAsCollateral", 0, THRESHOLD, BONUS + 1), "ChangedSince"),
    "unfrozen": (lambda w: w.governs("setReserveFreeze", False), "ChangedSince"),
    "forgotten": (lambda w: w.evm.ok(w.steward, "forget", w.token), "NothingToRestore"),
    "a cap": (lambda w: w.governs("setSupplyCap", 123_456), ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_others_changed_is_left_alone(world: StewardWorld, change: str) -> None:
    """While the condition stands, after it, and by whoever restores; a setting that the steward never touches hinders nothing."""
    how, error = CHANGES[change]
    world.rules(Rule())
    world.says(WATCH, BACKING)
    world.poke()
    how(world)
    stands = world.word()
    world.says(DEPEG, BACKING)
    assert (world.poke(), world.word()) == ([], stands), "what governance undoes stays undone"
    world.says(OK)
    assert world.restore() == error
    assert world.word() == (stands if error else stands & ~(1 << 57) | LTV)


def test_what_others_had_stopped_before_stays_stopped(world: StewardWorld) -> None:
    world.rules(Rule())
    world.governs("setReserveFreeze", True)
    before = world.word()
    world.says(WATCH, BACKING)
    assert [t.data for t in world.poke()[2:]] == [(LTV, 0)]
    world.says(OK)
    assert (world.restore(), world.word()) == ("", before)
    world.governs("configureReserveAsCollateral", 0, THRESHOLD, BONUS)
    world.says(WATCH, BACKING)
    assert [t.data for t in world.poke()[2:]] == [(0, 0)]
    world.says(OK)
    assert world.restore() == "NothingToRestore"


def test_a_new_incident_acts_anew_on_what_stands_then(world: StewardWorld) -> None:
    """Once a poke saw the feed ok: on the terms that governance set meanwhile, and back to these."""
    world.rules(Rule(freeze=False), Rule(DEPEGGED, zero_ltv=False))
    world.says(WATCH, BACKING)
    world.poke()
    world.governs("configureReserveAsCollateral", 5_000, THRESHOLD - 100, BONUS)
    changed = world.word()
    world.says(WATCH, LIQUIDITY)
    assert world.poke() == [], "not ok yet"
    world.says(OK)
    assert world.names(world.poke()) == ["Ended", "Calm"]
    world.says(DEPEG, BACKING)
    told = world.poke()
    assert world.names(told) == [*("Armed", "Acted") * 2, "Calm", "Changed"]
    assert told[-1].data == (5_000, 1), "both rules at once"
    assert world.stands == (0, True)
    world.says(OK)
    assert (world.restore(), world.word()) == ("", changed)
