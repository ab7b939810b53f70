"""The table of newest words: nothing is re-stamped, nothing old overwrites, no error is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import Crossed, FeedError, FromFuture, NoData, NotPositive, RateLimited, Refused, TimedOut
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


def answer(table: LatestQuotes, given: Tick, at: int, *, asked: int | None = None, streamed: bool = True) -> bool:
    return table.put_answer("v", given, at, asked_at_ms=at if asked is None else asked, streamed=streamed)


def test_a_request_that_fails_stands_beside_the_streams_quote() -> None:
    table = LatestQuotes()
    table.put("v", tick(5), T)
    for at, e in enumerate((Refused("451"), RateLimited(), TimedOut(), Crossed(), NotPositive()), T + 1):
        assert not answer(table, error(e), at)
        seen = table.get("v", "S")
        assert seen.newest == tick(5).result
        assert seen.missed is e
        assert (seen.received_at_ms, seen.error_at_ms) == (T, at)
    table.put("v", tick(6, T + 9), T + 9)
    assert table.get("v", "S").missed is None


def test_without_a_quote_the_request_that_failed_is_the_reason() -> None:
    table = LatestQuotes()
    answer(table, error(Refused("451")), T)
    assert isinstance(table.get("v", "S").newest, Refused)
    assert isinstance(table.get("v", "S").missed, Refused)


def test_a_source_without_a_stream_takes_its_word_back_and_a_lost_request_does_not() -> None:
    table = LatestQuotes()
    assert answer(table, tick(5), T, streamed=False)
    answer(table, error(TimedOut()), T + 1, streamed=False)
    assert table.get("v", "S").newest == tick(5).result
    answer(table, error(Crossed()), T + 2, streamed=False)
    assert isinstance(table.get("v", "S").newest, Crossed)
    answer(table, error(TimedOut()), T + 3, streamed=False)
    assert isinstance(table.get("v", "S").newest, Crossed), "what failed it stays the reason"
    assert answer(table, tick(5), T + 4, streamed=False), "the same quote again, after an error"
    assert table.get("v", "S").newest == tick(5).result


def test_an_error_of_the_stream_is_healed_by_an_answer_asked_for_later_and_no_earlier_one() -> None:
    table = LatestQuotes()
    table.put("v", tick(5), T)
    table.put("v", error(Crossed()), T + 10)
    assert not answer(table, tick(6, T + 8), T + 12, asked=T + 7)
    assert isinstance(table.get("v", "S").newest, Crossed)
    assert answer(table, tick(6, T + 8), T + 14, asked=T + 13)
    assert table.get("v", "S").newest == tick(6, T + 8).result


def test_an_older_answer_never_replaces_a_newer_quote() -> None:
    for old, new, asked, taken in (
        (T, T - 1, T + 10, False),  # by their own times
        (T, T + 1, T - 10, True),
        (None, T - 5, T + 10, False),  # by when the first was received
        (None, T + 5, T + 10, True),
        (T, None, T + 10, True),
        (T, None, T - 10, False),  # the stream spoke while the answer was on its way
        (None, None, T - 10, False),
        (None, None, T + 10, True),
    ):
        table = LatestQuotes()
        table.put("v", tick(5, old), T)
        assert answer(table, tick(6, new), T + 20, asked=asked) is taken, (old, new, asked)
        assert table.get("v", "S").newest == (tick(6, new) if taken else tick(5, old)).result
        assert table.dropped("v") == ({} if taken else {"out_of_order": 1})


ERRORS = st.sampled_from([Crossed(), NotPositive(), Refused(), TimedOut(), RateLimited()])
HEARD = st.lists(
    st.tuples(
        st.booleans(),
        st.builds(tick, st.integers(1, 4), st.none() | st.integers(T - 900, T + 9_000)) | st.builds(error, ERRORS),
        st.integers(0, 2_000),
        st.integers(0, 3_000),
    )
)


@given(HEARD)
def test_where_there_is_a_stream_an_answer_only_adds(heard: list[tuple[bool, Tick, int, int]]) -> None:
    """After an answer there is a quote where there was one, and it was observed no earlier."""
    table, now = LatestQuotes(), T
    for by_request, given_tick, wait, on_its_way in heard:
        now += wait
        before = table.get("v", "S")
        if not by_request:
            table.put("v", given_tick, now)
            assert isinstance(given_tick.result, FeedError) <= isinstance(table.get("v", "S").newest, FeedError)
            continue
        answer(table, given_tick, now, asked=now - on_its_way)
        after = table.get("v", "S")
        if before.observed_at_ms is not None:
            assert isinstance(after.newest, FeedError) <= isinstance(before.newest, FeedError)
            assert after.observed_at_ms is not None
            assert after.observed_at_ms >= before.observed_at_ms


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
