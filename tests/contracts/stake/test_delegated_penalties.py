"""DelegatedStake: what is put aside for a dispute, given back or taken; and the ways out that a liar has not."""

from __future__ import annotations

import pytest

from tests.contracts.evm_process import GUARDIAN, STRANGER, TREASURY
from tests.contracts.stake.delegated_laws import CLOSES_AT, LEAVING, OPENS_AT, SHARES, TOKENS
from tests.contracts.stake.delegated_world import (
    ANSWER_S,
    DAY,
    ETHER,
    OPERATORS,
    PENALTIES,
    RESTAKERS,
    WAD,
    WINDOW_S,
    DelegatedWorld,
    word,
)

OPERATOR, OTHER = OPERATORS[:2]
ANNA, BEN, CARL = RESTAKERS[:3]
TOKENS_OF_POOL, SHARES_OF_POOL, GENERATION, WAITED, OPEN, ASIDE = 0, 1, 2, 5, 6, 11


@pytest.fixture
def world() -> DelegatedWorld:
    """Anna has three quarters of the operator's pool and Ben one; one set was frozen with it."""
    made = DelegatedWorld()
    for operator in (OPERATOR, OTHER):
        assert made.calls("enroll", 0, sender=operator)[0] == ""
    for who, amount in ((ANNA, 3 * WAD), (BEN, WAD)):
        assert made.calls("deposit", OPERATOR, amount, sender=who)[0] == ""
    made.evm.jump(WINDOW_S)
    made.side.freeze((OPERATOR,))
    return made


def tokens(world: DelegatedWorld, who: str) -> int:
    return world.calls.words("positionOf", OPERATOR, who)[TOKENS]


def pool(world: DelegatedWorld, place: int) -> int:
    return world.calls.words("poolOf", OPERATOR)[place]


def purses(world: DelegatedWorld, *who: str) -> list[int]:
    return [world.purse(w, world.token) for w in who]


def test_losses_are_pro_rata_also_of_what_is_leaving(world: DelegatedWorld) -> None:
    assert world.calls("requestExit", OPERATOR, 2 * WAD, sender=ANNA)[0] == ""
    error, (value,) = world.calls("seize", OPERATOR, WAD // 4, world.now, 1, sender=PENALTIES)
    assert (error, value) == ("", world.rate())
    assert [tokens(world, w) for w in (ANNA, BEN)] == [9 * WAD // 4, 3 * WAD // 4]
    assert (pool(world, ASIDE), pool(world, OPEN)) == (WAD, 1)
    before = purses(world, GUARDIAN, TREASURY)
    error, value = world.end_of_case("take", 1, GUARDIAN, 9_999)
    assert (error, value) == ("", world.rate())
    assert purses(world, GUARDIAN, TREASURY) == [before[0], before[1] + WAD], "the operator has no part"
    world.evm.jump(ANSWER_S + 1)
    assert world.calls("withdraw", OPERATOR, sender=ANNA) == ("", (3 * WAD // 2,))


def test_nobody_is_paid_for_a_find_that_nobody_made(world: DelegatedWorld) -> None:
    before = purses(world, TREASURY)[0]
    world.prove(OPERATOR, WAD, 1)
    assert world.end_of_case("take", 1, ETHER, 500)[0] == ""
    assert purses(world, TREASURY) == [before + 4 * WAD]


def test_a_case_that_is_given_back_leaves_no_trace(world: DelegatedWorld) -> None:
    world.prove(OPERATOR, WAD, 1)
    assert [tokens(world, w) for w in (ANNA, BEN)] == [0, 0]
    assert world.calls.number("stakeOf", OPERATOR) == 0
    assert world.end_of_case("restore", 1)[0] == ""
    assert [tokens(world, w) for w in (ANNA, BEN)] == [3 * WAD, WAD], "a pool that was seized to nothing lives again"
    assert pool(world, GENERATION) == 0


def test_deposits_and_withdrawals_wait_while_a_case_is_open(world: DelegatedWorld) -> None:
    """Nobody comes before what is given back, and nobody goes after it with a window that ended meanwhile."""
    calls, evm = world.calls, world.evm
    opens_at = calls("requestExit", OPERATOR, WAD, sender=BEN)[1][0]
    evm.jump(opens_at + DAY - world.now)
    world.prove(OPERATOR, WAD // 2, 1)
    assert calls("deposit", OPERATOR, WAD, sender=CARL)[0] == "CaseOpen"
    assert calls("withdraw", OPERATOR, sender=BEN)[0] == "CaseOpen"
    evm.jump(5 * DAY)
    assert calls.words("positionOf", OPERATOR, BEN)[OPENS_AT : CLOSES_AT + 1] == (
        opens_at,
        opens_at + WINDOW_S + 5 * DAY,
    )
    assert calls("lapse", OPERATOR, BEN, sender=STRANGER)[0] == "NotLapsed"
    world.prove(OPERATOR, WAD // 2, 2)
    evm.jump(DAY)
    assert world.end_of_case("restore", 1)[0] == ""
    assert calls("withdraw", OPERATOR, sender=BEN)[0] == "CaseOpen", "another case is open"
    assert world.end_of_case("take", 2)[0] == ""
    evm.jump(WINDOW_S - DAY)
    assert calls("withdraw", OPERATOR, sender=BEN) == ("", (3 * WAD // 4,)), "the whole window was left"
    assert calls("deposit", OPERATOR, WAD, sender=CARL)[0] == ""
    assert pool(world, WAITED) == 6 * DAY


def test_a_pool_of_another_operator_does_not_wait(world: DelegatedWorld) -> None:
    world.prove(OPERATOR, WAD, 1)
    assert world.calls("deposit", OTHER, WAD, sender=CARL)[0] == ""
    assert world.calls.number("stakeOf", OTHER) == world.rate()


def test_an_id_is_used_once_and_nothing_is_no_penalty(world: DelegatedWorld) -> None:
    calls = world.calls
    world.prove(OPERATOR, WAD // 2, 1)
    assert calls("seize", OPERATOR, WAD, 0, 1, sender=PENALTIES)[0] == "CaseExists"
    for what in ("take", "restore"):
        assert world.end_of_case(what, 2)[0] == "NoSuchCase"
    assert world.end_of_case("take", 1)[0] == ""
    for what in ("take", "restore"):
        assert world.end_of_case(what, 1)[0] == "NoSuchCase"
    assert calls("seize", OPERATOR, WAD, 0, 1, sender=PENALTIES)[0] == "CaseExists"
    for operator, fraction in ((OPERATOR, 0), (OPERATOR, WAD + 1), (OTHER, WAD), (STRANGER, WAD)):
        assert calls("seize", operator, fraction, 0, 3, sender=PENALTIES)[0] == "NothingToSeize"
    for call in (("seize", OPERATOR, WAD, 0, 3), ("take", 1, STRANGER, 500), ("restore", 1)):
        assert calls(*call, sender=OPERATOR)[0] == "NotAllowed"


def test_cases_of_one_operator_take_from_what_is_left(world: DelegatedWorld) -> None:
    world.prove(OPERATOR, WAD // 2, 1)
    world.prove(OPERATOR, WAD // 2, 2)
    world.prove(OPERATOR, WAD, 3)
    assert [world.calls.words("asideOf", c)[1] for c in (1, 2, 3)] == [2 * WAD, WAD, WAD]
    assert world.calls("seize", OPERATOR, WAD, 0, 4, sender=PENALTIES)[0] == "NothingToSeize"
    assert world.end_of_case("take", 3)[0] == ""
    assert (pool(world, TOKENS_OF_POOL), pool(world, GENERATION)) == (0, 0), "two cases may still give back"
    assert world.end_of_case("restore", 1)[0] == ""
    assert world.end_of_case("take", 2)[0] == ""
    assert [tokens(world, w) for w in (ANNA, BEN)] == [3 * WAD // 2, WAD // 2]


@pytest.mark.parametrize("fraction", [WAD, WAD - 1])
def test_a_pool_that_was_taken_goes_on_with_new_shares_and_the_old_ones_are_worth_nothing(
    world: DelegatedWorld, fraction: int
) -> None:
    """Also where a rest of it is left that is too little for its shares: that goes to the treasury too."""
    calls = world.calls
    assert calls("requestExit", OPERATOR, 3 * WAD, sender=ANNA)[0] == ""
    before = purses(world, GUARDIAN, TREASURY)
    world.prove(OPERATOR, fraction, 1)
    assert world.end_of_case("take", 1)[0] == ""
    assert sum(purses(world, GUARDIAN, TREASURY)) == sum(before) + 4 * WAD
    assert calls.words("poolOf", OPERATOR)[:4] == (0, 0, 1, 0)
    assert calls("deposit", OPERATOR, 5, sender=CARL) == ("", (5,))
    assert calls.words("positionOf", OPERATOR, ANNA)[SHARES : CLOSES_AT + 1] == (0,) * 6
    for call, error in ((("withdraw", OPERATOR), "NothingLeaving"), (("requestExit", OPERATOR, 1), "BadAmount")):
        assert calls(*call, sender=ANNA)[0] == error
    assert calls("lapse", OPERATOR, ANNA, sender=STRANGER)[0] == "NothingLeaving"
    assert calls("deposit", OPERATOR, 7, sender=ANNA) == ("", (7,))
    assert calls.words("poolOf", OPERATOR)[:4] == (12, 12, 1, 0)
    assert [tokens(world, w) for w in (ANNA, BEN, CARL)] == [7, 0, 5]


def test_a_small_rest_keeps_its_shares(world: DelegatedWorld) -> None:
    """2^-32 of a pool can be counted: a deposit after it gets its own part and no more."""
    world.prove(OPERATOR, WAD - 10**9, 1)
    assert world.end_of_case("take", 1)[0] == ""
    assert (pool(world, TOKENS_OF_POOL), pool(world, SHARES_OF_POOL)) == (4 * 10**9, 4 * WAD)
    assert world.calls("deposit", OPERATOR, 4 * 10**9, sender=CARL) == ("", (4 * WAD,))
    assert [tokens(world, w) for w in (ANNA, BEN, CARL)] == [3 * 10**9, 10**9, 4 * 10**9]


def test_a_value_that_cannot_be_read_saves_nobody(world: DelegatedWorld) -> None:
    world.evm.ok(world.values, "silence", True)
    assert world.calls("seize", OPERATOR, WAD, world.now, 1, sender=PENALTIES) == ("", (0,))
    before = purses(world, TREASURY)[0]
    assert world.end_of_case("take", 1, ETHER, 0) == ("", 0)
    assert purses(world, TREASURY) == [before + 4 * WAD]


# ------------------------------------------------------------------------------------- what guilty ones did elsewhere


def test_a_bond_cannot_leave_while_its_key_goes_on_signing(world: DelegatedWorld) -> None:
    """An exit counts from the last set that it was in, and it leaves the weight of the sets after its request."""
    calls, evm = world.calls, world.evm
    for who, shares in ((ANNA, 3 * WAD), (BEN, WAD)):
        assert calls("requestExit", OPERATOR, shares, sender=who)[0] == ""
    assert calls.number("stakeOf", OPERATOR) == 0, "the next freeze finds nothing"
    evm.jump(ANSWER_S)
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "TooEarly", "a word can be proven in this second"
    world.prove(OPERATOR, WAD, 1)
    evm.jump(1)
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "CaseOpen"
    assert world.end_of_case("take", 1)[0] == ""
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "NothingLeaving"


def test_an_exit_cannot_be_kept_ripe(world: DelegatedWorld) -> None:
    """One that is not taken lapses; one that is asked for anew opens anew; and while it is ripe its shares have no weight."""
    calls, evm = world.calls, world.evm
    opens_at = calls("requestExit", OPERATOR, 3 * WAD, sender=ANNA)[1][0]
    evm.jump(opens_at - world.now)
    assert calls.number("stakeOf", OPERATOR) == world.rate(), "ripe, and Ben's stake is all that counts"
    world.side.freeze((OPERATOR,))
    again = calls("requestExit", OPERATOR, 3 * WAD, sender=ANNA)[1][0]
    assert again == world.now + ANSWER_S + 1
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "TooEarly"
    evm.jump(again + WINDOW_S + 100 * DAY - world.now)
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "TooLate"
    assert calls.number("stakeOf", OPERATOR) == world.rate()
    assert calls("lapse", OPERATOR, ANNA, sender=STRANGER)[0] == ""
    assert calls.number("stakeOf", OPERATOR) == 4 * world.rate()
    world.side.freeze((OPERATOR,))
    world.prove(OPERATOR, WAD, word(b"both words of one block"))
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == "NothingLeaving"
    assert tokens(world, ANNA) == 0


def test_a_case_that_was_given_back_protects_from_no_other(world: DelegatedWorld) -> None:
    world.prove(OPERATOR, WAD, 1)
    assert world.end_of_case("restore", 1)[0] == ""
    world.prove(OPERATOR, WAD, 2)
    assert world.end_of_case("take", 2)[0] == ""
    assert pool(world, GENERATION) == 1


def test_taking_an_exit_back_gives_no_time_away(world: DelegatedWorld) -> None:
    """Whoever lets stake count again for one freeze asks anew, and answers for that freeze too."""
    calls = world.calls
    opens_at = calls("requestExit", OPERATOR, WAD, sender=BEN)[1][0]
    world.evm.jump(opens_at - world.now)
    assert calls("requestExit", OPERATOR, 0, sender=BEN) == ("", (0,))
    assert calls.words("positionOf", OPERATOR, BEN)[LEAVING : CLOSES_AT + 1] == (0, 0, 0)
    world.side.freeze((OPERATOR,))
    assert calls("requestExit", OPERATOR, WAD, sender=BEN)[1] == (world.now + ANSWER_S + 1,)
