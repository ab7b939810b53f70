"""The standard book, by hand: 100 loans of 50.00 %, 50.44 % ... 93.56 % of the first worth, liquidated beyond 94.50 %."""

from __future__ import annotations

from feeds.units import WAD
from tests.lab.lab_tools import harm


def open_(*prices: float | None) -> list[tuple[int | None, bool]]:
    return [(None if p is None else round(p * 1_000) * WAD // 1_000, True) for p in prices]


def truths(*values: float) -> list[int]:
    return [round(v * 1_000) * WAD // 1_000 for v in values]


def test_a_right_price_harms_nobody() -> None:
    done = harm(open_(1, 0.8, 0.6), truths(1, 0.8, 0.6))
    assert (done.wrong, done.under_water, done.drained) == (0, 0, False)


def test_a_price_too_low_liquidates_those_above_its_limit() -> None:
    """At 0.9 the limit is 0.8505: loans from place 80 (85.20 %) on, 20 of them; at 0.2 it is 0.189: all."""
    assert harm(open_(1, 0.9), truths(1, 1)).wrong == 20
    assert harm(open_(1, 0.2), truths(1, 1)).wrong == 100


def test_a_fall_seen_a_moment_early_is_not_wrong() -> None:
    assert harm(open_(1, 0.9, 0.9), truths(1, 1, 0.9)).wrong == 0


def test_a_price_too_high_leaves_them_under_water() -> None:
    """Worth 0.9, believed 1: nobody is liquidated; loans above 90 % are 90.04 % (place 91) to 93.56 %, nine of them."""
    assert harm(open_(1, 1), truths(1, 0.9)).under_water == 9


def test_a_borrower_who_gets_more_than_the_collateral_is_worth_drains() -> None:
    """94.5 % of 1.06 is 1.0017."""
    assert harm(open_(1.06), truths(1)).drained
    assert not harm(open_(1.058), truths(1)).drained


def test_a_halt_and_no_price_do_nothing_but_let_the_water_rise() -> None:
    assert harm([(WAD // 5, False), (None, True)], truths(1, 1)).wrong == 0
    assert harm([(WAD, True), (5 * WAD, False)], truths(1, 0.5)).under_water == 99
    assert not harm([(5 * WAD, False)], truths(1)).drained
