"""Integer arithmetic rounds as its name says."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from feeds import units
from feeds.units import BPS, WAD

WIDE = st.integers(-(10**40), 10**40)
POSITIVE = st.integers(1, 10**40)


@given(WIDE, WIDE, POSITIVE)
def test_down_and_up_enclose_the_exact_value(a: int, b: int, c: int) -> None:
    exact = Fraction(a * b, c)
    down, up = units.mul_div_down(a, b, c), units.mul_div_up(a, b, c)
    assert down <= exact <= up
    assert up - down == (exact.denominator != 1)
    assert units.div_up(a, c) == units.mul_div_up(a, 1, c)


@given(POSITIVE, POSITIVE)
def test_a_quotient_times_its_divisor_never_exceeds(a: int, b: int) -> None:
    assert units.wad_mul_down(units.wad_div_down(a, b), b) <= a


@given(WIDE, WIDE)
def test_the_middle_lies_between(a: int, b: int) -> None:
    assert min(a, b) <= units.mid_down(a, b) <= max(a, b)
    assert units.mid_down(a, b) == units.mid_down(b, a)


@given(st.integers(0, 10**40), POSITIVE)
def test_no_deviation_is_understated(value: int, reference: int) -> None:
    bps = units.deviation_bps_away(value, reference)
    exact = Fraction((value - reference) * BPS, reference)
    assert abs(exact) <= abs(bps) < abs(exact) + 1
    assert (bps > 0) == (value > reference)
    assert (bps < 0) == (value < reference)


@given(WIDE)
def test_wad_text_is_exact(wad: int) -> None:
    assert Fraction(units.wad_text(wad)) * WAD == wad


def test_texts_are_cut_not_rounded() -> None:
    assert units.wad_text(1_999_999_999_999_999_999, 2) == "1.99"
    assert units.wad_text(-WAD // 2, 0) == "-0"
    assert units.percent_text(602) == "6.02 %"
