"""How prices move inside and outside of a gap. Invariants of docs/invariants.md, each under its name there.

Everything is read from the raw words of storage: slot, gap, held.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.check.price_walk import reach
from tests.contracts.moves_world import (
    GAP_S,
    GAPS_AT,
    HALT,
    MARKET_HELD,
    RATE_HELD,
    STEP_BPS,
    STRONG,
    TURNS,
    WAIT_S,
    WEAK,
    begun,
    market,
    push,
    round_of,
    slot,
    status,
    stored,
    times,
)
from tests.contracts.set_models import WAD
from tests.contracts.store_words import LOW_32, PRICE
from tests.contracts.store_writes import near
from tests.contracts.whole_set import BOTH, MARKET_ONLY, WholeSet, packed

MAX_AGE_S, AHEAD_S = 60, 30


@pytest.fixture
def whole() -> WholeSet:
    return begun()


def test_no_write_puts_off_a_price(whole: WholeSet) -> None:
    """A stranger's report of the second before keeps no fall of 4.9 % out, alone or beside another token."""
    fallen = WAD * 951 // 1_000
    for second in range(1, 60):
        at = round_of(whole, WAD, after_s=1)
        others = packed(MARKET_ONLY, (2_000 * WAD + second, 0))
        assert not push(whole, at, others)
        other = at + 1
        whole.evm.jump(1)
        assert not push(whole, other, packed(BOTH, (fallen, WAD)) + packed(MARKET_ONLY, (1_902 * WAD, 0)))
        assert (market(whole), market(whole, MARKET_ONLY)) == (fallen, 1_902 * WAD)
        assert not slot(whole) & (MARKET_HELD | RATE_HELD)
        round_of(whole, WAD, after_s=GAP_S)
        assert not push(whole, whole.evm.now, packed(MARKET_ONLY, (1_951 * WAD, 0)))
        whole.evm.jump(GAP_S)
        assert not push(whole, whole.evm.now, packed(MARKET_ONLY, (2_000 * WAD, 0)))


def test_writes_inside_a_gap_restart_nothing(whole: WholeSet) -> None:
    """However many there are, the gap ends minGapS after it opened, and its anchor is what opened it."""
    opened = whole.evm.now
    for second in range(1, GAP_S):
        round_of(whole, times(WAD, 100 * second), after_s=1)
        word = stored(whole, GAPS_AT + BOTH)
        assert (word >> 168, word >> 80 & PRICE, word >> 32 & LOW_32) == (WAD, WAD, opened)
        assert word & LOW_32 == opened + second
    last = market(whole)
    round_of(whole, times(last, STEP_BPS), after_s=1)
    assert market(whole) == times(last, STEP_BPS), "the next gap, with a step from where the last one left it"


def test_prices_move_two_steps_in_a_gap_at_most(whole: WholeSet) -> None:
    """Every round of one moment, from maxPushAgeS ago to 30 s ahead, where no gap is open before."""
    whole.evm.jump(1_000)
    now, price, moves, opened = whole.evm.now, WAD, list[int](), 0
    for at in range(now - MAX_AGE_S, now + AHEAD_S + 1):
        if at >= opened + GAP_S:
            opened, anchor, most = at, times(price, STEP_BPS), times(price, STEP_BPS)
        else:
            most = times(anchor, STEP_BPS)
        beyond = packed(BOTH, (most + 1 + most // 10**9, WAD))
        if most > price:
            assert not push(whole, at, packed(BOTH, (most, WAD)))
            assert market(whole) == most
            price, moves = most, [*moves, at]
        else:
            push(whole, at, beyond)
            assert market(whole) == price
    gaps = 1 + (MAX_AGE_S + AHEAD_S) // GAP_S
    assert len(moves) == 2 * gaps - 1 == 37, "the last second ahead has room for one"
    assert price <= WAD * (10_000 + STEP_BPS) ** len(moves) // 10_000 ** len(moves)


@pytest.mark.parametrize("side", [1, -1])
def test_a_block_moves_a_price_no_further_than_check_says(side: int) -> None:
    """The most that the threshold's weight does at one moment, whatever it did in the blocks before: all phases of a gap.

    In each the gap opens so many seconds before the block's window, and the price is brought to its far end; then every round
    of the window is signed, from this second on or a later one. `check` prints the worst of them, to the unit.
    """
    steps, crosses = reach(GAP_S, MAX_AGE_S)
    step = Fraction(side * STEP_BPS, 10_000)
    most = (1 + step) ** (steps + crosses) / (1 - step) ** crosses
    reached = {
        (before_s, idle_s): walked(side, before_s, idle_s) for before_s in range(GAP_S + 1) for idle_s in (0, 1, 4)
    }
    worst = (max if side > 0 else min)(reached.values())
    assert abs(worst / most - 1) < Fraction(1, 10**12)
    assert reached[GAP_S - 1, 0] == worst, "a gap of which one second is left"
    assert (reached[0, 0] < worst) is (side > 0), "and it is more than without"


def walked(side: int, before_s: int, idle_s: int) -> Fraction:
    """What a block makes of the price with which it begins."""
    whole, price, anchor = begun(), WAD, WAD
    whole.evm.jump(1_000)
    first = whole.evm.now + 1
    opened = first - before_s if before_s else 0
    if before_s:
        assert not push(whole, opened, packed(BOTH, (WAD, WAD)))
    if before_s > 1:
        price = times(WAD, -side * STEP_BPS)
        assert not push(whole, first - 1, packed(BOTH, (price, WAD)))
    start = price
    whole.evm.jump(1 + MAX_AGE_S)
    for at in range(first + idle_s, whole.evm.now + AHEAD_S + 1):
        opens = at >= opened + GAP_S
        most = times(price if opens else anchor, side * STEP_BPS)
        if side < 0 and not near(price if opens else anchor, most, STEP_BPS):
            most += 1
        if opens:
            opened, anchor = at, most
        if (most - price) * side > 0:
            assert not push(whole, at, packed(BOTH, (most, WAD)))
            assert market(whole) == most
            price = most
    beyond = times(anchor, side * (STEP_BPS + 1))
    push(whole, whole.evm.now + AHEAD_S, packed(BOTH, (beyond, WAD)))
    assert market(whole) == price
    return Fraction(price, start)


class Witness:
    """What an outsider, who sees what is signed and the slot after it, may find at most of one price."""

    def __init__(self, whole: WholeSet, which: int) -> None:
        self.which, self.opened, self.anchor = which, whole.evm.now, WAD
        self.signed: list[tuple[int, int]] = []
        self.shown = WAD

    def sees(self, at: int, signed: int, shown: int) -> None:
        """Nothing lands but what is near where the gap began, or has been signed for a whole wait."""
        self.signed.append((at, signed))
        if shown == self.shown:
            return
        inside = at < self.opened + GAP_S
        reference = self.anchor if inside else self.shown
        if not near(reference, shown, STEP_BPS):
            since = [(t, p) for t, p in self.signed if (p > self.shown) == (shown > self.shown)]
            waited = [p for t, p in since if t >= at - WAIT_S]
            assert since[0][0] <= at - WAIT_S or len(self.signed) < 2
            least = min(waited, key=lambda p: abs(p - self.shown))
            assert near(least, shown, STEP_BPS) or abs(shown - self.shown) <= abs(least - self.shown)
            self.anchor = least if inside else shown
        elif not inside:
            self.anchor = shown
        if not inside:
            self.opened = at
        self.shown, self.signed = shown, [(at, signed)] if shown != signed else []


@settings(max_examples=60, deadline=None)
@given(turns=st.lists(TURNS, min_size=5, max_size=40))
def test_prices_move_by_two_steps_a_gap_or_after_their_wait(turns: list[tuple[int, int, int, int]]) -> None:
    """Whatever the threshold's weight signs in whatever order: seen from the words alone, for each price by itself.

    The other price, the status, a halt have no say in it. The witness is lenient about when a gap opened (an equal price
    may have opened it), so it knows at least what the store allowed.
    """
    whole = begun()
    market_witness, opened = Witness(whole, 0), whole.evm.now
    for pace, state, bps, rate_bps in turns:
        whole.evm.jump(pace)
        at, before = whole.evm.now, slot(whole)
        asked = times(before >> 168, bps), times(before >> 80 & PRICE, rate_bps)
        error = push(whole, at, packed(BOTH, asked, state))
        after, looked = slot(whole), state != HALT and not state & 8
        took = not error and not (after & MARKET_HELD and after & RATE_HELD)
        if took and at >= opened + GAP_S:
            opened = at
            if market_witness.shown == after >> 168:
                market_witness.opened, market_witness.anchor = at, after >> 168
        if not looked:
            assert after >> 168 == before >> 168
            assert after >> 80 & PRICE <= before >> 80 & PRICE
        else:
            market_witness.sees(at, asked[0], after >> 168)


def test_no_status_puts_off_a_price() -> None:
    """Whatever status comes inside a gap, a price within the step of where it opened is taken at once."""
    for first in (1, 2, 3):
        for second in (1, 2, 3):
            whole = begun()
            round_of(whole, times(WAD, 499), status=first, after_s=1)
            round_of(whole, times(WAD, -499), status=second, after_s=1)
            assert market(whole) == times(WAD, -499)
            assert status(whole) == max(first, second)


def test_a_better_status_waits_for_the_end_of_the_gap() -> None:
    """Its prices do not, but into a halt: there the item waits as a whole. Of all pairs, at every second of the gap."""
    for before in (1, 2, 3, HALT):
        for after in (1, 2, 3, HALT):
            for seconds in range(1, GAP_S + 1):
                for who in (WEAK, STRONG):
                    whole = begun()
                    opened = whole.evm.now
                    whole.evm.jump(GAP_S)
                    if before != HALT:
                        opened = round_of(whole, WAD, status=before, who=STRONG)
                    else:
                        opened = round_of(whole, WAD, who=STRONG)
                        if seconds > 1:
                            round_of(whole, WAD, status=HALT, after_s=1, who=STRONG)
                    whole.evm.jump(opened + seconds - whole.evm.now)
                    held, state = slot(whole), status(whole) & 15
                    error = push(whole, whole.evm.now, packed(BOTH, (WAD + 1, WAD), after), who)
                    waits = state > after and seconds < GAP_S
                    assert error == ("NothingNew" if waits and state == HALT else "")
                    if error:
                        assert slot(whole) == held
                        continue
                    assert status(whole) & 15 == (state if waits else after)
                    assert market(whole) == (WAD if after == HALT else WAD + 1)


def test_a_halt_of_one_round_ends_with_the_gap_that_it_came_into(whole: WholeSet) -> None:
    """And one that comes outside of a gap with the next round: what moves no price opens no gap."""
    opened = whole.evm.now
    halted = round_of(whole, WAD, status=HALT, after_s=2)
    while push(whole, whole.evm.now, packed(BOTH, (WAD, WAD))):
        whole.evm.jump(1)
    assert whole.evm.now == opened + GAP_S == halted + GAP_S - 2
    round_of(whole, WAD, status=HALT, after_s=GAP_S)
    round_of(whole, WAD, after_s=1)
    assert status(whole) == 1
