"""How prices move in a store: steps, gaps, waits, halts. Invariants of docs/invariants.md, each under its name there.

Everything is read from the raw words of storage: slot, gap, held.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.check.price_walk import reach
from oracle.sign.eip712 import batch_bytes
from tests.contracts.fuzz_world import LIMITS
from tests.contracts.set_models import WAD
from tests.contracts.store_model import LOW_32, PRICE, near
from tests.contracts.whole_set import BOTH, FIRST_SET, MARKET_ONLY, WholeSet, packed

GAP_S, STEP_BPS, WAIT_S = LIMITS[0].min_gap_s, LIMITS[0].step_bps, LIMITS[0].step_wait_s
MAX_AGE_S, AHEAD_S = 60, 30
WEAK = (0, 1)
"""Weight 5 of 9: the threshold, and less than the step threshold."""
STRONG = tuple(range(5))
GAPS_AT, HELD_AT, FIELD = 65_536, 131_072, 65_536
MARKET_HELD, RATE_HELD = 1 << 79, 1 << 78
HALT, KEPT_WATCH = 4, 8 | 2
OUT_OF_RANGE = 11 << 4 | 2
AGE_S = 3
"""Age of the market price in every item here."""


@pytest.fixture
def whole() -> WholeSet:
    return begun()


def begun(index: int = BOTH, market: int = WAD, rate: int = WAD) -> WholeSet:
    """A set whose token was priced at a moment that is the present one; its gap is open."""
    made = WholeSet()
    made.evm.jump(1_000)
    assert not push(made, made.evm.now, packed(index, (market, rate)), STRONG)
    return made


def push(whole: WholeSet, at: int, items: bytes, who: tuple[int, ...] = WEAK) -> str:
    """Push by the first set; the error, which is the model's."""
    return whole.push(whole.sign(batch_bytes(1, at, items), FIRST_SET, who))


def round_of(
    whole: WholeSet, market: int, rate: int = WAD, status: int = 1, after_s: int = 0, who: tuple[int, ...] = WEAK
) -> int:
    """A round of the token with both prices after some seconds; its time."""
    whole.evm.jump(after_s)
    assert not push(whole, whole.evm.now, packed(BOTH, (market, rate), status), who)
    return whole.evm.now


def stored(whole: WholeSet, place: int) -> int:
    return int(whole.evm.evm.storage(whole.store, place))


def slot(whole: WholeSet, index: int = BOTH) -> int:
    return stored(whole, index)


def market(whole: WholeSet, index: int = BOTH) -> int:
    return slot(whole, index) >> 168


def rate(whole: WholeSet, index: int = BOTH) -> int:
    return slot(whole, index) >> 80 & PRICE


def status(whole: WholeSet) -> int:
    return slot(whole) >> 56 & 0xFF


def true_at(whole: WholeSet, which: int, index: int = BOTH) -> int:
    """When the price in the slot was true, from the words alone."""
    word = slot(whole, index)
    if word & MARKET_HELD >> which:
        return stored(whole, HELD_AT + which * FIELD + index) & LOW_32
    return (word & LOW_32) - (0 if which else word >> 40 & 0xFFFF)


def times(price: int, bps: int) -> int:
    return price * (10_000 + bps) // 10_000


# --------------------------------------------------------------------------------------------------------------- gaps


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


PACES = st.sampled_from([1, 1, 2, GAP_S - 1, GAP_S, GAP_S + 1, 30, 61])
BPS = st.sampled_from([0, 1, -1, 250, 500, -500, 501, -501, 900, -4_000])
TURNS = st.tuples(PACES, st.sampled_from([1, 2, 3, 1, 2, 3, HALT, KEPT_WATCH]), BPS, BPS)


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


# -------------------------------------------------------------------------------------------------------------- waits


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


# -------------------------------------------------------------------------------------------------------------- halts


@settings(max_examples=60, deadline=None)
@given(
    turns=st.lists(st.tuples(PACES, st.sampled_from([HALT, 9, 10, 11, 12]), BPS, BPS, st.booleans()), max_size=20),
    waiting=st.booleans(),
)
def test_a_halt_keeps_prices_to_the_bit(turns: list[tuple[int, int, int, int, bool]], *, waiting: bool) -> None:
    """Whoever signs, for however long: the market stays, the rate never rises, ages grow, and no wait begins or breaks off."""
    whole = begun()
    if waiting:
        round_of(whole, times(WAD, 2_000), times(WAD, 2_000), after_s=GAP_S)
    waits, true = stored(whole, HELD_AT) >> 32, true_at(whole, 0)
    for pace, state, bps, rate_bps, strong in turns:
        whole.evm.jump(pace)
        before = slot(whole)
        asked = times(WAD, bps), times(before >> 80 & PRICE, rate_bps)
        error = push(whole, whole.evm.now, packed(BOTH, asked, state, ages=(0, 0)), STRONG if strong else WEAK)
        if error:
            assert slot(whole) == before
            continue
        assert (market(whole), true_at(whole, 0)) == (WAD, true)
        assert slot(whole) & MARKET_HELD
        assert stored(whole, HELD_AT) >> 32 == waits
        assert rate(whole) <= before >> 80 & PRICE
        if rate(whole) == before >> 80 & PRICE and asked[1] != rate(whole):
            assert slot(whole) & RATE_HELD


def test_a_slash_does_not_hide_behind_a_halt(whole: WholeSet) -> None:
    """A lower rate goes its way: near or strong at once, far after its wait; also while the rounds between bring none."""
    lower, slashed = times(WAD, -400), times(times(WAD, -400), -1_000)
    round_of(whole, 7, lower, status=HALT, after_s=GAP_S)
    assert (market(whole), rate(whole), slot(whole) & RATE_HELD) == (WAD, lower, 0)
    round_of(whole, 7, slashed, status=HALT, after_s=GAP_S)
    round_of(whole, 7, lower, status=HALT, after_s=GAP_S)
    assert rate(whole) == lower
    round_of(whole, 7, slashed, status=HALT, after_s=WAIT_S - GAP_S)
    assert (market(whole), rate(whole), status(whole)) == (WAD, slashed, HALT)
    round_of(whole, 7, slashed // 2, status=HALT, after_s=GAP_S, who=STRONG)
    assert rate(whole) == slashed // 2
    round_of(whole, 7, WAD, status=HALT, after_s=GAP_S, who=STRONG)
    assert rate(whole) == slashed // 2, "never a rise"


def test_a_first_item_without_prices_of_its_own_is_skipped() -> None:
    whole = WholeSet()
    index = whole.evm.ok(whole.store, "register", b"first/ETH".ljust(32, b"\0"), True, True, 0)
    whole.model.register(index, (True, True))
    for state in (HALT, 9, 10, 11, 12):
        assert push(whole, whole.evm.now, packed(index, (WAD, WAD), state), STRONG) == "NothingNew"
    assert slot(whole, index) == 1 << 168 | 1 << 80
    assert not push(whole, whole.evm.now, packed(index, (WAD, WAD), 1))
