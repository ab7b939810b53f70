"""The risk steward of the examples: which role it needs in Aave, who may set what, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.evm_process import GUARDIAN, OWNER, STRANGER
from tests.contracts.steward_world import (
    BACKING,
    CALM_S,
    FEED,
    HALT,
    MAX_AGE_S,
    OK,
    PUT_OFF_S,
    SILENT,
    UNBACKED,
    WATCH,
    Rule,
    StewardWorld,
    whatever,
    when,
)


@pytest.fixture
def world() -> StewardWorld:
    return StewardWorld()


def test_the_steward_needs_the_risk_admin_s_role_and_no_other(world: StewardWorld) -> None:
    """Without it a poke that would act reverts whole, and is made up for once the role is there."""
    evm = world.evm
    world.rules(Rule(zero_ltv=False), Rule(freeze=False))
    evm.ok(world.roles, "removeRiskAdmin", world.steward)
    evm.ok(world.roles, "addEmergencyAdmin", world.steward)
    world.says(WATCH, BACKING)
    assert evm.call(world.steward, "poke", world.token)[0] != ""
    evm.ok(world.roles, "removeEmergencyAdmin", world.steward)
    evm.ok(world.roles, "addRiskAdmin", world.steward)
    assert world.names(world.poke()) == [*["Armed", "Acted"] * 2, "Changed"]
    assert world.stands == (0, True)


def test_what_it_was_made_with_and_what_it_did_can_be_read(world: StewardWorld) -> None:
    evm, at = world.evm, world.steward
    names = ("owner", "guardian", "store", "pool", "configurator", "putOffS")
    made = [OWNER, GUARDIAN, world.store.lower(), world.pool, world.configurator, PUT_OFF_S]
    assert [evm.ok(at, name) for name in names] == made
    world.rules(Rule())
    world.says(WATCH, BACKING)
    terms = world.word() & 0xFFFFFFFFFFFF
    world.poke()
    assert evm.ok(at, "markets", world.token) == (0, MAX_AGE_S, CALM_S, 0, 0, terms, True)
    (rule,) = evm.ok(at, "rulesOf", world.token)
    assert rule == (*Rule().terms, evm.now, evm.now, 0, True)


def test_only_the_owner_sets_and_only_what_makes_sense(world: StewardWorld) -> None:
    evm, long_s = world.evm, 30 * 86_400

    def refused(*terms: tuple[Any, ...], asset: str = world.token, feed: bytes = FEED, age: int = 1) -> str:
        return evm.call(world.steward, "setMarket", asset, feed, age, 0, list(terms))[0]

    good = Rule().terms
    for terms in (
        (0, 0, True, True), (when((OK, 0)), 0, True, True), (when((OK, 0), (WATCH, BACKING)), 0, True, True),
        (whatever(HALT), 0, False, False), (2, 9, True, True), (SILENT, 0, True, True), (SILENT | UNBACKED, 9, True, True),
        (UNBACKED, long_s + 1, True, True),
    ):  # fmt: skip
        assert refused(good, terms) == "BadRule"
    assert refused(*[good] * 9) == refused(good, asset=STRANGER) == refused(good, age=0) == "BadMarket"
    assert refused(good, feed=b"x".ljust(32, b"\0")) == "UnknownFeed"
    assert refused(*[good] * 7, (whatever(HALT), long_s, False, True)) == ""
    terms = [tuple(rule[:4]) for rule in evm.ok(world.steward, "rulesOf", world.token)]
    assert terms == [*[good] * 7, (whatever(HALT), long_s, False, True)]
    assert evm.call(world.steward, "poke", world.weth)[0] == "UnknownMarket"
    for call in (("setMarket", world.token, FEED, 1, 0, []), ("forget", world.token), ("setGuardian", STRANGER)):
        assert [evm.call(world.steward, *call, sender=s)[0] for s in (GUARDIAN, STRANGER)] == ["NotOwner"] * 2
    nobody = "0x" + "00" * 20
    evm.ok(world.steward, "setGuardian", nobody)
    assert world.put_off() == "NotGuardian"
    for owner, put_off_s, wanted in (
        (nobody, 1, "BadSettings"), (OWNER, 0, "BadSettings"), (OWNER, 604_801, "BadSettings"), (OWNER, 604_800, ""),
    ):  # fmt: skip
        assert world.made(owner, put_off_s) == wanted
