"""What a halt and a status-only item keep. Invariants of docs/invariants.md, each under its name there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.moves_world import (
    BPS,
    GAP_S,
    HALT,
    HELD_AT,
    MARKET_HELD,
    PACES,
    RATE_HELD,
    STRONG,
    WAIT_S,
    WEAK,
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
from tests.contracts.store_words import PRICE
from tests.contracts.whole_set import BOTH, WholeSet, packed


@pytest.fixture
def whole() -> WholeSet:
    return begun()


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
