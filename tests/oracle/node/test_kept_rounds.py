"""What a node keeps in memory: each round once, all of an hour, one a minute before that, nothing beyond."""

from __future__ import annotations

import itertools
from dataclasses import replace

from oracle.follow.follower import VerifiedRound
from oracle.model.status import Status
from oracle.node.kept_rounds import KeptRounds
from tests.oracle.serve.memory_service import ROUND_S, record, sealed_by_two

OWN = "wdivETH/ETH"
NOON_S = ROUND_S - ROUND_S % 60


def verified(round_s: int, status: Status = Status.OK) -> VerifiedRound:
    one = record(OWN, round_s, status=status)
    agreement = sealed_by_two(one)
    return VerifiedRound(
        domain=agreement.signers.domain, round_time_s=round_s, agreement=agreement, records=(one,), silent=(), source="one",
        received_ms=round_s * 1_000,
    )  # fmt: skip


def times(kept: KeptRounds) -> list[int]:
    return [r.report.round_time_s for r in kept.history(OWN, 0, 1 << 45, 1 << 30)]


def test_all_of_an_hour_and_one_a_minute_before_it() -> None:
    kept = KeptRounds("home", 2 * 3_600, ["one"])
    for n in range(1_080):
        kept.put(verified(NOON_S + 10 * n))
    newest_s = NOON_S + 10 * 1_079
    found = times(kept)
    assert [t for t in found if t >= newest_s - 3_600] == list(range(newest_s - 3_600, newest_s + 1, 10))
    older = [t for t in found if t < newest_s - 3_600]
    assert older[0] >= newest_s - 7_200
    assert all(b - a == 60 for a, b in itertools.pairwise(older))


def test_other_words_replace_and_do_not_double_and_an_older_round_finds_its_place() -> None:
    kept = KeptRounds("home", 3_600, ["one"])
    kept.put(verified(NOON_S + 20))
    other = replace(verified(NOON_S + 20).records[0], computed_at_ms=1)
    kept.put(replace(verified(NOON_S + 20), records=(other,), is_first=False))
    kept.put(verified(NOON_S + 10))
    assert (times(kept), kept.record(OWN)) == ([NOON_S + 10, NOON_S + 20], other)
    assert [r.round_time_s for r in kept.sealed_after("home", 0, 9)] == [NOON_S + 20, NOON_S + 10], "as they came"
    assert [r.round_time_s for r in kept.sealed_after("home", kept.sequence_of("home", NOON_S + 20), 9)] == [
        NOON_S + 10
    ]
    kept.put(replace(verified(NOON_S), is_first=False))
    assert len(kept) == 2, "what was let go does not come back for its words"


def test_a_node_has_no_roll_ups_and_no_pushes() -> None:
    kept = KeptRounds("home", 3_600, ["one"])
    kept.put(verified(NOON_S))
    assert kept.roll_ups(OWN, 0, 1 << 45, 9) == ()
    assert kept.pushes_of(OWN, "home", 9) == ()


def test_it_says_from_when_on_every_round_is_there() -> None:
    kept = KeptRounds("home", 7_200, ["one"])
    assert kept.full_rate_since_s(OWN) == 0
    for n in range(0, 3_601, 30):
        kept.put(verified(NOON_S + n))
    assert kept.full_rate_since_s(OWN) == 0, "nothing was let go yet"
    for n in range(3_630, 3_721, 30):
        kept.put(verified(NOON_S + n))
    since_s = kept.full_rate_since_s(OWN)
    assert since_s == NOON_S + 120
    assert [t for t in times(kept) if t >= since_s] == list(range(since_s, NOON_S + 3_721, 30))
    assert [t for t in times(kept) if t < since_s] == [NOON_S, NOON_S + 60]


def test_a_course_has_the_newest_record_of_each_step_and_none_where_there_is_none() -> None:
    kept = KeptRounds("home", 7_200, ["one"])
    for n in (0, 10, 20, 30, 60, 90):
        kept.put(verified(NOON_S + n))
    found = kept.at_times(OWN, [NOON_S + n for n in (-30, 0, 30, 60, 90, 120, 150)], 30)
    assert [r and r.report.round_time_s - NOON_S for r in found] == [None, 0, 30, 60, 90, None, None]
    assert kept.at_times("no/feed", [NOON_S], 30) == [None]


def test_changes_come_newest_first_and_outlive_the_hour_with_the_rounds_at_which_they_were() -> None:
    kept = KeptRounds("home", 10_800, ["one"])
    assert kept.changes(OWN, 9) == []
    fell = {NOON_S + 130: Status.DEPEG, NOON_S + 140: Status.DEPEG, NOON_S + 3_000: Status.WATCH}
    for n in range(0, 7_300, 10):
        kept.put(verified(NOON_S + n, fell.get(NOON_S + n, Status.OK)))
    changes = kept.changes(OWN, 9)
    assert [(c.at_ms // 1_000 - NOON_S, c.before, c.after) for c in changes] == [
        (3_010, Status.WATCH, Status.OK), (3_000, Status.OK, Status.WATCH), (150, Status.DEPEG, Status.OK),
        (130, Status.OK, Status.DEPEG),
    ]  # fmt: skip
    assert kept.changes(OWN, 1) == changes[:1]
    old = [t - NOON_S for t in times(kept) if t - NOON_S < 240]
    assert old == [0, 60, 120, 130, 150, 180], "the first of each minute, and each change"
    assert kept.record(OWN, NOON_S + 130) is not None
