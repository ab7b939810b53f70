"""The table of newest words: nothing is re-stamped, nothing old overwrites, no error is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import Crossed, FeedError, FromFuture, NoData, NotPositive
from feeds.streams.latest import LatestQuote, LatestQuotes
from feeds.types import Quote, Tick
from feeds.units import WAD, Wad

T = 1_741_064_767_891


def tick(price: int = 1, at: int | None = T, symbol: str = "S") -> Tick:
    return Tick(symbol=symbol, result=Quote(price_wad=Wad(price * WAD), stated_at_ms=at))


def error(e: FeedError, symbol: str = "S") -> Tick:
    return Tick(symbol=symbol, result=e)


def test_nothing_seen_is_no_data() -> None:
    seen = LatestQuotes().get("v", "S")
    assert isinstance(seen.newest, NoData)
    assert seen.observed_at_ms is None


def test_an_error_keeps_the_quote_with_its_time_and_a_quote_keeps_the_error() -> None:
    table = LatestQuotes()
    assert table.put("v", tick(5), T + 10)
    assert not table.put("v", error(Crossed()), T + 2_000)
    seen = table.get("v", "S")
    assert seen.quote == tick(5).result
    assert (seen.received_at_ms, seen.observed_at_ms, seen.error_at_ms) == (T + 10, T, T + 2_000)
    assert isinstance(seen.newest, Crossed)
    assert table.put("v", tick(6, T + 3_000), T + 3_001)
    seen = table.get("v", "S")
    assert seen.newest == tick(6, T + 3_000).result
    assert isinstance(seen.error, Crossed)
    assert seen.error_at_ms == T + 2_000


def test_old_and_repeated_quotes_are_dropped_and_counted() -> None:
    table = LatestQuotes()
    table.put("v", tick(5), T)
    before = table.get("v", "S")
    assert not table.put("v", tick(9, T - 1), T + 5)
    assert not table.put("v", tick(5), T + 6)
    assert table.get("v", "S") == before
    assert table.dropped("v") == {"duplicate": 1, "out_of_order": 1}
    assert table.dropped("other") == {}


def test_another_price_in_the_same_millisecond_is_news() -> None:
    table = LatestQuotes()
    table.put("v", tick(5), T)
    assert table.put("v", tick(6), T)


def test_a_quote_without_a_time_is_news_and_its_time_is_when_it_came() -> None:
    table = LatestQuotes()
    assert table.put("v", tick(5, None), T)
    assert table.put("v", tick(5, None), T + 1_000)
    seen = table.get("v", "S")
    assert (seen.observed_at_ms, seen.changed_at_ms) == (T + 1_000, T)


def test_the_time_of_change_tells_a_source_that_repeats_itself() -> None:
    table = LatestQuotes()
    table.put("v", tick(5, T), T)
    table.put("v", tick(5, T + 1_000), T + 1_000)
    assert table.get("v", "S").changed_at_ms == T
    table.put("v", tick(6, T + 2_000), T + 2_000)
    assert table.get("v", "S").changed_at_ms == T + 2_000


def test_a_time_ahead_is_an_error_and_does_not_make_later_quotes_old() -> None:
    table = LatestQuotes(future_ms=100)
    assert not table.put("v", tick(5, T + 101), T)
    assert isinstance(table.get("v", "S").newest, FromFuture)
    assert table.put("v", tick(5, T + 100), T)
    assert table.get("v", "S").observed_at_ms == T
    assert table.put("v", tick(6, T + 200), T + 150)


def test_symbols_and_venues_do_not_touch_each_other() -> None:
    table = LatestQuotes()
    table.put("v", tick(1), T)
    table.put("w", tick(2), T)
    table.put("v", error(NotPositive(), "R"), T)
    assert table.get("v", "S").quote == tick(1).result
    assert set(table.all()) == {("v", "S"), ("w", "S"), ("v", "R")}


STEPS = st.lists(
    st.tuples(st.integers(1, 4), st.none() | st.integers(T - 9_000, T + 9_000), st.integers(0, 2_000), st.booleans())
)


@given(STEPS)
def test_stated_times_never_run_back_and_reading_never_makes_younger(
    steps: list[tuple[int, int | None, int, bool]],
) -> None:
    table, now, last = LatestQuotes(), T, LatestQuote()
    for price, stated, wait, fails in steps:
        now += wait
        table.put("v", error(Crossed()) if fails else tick(price, stated), now)
        seen = table.get("v", "S")
        if seen.quote is not None and last.quote is not None:
            if seen.quote.stated_at_ms is not None and last.quote.stated_at_ms is not None:
                assert seen.quote.stated_at_ms >= last.quote.stated_at_ms
            assert seen == last or now in {seen.received_at_ms, seen.error_at_ms}
        if seen.observed_at_ms is not None:
            assert seen.observed_at_ms <= now
        last = seen
