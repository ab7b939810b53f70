"""What a node keeps in memory: each round once, all of an hour, one a minute before that, nothing beyond."""

from __future__ import annotations

import itertools
from dataclasses import replace

from oracle.follow.follower import VerifiedRound
from oracle.node.kept_rounds import KeptRounds
from tests.oracle.serve.memory_service import ROUND_S, record, sealed_by_two

OWN = "wdivETH/ETH"
NOON_S = ROUND_S - ROUND_S % 60


def verified(round_s: int) -> VerifiedRound:
    one = record(OWN, round_s)
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
