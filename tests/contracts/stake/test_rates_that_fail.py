"""A token whose rate dips for a call, or cannot be read, over the real set and every source: laws of docs/invariants.md by their names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cache

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.contracts.contract_tools import WAD, compiled
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.eigen_world import REVERTS
from tests.contracts.stake.stake_world import DAY_S, HOUR_S, SOURCES
from tests.contracts.stake.story_sources import KINDS, SOURCE_GAS, EigenPart
from tests.contracts.stake.story_world import DEPOSIT, OPERATORS, RATE_BPS, RESTAKERS, StoryWorld

RATE = WAD * RATE_BPS // 10_000
WORKS, FAILS, BURNS = 0, 1, 2
"""What the rate's contract does when it is asked."""


class FragileWorld(StoryWorld):
    """What a wdivETH is worth is said by a contract that can be told to say anything: a stand-in."""

    def says_rate(self) -> str:
        self.rate = str(self.evm.create(compiled(SOURCES)["ToldRate"]))
        self.tell(RATE)
        return self.rate

    def tell(self, rate: int, manner: int = WORKS) -> None:
        self.evm.ok(self.rate, "tell", rate, manner)

    def refresh(self) -> None:
        self.ok(self.values, "refresh", self.token)

    def not_removed(self) -> bool:
        """Nobody can have any of the operators removed."""
        before = self.in_store()
        told = {self.evm.call(self.set, "remove", o)[0] for o in OPERATORS}
        return told == {"NothingToRemove"} and self.in_store() == before


@cache
def begun(kind: str) -> FragileWorld:
    """Made once, with a set in force; a test plays on a branch of it."""
    world = FragileWorld(KINDS[kind], SOURCE_GAS[kind])
    world.begin()
    world.refresh()
    return world


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[FragileWorld]:
    made = begun(request.param)
    with made.branch():
        yield made


def test_a_dip_for_one_call_removes_nobody(world: FragileWorld) -> None:
    """All that somebody can do while a rate is near nothing: have it recorded, have everybody looked at and removed."""
    before, weights = world.stakes(), world.weights(world.epoch)
    world.tell(RATE // 1_000)
    world.refresh()
    world.ok(world.windows, "observe", list(OPERATORS))
    assert world.not_removed()
    world.tell(RATE)
    assert world.stakes() == before, "nothing stays of it"
    dipped = world.weights(world.change())
    assert all(dipped[o] >= weights[o] * 95 // 100 - 1 for o in OPERATORS)
    recovered = world.weights(world.change())
    assert all(recovered[o] >= weights[o] * 999 // 1_000 for o in OPERATORS)


@pytest.mark.parametrize("manner", [FAILS, BURNS])
def test_a_rate_that_cannot_be_read_takes_no_stake(world: FragileWorld, manner: int) -> None:
    """For two days what was recorded last counts; nobody is removed, and a freeze weighs as before."""
    before, weights = world.stakes(), world.weights(world.epoch)
    world.tell(RATE, manner)
    world.evm.jump(int(world.ask(world.values, "listed", world.token)[5]) + 2 * DAY_S - world.evm.now)
    assert world.stakes() == before
    assert world.not_removed()
    assert world.weights(world.change()) == weights


def test_what_leaves_while_a_rate_cannot_be_read_counts_no_more(world: FragileWorld) -> None:
    """So no weight stands for stake that cannot be slashed: how much there is is known all the same."""
    operator, before = OPERATORS[1], world.stake(OPERATORS[1])
    part = next(p for p in world.parts if operator in p.served)
    world.tell(RATE, FAILS)
    part.ask_exit(RESTAKERS[1], operator, DEPOSIT // 2)
    world.evm.jump(1)
    gone = DEPOSIT // 2 * RATE // WAD
    assert world.stake(operator) == pytest.approx(before - gone, abs=part.off_by())
    assert world.weights(world.change())[operator] <= before - gone + part.off_by()


def test_a_rate_that_was_not_recorded_for_two_days_counts_nothing(world: FragileWorld) -> None:
    """How long what cannot be read is held up has an end, and where nobody records it comes at once."""
    world.tell(RATE, FAILS)
    world.evm.jump(3 * DAY_S)
    assert set(world.stakes().values()) == {0}
    world.tell(RATE)
    assert min(world.stakes().values()) > 0


def test_a_caller_with_little_gas_gets_no_stake(world: FragileWorld) -> None:
    """Otherwise it would decide whether the rate of now counts or one that was recorded."""
    operator = OPERATORS[1]
    world.tell(2 * RATE)
    world.evm.jump(DAY_S)
    data = keccak(text="stakeOf(address)")[:4] + encode(["address"], [operator])
    for part in world.parts:
        if operator not in part.served:
            continue
        right = world.ask(part.source, "stakeOf", operator)
        told: set[int] = set()
        for gas in range(30_000, 600_000, 1_000):
            with suppress(RuntimeError):
                answer = world.evm.evm.message_call(STRANGER, part.source, data, gas=gas, is_static=True)
                told.add(int.from_bytes(answer, "big"))
        assert told == {right}, part.source


def test_who_is_emptied_for_a_moment_is_not_removed(world: FragileWorld) -> None:
    """A restaker that asks for everything back, has its operator looked at, and puts as much in again, all at once."""
    operator, restaker = OPERATORS[1], RESTAKERS[1]
    parts = [p for p in world.parts if operator in p.served]
    before = world.in_store()
    for part in parts:
        part.ask_exit(restaker, operator, DEPOSIT)
    assert world.evm.call(world.set, "remove", operator)[0] == ""
    assert world.evm.call(world.set, "remove", operator)[0] == "NothingToRemove"
    for part in parts:
        part.put_in(restaker, operator, DEPOSIT)
    world.evm.jump(HOUR_S)
    assert world.evm.call(world.set, "remove", operator)[0] == "", "that is forgotten now"
    assert world.in_store() == before
    assert world.not_removed()


def test_a_strategy_that_cannot_be_read_removes_nobody() -> None:
    """EigenLayer's strategy itself: there is no answer, so what counted before does, for one freeze; then none of it."""
    world = begun("eigenlayer")
    (part,) = world.parts
    assert isinstance(part, EigenPart)
    with world.branch():
        weights = world.weights(world.epoch)
        code = world.evm.evm.basic(part.tokens_strategy).code
        world.evm.replace_code(part.tokens_strategy, REVERTS)
        assert world.not_removed()
        world.until(int(world.ask(world.set, "nextRotateAt")))
        world.ok(world.set, "rotate")
        world.arm()
        assert world.weights(world.take_over()) == weights
        assert world.not_removed()
        world.until(int(world.ask(world.set, "nextRotateAt")))
        assert world.evm.call(world.set, "rotate")[0] == "TooFewMembers"
        world.evm.replace_code(part.tokens_strategy, bytes(code or b"").hex())
        assert min(world.stakes().values()) > 0
