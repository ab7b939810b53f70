"""Ways through the contracts of stake that hardly anybody goes, each to its end."""

from __future__ import annotations

from tests.contracts.evm_process import OWNER, STRANGER
from tests.contracts.stake.delegated_world import ANSWER_S, OPERATORS, RESTAKERS, WAD, WINDOW_S, DelegatedWorld
from tests.contracts.stake.penalty_world import PenaltyWorld
from tests.contracts.stake.rewards_world import RewardsWorld, text
from tests.contracts.stake.stake_world import DELAY_S, ETHER, JOIN_S, MEMBER, TOO_LITTLE, StakeWorld, operator


def test_a_set_takes_over_before_another_can_be_frozen() -> None:
    """Where an epoch is shorter than the delay until a set takes over."""
    world = StakeWorld(epochS=DELAY_S // 2, capBps=10_000)
    world.enter_all(90, 80, 70)
    frozen_s = world.evm.now
    world.rotate()
    assert world.evm.ok(world.set, "nextRotateAt") == world.evm.ok(world.set, "scheduledAt") == frozen_s + DELAY_S
    world.evm.jump(DELAY_S // 2)
    assert world.rotation()[0] == "TooEarly"


def test_who_is_observed_in_the_second_of_a_freeze_is_bound_no_longer() -> None:
    world = StakeWorld(capBps=10_000)
    (who, *_) = world.enter_all(90, 80, 70)
    epoch = world.rotate()
    bound = world.evm.ok(world.set, "boundUntil", who)
    assert bound == world.evm.ok(world.set, "frozenOf", epoch)[1]
    for later_s in (0, 1):
        world.evm.jump(later_s)
        world.evm.ok(world.windows, "observe", [who], sender=STRANGER)
        assert world.evm.ok(world.set, "boundUntil", who) == bound, "it is of the same moment"


def test_who_would_weigh_nothing_is_no_member() -> None:
    """What may rise in an epoch is shared by all that rises: of next to nothing beside very much nothing is left."""
    gwei = 10**9
    world = StakeWorld(minStake=gwei, capBps=10_000)
    for number in (1, 2, 3):
        world.enter(number, gwei)
    world.evm.jump(JOIN_S)
    world.change()
    little, much = world.enter(4, gwei), world.enter(5, 3 * 10**26)
    world.evm.jump(max(0, world.evm.ok(world.set, "nextRotateAt") - world.evm.now))
    rows, _, _ = world.preview()
    assert (rows[little].place, rows[little].weight, rows[little].stake) == (TOO_LITTLE, 0, gwei)
    assert rows[much].place == MEMBER
    assert little not in world.weights(world.rotate())


def test_a_source_that_says_more_than_there_can_be_counts_what_there_can_be() -> None:
    world = StakeWorld()
    who = world.enter(1, 2**100)
    assert world.evm.ok(world.windows, "windowOf", world.sources[0], who)[0] == 2**88 - 1


def test_an_epoch_that_nobody_froze_has_no_report() -> None:
    world = RewardsWorld()
    assert world.call("post", 0, b"\1" * 32, [], b"", b"")[0] == "NothingToPost"


def test_a_token_that_refuses_to_be_drawn_funds_nothing() -> None:
    world = RewardsWorld()
    error, _ = world.call("fund", 1, world.token, ETHER, sender=OWNER)
    assert error == "TokenFailed", "it was not allowed"
    assert world.left(1, bytes.fromhex(text(world.assets[1])[2:])) == 0


def test_shares_that_are_worth_nothing_are_paid_nothing() -> None:
    """A wei of a pool of which a half was taken is none any more; and the exit is over."""
    world = DelegatedWorld()
    one, (anna, ben, *_) = OPERATORS[0], RESTAKERS
    assert world.calls("enroll", 0, sender=one)[0] == ""
    for who in (anna, ben):
        assert world.calls("deposit", one, WAD, sender=who)[0] == ""
    world.evm.jump(WINDOW_S)
    world.side.freeze((one,))
    world.prove(one, WAD // 2, 1)
    assert world.end_of_case("take", 1)[0] == ""
    assert world.calls("requestExit", one, 1, sender=ben)[0] == ""
    world.evm.jump(ANSWER_S + 1)
    before = world.purse(ben, world.token)
    assert world.calls("withdraw", one, sender=ben) == ("", (0,))
    assert world.purse(ben, world.token) == before
    assert world.calls("withdraw", one, sender=ben)[0] == "NothingLeaving"


def test_nobody_has_a_case_that_nobody_opened() -> None:
    world = PenaltyWorld((3, 2, 2))
    assert world.ok("caseIn", operator(1), 1) == bytes(32)
