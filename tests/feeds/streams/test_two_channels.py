"""A session whose book and whose last trade come in different channels: what is said beside never makes a price younger."""

from __future__ import annotations

from feeds.errors import FeedError, Malformed
from feeds.streams.two_channels import BookTop, LastTrade, Part, TwoChannels
from feeds.streams.venue import Frame
from feeds.types import Quote, Tick
from feeds.units import WAD

T0 = 1_741_064_767_891
PARTS: dict[str, tuple[Part, ...]] = {
    "aside": (LastTrade(symbol="A", last="100", volume="5", stated_at_ms=T0),),
    "aside later": (LastTrade(symbol="A", last="102", volume="6", stated_at_ms=T0 + 60_000),),
    "bad aside": (LastTrade(symbol="A", last="NaN", volume="5", stated_at_ms=T0),),
    "far aside": (LastTrade(symbol="A", last="200", volume="5", stated_at_ms=T0),),
    "other": (LastTrade(symbol="B", last="7", volume="1", stated_at_ms=T0),),
    "book": (BookTop(symbol="A", bid="99", ask="101", stated_at_ms=T0 + 10),),
    "book with last": (BookTop(symbol="A", bid="99", ask="101", last="99.5", stated_at_ms=T0 + 10),),
    "book at the limit": (BookTop(symbol="A", bid="99", ask="101", stated_at_ms=T0 + 300_000),),
    "book beyond it": (BookTop(symbol="A", bid="99", ask="101", stated_at_ms=T0 + 300_001),),
    "book without time": (BookTop(symbol="A", bid="99", ask="101"),),
    "crossed": (BookTop(symbol="A", bid="101", ask="99", stated_at_ms=T0),),
    "error": (Tick(symbol="A", result=Malformed("x")),),
}


def play(*names: str) -> Quote | FeedError:
    """What the last of these frames comes to."""
    session = TwoChannels(lambda frame: PARTS[str(frame)], "ping")
    heard = [session.read_frame(name) for name in names]
    assert all(not h.replies for h in heard)
    (tick,) = heard[-1].ticks
    assert tick.symbol == "A"
    return tick.result


def summary(result: Quote | FeedError) -> tuple[int | None, int | None, int | None] | str:
    if isinstance(result, FeedError):
        return result.code
    assert result.price_wad == 100 * WAD
    return result.last_wad, result.volume_wad, result.stated_at_ms


def test_a_book_is_completed_by_the_newest_word_beside_it_and_keeps_its_own_time() -> None:
    assert summary(play("book")) == (None, None, T0 + 10)
    assert summary(play("aside", "book")) == (100 * WAD, 5 * WAD, T0 + 10)
    assert summary(play("aside", "aside later", "book")) == (102 * WAD, 6 * WAD, T0 + 10)
    assert summary(play("other", "book")) == (None, None, T0 + 10)
    assert summary(play("aside", "book without time")) == (100 * WAD, 5 * WAD, None)


def test_a_last_trade_that_comes_with_the_book_goes_before() -> None:
    assert summary(play("aside", "book with last")) == (995 * WAD // 10, 5 * WAD, T0 + 10)


def test_what_is_older_than_five_minutes_is_left_out() -> None:
    assert summary(play("aside", "book at the limit")) == (100 * WAD, 5 * WAD, T0 + 300_000)
    assert summary(play("aside", "book beyond it")) == (None, None, T0 + 300_001)


def test_nonsense_on_either_channel_is_an_error_until_it_speaks_sense() -> None:
    assert summary(play("bad aside", "book")) == "MALFORMED"
    assert summary(play("far aside", "book")) == "CROSSED"
    assert summary(play("aside", "crossed")) == "CROSSED"
    assert summary(play("bad aside", "book", "aside", "book")) == (100 * WAD, 5 * WAD, T0 + 10)


def test_what_is_complete_passes_through() -> None:
    assert summary(play("error")) == "MALFORMED"


def test_only_a_book_makes_a_tick_and_the_memory_is_bounded() -> None:
    def parse(frame: Frame) -> tuple[Part, ...]:
        channel, symbol = str(frame).split()
        return (BookTop(symbol=symbol, bid="1", ask="1") if channel == "book" else LastTrade(symbol=symbol, last="1"),)

    session = TwoChannels(parse, None)
    assert all(session.read_frame(f"trade S{i}").ticks == () for i in range(5_000))
    quotes = [session.read_frame(f"book S{i}").ticks[0].result for i in range(5_000)]
    assert [q.last_wad is not None for q in quotes if isinstance(q, Quote)] == [True] * 1_000 + [False] * 4_000
    assert session.ping(T0) is None
    assert TwoChannels(lambda _: (), "ping").ping(T0) == "ping"
