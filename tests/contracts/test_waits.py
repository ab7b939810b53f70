"""How a price beyond the step waits, ages and lands. Invariants of docs/invariants.md, each under its name there.

Everything is read from the raw words of storage: slot, gap, held.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.moves_world import (
    FIELD,
    GAP_S,
    GAPS_AT,
    HELD_AT,
    MARKET_HELD,
    RATE_HELD,
    STEP_BPS,
    TURNS,
    WAIT_S,
    begun,
    market,
    push,
    rate,
    round_of,
    slot,
    status,
    stored,
    times,
    true_at,
)
from tests.contracts.set_models import WAD
from tests.contracts.store_words import LOW_32, PRICE
from tests.contracts.whole_set import BOTH, WholeSet, packed

OUT_OF_RANGE = 11 << 4 | 2
AGE_S = 3
"""Age of the market price in every item here."""


@pytest.fixture
def whole() -> WholeSet:
    return begun()


@settings(max_examples=60, deadline=None)
@given(bps=st.integers(-STEP_BPS, STEP_BPS), far=st.sampled_from([-9_000, -501, 501, 20_000]), swapped=st.booleans())
def test_a_far_price_never_holds_back_a_near_one(bps: int, far: int, *, swapped: bool) -> None:
    """Of the two prices of a token each is dealt with alone, outside of a gap and inside."""
    whole = begun()
    for after_s in (GAP_S, 1):
        before = (market(whole), rate(whole))
        asked = [times(WAD, bps), times(before[not swapped], far)]
        signed = (asked[1], asked[0]) if swapped else (asked[0], asked[1])
        round_of(whole, signed[0], signed[1], after_s=after_s)
        got = market(whole), rate(whole)
        assert got[swapped] == asked[0], "the near one landed"
        assert got[not swapped] == before[not swapped]
        assert slot(whole) & (MARKET_HELD | RATE_HELD) == (MARKET_HELD if swapped else RATE_HELD)
        assert status(whole) == OUT_OF_RANGE


@settings(max_examples=60, deadline=None)
@given(turns=st.lists(TURNS, min_size=5, max_size=30))
def test_ages_of_a_held_price_grow_a_second_a_second(turns: list[tuple[int, int, int, int]]) -> None:
    """When a price was true stands still while it is held, and moves forward only with the price that was signed then."""
    whole = begun()
    heard: list[list[tuple[int, int]]] = [[(WAD, whole.evm.now - AGE_S)], [(WAD, whole.evm.now)]]
    for pace, state, bps, rate_bps in turns:
        whole.evm.jump(pace)
        at, before, ages = whole.evm.now, slot(whole), [true_at(whole, w) for w in (0, 1)]
        asked = times(before >> 168, bps), times(before >> 80 & PRICE, rate_bps)
        push(whole, at, packed(BOTH, asked, state))
        after = slot(whole)
        for which, (old, new) in enumerate(
            ((before >> 168, after >> 168), (before >> 80 & PRICE, after >> 80 & PRICE))
        ):
            heard[which].append((asked[which], at - (0 if which else AGE_S)))
            now_true = true_at(whole, which)
            if after & LOW_32 == at and after & MARKET_HELD >> which and old == new:
                assert now_true == ages[which]
            assert (new, now_true) in heard[which], "no price is shown as of a time at which nobody signed it"
            assert now_true >= ages[which]
        if after & MARKET_HELD:
            assert after >> 40 & 0xFFFF == (after & LOW_32) - true_at(whole, 0)


def test_a_slash_that_waits_is_not_shown_as_new(whole: WholeSet) -> None:
    """A rate alone, 10 % lower, signed by the threshold each minute: the old one ages by a second a second until it lands."""
    only = whole.evm.ok(whole.store, "register", b"rate/ETH".ljust(32, b"\0"), False, True, 0)
    whole.model.register(only, (False, True))
    was, true = 106 * WAD // 100, whole.evm.now
    slashed = times(was, -1_000)
    assert not push(whole, true, packed(only, (0, was)))
    for minute in range(1, WAIT_S // 20 + 1):
        whole.evm.jump(20)
        assert not push(whole, whole.evm.now, packed(only, (0, slashed), 2 | 8 << 4))
        held = stored(whole, HELD_AT + FIELD + only)
        assert (rate(whole, only), held & LOW_32) == (was, true)
        assert whole.evm.now - true_at(whole, 1, only) == 20 * minute
    whole.evm.jump(20)
    assert not push(whole, whole.evm.now, packed(only, (0, slashed), 2 | 8 << 4))
    assert (rate(whole, only), true_at(whole, 1, only)) == (slashed, whole.evm.now)


@settings(max_examples=60, deadline=None)
@given(
    falls=st.lists(st.tuples(st.integers(501, 2_000), st.integers(1, WAIT_S // 2)), min_size=8, max_size=25),
    which=st.sampled_from([0, 1]),
)
def test_a_crash_lands_within_two_waits(falls: list[tuple[int, int]], which: int) -> None:
    """What goes on falling, signed by the threshold alone.

    What is shown is never higher than what was signed two waits ago, give or take the time between two rounds.
    """
    whole, price, signed = begun(), WAD, list[tuple[int, int]]()
    for bps, pace in falls:
        price = max(1, times(price, -bps))
        both = (price, WAD) if which == 0 else (WAD, price)
        at = round_of(whole, *both, status=3 | 6 << 4, after_s=pace)
        signed.append((at, price))
        shown = (market, rate)[which](whole)
        late = [p for t, p in signed if t <= at - 2 * WAIT_S - 2 * (WAIT_S // 2)]
        assert not late or shown <= min(late)
        assert shown >= price


def test_what_lands_is_the_least_far_of_the_whole_wait(whole: WholeSet) -> None:
    """Nobody stands by a small move for nearly all of a wait and then lands a large one."""
    small, large = times(WAD, -600), times(WAD, -9_000)
    since = round_of(whole, small, after_s=GAP_S)
    round_of(whole, small, after_s=WAIT_S - 10)
    round_of(whole, large, after_s=9)
    at = round_of(whole, large, after_s=1)
    assert at == since + WAIT_S
    assert (market(whole), slot(whole) & MARKET_HELD) == (small, MARKET_HELD)
    assert true_at(whole, 0) == since + WAIT_S - 10 - AGE_S
    assert slot(whole) >> 40 & 0xFFFF == 10 + AGE_S
    held = stored(whole, HELD_AT)
    assert (held >> 168, held >> 32 & LOW_32) == (large, at), "the next wait has begun in the same write"
    round_of(whole, large, after_s=WAIT_S - 1)
    assert market(whole) == small
    round_of(whole, large, after_s=1)
    assert (market(whole), slot(whole) & MARKET_HELD) == (large, 0)


def test_a_price_on_the_other_side_or_a_near_one_ends_a_wait(whole: WholeSet) -> None:
    """Otherwise k operators could park a far price and take it up months later without a wait."""
    up, down = times(WAD, 2_000), times(WAD, -2_000)
    for between in (down, WAD):
        first = round_of(whole, up, after_s=GAP_S)
        round_of(whole, between, after_s=WAIT_S - 1)
        held = slot(whole) & MARKET_HELD
        assert bool(held) is (between == down)
        round_of(whole, up, after_s=1)
        assert market(whole) == WAD
        assert stored(whole, HELD_AT) >> 32 & LOW_32 == first + WAIT_S
        round_of(whole, WAD, after_s=GAP_S)


def test_a_wait_that_is_over_lands_inside_a_gap_too(whole: WholeSet) -> None:
    """The near rate opens gaps all the time: a market that has waited does not wait for their end.

    Steps then count from it.
    """
    far = times(WAD, 2_000)
    since = round_of(whole, far, after_s=GAP_S)
    opened = round_of(whole, far, after_s=WAIT_S - 2)
    at = round_of(whole, far, after_s=2)
    assert at == since + WAIT_S < opened + GAP_S
    assert (market(whole), slot(whole) & MARKET_HELD) == (far, 0)
    word = stored(whole, GAPS_AT)
    assert (word >> 168, word >> 32 & LOW_32) == (far, opened)
    round_of(whole, times(far, 500), after_s=1)
    assert market(whole) == times(far, 500)
    round_of(whole, times(far, 501), after_s=1)
    assert market(whole) == times(far, 500)
