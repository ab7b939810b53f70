"""Order books: read exactly, in any order, and the depth they state against one computed level by level in fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.decode import order_book, values
from feeds.errors import Crossed, Malformed, NoData, NotPositive, OutOfRange
from feeds.types import Book, Depth
from feeds.units import WAD

_SIZES = st.integers(1, 10**6).map(lambda n: Fraction(n, 1_000))
_BIDS = st.lists(
    st.tuples(st.integers(90_000, 99_999).map(lambda n: Fraction(n, 100)), _SIZES), min_size=1, max_size=30
)
_ASKS = st.lists(
    st.tuples(st.integers(100_001, 110_000).map(lambda n: Fraction(n, 100)), _SIZES), min_size=1, max_size=30
)
Levels = list[tuple[Fraction, Fraction]]


def written(levels: Levels) -> list[list[str]]:
    return [[f"{float(p):.2f}", f"{float(s):.3f}"] for p, s in levels]


@given(_BIDS, _ASKS)
def test_depth_is_what_lies_within_the_move_on_the_thinner_side(bids: Levels, asks: Levels) -> None:
    """Sides unsorted and with equal prices, as they are drawn."""
    book = order_book.read(written(bids), written(asks))
    middle = (max(p for p, _ in bids) + min(p for p, _ in asks)) / 2
    expected = []
    for move in (Fraction(5, 1_000), Fraction(1, 100), Fraction(2, 100)):
        sold = sum((s for p, s in bids if p >= middle * (1 - move)), Fraction(0))
        bought = sum((s for p, s in asks if p <= middle * (1 + move)), Fraction(0))
        expected.append(int(min(sold, bought) * WAD))
    half, one, two = expected
    assert order_book.depth(book) == Depth(half_wad=half, one_wad=one, two_wad=two)


@given(_BIDS, _ASKS)
def test_a_book_is_the_same_in_any_order_and_each_price_stands_once(bids: Levels, asks: Levels) -> None:
    book = order_book.read(written(bids), written(asks))
    assert order_book.read(written(bids[::-1]), written(sorted(asks))) == book
    assert all(a[0] > b[0] for a, b in pairwise(book.bids))
    assert all(a[0] < b[0] for a, b in pairwise(book.asks))
    for side, levels in ((book.bids, bids), (book.asks, asks)):
        assert dict(side) == {
            int(price * WAD): int(sum(s for p, s in levels if p == price) * WAD) for price in {p for p, _ in levels}
        }


def test_equal_prices_add_up_and_levels_of_nothing_are_left_out() -> None:
    book = order_book.read([["99", "1"], ["99.0", "2"], ["98", "0"]], [["101", "0.5"], ["100.5", "0.000"]])
    assert book == Book(bids=((99 * WAD, 3 * WAD),), asks=((101 * WAD, WAD // 2),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bids", "asks", "error"),
    [
        ([], [["101", "1"]], NoData),
        ([["99", "1"]], [], NoData),
        ([["99", "0"]], [["101", "1"]], NoData),
        ([["101", "1"]], [["101", "1"]], Crossed),
        ([["102", "1"]], [["101", "1"]], Crossed),
        (None, [["101", "1"]], Malformed),
        ("99", [["101", "1"]], Malformed),
        ({"99": "1"}, [["101", "1"]], Malformed),
        ([["99"]], [["101", "1"]], Malformed),
        (["99"], [["101", "1"]], Malformed),
        ([["99", "x"]], [["101", "1"]], Malformed),
        ([["99", "1"], ["0", "1"]], [["101", "1"]], NotPositive),
        ([["99", "1"], ["98", "-1"]], [["101", "1"]], NotPositive),
        ([["99", "1"]], [["1e20", "1"]], OutOfRange),
        ([["99", "1e30"]], [["101", "1"]], OutOfRange),
        ([["99", "1"]] * (order_book.MOST_LEVELS + 1), [["101", "1"]], Malformed),
    ],
)
def test_what_is_no_sane_book_is_a_typed_error(bids: Any, asks: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        order_book.read(bids, asks)


def test_levels_may_be_objects() -> None:
    level = order_book.keyed("px", "sz")
    book = order_book.read([{"px": "99", "sz": "1", "n": 3}], [{"px": "101", "sz": 2}], level=level, stated_at_ms=7)
    assert (book.bids, book.asks, book.stated_at_ms) == (((99 * WAD, WAD),), ((101 * WAD, 2 * WAD),), 7)
    with pytest.raises(Malformed):
        order_book.read([["99", "1"]], [["101", "1"]], level=level)


def test_a_move_that_a_price_just_reaches_is_within_it() -> None:
    """The middle is 100: 99 is 1 % away, 98 is 2 %."""
    bids = [["99.5", "1"], ["99", "2"], ["98", "4"], ["97.999999999999999999", "8"]]
    asks = [["100.5", "16"], ["101", "32"], ["102", "64"], ["102.000000000000000001", "128"]]
    assert order_book.depth(order_book.read(bids, asks)) == Depth(half_wad=WAD, one_wad=3 * WAD, two_wad=7 * WAD)


def test_a_book_that_ends_before_the_move_states_what_it_holds() -> None:
    book = order_book.read([["99.9", "1"]], [["100.1", "2"]])
    assert order_book.depth(book) == Depth(half_wad=WAD, one_wad=WAD, two_wad=WAD)


@given(st.integers(0, 10**30))
def test_a_depth_modelled_from_volume_grows_with_the_move(volume: int) -> None:
    depth = order_book.modelled_depth(volume)
    assert 0 <= depth.half_wad <= depth.one_wad <= depth.two_wad
    assert depth.one_wad == volume // 1_000


def test_one_array_is_told_apart_into_sides() -> None:
    assert order_book.side([("b", 1), ("a", 2), ("b", 3)], lambda row: row[0] == "b") == (
        [("b", 1), ("b", 3)], [("a", 2)],
    )  # fmt: skip


def test_a_book_may_be_larger_than_any_other_message_and_never_deep() -> None:
    levels = ",".join(f'["{n}","1"]' for n in range(1, 20_000))
    body = f'{{"bids":[{levels}],"asks":[["30000","1"]],"note":"]]]"}}'
    book = order_book.load(body)
    assert order_book.load(body.encode()) == book
    assert len(order_book.read(book["bids"], book["asks"]).bids) == 19_999
    with pytest.raises(Malformed):
        values.load(body)
    deep = "[" * 30_000 + "]" * 30_000
    hidden = f'["{"]" * 30_000}",{deep}]'
    escaped = body.replace("]]]", '\\\\"')
    for spoilt in (
        deep,
        "[" * 30_000,
        "]" * 30_000 + deep,
        hidden,
        escaped,
        "[]," * 70_000,
        "[" * 20 + body + "]" * 20,
    ):
        with pytest.raises(Malformed):
            order_book.load(spoilt)


def test_the_best_levels_of_a_sorted_side() -> None:
    assert order_book.best([1, 2, 3], 2) == [1, 2]
    assert order_book.best({"x": 1}, 2) == {"x": 1}
