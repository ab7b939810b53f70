"""DelegatedStake: rewards by share, commissions, and what nobody can create by them."""

from __future__ import annotations

import pytest

from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.delegated_laws import PENDING
from tests.contracts.stake.delegated_world import (
    ANSWER_S,
    ETHER,
    OPERATORS,
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
    """Anna has three quarters of the operator's pool and Ben one; a tenth of rewards is the operator's."""
    made = DelegatedWorld()
    assert made.calls("enroll", 1_000, sender=OPERATOR)[0] == ""
    for who, amount in ((ANNA, 3 * WAD), (BEN, WAD)):
        assert made.calls("deposit", OPERATOR, amount, sender=who)[0] == ""
    return made


def reward(world: DelegatedWorld, asset: str, amount: int, operator: str = OPERATOR) -> None:
    assert world.pay_reward(operator, asset, amount) == ("", ())


def pending(world: DelegatedWorld, who: str, operator: str = OPERATOR) -> tuple[int, ...]:
    return world.calls.words("positionOf", operator, who)[PENDING:]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_reward_is_shared_by_shares_after_the_commission(world: DelegatedWorld, place: int) -> None:
    """In ether, in a coin, and in the very token that is delegated."""
    calls, asset = world.calls, world.terms.assets[place]
    reward(world, asset, 40 * 2**20)
    assert [pending(world, w)[place] for w in (ANNA, BEN)] == [27 * 2**20 - 1, 9 * 2**20 - 1]
    assert calls.number("dueOf", OPERATOR, asset) == 4 * 2**20
    before = [world.purse(w, asset) for w in (ANNA, BEN, OPERATOR)]
    assert calls("claim", asset, OPERATOR, sender=ANNA) == ("", (27 * 2**20 - 1,))
    assert calls("claim", asset, OPERATOR, sender=BEN) == ("", (9 * 2**20 - 1,))
    assert calls("claimCommission", asset, sender=OPERATOR) == ("", (4 * 2**20,))
    after = [world.purse(w, asset) for w in (ANNA, BEN, OPERATOR)]
    assert [a - b for a, b in zip(after, before, strict=True)] == [27 * 2**20 - 1, 9 * 2**20 - 1, 4 * 2**20]
    for call in (("claim", asset, OPERATOR), ("claimCommission", asset)):
        assert calls(*call, sender=ANNA)[0] == "NothingDue"
    rest = calls.number("owed", asset) - (4 * WAD if asset == world.token else 0)
    assert rest == 2, "what rounding leaves stays here"


def test_a_deposit_earns_nothing_of_what_was_paid_before(world: DelegatedWorld) -> None:
    calls = world.calls
    reward(world, ETHER, 1_000)
    assert calls("deposit", OPERATOR, 4 * WAD, sender=CARL)[0] == ""
    assert pending(world, CARL) == (0, 0, 0)
    reward(world, ETHER, 2_000)
    assert pending(world, CARL)[0] in {899, 900}
    assert calls("deposit", OPERATOR, WAD, sender=BEN)[0] == ""
    assert pending(world, BEN)[0] in range(224 + 224, 225 + 225 + 1), "what was earned stays through a deposit"


def test_shares_that_are_leaving_earn_until_they_are_paid(world: DelegatedWorld) -> None:
    """For they can be slashed until then."""
    calls = world.calls
    assert calls("requestExit", OPERATOR, 3 * WAD, sender=ANNA)[0] == ""
    reward(world, ETHER, 1_000)
    world.evm.jump(WINDOW_S)
    assert calls("withdraw", OPERATOR, sender=ANNA)[0] == ""
    reward(world, ETHER, 1_000)
    assert pending(world, ANNA)[0] == 674
    assert pending(world, BEN)[0] in {224 + 899, 224 + 900, 225 + 900}
    assert calls("claim", ETHER, OPERATOR, sender=ANNA) == ("", (674,)), "also after the last share has left"


def test_without_a_delegator_all_of_it_is_the_operator_s(world: DelegatedWorld) -> None:
    calls = world.calls
    for operator in (OTHER, STRANGER):
        reward(world, ETHER, 77, operator)
        assert calls.number("dueOf", operator, ETHER) == 77
    assert calls("collectFor", OTHER, ETHER, sender=STRANGER) == ("", (77,))
    assert calls("collectFor", OTHER, ETHER, sender=STRANGER)[0] == "NothingDue"


def test_rewards_of_a_pool_that_was_taken_stay_claimable(world: DelegatedWorld) -> None:
    calls = world.calls
    reward(world, ETHER, 1_000)
    world.prove(OPERATOR, WAD, 1)
    reward(world, ETHER, 1_000)
    assert world.end_of_case("take", 1)[0] == ""
    reward(world, ETHER, 500)
    assert calls.number("dueOf", OPERATOR, ETHER) == 700, "the next pool has no shares yet"
    assert calls("deposit", OPERATOR, WAD, sender=CARL)[0] == ""
    reward(world, ETHER, 10_000)
    assert pending(world, ANNA)[0] in {1_349, 1_350}
    assert calls("deposit", OPERATOR, WAD, sender=ANNA)[0] == ""
    assert pending(world, ANNA)[0] in {1_349, 1_350}
    assert calls("claim", ETHER, OPERATOR, sender=BEN)[0] == ""
    assert pending(world, CARL)[0] in {8_999, 9_000}
    world.prove(OPERATOR, WAD, 2)
    assert world.end_of_case("take", 2)[0] == ""
    assert calls("claim", ETHER, OPERATOR, sender=CARL)[0] == ""
    assert calls("claim", ETHER, OPERATOR, sender=CARL)[0] == "NothingDue"
    assert calls.number("owed", ETHER) <= 2 + 700 + 1_000 + 1_350


def test_the_commission_in_force_when_the_reward_comes_counts(world: DelegatedWorld) -> None:
    assert world.calls("setCommission", 2_000, sender=OPERATOR)[0] == ""
    reward(world, ETHER, 1_000)
    world.evm.jump(ANSWER_S + WINDOW_S)
    reward(world, ETHER, 1_000)
    assert world.calls.number("dueOf", OPERATOR, ETHER) == 100 + 200


def test_no_reward_is_shared_out_that_did_not_come(world: DelegatedWorld) -> None:
    """In the delegated token too: what lies here already is owed to those who delegated it."""
    calls = world.calls
    for asset in (world.coin, world.token):
        assert calls("reward", 1, OPERATOR, asset, 1, sender=REWARDS)[0] == "NotReceived"
        assert calls("reward", 1, OPERATOR, asset, 1, sender=REWARDS, value=1)[0] == "NotReceived"
    for amount, sent in ((1, 0), (0, 1), (1, 2)):
        assert calls("reward", 1, OPERATOR, ETHER, amount, sender=REWARDS, value=sent)[0] == "NotReceived"
    assert calls("reward", 1, OPERATOR, STRANGER, 1, sender=REWARDS)[0] == "UnknownAsset"
    assert calls("reward", 1, OPERATOR, ETHER, 2**128, sender=REWARDS)[0] == "BadAmount"
    for who in (STRANGER, OPERATOR, ANNA):
        assert calls("reward", 1, OPERATOR, ETHER, 0, sender=who)[0] == "NotAllowed"
    assert calls("claim", STRANGER, OPERATOR, sender=ANNA)[0] == "NothingDue"
    assert pending(world, ANNA) == (0, 0, 0)


def test_a_unit_that_no_share_can_get_is_not_created(world: DelegatedWorld) -> None:
    for _ in range(50):
        reward(world, world.coin, 1)
        assert world.calls("deposit", OPERATOR, 1, sender=BEN)[0] == ""
    shared = [pending(world, w)[1] for w in (ANNA, BEN)]
    assert sum(shared) <= 50
    assert shared[0] >= 36, "rewards too small for one share's unit add up"
    assert world.calls.number("owed", world.coin) == 50 == world.purse(world.source, world.coin)
