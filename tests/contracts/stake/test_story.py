"""The whole story on real parts, once for each source and once for all of them at once.

Deposits, keys, freezes, prices, a lie and its price, an exit, rewards, a case that is given back.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from eth_abi.abi import decode
from eth_utils.crypto import keccak

from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import TREASURY
from tests.contracts.stake.rewards_story import EpochPay
from tests.contracts.stake.stake_world import DAY_S
from tests.contracts.stake.story_sources import KINDS, SOURCE_GAS, DelegatedPart, EigenPart, SymbioticPart
from tests.contracts.stake.story_world import (
    ARBITER,
    DEPOSIT,
    ETHER,
    FINDER,
    LEAST,
    OPERATORS,
    RESTAKERS,
    StoryWorld,
)
from tests.contracts.stake.symbiotic_world import BURNER

GROWN = GUILTY = OPERATORS[0]
POT = 10 * WAD
SUBMITTED = keccak(text="RewardSubmitted(address,address,uint256,uint256,uint256)")


@cache
def begun(kind: str) -> StoryWorld:
    """Made once; a test plays on a branch of it."""
    world = StoryWorld(KINDS[kind], SOURCE_GAS[kind])
    assert world.begin() == 2
    return world


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[StoryWorld]:
    made = begun(request.param)
    with made.branch():
        yield made


def lied(world: StoryWorld) -> tuple[str, bytes]:
    """A batch of the guilty's landed, it sealed something else, and the finder proved both while the next set was armed; key, case."""
    key, epoch = world.key_of(GUILTY), world.epoch
    world.freeze()
    world.arm()
    batch = world.batch(epoch)
    words = world.lie(key, epoch)
    assert world.push(batch, world.members(epoch)[0]) == ""
    assert world.ask(world.store, "latestAt", 0)[0] == WAD
    return key, world.prove(words)


def test_the_first_freeze_signs(world: StoryWorld) -> None:
    """Operators whose keys consented, with what their restakers deposited; nothing of the founders' is taken any more."""
    assert world.weights(2) == world.stakes()
    assert world.stake(OPERATORS[-1]) >= world.value(DEPOSIT)
    keys, _, weights = world.members(2)
    assert sum(weights[:3]) < world.frozen(2)[2] <= sum(weights[:4])
    assert world.push(world.batch(2), keys[:3]) == "BelowThreshold"
    assert world.push(world.batch(2), keys[:4]) == ""
    assert world.ask(world.store, "latestAt", 0)[0] == WAD
    price = world.ask(world.store, "latest", b"wdivETH/ETH".ljust(32, b"\0"))
    assert price[0] == WAD


def test_a_deposit_counts_from_the_second_freeze_and_within_the_cap(world: StoryWorld) -> None:
    _, _, threshold, total = world.frozen(2)
    before = world.weights(2)
    for part in world.parts:
        part.put_in(RESTAKERS[0], GROWN, 3 * DEPOSIT)
    world.evm.jump(1)
    assert world.stake(GROWN) == 4 * before[GROWN]
    assert world.weights(world.change()) == before, "what was not there at the freeze before counts nothing yet"
    second = world.weights(world.change())
    rise = second[GROWN] - before[GROWN]
    assert 0 < rise <= (2 * threshold - total) // 2, "half of 2T - W"
    assert {o: w for o, w in second.items() if o != GROWN} == {o: w for o, w in before.items() if o != GROWN}


def test_a_lie_costs_its_fraction(world: StoryWorld) -> None:
    """Jail, removal and putting aside in the transaction of the proof; the end of the dispute; who is paid; who signs then."""
    before = [int(world.ask(s, "stakeOf", GUILTY)) for s in world.sources]
    honest = {o: s for o, s in world.stakes().items() if o != GUILTY}
    purses = {who: world.balance(who) for who in (FINDER, TREASURY, BURNER)}
    key, case = lied(world)
    # in the transaction of the proof: no candidate, no weight in the sets there are, the fraction no longer counts
    assert world.ask(world.set, "isCandidate", GUILTY) is False
    assert world.in_store()[key] == 0
    assert world.ask(world.penalties, "caseOf", case)[4] == LEAST
    after = [int(world.ask(s, "stakeOf", GUILTY)) for s in world.sources]
    for part, was, now in zip(world.parts, before, after, strict=True):
        assert abs(now - (was - was * LEAST // WAD)) <= part.off_by()
    # the others still push; what the guilty signs besides counts for nothing
    epoch = world.epoch
    others = [k for k in world.members(epoch)[0] if k != key]
    world.evm.jump(1)
    assert world.push(world.batch(epoch), others) == ""
    world.evm.jump(1)
    assert world.push(world.batch(epoch), [*others[:3], key]) == "BelowThreshold"
    # the next set must be armed again, for the guilty may have armed it; without it
    assert world.ask(world.store, "armed") is False
    world.arm(without=[key])
    world.take_over()
    assert world.in_store()[key] == 0
    # nothing is taken before the dispute is over, and nothing is given back afterwards
    assert world.evm.call(world.penalties, "carryOut", case)[0] == "NotNow"
    while world.evm.now < world.ask(world.penalties, "caseOf", case)[2]:
        assert GUILTY not in world.weights(world.change())
    assert world.evm.call(world.penalties, "giveBack", case, sender=ARBITER)[0] == "NotNow"
    world.ok(world.penalties, "carryOut", case)
    assert [int(world.ask(s, "stakeOf", GUILTY)) for s in world.sources] == pytest.approx(after, abs=2)
    assert {o: s for o, s in world.stakes().items() if o != GUILTY} == honest
    for who, tokens in paid_out(world).items():
        assert world.balance(who) == purses[who] + tokens
    world.change()
    assert GUILTY not in world.weights(world.epoch)


def paid_out(world: StoryWorld) -> dict[str, int]:
    """Tokens of a penalty of the least fraction: the treasury's, or Symbiotic's burner's; EigenLayer burns.

    The finder gets none: the operator has no part of its own in its pool, so nobody can have proven himself for it.
    """
    part = DEPOSIT * LEAST // WAD
    out = dict.fromkeys((FINDER, TREASURY, BURNER), 0)
    for one in world.parts:
        if isinstance(one, SymbioticPart):
            out[BURNER] += part
        elif isinstance(one, DelegatedPart):
            out[TREASURY] += part
    return out


def test_a_case_that_is_given_back_leaves_everything_as_it_was(world: StoryWorld) -> None:
    """But the key, which is used, and the sets that it was cut from; with another one it weighs again what it weighed."""
    stakes, purses = world.stakes(), {who: world.balance(who) for who in (FINDER, TREASURY, BURNER, *RESTAKERS)}
    weights = world.weights(2)
    key, case = lied(world)
    assert world.stake(GUILTY) < stakes[GUILTY]
    world.ok(world.penalties, "giveBack", case, by=ARBITER)
    assert world.stakes() == stakes
    assert {who: world.balance(who) for who in purses} == purses
    assert world.evm.call(world.penalties, "carryOut", case)[0] == "NotNow"
    world.ok(world.book, "setKey", world.consent(GUILTY), by=GUILTY)
    world.ok(world.set, "join", by=GUILTY)
    world.arm(without=[key])
    world.take_over()
    for _ in range(5):
        epoch = world.change()
        if world.weights(epoch) == weights:
            break
    assert world.weights(epoch) == weights
    assert world.in_store()[world.key_of(GUILTY)] == weights[GUILTY]


def test_an_exit_opens_when_words_are_old_and_not_before(world: StoryWorld) -> None:
    epoch = world.freeze()
    bound = int(world.ask(world.set, "boundUntil", GROWN))
    assert bound == world.frozen(epoch)[1]
    for part in world.parts:
        with world.branch():
            before, stake = world.balance(RESTAKERS[0]), world.stake(GROWN)
            part.ask_exit(RESTAKERS[0], GROWN, DEPOSIT // 2)
            assert world.stake(GROWN) == stake - world.value(DEPOSIT // 2), "what is leaving counts no more"
            closed, opens = part.opens(RESTAKERS[0], GROWN)
            assert closed >= bound
            for time_s in (bound, closed):
                world.until(time_s)
                assert part.take_out(RESTAKERS[0], GROWN) != ""
            world.until(opens)
            assert part.take_out(RESTAKERS[0], GROWN) == ""
            assert world.balance(RESTAKERS[0]) == before + DEPOSIT // 2


@pytest.mark.parametrize("asset", ["ether", "wdivETH"])
def test_an_epoch_s_rewards_reach_operator_and_restaker(world: StoryWorld, asset: str) -> None:
    """Funded, said by all, computed from the frozen set, signed by weight T, posted, claimed, and claimed again from the sources."""
    token = ETHER if asset == "ether" else world.token
    epoch = world.change()
    pay = EpochPay(world, epoch)
    pay.fund(token, POT)
    world.change()
    report = pay.report()
    keys, _, weights = world.members(epoch)
    few = next(n for n in range(6) if sum(weights[:n]) >= world.frozen(epoch)[2])
    assert pay.post(report, keys[: few - 1]) == "BelowThreshold"
    assert pay.post(report, keys[:few]) == ""
    assert pay.post(report, keys[:few]) == "Closed"
    frozen = world.weights(epoch)
    for source, part in enumerate(world.parts):
        amount = pay.claim(report, GROWN, source, token)
        stakes = world.at_freeze[epoch][GROWN]
        assert amount == POT * frozen[GROWN] * stakes[source] // (sum(weights) * sum(stakes))
        own, rest = part.claim_rewards(GROWN, RESTAKERS[0], token)
        assert own == amount // 10
        assert amount - own - 1 <= rest <= amount - own
    claimed = sum(leaf.amount for leaf in report.leaves if leaf.operator == bytes.fromhex(GROWN[2:]))
    assert world.ask(world.rewards, "potOf", epoch, token) == (POT, POT - claimed)


@pytest.mark.parametrize("world", [kind for kind in KINDS if kind != "delegated"], indirect=True)
def test_an_epoch_s_rewards_go_by_its_own_freeze_however_late_they_are_claimed(world: StoryWorld) -> None:
    """What came after it, and was frozen for later epochs, has no part in it, where a protocol keeps a history."""
    epoch = world.change()
    pay = EpochPay(world, epoch)
    pay.fund(world.token, POT)
    for part in world.parts:
        if isinstance(part, SymbioticPart):
            part.put_in(RESTAKERS[1], GROWN, 3 * DEPOSIT)
    for _ in range(4):
        world.change()
    report = pay.report()
    assert pay.post(report, world.members(epoch)[0]) == ""
    for source, part in enumerate(world.parts):
        amount = pay.claim(report, GROWN, source, world.token)
        if isinstance(part, EigenPart):
            start, duration = decode(["uint256", "uint256"], world.evm.event(SUBMITTED)[32:])
            assert (start, duration) == (world.frozen(epoch)[0] // DAY_S * DAY_S - DAY_S, DAY_S)
        elif isinstance(part, SymbioticPart):
            rest = part.claim_rewards(GROWN, RESTAKERS[0], world.token)[1]
            assert amount - amount // 10 - 1 <= rest <= amount - amount // 10
