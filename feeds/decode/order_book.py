"""Order books: levels as venues write them to exact ones, and the depth that they state. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from feeds.decode import values
from feeds.errors import Crossed, Malformed, NoData
from feeds.types import Book, Depth
from feeds.units import BPS, Wad, mid_down

MOST_LEVELS = 50_000
"""Of one side; no venue shows more."""
_MOVES_BPS = (50, 100, 200)
_MODEL_PART = 1_000
"""A thousandth of the day's volume is taken to move a price by 1 %."""

Level = Callable[[Any], tuple[Any, Any]]
"""(price, base units) of a level, as the venue wrote them."""


def pair(level: Any) -> tuple[Any, Any]:
    """A level that begins with its price and size: ``["4000.1", "2.5", ...]``."""
    return values.item(level, 0), values.item(level, 1)


def keyed(price: str, size: str) -> Level:
    """Levels that are objects: ``{"px": "4000.1", "sz": "2.5"}``."""
    return lambda level: (values.member(level, price), values.member(level, size))


def load(body: bytes | str) -> Any:
    """Parse the JSON of a book, which may be larger than any other message; raises as :func:`feeds.decode.values.load`."""
    return values.load(body, most_brackets=2 * MOST_LEVELS + values.MOST_BRACKETS)


def best(side: Any, levels: int) -> Any:
    """The first levels of a side that the venue sorts by price, the best first; what is no array stays what it is."""
    return side[:levels] if isinstance(side, list) else side


def read(bids: Any, asks: Any, *, level: Level = pair, stated_at_ms: int | None = None) -> Book:
    """Book of two arrays of levels, each in any order. Levels of size 0 are left out; equal prices are added up.

    Raises:
        NoData: a side is empty.
        Malformed: not arrays, not numbers, or more levels than any venue shows.
        NotPositive, OutOfRange: a price or size is not one.
        Crossed: the best bid is not below the best ask.
    """
    sold, bought = _side(bids, level), _side(asks, level)
    if not sold or not bought:
        raise NoData("the order book has an empty side")
    book = Book(
        bids=tuple(sorted(sold.items(), reverse=True)), asks=tuple(sorted(bought.items())), stated_at_ms=stated_at_ms
    )
    if book.bids[0][0] >= book.asks[0][0]:
        raise Crossed("bid not below ask", bid=str(book.bids[0][0]), ask=str(book.asks[0][0]))
    return book


def _side(levels: Any, level: Level) -> dict[Wad, int]:
    if not isinstance(levels, Sequence) or isinstance(levels, str | bytes):
        raise Malformed("expected an array of levels", got=type(levels).__name__)
    if len(levels) > MOST_LEVELS:
        raise Malformed("more levels than any venue shows", levels=len(levels), most=MOST_LEVELS)
    out: dict[Wad, int] = {}
    for entry in levels:
        price, size = level(entry)
        if (amount := values.amount_wad(size)) > 0:
            wad = values.price_wad(price)
            out[wad] = out.get(wad, 0) + amount
    return out


def depth(book: Book) -> Depth:
    """Base units within 0.5, 1 and 2 % of the middle, on the thinner side of each; rounded down by nothing.

    Where the levels end before the move, what they hold: a lower bound.
    """
    middle = mid_down(book.bids[0][0], book.asks[0][0])
    half, one, two = (
        min(
            sum(size for price, size in book.bids if price * BPS >= middle * (BPS - move)),
            sum(size for price, size in book.asks if price * BPS <= middle * (BPS + move)),
        )
        for move in _MOVES_BPS
    )
    return Depth(half_wad=half, one_wad=one, two_wad=two)


def modelled_depth(volume_wad: int) -> Depth:
    """A guess where no book can be read: a thousandth of the day's volume for 1 %, in proportion for the others.

    Volume can be washed, so it is for showing only: no gate counts it, and no weight.
    """
    one = volume_wad // _MODEL_PART
    return Depth(half_wad=one // 2, one_wad=one, two_wad=2 * one)


def side(rows: Iterable[Any], is_bid: Callable[[Any], bool]) -> tuple[list[Any], list[Any]]:
    """Rows of one array, of which a test tells the bids, as (bids, asks)."""
    bids: list[Any] = []
    asks: list[Any] = []
    for row in rows:
        (bids if is_bid(row) else asks).append(row)
    return bids, asks
