"""The same report everywhere, whatever each operator heard. Invariants of docs/invariants.md, each under its name there."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.rewards.attended import AttendedRound, epoch_attendance
from oracle.rewards.credits import EpochCredits, absent_operators, epoch_credits
from oracle.rewards.grounds import BadGrounds, check_grounds, make_grounds
from oracle.rewards.merkle import EMPTY_ROOT, MerkleTree
from oracle.rewards.report import ETHER, EpochRewards, epoch_rewards
from oracle.rewards.review import review
from oracle.sign.epoch_words import EpochAttendance
from tests.oracle.rewards.rewards_epoch import ALL_KEYS, DOMAIN, EPOCH, POTS, SeenEpoch, frozen_of, signed_attendance

TESTS = Path(__file__).parents[2]
DOC = TESTS.parent / "docs" / "invariants.md"
OTHERS = (TESTS / "contracts" / "stake" / "test_rewards.py", TESTS / "oracle" / "sign" / "test_epoch_words.py")
seeds = st.integers(0, 10**9)


def rewards_of(epoch: SeenEpoch) -> EpochRewards:
    return epoch_rewards(make_grounds(epoch.frozen, epoch.stakes(), epoch.words()), POTS)


@settings(max_examples=25)
@given(seed=seeds)
def test_every_node_computes_the_same_root(seed: int) -> None:
    """Whatever it heard itself and in whatever order words, rounds and pots come, with words that count for nothing among them."""
    epoch = SeenEpoch(seed)
    words = dict(epoch.words())
    expected = epoch_rewards(make_grounds(epoch.frozen, epoch.stakes(), words), POTS)
    stranger = replace(signed_attendance(words[epoch.frozen.keys[0]].said, 0), address=b"\x09" * 20)
    for _node in range(3):
        order = epoch.rng.sample(list(words.items()), len(words))
        shuffled = dict(epoch.rng.sample(list(POTS.items()), len(POTS)))
        again = epoch_rewards(
            make_grounds(epoch.frozen, epoch.stakes(), {stranger.address: stranger, **dict(order)}), shuffled
        )
        assert again.word == expected.word
        assert again.leaves == expected.leaves
    posted = check_grounds(epoch.frozen, expected.grounds.raw)
    assert epoch_rewards(posted, POTS).word == expected.word


@settings(max_examples=25)
@given(seed=seeds)
def test_a_restart_changes_no_word(seed: int) -> None:
    """What is stored in parts, twice, in any order and among rounds of other epochs is said as if it were stored once."""
    epoch = SeenEpoch(seed)
    rounds = epoch.seen[0]
    expected = epoch_attendance(epoch.frozen, rounds)
    parts = [replace(r, signed=frozenset(epoch.rng.sample(sorted(r.signed), len(r.signed) // 2))) for r in rounds]
    others = [replace(r, epoch=EPOCH + epoch.rng.choice([-1, 1])) for r in rounds]
    stored = [*parts, *rounds, *others]
    assert epoch_attendance(epoch.frozen, epoch.rng.sample(stored, len(stored))) == expected
    assert expected.rounds == len(rounds)


@settings(max_examples=40)
@given(seed=seeds)
def test_nobody_is_credited_with_what_no_honest_operator_saw(seed: int) -> None:
    """Nor do rounds count that no honest one knows; and liars take nothing from whom all others saw."""
    epoch = SeenEpoch(seed)
    seen = epoch_credits(epoch.frozen, list(epoch.words().values()))
    honest = [epoch_attendance(epoch.frozen, epoch.seen[m]) for m in epoch.honest]
    assert min(w.rounds for w in honest) <= seen.rounds <= max(w.rounds for w in honest)
    for i, credited in enumerate(seen.credited):
        assert min(w.counts[i] for w in honest) <= credited <= max(w.counts[i] for w in honest)
        assert credited <= seen.rounds


def test_credits_are_what_weight_t_saw() -> None:
    """By hand: of weights 40, 25, 20 and 15 it takes 67."""
    frozen = frozen_of((40, 25, 20, 15))
    counts = ((9, 9, 0, 9), (9, 8, 9, 3), (9, 7, 9, 2), (0, 0, 9, 1))
    words = [
        signed_attendance(EpochAttendance(domain=DOMAIN, epoch=EPOCH, rounds=r, counts=c), m)
        for m, (r, c) in enumerate(zip((9, 9, 10, 99), counts, strict=True))
    ]
    assert epoch_credits(frozen, words) == EpochCredits(rounds=10, credited=(9, 7, 0, 2))
    assert epoch_credits(frozen, words[1:]) == EpochCredits(rounds=10, credited=(0, 0, 0, 0)), "60 of weight"
    assert epoch_credits(frozen, words[:3]) == EpochCredits(rounds=9, credited=(9, 7, 0, 2))


@settings(max_examples=40)
@given(seed=seeds)
def test_no_more_is_owed_than_the_pot(seed: int) -> None:
    """Of each asset, and of each operator no more than its weight of W; less what its absence left."""
    rewards = rewards_of(SeenEpoch(seed))
    frozen = rewards.grounds.frozen
    for asset, pot in POTS.items():
        assert 0 <= rewards.left(asset) <= pot
        for i, operator in enumerate(frozen.operators):
            owed = sum(x.amount for x in rewards.leaves if (x.asset, x.operator) == (asset, operator))
            earned = pot * frozen.weights[i] * rewards.seen.credited[i]
            assert owed * frozen.total * max(rewards.seen.rounds, 1) <= earned
            if sum(rewards.grounds.grounds.stakes[i]) and rewards.seen.rounds:
                assert earned // (frozen.total * rewards.seen.rounds) - owed < 3, "one of each source is rounded down"
    assert all(x.amount > 0 and x.epoch == EPOCH for x in rewards.leaves)
    assert len({x.hash for x in rewards.leaves}) == len(rewards.leaves)


@settings(max_examples=40)
@given(seed=seeds)
def test_absent_operators_weigh_w_minus_t_at_most(seed: int) -> None:
    frozen = SeenEpoch(seed).frozen
    rng = random.Random(seed)
    seen = EpochCredits(rounds=20, credited=tuple(rng.choice([0, 9, 10, 20]) for _ in frozen.keys))
    absent = absent_operators(frozen, seen)
    weights = dict(zip(frozen.operators, frozen.weights, strict=True))
    assert sum(weights[o] for o in absent) <= frozen.total - frozen.threshold
    assert list(absent) == sorted(set(absent))
    few = {o for o, c in zip(frozen.operators, seen.credited, strict=True) if c < 10}
    assert set(absent) <= few
    spare = frozen.total - frozen.threshold - sum(weights[o] for o in absent)
    assert all(weights[o] > spare for o in few - set(absent)), "whoever fits is named"


def test_nobody_earns_by_another_s_absence() -> None:
    frozen = frozen_of((30, 30, 30, 10))
    stakes = [[5, 5]] * 4
    owed = []
    for counts in ((9, 9, 9, 9), (9, 9, 3, 9)):
        said = EpochAttendance(domain=DOMAIN, epoch=EPOCH, rounds=9, counts=counts)
        words = {frozen.keys[m]: signed_attendance(said, m) for m in range(4)}
        rewards = epoch_rewards(make_grounds(frozen, stakes, words), {ETHER: 900})
        owed.append({o: sum(x.amount for x in rewards.leaves if x.operator == o) for o in frozen.operators})
    whole, without = owed
    third = frozen.operators[2]
    assert {**whole, third: 0} == {**without, third: 0}
    assert (whole[third], without[third]) == (270, 90)


def test_an_epoch_without_rounds_or_funds_owes_nothing() -> None:
    frozen = frozen_of((1, 1, 1, 1))
    said = EpochAttendance(domain=DOMAIN, epoch=EPOCH, rounds=0, counts=(0,) * 4)
    words = {frozen.keys[m]: signed_attendance(said, m) for m in range(4)}
    for stakes in ([[1]] * 4, [[0]] * 4, [[]] * 4):
        rewards = epoch_rewards(make_grounds(frozen, stakes, words), {ETHER: 900})
        assert (rewards.leaves, rewards.absent, rewards.word.root) == ((), (), EMPTY_ROOT)
    with pytest.raises(ValueError, match="not in list"):
        MerkleTree(()).proof(bytes(32))


# ------------------------------------------------------------------------------------------------------------- grounds


def test_grounds_that_bear_no_report_are_refused() -> None:
    epoch = SeenEpoch(3)
    frozen, words = epoch.frozen, dict(epoch.words())
    raw = make_grounds(frozen, epoch.stakes(), words).raw
    each = 1 + 4 + 3 * len(frozen.keys) + 64
    bent: dict[bytes, str] = {
        b"": "version none",
        b"\x02" + raw[1:]: "version 02",
        raw[:-1]: "cut off",
        raw + raw[-each:]: "not of one member each, ascending",
        raw[:-each] + b"\xff" + raw[1 - each :]: "nobody in the set",
        raw[:-1] + bytes([raw[-1] ^ 1]): "signed by somebody else|signature",
        raw[:-each]: "",
    }
    for given_raw, why in bent.items():
        if why:
            with pytest.raises(BadGrounds, match=why):
                check_grounds(frozen, given_raw)
        else:
            assert check_grounds(frozen, given_raw).raw == given_raw, "the others suffice"
    few = {k: w for k, w in words.items() if k == frozen.keys[0]}
    with pytest.raises(BadGrounds, match="words of weight"):
        make_grounds(frozen, epoch.stakes(), few)
    elsewhere = replace(frozen, epoch=EPOCH + 1)
    with pytest.raises(BadGrounds, match=r"signed by somebody else|signature"):
        check_grounds(elsewhere, raw)
    with pytest.raises(BadGrounds, match="words of weight 0"):
        make_grounds(elsewhere, epoch.stakes(), words)


@pytest.mark.parametrize("counts", [(9, 9, 9), (9, 9, 9, 10), (-1, 9, 9, 9)])
def test_a_word_has_one_count_of_each_member_up_to_the_rounds(counts: tuple[int, ...]) -> None:
    said = EpochAttendance(domain=DOMAIN, epoch=EPOCH, rounds=9, counts=(9, 9, 9, 9))
    word = signed_attendance(said, 0)
    assert word.fault(4) == ""
    assert replace(word, said=replace(said, counts=counts)).fault(4).startswith("it has not one count of each member")
    assert replace(word, address=b"\1" * 20).fault(4) == "it is signed by somebody else"
    assert "64 bytes" in replace(word, signature=b"").fault(4)


def test_a_report_is_signed_only_as_it_is_computed_here() -> None:
    """And with every word that was heard here in time: who leaves one out could choose whose count."""
    epoch = SeenEpoch(5)
    frozen, words, stakes = epoch.frozen, dict(epoch.words()), epoch.stakes()
    right = epoch_rewards(make_grounds(frozen, stakes, words), POTS)
    here: dict[str, Any] = {"stakes": stakes, "pots": POTS, "held": words}
    assert review(frozen, right.grounds.raw, right.word, **here) == right
    assert review(frozen, right.grounds.raw, right.word, **{**here, "held": {}}) == right
    liar = replace(words[frozen.keys[0]], signature=bytes(64))
    assert review(frozen, right.grounds.raw, right.word, **{**here, "held": {b"\1": liar}}) == right
    left_out = frozen.keys[min(range(len(frozen.keys)), key=lambda i: frozen.weights[i])]
    less = epoch_rewards(make_grounds(frozen, stakes, {k: w for k, w in words.items() if k != left_out}), POTS)
    no = review(frozen, less.grounds.raw, less.word, **here)
    assert no == (f"the word of 0x{left_out.hex()} is left out",)
    no = review(frozen, right.grounds.raw, right.word, **{**here, "stakes": [[1]] * len(stakes)})
    assert no == ("the stakes are not those of the freeze, as they are read from the chain here",)
    for word in (replace(right.word, root=bytes(32)), replace(right.word, absent=(bytes(20),))):
        no = review(frozen, right.grounds.raw, word, **here)
        assert no == ("root or absent operators are not what follows from the grounds",)
    assert isinstance(review(frozen, b"", right.word, **here), tuple)


def test_rounds_that_a_member_did_not_see_are_others_to_say() -> None:
    """It was down for a while: what it lacks takes nothing from anybody while weight T saw them."""
    frozen = frozen_of((1, 1, 1, 1))
    rounds = [AttendedRound(epoch=EPOCH, round_time_s=n, signed=frozenset(frozen.keys)) for n in range(30)]
    stored = [rounds, rounds, rounds, rounds[:3]]
    words = [signed_attendance(epoch_attendance(frozen, r), m) for m, r in enumerate(stored)]
    assert epoch_credits(frozen, words) == EpochCredits(rounds=30, credited=(30,) * 4)
    assert len(ALL_KEYS) > len(words)


def test_the_laws_are_in_the_docs() -> None:
    told = DOC.read_text(encoding="utf-8").split("### Rewards\n")[1].split("\n##")[0]
    names = set(re.findall(r"`([a-z_0-9]+)`", told))
    tests = [*Path(__file__).parent.glob("test_*.py"), *OTHERS]
    there = set(re.findall(r"def test_([a-z_0-9]+)\(", "".join(p.read_text(encoding="utf-8") for p in tests)))
    assert len(names) > 10
    assert names <= there
