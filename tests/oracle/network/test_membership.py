"""Members of a round: a function of its time and of the chain, and the set whose signatures the store takes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from oracle.agree.leaders import NO_RANDOMNESS, leader_order
from oracle.chain.store_rules import MAX_AHEAD_S
from oracle.network.membership import (
    ChainOfSets,
    EpochExpired,
    MembersUnknown,
    Seed,
    SetChange,
    lag_of,
    randomness_of,
    seed_time_s,
)
from oracle.sign.messages import SignerSet
from oracle.sign.stored_sets import SetState, StoredSet
from tests.oracle.network.owned_store import DELAY_S, OwnedStore

ROUND_S, STEP_S = 10, 5
LONGEST_S = DELAY_S + 3_600


def known(changes: list[SetChange], head_s: int, lag_s: int = MAX_AHEAD_S) -> ChainOfSets:
    return ChainOfSets(changes=tuple(changes), head_s=head_s, lag_s=lag_s, seeds={})


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_owner_does_no_round_is_lost(seed: int) -> None:
    """Rotations, arming, removals, emergencies: each round's set, by the rule, is one whose batch the store takes then.

    The one thing that the rule does not survive is left out: an owner that replaces an armed set in its last 30 s.
    """
    rng = random.Random(seed)
    owned = OwnedStore(rng)
    rounds: Counter[int] = Counter()
    for _ in range(600):
        owned.evm.jump(STEP_S)
        if rng.random() < 0.12:
            owned.act()
            owned.note()
        if owned.now % ROUND_S == 0 and owned.now >= owned.changes[0].time_s + MAX_AHEAD_S:
            members = known(owned.changes, owned.now).at(owned.now)
            assert owned.push(members.signers, owned.now) == ""
            owned.note()
            rounds[members.signers.epoch] += 1
    assert rounds.total() > 250
    assert len(rounds) > 3, "sets did follow each other"


@pytest.mark.parametrize("seed", range(4))
def test_nobody_has_a_round_of_an_expired_set(seed: int) -> None:
    """By the rule a round is nobody's exactly where the store refuses it as expired; the next set's rounds are taken again."""
    rng = random.Random(50 + seed)
    owned = OwnedStore(rng, longest_s=LONGEST_S)
    rounds: Counter[str] = Counter()
    for _ in range(700):
        owned.evm.jump(STEP_S if rng.random() < 0.99 else rng.choice((1_000, LONGEST_S)))
        if rng.random() < 0.15:
            owned.act()
            owned.note()
        if owned.now % ROUND_S == 0 and owned.now >= owned.changes[0].time_s + MAX_AHEAD_S:
            sets = known(owned.changes, owned.now)
            try:
                signers, wanted = sets.at(owned.now).signers, ""
            except EpochExpired:
                signers, wanted = sets.stored_at(owned.now).signers, "Expired"
            assert owned.push(signers, owned.now) == wanted
            owned.note()
            rounds[wanted] += 1
    assert min(rounds[""], rounds["Expired"]) > 20, rounds


def test_a_set_has_no_round_from_its_end_on_and_is_still_looked_at() -> None:
    ending = replace(OLD, signers=replace(OLD.signers, expires_s=900))
    sets = known([SetChange(500, SetState(present=ending, coming=NEW, ends_s=1_000))], 990)
    assert sets.at(899).signers.epoch == 1
    for round_s in (900, 999):
        with pytest.raises(EpochExpired, match="epoch 1 expired at 900"):
            sets.at(round_s)
        assert sets.newest_at(round_s) == ending.signers, "who looks sees who was there"
    assert sets.at(1_000).signers == NEW.signers


def test_the_histories_are_no_idle_ones() -> None:
    seen: Counter[str] = Counter()
    for seed in range(6):
        rng = random.Random(seed)
        owned = OwnedStore(rng)
        for _ in range(600):
            owned.evm.jump(STEP_S)
            if rng.random() < 0.12:
                owned.act()
                owned.note()
        seen.update(owned.counts)
    wanted = {"name taken", "arm taken", "remove taken", "remove_next taken", "remove_next TooLate", "emergency taken"}
    assert set(seen) >= wanted


@pytest.mark.parametrize("seed", range(4))
def test_members_that_looked_at_different_times_agree(seed: int) -> None:
    """Once the chain was seen to be as far as a round's lag, nothing later changes whose round it is."""
    rng = random.Random(100 + seed)
    owned = OwnedStore(rng)
    first_s = owned.now
    for _ in range(400):
        owned.evm.jump(STEP_S)
        if rng.random() < 0.1:
            owned.act()
            owned.note()
    whole = known(owned.changes, owned.now)
    for round_s in range(first_s + MAX_AHEAD_S, owned.now, ROUND_S):
        looked_s = round_s - MAX_AHEAD_S + rng.randrange(0, 60)
        early = known([c for c in owned.changes if c.time_s <= looked_s], looked_s)
        assert early.at(round_s) == replace(whole.at(round_s), certain=True)


def stored(epoch: int, from_s: int, *weights: int) -> StoredSet:
    members = tuple(bytes([epoch, i]).rjust(20, b"\1") for i in range(len(weights)))
    domain = OwnedStore(random.Random(1)).domain
    signers = SignerSet(
        domain=domain, epoch=epoch, signers=members, weights=weights, threshold=sum(weights) * 2 // 3 + 1
    )
    return StoredSet(signers=signers, strong=sum(weights), from_s=from_s)


OLD, NEW = stored(1, 0, 1, 1, 1, 1), stored(2, 1_000, 2, 2, 2, 2)


def test_a_set_leads_from_its_first_round_on_and_not_before() -> None:
    """Before storage advances, and after; an overlap is for rounds from before its end alone."""
    waiting = SetState(present=OLD, coming=NEW, ends_s=1_000)
    advanced = SetState(present=NEW, before=OLD)
    for state in (waiting, advanced):
        assert [state.at(r) for r in (990, 999, 1_000, 1_010)] == [OLD, OLD, NEW, NEW]
    unarmed = SetState(present=OLD, coming=NEW)
    assert [unarmed.at(r) for r in (999, 1_000, 9_000)] == [OLD, OLD, OLD]


def test_a_round_that_is_older_than_what_is_known_has_no_members() -> None:
    sets = known([SetChange(500, SetState(present=OLD))], 600)
    assert sets.at(530).signers == OLD.signers
    with pytest.raises(MembersUnknown, match="round 529 is, is said by the chain as of 499, and known is from 500 on"):
        sets.at(529)
    with pytest.raises(MembersUnknown, match="known is nothing"):
        known([], 600).at(600)


def test_a_chain_that_stands_still_is_no_reason_to_stop_and_it_is_said() -> None:
    sets = known([SetChange(500, SetState(present=OLD))], 600)
    assert [sets.at(r).certain for r in (600, 630, 640)] == [True, True, False]
    assert sets.at(640).signers == OLD.signers


def test_a_store_without_a_delay_is_looked_at_at_the_round_itself() -> None:
    assert [lag_of(d) for d in (0, 31, 86_400)] == [0, 30, 30]
    rng = random.Random(3)
    owned = OwnedStore(rng, delay_s=0)
    for _ in range(200):
        owned.evm.jump(STEP_S)
        if rng.random() < 0.2:
            owned.act()
            owned.note()
        if owned.now % ROUND_S == 0:
            assert owned.push(known(owned.changes, owned.now, 0).at(owned.now).signers, owned.now) == ""


# --------------------------------------------------------------------------------------------------------- randomness


def test_randomness_counts_from_half_a_minute_after_its_block_on() -> None:
    """A function of block times: whether a member has read the block yet is not asked."""
    seed = Seed(time_s=seed_time_s(NEW) + 7, hash=b"\x77" * 32)
    assert seed_time_s(NEW) == NEW.from_s - 30
    assert [randomness_of(NEW, seed, r) for r in (1_000, 1_006, 1_007, 1_010)] == [NO_RANDOMNESS] * 2 + [seed.hash] * 2
    assert randomness_of(NEW, None, 1_010) == NO_RANDOMNESS
    assert randomness_of(OLD, Seed(0, b"\x77" * 32), 1_010) == NO_RANDOMNESS, "the first set of a store"


def test_the_order_is_the_draw_of_its_epoch() -> None:
    seed = Seed(time_s=970, hash=b"\x77" * 32)
    changes = (SetChange(500, SetState(present=OLD, coming=NEW, ends_s=1_000)),)
    sets = ChainOfSets(changes=changes, head_s=1_010, lag_s=30, seeds={NEW.from_s: seed})
    for round_s, one, randomness in ((990, OLD, NO_RANDOMNESS), (1_000, NEW, seed.hash), (1_010, NEW, seed.hash)):
        members = sets.at(round_s)
        assert (members.signers, members.randomness) == (one.signers, randomness)
        assert members.order == leader_order(one.signers, randomness, round_s)


def test_sets_are_seeded_once_their_block_may_be_there() -> None:
    state = SetState(present=OLD, coming=NEW, ends_s=1_000)
    for head_s, wanted in ((969, ()), (970, (NEW,))):
        assert known([SetChange(0, state)], head_s).sets_to_seed() == wanted
    assert known([SetChange(0, SetState(present=OLD, coming=NEW))], 2_000).sets_to_seed() == ()
    assert known([], 2_000).sets_to_seed() == ()
    assert DELAY_S > MAX_AHEAD_S
