"""A pool screened against its own past: rented depth does not count, a value that leaps is not believed until it stood."""

from __future__ import annotations

from statistics import median_low

from hypothesis import given
from hypothesis import strategies as st

from feeds.chains.pool_history import (
    BLOCKS,
    FALL_BPS,
    KNOWN_BLOCKS,
    RISE_BPS,
    SAMPLE_BLOCKS,
    SETTLED_BLOCKS,
    UNKNOWN_SHARE,
    PoolHistory,
)
from feeds.errors import FeedError, NoData, Unsteady
from feeds.types import Quote
from feeds.units import WAD, Wad

ONE = Wad(WAD)


def pool(depth: int | None = None, virtual: int | None = None) -> Quote:
    half = None if depth is None else depth // 2
    two = None if depth is None else depth * 2
    return Quote(price_wad=ONE, depth_half_wad=half, depth_wad=depth, depth_two_wad=two, virtual_wad=virtual)


def depth(result: Quote | FeedError) -> int:
    assert isinstance(result, Quote)
    assert result.depth_wad is not None
    return result.depth_wad


def test_depth_rented_for_a_block_counts_as_the_usual_one() -> None:
    memory = PoolHistory()
    for block in range(100):
        assert depth(memory.screened("p", pool(1_000), block)) == 1_000
    rented = memory.screened("p", pool(1_000_000), 100)
    assert isinstance(rented, Quote)
    assert (rented.depth_half_wad, rented.depth_wad, rented.depth_two_wad) == (500, 1_000, 2_000)


def test_depth_that_has_left_is_gone_at_once() -> None:
    memory = PoolHistory()
    for block in range(100):
        memory.screened("p", pool(1_000), block)
    assert depth(memory.screened("p", pool(3), 100)) == 3


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=3 * BLOCKS))
def test_the_weight_is_the_lower_of_the_present_depth_and_its_median(depths: list[int]) -> None:
    memory = PoolHistory()
    for block, now in enumerate(depths):
        kept = depths[max(0, block + 1 - BLOCKS) : block + 1]
        assert depth(memory.screened("p", pool(now), block)) == min(now, median_low(kept))


def test_blocks_that_were_replaced_are_forgotten() -> None:
    memory = PoolHistory()
    for block in range(10):
        memory.screened("p", pool(1_000 if block < 4 else 10**9), block)
    assert depth(memory.screened("p", pool(10**9), 4)) == 1_000


def test_pools_do_not_share_a_past_and_failures_leave_none() -> None:
    memory = PoolHistory()
    gone = NoData()
    assert memory.screened("p", gone, 1) is gone
    assert depth(memory.screened("p", pool(5), 2)) == 5
    assert depth(memory.screened("q", pool(7), 2)) == 7
    plain = Quote(price_wad=ONE)
    assert memory.screened("r", plain, 2) is plain


def test_a_virtual_price_may_grow_by_its_fees() -> None:
    memory = PoolHistory()
    value = WAD
    for block in range(200):
        value += value * (RISE_BPS - 1) // 10_000
        assert isinstance(memory.screened("p", pool(virtual=value), block), Quote)


def test_a_virtual_price_that_falls_or_leaps_is_not_believed() -> None:
    for other in (WAD - WAD * (FALL_BPS + 1) // 10_000, WAD + WAD * (RISE_BPS + 1) // 10_000, WAD // 2, 3 * WAD):
        memory = PoolHistory()
        memory.screened("p", pool(virtual=WAD), 1)
        assert isinstance(memory.screened("p", pool(virtual=other), 2), Unsteady)
        assert isinstance(memory.screened("p", pool(virtual=WAD), 3), Quote)


def test_a_new_level_is_believed_once_it_has_stood() -> None:
    memory = PoolHistory()
    memory.screened("p", pool(virtual=WAD), 0)
    slashed = WAD * 90 // 100
    seen = [memory.screened("p", pool(virtual=slashed), b) for b in range(1, SETTLED_BLOCKS + 5)]
    believed = [isinstance(r, Quote) for r in seen]
    assert believed == [False] * (SETTLED_BLOCKS - 1) + [True] * 5


def test_what_earlier_blocks_tell_is_a_past() -> None:
    memory = PoolHistory()
    starts = range(1_000 - BLOCKS, 1_000, SAMPLE_BLOCKS)
    memory.preload(["p"], [(block, {"p": pool(1_000)}) for block in starts])
    for block in range(1_000, 1_000 + BLOCKS // 2):
        assert depth(memory.screened("p", pool(10**9), block)) == 1_000, "rented, from the start on"
    assert depth(memory.screened("p", pool(10**9), 1_000 + BLOCKS // 2)) == 10**9


def test_a_pool_that_owes_its_past_counts_in_part_until_it_has_one() -> None:
    memory = PoolHistory()
    memory.preload(["p"], [])
    for block in range(KNOWN_BLOCKS - 1):
        assert depth(memory.screened("p", pool(1_000), block)) == 1_000 // UNKNOWN_SHARE
    assert depth(memory.screened("p", pool(1_000), KNOWN_BLOCKS)) == 1_000
    assert depth(memory.screened("q", pool(1_000), 0)) == 1_000, "it was not asked for a past"


def test_failures_of_earlier_blocks_tell_nothing() -> None:
    memory = PoolHistory()
    memory.preload(["p"], [(block, {"p": NoData()}) for block in range(0, BLOCKS, SAMPLE_BLOCKS)])
    assert depth(memory.screened("p", pool(1_000), BLOCKS)) == 1_000 // UNKNOWN_SHARE


def test_a_virtual_price_bent_for_the_start_is_seen() -> None:
    memory = PoolHistory()
    starts = range(0, BLOCKS, SAMPLE_BLOCKS)
    memory.preload(["p"], [(block, {"p": pool(5, virtual=WAD)}) for block in starts])
    assert isinstance(memory.screened("p", pool(5, virtual=2 * WAD), BLOCKS), Unsteady)
    assert isinstance(memory.screened("p", pool(5, virtual=WAD + 1), BLOCKS), Quote)
