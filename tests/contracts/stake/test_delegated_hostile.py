"""DelegatedStake against tokens that misbehave and receivers that refuse, or call back: nothing is created and no case stays open."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak

import contracts
from tests.contracts.evm_process import GUARDIAN, OWNER, STRANGER, TREASURY
from tests.contracts.stake.delegated_world import (
    ETHER,
    MAX_COMMISSION_BPS,
    OPERATORS,
    RESTAKERS,
    WAD,
    WINDOW_S,
    DelegatedWorld,
    stand_in,
    word,
)

OPERATOR, ANNA = OPERATORS[0], RESTAKERS[0]
PLAIN, FEE, FALSE, REVERTS, SILENT, SHORT, CALLS = range(7)
REENTERED = keccak(text="Reentered()")[:4]


class HostileWorld:
    """A source whose token is hostile, and is the penalties and the rewards contract too, so that it may call everything."""

    def __init__(self) -> None:
        self.world = world = DelegatedWorld()
        self.evm = evm = world.evm
        self.token = evm.create(stand_in("CallingToken"))
        values = evm.create(stand_in("RateStandIn"), self.token)
        terms: tuple[Any, ...] = (
            OWNER,
            self.token,
            values,
            TREASURY,
            WINDOW_S,
            MAX_COMMISSION_BPS,
            [ETHER, self.token],
        )
        self.source = evm.create(contracts.load("DelegatedStake"), *terms)
        evm.ok(self.source, "connect", world.side.at, self.token, self.token)
        self.calls = world.quick("DelegatedStake", self.source)
        assert self.calls("enroll", 0, sender=OPERATOR)[0] == ""
        for who, amount in ((ANNA, 3 * WAD), (OPERATOR, WAD)):
            evm.ok(self.token, "mint", who, 10**24)
            assert self.calls("deposit", OPERATOR, amount, sender=who)[0] == ""

    def data(self, name: str, *args: str | int | bytes) -> bytes:
        return self.calls.selectors[name] + b"".join(map(word, args))

    def as_others(self, name: str, *args: str | int | bytes) -> None:
        """A call of the penalties or the rewards contract, which the token is."""
        self.evm.ok(self.token, "run", self.source, self.data(name, *args))

    def acts(self, how: int, data: bytes = b"") -> None:
        self.evm.ok(self.token, "set", how, self.source, data)

    def balance(self, who: str) -> int:
        return int(self.evm.ok(self.token, "balanceOf", who))


@pytest.fixture
def hostile() -> HostileWorld:
    return HostileWorld()


def test_a_token_that_takes_a_fee_or_does_not_move_is_refused(hostile: HostileWorld) -> None:
    calls = hostile.calls
    for how, error in ((FEE, "TokenFailed"), (FALSE, "TokenFailed"), (REVERTS, "Reverted"), (SILENT, "Reverted")):
        hostile.acts(how)
        assert calls("deposit", OPERATOR, WAD, sender=ANNA)[0] == error
    hostile.acts(PLAIN)
    assert calls.words("poolOf", OPERATOR)[0] == 4 * WAD == hostile.balance(hostile.source)


def test_an_exit_that_the_token_refuses_stays_open(hostile: HostileWorld) -> None:
    calls = hostile.calls
    assert calls("requestExit", OPERATOR, WAD, sender=ANNA)[0] == ""
    hostile.evm.jump(WINDOW_S)
    for how in (FALSE, REVERTS, SHORT):
        hostile.acts(how)
        assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "PaymentFailed"
    hostile.acts(SILENT)
    assert calls("withdraw", OPERATOR, sender=ANNA) == ("", (WAD,)), "tokens that answer nothing are taken as they are"
    assert hostile.balance(hostile.source) == 3 * WAD == calls.number("owed", hostile.token)


@pytest.mark.parametrize("how", [FALSE, REVERTS, SHORT])
def test_no_refusal_keeps_a_case_open(hostile: HostileWorld, how: int) -> None:
    """Who could not be paid is due the tokens, and anybody may have them sent."""
    calls = hostile.calls
    hostile.as_others("seize", OPERATOR, WAD, 0, 1)
    hostile.acts(how)
    hostile.as_others("take", 1, GUARDIAN, 500)
    assert [calls.number("dueOf", w, hostile.token) for w in (GUARDIAN, TREASURY)] == [WAD // 5, WAD * 19 // 5]
    assert calls.number("owed", hostile.token) == 4 * WAD
    assert calls("collectFor", TREASURY, hostile.token, sender=STRANGER)[0] == "PaymentFailed"
    hostile.acts(PLAIN)
    for who in (GUARDIAN, TREASURY):
        assert calls("collectFor", who, hostile.token, sender=STRANGER)[0] == ""
    assert [hostile.balance(w) for w in (GUARDIAN, TREASURY, hostile.source)] == [WAD // 5, WAD * 19 // 5, 0]
    assert calls.number("owed", hostile.token) == 0


def everything(hostile: HostileWorld) -> dict[str, bytes]:
    """Each call that changes something, with arguments that would do."""
    token = hostile.token
    calls: dict[str, tuple[str | int | bytes, ...]] = {
        "deposit": (OPERATOR, 1), "requestExit": (OPERATOR, 0), "withdraw": (OPERATOR,), "lapse": (OPERATOR, ANNA),
        "claim": (ETHER, OPERATOR), "claimCommission": (ETHER,), "collectFor": (OPERATOR, ETHER),
        "seize": (OPERATOR, WAD, 0, 2), "restore": (1,), "take": (1, token, 500), "reward": (1, OPERATOR, token, 0),
    }  # fmt: skip
    return {n: hostile.data(n, *args) for n, args in calls.items()}


@pytest.mark.parametrize("while_", ["deposit", "withdraw", "take"])
def test_nothing_can_be_called_from_within_a_payment(hostile: HostileWorld, while_: str) -> None:
    """Neither by anybody nor by a token that is the penalties and the rewards contract too."""
    calls = hostile.calls
    for number, (name, data) in enumerate(everything(hostile).items()):
        if not calls.words("poolOf", OPERATOR)[0]:
            assert calls("deposit", OPERATOR, 4 * WAD, sender=ANNA)[0] == ""
        hostile.evm.jump(WINDOW_S)
        assert calls("requestExit", OPERATOR, 1, sender=ANNA)[0] == ""
        if while_ == "take":
            hostile.as_others("seize", OPERATOR, WAD, 0, 100 + number)
        hostile.acts(CALLS, data)
        if while_ == "take":
            hostile.as_others("take", 100 + number, ETHER, 0)
        else:
            args = (OPERATOR, WAD) if while_ == "deposit" else (OPERATOR,)
            assert calls(while_, *args, sender=ANNA)[0] == ""
        assert bytes(hostile.evm.ok(hostile.token, "refusal"))[:4] == REENTERED, name
        hostile.acts(PLAIN)
        assert hostile.balance(hostile.source) == calls.number("owed", hostile.token)


class PurseWorld:
    """A restaker and an operator that are contracts, with rewards in ether."""

    def __init__(self) -> None:
        self.world = world = DelegatedWorld()
        self.evm, self.calls = world.evm, world.calls
        self.restaker, self.operator = (self.evm.create(stand_in("CallingPurse")) for _ in range(2))
        self.evm.ok(world.token, "transfer", self.restaker, WAD)
        allowing = keccak(text="approve(address,uint256)")[:4] + word(world.source) + word(WAD)
        self.evm.ok(self.restaker, "run", world.token, allowing)
        assert self.run(self.operator, "enroll", 1_000) == ""
        assert self.run(self.restaker, "deposit", self.operator, WAD) == ""
        for _ in range(2):
            assert world.pay_reward(self.operator, ETHER, 2**40)[0] == ""

    def data(self, name: str, *args: str | int) -> bytes:
        return self.calls.selectors[name] + b"".join(map(word, args))

    def run(self, purse: str, name: str, *args: str | int) -> str:
        """The name of the error."""
        return self.evm.call(purse, "run", self.world.source, self.data(name, *args))[0]


@pytest.fixture
def purses() -> PurseWorld:
    return PurseWorld()


def test_who_refuses_ether_keeps_its_reward_and_stops_nobody(purses: PurseWorld) -> None:
    calls, operator, restaker = purses.calls, purses.operator, purses.restaker
    for purse in (operator, restaker):
        purses.evm.ok(purse, "set", True, ETHER, b"")
    assert purses.run(restaker, "claim", ETHER, operator) == "PaymentFailed"
    assert purses.run(operator, "claimCommission", ETHER) == "PaymentFailed"
    assert calls("collectFor", operator, ETHER, sender=STRANGER)[0] == "PaymentFailed"
    assert purses.world.pay_reward(operator, ETHER, 2**40)[0] == ""
    assert purses.run(restaker, "requestExit", operator, WAD) == ""
    purses.evm.jump(WINDOW_S)
    assert purses.run(restaker, "withdraw", operator) == ""
    for purse in (operator, restaker):
        purses.evm.ok(purse, "set", False, ETHER, b"")
    assert purses.run(restaker, "claim", ETHER, operator) == ""
    assert calls("collectFor", operator, ETHER, sender=STRANGER)[0] == ""
    rest = calls.number("owed", ETHER)
    assert rest == purses.world.purse(purses.world.source, ETHER) < 5


@pytest.mark.parametrize("again", ["claim", "claimCommission", "collectFor", "withdraw", "requestExit"])
def test_a_receiver_that_calls_back_is_paid_once(purses: PurseWorld, again: str) -> None:
    operator, restaker = purses.operator, purses.restaker
    args: dict[str, tuple[str | int, ...]] = {
        "claim": (ETHER, operator), "claimCommission": (ETHER,), "collectFor": (operator, ETHER),
        "withdraw": (operator,), "requestExit": (operator, 1),
    }  # fmt: skip
    data = purses.data(again, *args[again])
    for purse, name, what in ((restaker, "claim", (ETHER, operator)), (operator, "claimCommission", (ETHER,))):
        purses.evm.ok(purse, "set", False, purses.world.source, data)
        before = purses.world.purse(purses.world.source, ETHER)
        due = purses.calls.number("owed", ETHER)
        assert purses.run(purse, name, *what) == ""
        assert bytes(purses.evm.ok(purse, "refusal"))[:4] == REENTERED
        paid = purses.world.purse(purse, ETHER)
        assert paid > 2**36
        assert before - paid == purses.world.purse(purses.world.source, ETHER) == due - paid
        assert purses.run(purse, name, *what) == "NothingDue"
