"""DelegatedStake: operators, deposits, exits, commissions, and what people can read."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

import contracts
from tests.contracts.evm_process import OWNER, STRANGER, TREASURY
from tests.contracts.stake.delegated_laws import CLOSES_AT, LEAVING, OPENS_AT, PENDING, SHARES, TOKENS, VALUE
from tests.contracts.stake.delegated_world import (
    ANSWER_S,
    DAY,
    ETHER,
    MAX_COMMISSION_BPS,
    OPERATORS,
    PENALTIES,
    RESTAKERS,
    REWARDS,
    WAD,
    WINDOW_S,
    DelegatedWorld,
)

OPERATOR, OTHER = OPERATORS[:2]
ANNA, BEN, CARL = RESTAKERS[:3]


@pytest.fixture
def world() -> DelegatedWorld:
    made = DelegatedWorld()
    for operator in (OPERATOR, OTHER):
        assert made.calls("enroll", 500, sender=operator) == ("", ())
    return made


def deposit(world: DelegatedWorld, who: str, amount: int = WAD, operator: str = OPERATOR) -> int:
    error, words = world.calls("deposit", operator, amount, sender=who)
    assert error == ""
    return words[0]


def test_the_terms_can_be_read_and_bad_ones_are_refused(world: DelegatedWorld) -> None:
    evm, source = world.evm, world.source
    told = [evm.ok(source, n) for n in ("token", "values", "treasury", "windowS", "maxCommissionBps")]
    assert told == [world.token.lower(), world.values.lower(), TREASURY, WINDOW_S, MAX_COMMISSION_BPS]
    assert evm.ok(source, "assets") == (ETHER, world.coin.lower(), world.token.lower())
    assert [evm.ok(source, n) for n in ("set", "penalties", "rewards")] == [world.side.at.lower(), PENALTIES, REWARDS]
    assert evm.ok(source, "reachS") == 2**256 - 1
    for changes in (
        {"treasury": ETHER},
        {"window_s": 3_599},
        {"window_s": 30 * DAY + 1},
        {"max_commission_bps": 10_001},
        {"assets": [ETHER, ETHER]},
        {"assets": [f"0x{i:040x}" for i in range(5)]},
        {"token": world.coin},
    ):
        with pytest.raises(RuntimeError, match=keccak(text="BadSettings()")[:4].hex()):
            world.deploy(**changes)


def test_nothing_can_be_used_before_the_others_are_known(world: DelegatedWorld) -> None:
    terms = (OWNER, world.token, world.values, TREASURY, WINDOW_S, MAX_COMMISSION_BPS, [ETHER])
    alone = world.quick("DelegatedStake", world.evm.create(contracts.load("DelegatedStake"), *terms))
    assert alone("enroll", 0, sender=OPERATOR)[0] == "BadConnection"
    assert alone("deposit", OPERATOR, 1, sender=ANNA)[0] == "NotEnrolled"
    assert alone("requestExit", OPERATOR, 1, sender=ANNA)[0] == "BadAmount"
    assert alone("seize", OPERATOR, WAD, 0, 1, sender=PENALTIES)[0] == "NotAllowed"
    assert alone("connect", world.side.at, PENALTIES, REWARDS, sender=STRANGER)[0] == "NotAllowed"


def test_only_who_enrolled_can_be_delegated_to(world: DelegatedWorld) -> None:
    calls = world.calls
    assert calls("enroll", 0, sender=OPERATOR)[0] == "IsEnrolled"
    assert calls("enroll", MAX_COMMISSION_BPS + 1, sender=OPERATORS[2])[0] == "BadCommission"
    assert calls("deposit", OPERATORS[2], WAD, sender=ANNA)[0] == "NotEnrolled"
    assert calls("setCommission", 0, sender=OPERATORS[2])[0] == "NotEnrolled"
    assert calls("enroll", MAX_COMMISSION_BPS, sender=OPERATORS[2]) == ("", ())
    assert deposit(world, ANNA, operator=OPERATORS[2]) == WAD


def test_a_rise_of_the_commission_waits_until_everybody_can_have_left(world: DelegatedWorld) -> None:
    """A fall is at once. Who asks for an exit when a rise is announced is out before it."""
    calls, evm = world.calls, world.evm
    deposit(world, ANNA)
    world.side.freeze((OPERATOR,))
    evm.jump(WINDOW_S)
    world.side.freeze((OPERATOR,))
    assert calls("setCommission", MAX_COMMISSION_BPS + 1, sender=OPERATOR)[0] == "BadCommission"
    calls.words("commissionOf", OPERATOR)
    assert calls("setCommission", 900, sender=OPERATOR)[0] == ""
    due = world.now + ANSWER_S + WINDOW_S
    error, (opens_at,) = calls("requestExit", OPERATOR, WAD, sender=ANNA)
    assert (error, opens_at) == ("", world.now + ANSWER_S + 1)
    assert opens_at < due
    evm.jump(opens_at - world.now)
    assert calls.number("commissionOf", OPERATOR) == 500
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == ""
    evm.jump(due - 1 - world.now)
    assert calls.number("commissionOf", OPERATOR) == 500
    evm.jump(1)
    assert calls.number("commissionOf", OPERATOR) == 900
    assert calls("setCommission", 1_000, sender=OPERATOR)[0] == ""
    assert calls.number("commissionOf", OPERATOR) == 900
    assert calls("setCommission", 300, sender=OPERATOR)[0] == ""
    assert calls.number("commissionOf", OPERATOR) == 300
    evm.jump(ANSWER_S + WINDOW_S)
    assert calls.number("commissionOf", OPERATOR) == 300, "a fall ends a rise that was announced"


def test_a_donation_moves_nothing_and_no_first_depositor_can_raise_a_share(world: DelegatedWorld) -> None:
    assert deposit(world, ANNA, 1) == 1
    assert not world.money[world.token]("transfer", world.source, 10**21, sender=BEN)[0]
    assert deposit(world, BEN, 10**18) == 10**18
    assert deposit(world, CARL, 3) == 3
    assert world.calls.words("positionOf", OPERATOR, ANNA)[TOKENS] == 1
    assert world.calls.words("poolOf", OPERATOR)[:2] == (10**18 + 4, 10**18 + 4)
    world.prove(OPERATOR, WAD // 3, 1)
    world.end_of_case("take", 1)
    shares = deposit(world, BEN, 7)
    tokens, all_shares = world.calls.words("poolOf", OPERATOR)[:2]
    assert shares * tokens <= 7 * all_shares
    assert tokens <= all_shares


def test_what_is_asked_back_counts_no_more_at_once_and_is_slashable_until_paid(world: DelegatedWorld) -> None:
    calls = world.calls
    deposit(world, ANNA, 3 * WAD)
    deposit(world, BEN, WAD)
    world.rebase(world.evm.ok(world.diva, "totalEther") * 5 // 4)
    rate = world.rate()
    assert rate > WAD
    assert calls.number("stakeOf", OPERATOR) == 4 * rate
    assert calls("requestExit", OPERATOR, 2 * WAD, sender=ANNA)[0] == ""
    assert calls.number("stakeOf", OPERATOR) == 2 * rate
    assert calls.number("slashableOf", OPERATOR, world.now) == 4 * rate
    assert calls("requestExit", OPERATOR, 3 * WAD + 1, sender=ANNA)[0] == "BadAmount"
    assert calls("requestExit", OPERATOR, WAD, sender=ANNA)[0] == ""
    assert calls.number("stakeOf", OPERATOR) == 3 * rate, "a new request replaces the old one"
    assert calls("requestExit", OPERATOR, 0, sender=ANNA) == ("", (0,))
    assert calls.number("stakeOf", OPERATOR) == 4 * rate
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "NothingLeaving"
    assert calls("requestExit", OPERATOR, 3 * WAD, sender=ANNA)[0] == ""
    world.prove(OPERATOR, WAD // 2, 1)
    assert calls.number("slashableOf", OPERATOR, 0) == 2 * rate
    assert calls.words("positionOf", OPERATOR, ANNA)[TOKENS] == 3 * WAD // 2


def test_an_exit_opens_when_its_words_are_old_and_closes_after_its_window(world: DelegatedWorld) -> None:
    calls, evm = world.calls, world.evm
    deposit(world, ANNA)
    evm.jump(DAY)
    world.side.freeze((OPERATOR,))
    evm.jump(DAY)
    error, (opens_at,) = calls("requestExit", OPERATOR, WAD, sender=ANNA)
    assert (error, opens_at) == ("", world.now - DAY + ANSWER_S + 1)
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "TooEarly"
    evm.jump(DAY)
    world.side.freeze((OPERATOR,))
    held = calls.words("positionOf", OPERATOR, ANNA)
    assert (held[LEAVING], held[OPENS_AT], held[CLOSES_AT]) == (WAD, opens_at, opens_at + WINDOW_S)
    evm.jump(opens_at - 1 - world.now)
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "TooEarly"
    evm.jump(WINDOW_S + 1)
    assert calls("lapse", OPERATOR, ANNA, sender=STRANGER)[0] == "NotLapsed"
    before = world.purse(ANNA, world.token)
    assert calls("withdraw", OPERATOR, sender=ANNA) == ("", (WAD,))
    assert world.purse(ANNA, world.token) == before + WAD
    assert calls.words("positionOf", OPERATOR, ANNA)[SHARES : CLOSES_AT + 1] == (0,) * 6
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "NothingLeaving"


def test_who_comes_for_one_reward_stays_for_a_window(world: DelegatedWorld) -> None:
    """Of an operator that is in no set an exit would open at once."""
    calls, evm = world.calls, world.evm
    deposit(world, ANNA)
    evm.jump(3 * WINDOW_S)
    deposit(world, BEN, 99 * WAD)
    assert world.pay_reward(OPERATOR, ETHER, 10**6)[0] == ""
    assert calls("requestExit", OPERATOR, 99 * WAD, sender=BEN)[1] == (world.now + WINDOW_S,)
    assert calls("withdraw", OPERATOR, sender=BEN)[0] == "TooEarly"
    assert calls("requestExit", OPERATOR, WAD, sender=ANNA)[1] == (world.now,)
    assert calls("withdraw", OPERATOR, sender=ANNA) == ("", (WAD,))
    evm.jump(WINDOW_S)
    assert calls("withdraw", OPERATOR, sender=BEN) == ("", (99 * WAD,))


def test_zero_and_too_much_cannot_be_deposited(world: DelegatedWorld) -> None:
    for amount in (0, 2**96, 2**256 - 1):
        assert world.calls("deposit", OPERATOR, amount, sender=ANNA)[0] == "BadAmount"
    assert world.calls.words("poolOf", OPERATOR)[:2] == (0, 0)


def test_positions_are_of_one_restaker_and_one_operator(world: DelegatedWorld) -> None:
    calls = world.calls
    for who, operator, amount in ((ANNA, OPERATOR, 5), (ANNA, OTHER, 7), (BEN, OPERATOR, 11)):
        deposit(world, who, amount, operator)
    held = [calls.words("positionOf", o, w)[SHARES] for o in (OPERATOR, OTHER) for w in (ANNA, BEN)]
    assert held == [5, 11, 7, 0]
    assert calls("requestExit", OTHER, 1, sender=BEN)[0] == "BadAmount"
    names = {e["name"] for e in contracts.load("DelegatedStake").abi if e["type"] == "function"}
    assert not {n for n in names if "transfer" in n.lower() or "approve" in n.lower()}, "shares do not change hands"


def test_a_position_says_what_it_is_worth_also_where_the_value_cannot_be_read(world: DelegatedWorld) -> None:
    calls = world.calls
    deposit(world, ANNA, 3 * WAD)
    assert world.pay_reward(OPERATOR, world.coin, 1_000)[0] == ""
    held = calls.words("positionOf", OPERATOR, ANNA)
    assert held[SHARES : VALUE + 1] == (3 * WAD, 3 * WAD, 3 * world.rate())
    assert held[PENDING:] == (0, 949, 0), "950 but for the point's last bit"
    world.evm.ok(world.values, "silence", True)
    assert calls.words("positionOf", OPERATOR, ANNA)[VALUE] == 0
    told = {name: calls.number(name, OPERATOR, *more) for name, *more in (("stakeOf",), ("slashableOf", 0))}
    assert set(told.values()) == {0}, "nothing is recorded: see no_weight_is_kept_for_what_leaves"
    assert calls.number("stakeOf", OTHER) == calls.number("slashableOf", OTHER, 0) == 0
    assert calls("requestExit", OPERATOR, WAD, sender=ANNA)[0] == "", "an exit needs no value"


def test_stake_is_what_its_token_s_contract_says_at_most_as_fast_as_it_may_grow(world: DelegatedWorld) -> None:
    """Over the real CollateralValues: a fall of the rate counts (at once, as nobody recorded it for a year), a leap does not."""
    listing = (world.token, world.token, keccak(text="getRate()")[:4], 10_000, 1_000)
    values = world.evm.create(contracts.load("CollateralValues"), [listing])
    calls = world.quick("DelegatedStake", world.deploy(values=values))
    assert calls("enroll", 0, sender=OPERATOR)[0] == ""
    world.evm.ok(world.token, "approve", calls.at, WAD, sender=ANNA)
    assert calls("deposit", OPERATOR, WAD, sender=ANNA)[0] == ""
    first, total = world.rate(), world.evm.ok(world.diva, "totalEther")
    assert calls.number("stakeOf", OPERATOR) == first
    world.rebase(total * 2)
    assert world.rate() > first * 19 // 10
    world.evm.jump(365 * DAY)
    assert calls.number("stakeOf", OPERATOR) == first * 11 // 10
    world.rebase(total // 2)
    assert calls.number("stakeOf", OPERATOR) == calls.number("slashableOf", OPERATOR, 0) == world.rate() < first
    assert calls.words("positionOf", OPERATOR, ANNA)[VALUE] == world.rate()
