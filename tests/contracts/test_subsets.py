"""Signatures are no part of what is signed: what comes of a batch when anybody lands it first with fewer of them.

Everything is read from the raw words of storage: slot, held.
"""

from __future__ import annotations

import copy
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.sign.eip712 import batch_bytes
from tests.contracts.evm_process import LIMITS
from tests.contracts.set_models import WAD
from tests.contracts.store_words import LOW_32, PRICE
from tests.contracts.whole_set import BOTH, FIRST_SET, WholeSet, packed

GAP_S, WAIT_S = LIMITS[0].min_gap_s, LIMITS[0].step_wait_s
HELD_AT, FIELD = 131_072, 65_536
HELD_BITS = (1 << 79, 1 << 78)
HALT, OUT_OF_RANGE, STALE = 4, 11 << 4 | 2, 2 << 4 | 2
ALL = tuple(range(5))


def weight(who: tuple[int, ...]) -> int:
    return sum(FIRST_SET.weights[i] for i in who)


ENOUGH = [s for n in ALL for s in combinations(ALL, n + 1) if weight(s) >= FIRST_SET.threshold]
WEAK = [s for s in ENOUGH if weight(s) < FIRST_SET.strong]
STRONG = [s for s in ENOUGH if weight(s) >= FIRST_SET.strong]


@pytest.fixture
def whole() -> WholeSet:
    return begun()


def begun() -> WholeSet:
    made = WholeSet()
    made.evm.jump(1_000)
    assert not push(made, made.evm.now, packed(BOTH, (WAD, WAD)), ALL)
    return made


def push(whole: WholeSet, at: int, items: bytes, who: tuple[int, ...]) -> str:
    """Push by the first set; the error, which is the model's."""
    return whole.push(whole.sign(batch_bytes(1, at, items), FIRST_SET, who))


def stored(whole: WholeSet, place: int) -> int:
    return int(whole.evm.evm.storage(whole.store, place))


def status(word: int) -> int:
    return word >> 56 & 0xFF


def words(whole: WholeSet) -> tuple[int, ...]:
    """The slot without its status, and of each held price its word."""
    word = stored(whole, BOTH)
    held = [stored(whole, HELD_AT + w * FIELD + BOTH) if word & bit else 0 for w, bit in enumerate(HELD_BITS)]
    return word & ~(0xFF << 56), *held


def times(price: int, bps: int) -> int:
    return price * (10_000 + bps) // 10_000


BPS = st.sampled_from([0, 1, -1, 250, 500, -500, 501, -501, 900, -4_000, 70_000])
TURNS = st.tuples(
    st.sampled_from([1, 1, 2, GAP_S - 1, GAP_S, 30, WAIT_S, WAIT_S + 1]),
    st.sampled_from([1, 1, 2, 3, HALT, 9, 10, 11]),
    BPS,
    BPS,
    st.lists(st.sampled_from(ENOUGH), min_size=1, max_size=3),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(turns=st.lists(TURNS, min_size=3, max_size=15))
def test_no_subset_of_signatures_puts_off_what_all_of_them_land(
    turns: list[tuple[int, int, int, int, list[tuple[int, ...]], bool]],
) -> None:
    """Over random histories, from the same state: the whole batch alone, and after any parts of it that somebody lands.

    Slot and held words are the same. Of the status so much: where a part was held inside a gap that older rounds opened,
    the watch that this brought ends with that gap.
    """
    whole = begun()
    for after_s, state, bps, rate_bps, parts, weak_next in turns:
        whole.evm.jump(after_s)
        now, before = whole.evm.now, stored(whole, BOTH)
        item = packed(BOTH, (times(before >> 168, bps), times(before >> 80 & PRICE, rate_bps)), state, 7 + after_s)
        gap, model = whole.model.tokens[BOTH].gap, copy.deepcopy(whole.model)
        point = whole.evm.evm.snapshot()
        told = push(whole, now, item, ALL)
        alone, said = words(whole), status(stored(whole, BOTH))
        whole.evm.evm.revert(point)
        whole.model = model
        for part in parts:
            push(whole, now, item, part)
        if weak_next and stored(whole, BOTH) != before:
            assert push(whole, now, item, WEAK[0]) == "NothingNew", "the step threshold's weight and nobody else"
        if not told:
            push(whole, now, item, ALL)
        assert words(whole) == alone
        shown = status(stored(whole, BOTH))
        inside = gap is not None and now < gap.opened_s + GAP_S
        assert shown == said or (inside and shown == OUT_OF_RANGE and said & 7 == 1)
        held = words(whole)
        assert push(whole, now, item, ALL) == "NothingNew", "it works once"
        assert words(whole) == held
        assert not stored(whole, BOTH) & sum(HELD_BITS) or shown & 7 > 1, "a held price is never ok"


def test_signatures_left_out_put_off_no_crash(whole: WholeSet) -> None:
    """All five sign each round of a crash, and a stranger lands each with two signatures less."""
    fallen = packed(BOTH, (WAD * 6 // 10, WAD), 3 | 6 << 4)
    for who in WEAK:
        made = begun()
        made.evm.jump(12)
        assert not push(made, made.evm.now, fallen, who)
        assert stored(made, BOTH) >> 168 == WAD
        for others in WEAK:
            assert push(made, made.evm.now, fallen, others) == "NothingNew", "whoever they are, they are too few"
        assert not push(made, made.evm.now, fallen, STRONG[0])
        assert (stored(made, BOTH) >> 168, stored(made, BOTH) & HELD_BITS[0]) == (WAD * 6 // 10, 0)
        assert status(stored(made, BOTH)) == 3 | 6 << 4
    whole.evm.jump(12)
    assert not push(whole, whole.evm.now, packed(BOTH, (WAD + 1, WAD)), ALL)
    assert push(whole, whole.evm.now, fallen, ALL) == "NothingNew", "nothing waits: a round that landed is over"


def test_what_lands_late_of_a_round_leaves_the_rest_of_it(whole: WholeSet) -> None:
    """The near price of the slot stays to the bit whatever a second batch of its round says; a round before it is nothing."""
    whole.evm.jump(GAP_S)
    now, fallen = whole.evm.now, WAD * 6 // 10
    assert not push(whole, now, packed(BOTH, (WAD + 5, fallen), 1), WEAK[0])
    assert status(stored(whole, BOTH)) == OUT_OF_RANGE
    assert push(whole, now - 1, packed(BOTH, (WAD, fallen), 1), ALL) == "NothingNew"
    assert not push(whole, now, packed(BOTH, (WAD * 2, fallen), 1, 99, (50, 3)), ALL)
    word = stored(whole, BOTH)
    assert (word >> 168, word >> 80 & PRICE, word & LOW_32) == (WAD + 5, fallen, now)
    assert (word >> 64 & 0x3FFF, word >> 40 & 0xFFFF, word >> 32 & 0xFF) == (7, 3, 3)
    assert (word & sum(HELD_BITS), status(word)) == (0, 1)


def test_nothing_lands_in_a_pause_and_what_waited_before_it_begins_anew() -> None:
    """Seven times the price, signed by the threshold alone, a pause of a day: nobody could sign against it in that time."""
    far = packed(BOTH, (7 * WAD, 7 * WAD))
    for paused in (True, False):
        made = begun()
        made.evm.jump(GAP_S)
        assert not push(made, made.evm.now, far, WEAK[0])
        before, true = words(made), [stored(made, HELD_AT + w * FIELD) & LOW_32 for w in (0, 1)]
        if paused:
            made.evm.ok(made.store, "pause", [BOTH])
            made.model.pause(BOTH)
            assert push(made, made.evm.now, far, ALL) == "NothingNew"
        made.evm.jump(86_400)
        made.evm.ok(made.store, "resume", [BOTH])
        made.model.resume(BOTH)
        assert words(made) == ((before[0], *true) if paused else before), "without a pause nothing begins anew"
        made.check_store()
        assert not push(made, made.evm.now, far, WEAK[0])
        assert stored(made, BOTH) >> 168 == (WAD if paused else 7 * WAD)
        if paused:
            made.evm.jump(WAIT_S)
            assert not push(made, made.evm.now, far, WEAK[0])
            assert stored(made, BOTH) >> 168 == 7 * WAD


@pytest.mark.parametrize("state", [9, 10, 11])
def test_what_nobody_looked_at_is_never_ok(whole: WholeSet, state: int) -> None:
    whole.evm.jump(GAP_S)
    for rate in (WAD, WAD - 1):
        assert not push(whole, whole.evm.now, packed(BOTH, (WAD, rate), state), ALL)
        assert status(stored(whole, BOTH)) == (STALE if state == 9 else state & 7)
        whole.evm.jump(GAP_S)
    assert not push(whole, whole.evm.now, packed(BOTH, (WAD, WAD), 1), ALL)
    assert status(stored(whole, BOTH)) == 1
