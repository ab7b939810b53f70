"""Who moved first: exact where it is known, the same from both sides, and silent about what the rounds do not show."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeAlias

import pytest

from lab.shadow.moves import Mover, Pairing, PriceMove, price_moves

WAD = 10**18
Series: TypeAlias = list[float | None]
STEP_S, GAP_S, WAIT_S = 10, 30, 600


def moves(
    ours: Sequence[float | None], theirs: Sequence[float | None], *, bps: int = 50, wait_s: int = WAIT_S
) -> tuple[PriceMove, ...]:
    """Steps of two series, a round each ``STEP_S``; None: absent."""
    both = (
        Pairing(at_s=i * STEP_S, ours=round(a * WAD), theirs=round(b * WAD))
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
        if a is not None and b is not None
    )
    return price_moves(both, move_bps=bps, wait_s=wait_s, gap_s=GAP_S, join_s=GAP_S)[0]


def spells(*parts: tuple[float | None, int]) -> Series:
    """So many rounds of each price."""
    return [price for price, rounds in parts for _ in range(rounds)]


def walk(rng: random.Random, length: int) -> Series:
    """A wild walk with spells of absence."""
    price, out, absent = 1.0, Series(), 0
    for _ in range(length):
        price *= 1 + rng.choice((0, 0, 0, 0.003, -0.003, 0.011, -0.011))
        absent = absent - 1 if absent else (rng.randrange(1, 7) if rng.random() < 0.03 else 0)
        out.append(None if absent else price)
    return out


@pytest.mark.parametrize("seed", range(40))
def test_the_lead_is_the_same_from_both_sides(seed: int) -> None:
    rng = random.Random(seed)
    ours, own = walk(rng, 400), walk(rng, 400)
    lagged = Series([None] * 3) + ours[:-3] if seed % 2 else own
    found, turned = moves(ours, lagged, wait_s=200), moves(lagged, ours, wait_s=200)
    assert len(found) > 20
    assert {m.mover for m in found} >= {Mover.OURS, Mover.BOTH, Mover.UNKNOWN}
    assert sorted((m.swapped() for m in turned), key=repr) == sorted(found, key=repr)
    leads = [[m.lead_s for m in one if m.lead_s is not None] for one in (found, turned)]
    assert sorted(leads[0]) == sorted(-lead for lead in leads[1])


def test_a_series_that_follows_another_is_late_by_its_lag_at_every_step() -> None:
    ours = [1 + min(40, max(0, i - 10)) * 0.0013 for i in range(120)]
    theirs = [1.004 * p for p in [ours[0]] * 4 + ours[:-4]]
    found = moves(ours, theirs)
    assert {(m.mover, m.first, m.lead_s, m.within_s) for m in found} == {(Mover.BOTH, "ours", 4 * STEP_S, STEP_S)}
    assert len(found) == 10, "a fall or rise of 5.2 % has ten steps of 0.5 %"
    (move,) = price_moves(
        [Pairing(at_s=i * STEP_S, ours=round(a * WAD), theirs=round(b * WAD)) for i, (a, b) in enumerate(zip(ours, theirs, strict=True))],
        move_bps=50, wait_s=WAIT_S, gap_s=GAP_S, join_s=60,
    )[1]  # fmt: skip
    assert (move.steps, move.lead_s, move.is_up) == (10, 4 * STEP_S, True)


def test_a_constant_reference_makes_no_move_and_neither_does_noise_within_a_step() -> None:
    noise = [1 + 0.002 * (i % 3) for i in range(50)]
    assert moves(noise, [2.0] * 50) == ()
    spike = [1.0] * 10 + [1.02] * 5 + [1.0] * 30
    found = moves(spike, [2.0] * 45)
    assert {(m.mover, m.taken_back, m.theirs_s) for m in found} == {(Mover.OURS, True, None)}
    assert [m.swapped().mover for m in found] == [Mover.THEIRS] * 3, "1.02 is three steps of 0.5 % and a bit"


def test_what_is_seen_in_one_round_has_no_first() -> None:
    (move,) = moves([1.0, 1.0, 1.006], [3.0, 3.0, 3.018])
    assert (move.mover, move.first, move.lead_s) == (Mover.BOTH, "unknown", None)


def test_a_gap_is_not_agreement() -> None:
    ours = spells((1.0, 5), (1.006, 20))
    absent = spells((2.0, 4), (None, 10), (2.012, 11))
    (hidden,) = moves(ours, absent)
    assert (hidden.mover, hidden.first, hidden.lead_s) == (Mover.BOTH, "unknown", None)
    assert hidden.within_s == 11 * STEP_S, "it was made somewhere in the gap"
    led = spells((2.0, 8), (None, 10), (2.012, 7))
    (seen,) = moves(ours, led)
    assert (seen.first, seen.lead_s, seen.within_s) == ("ours", 130, 11 * STEP_S), "ours was seen before the gap"


def test_what_one_did_while_the_other_was_absent_is_not_said_to_be_its_move_alone() -> None:
    spike = spells((1.0, 5), (1.006, 20), (1.0, 60))
    still = spells((2.0, 85))
    (alone,) = moves(spike, still)
    assert (alone.mover, alone.taken_back) == (Mover.OURS, True)
    (doubtful,) = moves(spike, spells((2.0, 8), (None, 6), (2.0, 71)))
    assert (doubtful.mover, doubtful.taken_back) == (Mover.UNKNOWN, True)
    late = spells((1.0, 5), (1.006, 80))
    (unfollowed,) = moves(late, spells((2.0, 20), (None, 6), (2.0, 59)))
    assert unfollowed.mover is Mover.UNKNOWN


def test_who_did_not_follow_in_time_did_not_follow_and_before_that_nothing_is_said() -> None:
    ours = [1.0] * 5 + [1.006] * 100
    still = spells((2.0, 105))
    (alone,) = moves(ours, still)
    assert (alone.mover, alone.taken_back) == (Mover.OURS, False)
    (open_yet,) = moves(ours[:20], still[:20])
    assert (open_yet.mover, open_yet.ours_s, open_yet.theirs_s) == (Mover.UNKNOWN, 50, None)


def test_after_a_move_of_one_alone_the_next_move_of_both_is_timed_again() -> None:
    ours = [1.0] * 5 + [1.006] * 80 + [1.006 * 1.007] * 20
    theirs = [2.0] * 87 + [2.0 * 1.007] * 18
    found = moves(ours, theirs)
    assert [(m.mover, m.lead_s) for m in found] == [(Mover.OURS, None), (Mover.BOTH, 20)]
