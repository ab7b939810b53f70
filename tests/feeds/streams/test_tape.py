"""The tape: each trade once, none from the future, none too old, and merged without losing a unit of volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from feeds.errors import FromFuture, Malformed
from feeds.streams import tape as tapes
from feeds.streams.tape import KEEP_MS, TradeTape, merged
from feeds.types import Print, TradeTick, VenueTrade
from feeds.units import WAD, Wad

T = 1_741_064_767_891


def trade(trade_id: str = "1", price: int = 100, volume: int = WAD, at_ms: int = T) -> VenueTrade:
    return VenueTrade(trade_id=trade_id, price_wad=Wad(price * WAD), volume_wad=volume, at_ms=at_ms)


def put(tape: TradeTape, *trades: VenueTrade, received_at_ms: int = T, symbol: str = "S") -> None:
    for each in trades:
        assert tape.put("v", TradeTick(symbol=symbol, result=each), received_at_ms) is None


def volume(prints: Sequence[Print]) -> int:
    return sum(p.volume_wad for p in prints)


def test_nothing_traded_is_an_empty_tape() -> None:
    assert TradeTape().prints("v", "S", 0, T) == tapes.Prints()


def test_a_trade_that_is_repeated_on_a_new_subscription_counts_once() -> None:
    tape = TradeTape()
    put(tape, trade("1"), trade("2", 101))
    put(tape, trade("1"), trade("2", 101), trade("3", 102), received_at_ms=T + 60_000)
    assert [p.price_wad // WAD for p in tape.prints("v", "S", 0, T + 60_000).prints] == [100, 101, 102]
    assert tape.dropped == {"v": 2}


def test_the_same_number_at_another_symbol_or_venue_is_another_trade() -> None:
    tape = TradeTape()
    put(tape, trade("1"))
    put(tape, trade("1"), symbol="OTHER")
    assert tape.put("w", TradeTick(symbol="S", result=trade("1")), T) is None
    assert not tape.dropped
    for venue, symbol in (("v", "S"), ("v", "OTHER"), ("w", "S")):
        assert volume(tape.prints(venue, symbol, 0, T).prints) == WAD


def test_trades_without_a_number_are_all_counted() -> None:
    tape = TradeTape()
    put(tape, trade(""), trade(""))
    assert tape.prints("v", "S", 0, T).prints == (
        Print(at_ms=T, price_wad=Wad(100 * WAD), volume_wad=2 * WAD, count=2),
    )


def test_an_error_is_handed_back_and_costs_nothing() -> None:
    tape, error = TradeTape(), Malformed("row")
    assert tape.put("v", TradeTick(symbol="S", result=error), T) is error
    put(tape, trade("1"))
    assert volume(tape.prints("v", "S", 0, T).prints) == WAD


def test_a_trade_from_the_future_is_an_error_and_one_within_the_tolerance_is_not() -> None:
    tape = TradeTape(future_ms=5_000)
    ahead = tape.put("v", TradeTick(symbol="S", result=trade("1", at_ms=T + 5_001)), T)
    assert isinstance(ahead, FromFuture)
    assert ahead.facts["ahead_ms"] == 5_001
    put(tape, trade("2", at_ms=T + 5_000))
    assert volume(tape.prints("v", "S", 0, T).prints) == WAD
    assert tape.dropped == {"v": 1}


def test_a_trade_of_long_ago_is_left_out() -> None:
    tape = TradeTape()
    put(tape, trade("1", at_ms=T - KEEP_MS - 1), trade("2", at_ms=T - KEEP_MS // 2))
    assert [p.at_ms for p in tape.prints("v", "S", 0, T).prints] == [T - KEEP_MS // 2]
    assert tape.dropped == {"v": 1}


def test_trades_and_their_numbers_are_forgotten_together() -> None:
    tape = TradeTape()
    put(tape, trade("1"))
    later = T + KEEP_MS + 5_001
    put(tape, trade("2", at_ms=later), received_at_ms=later)
    assert [p.at_ms for p in tape.prints("v", "S", 0, later).prints] == [later]


@given(st.integers(-KEEP_MS, 5_000), st.integers(0, 2 * KEEP_MS), st.integers(0, 2 * KEEP_MS))
@example(skew=5_000, other_ms=KEEP_MS + 1, again_ms=0)
def test_a_trade_that_is_repeated_however_late_counts_once(skew: int, other_ms: int, again_ms: int) -> None:
    """Its number may be forgotten only when it is too old itself, whatever the venue's clock says."""
    tape, first = TradeTape(future_ms=5_000), trade("1", at_ms=T + skew)
    put(tape, first)
    counted = volume(tape.prints("v", "S", 0, T).prints)
    put(tape, trade("2", at_ms=T + other_ms), received_at_ms=T + other_ms)
    put(tape, first, received_at_ms=T + other_ms + again_ms)
    new = tape.prints("v", "S", T, T + other_ms + again_ms).prints
    assert counted + volume([p for p in new if p.at_ms == first.at_ms != T + other_ms]) <= WAD


def test_more_trades_than_are_kept_leave_the_newest() -> None:
    """Those that a round has taken in go first, one for each that comes."""
    tape = TradeTape()
    for i in range(tapes.MOST_TRADES + 10):
        tape.put("v", TradeTick(symbol="S", result=trade(str(i), at_ms=T + i // 100)), T + i // 100)
        if i == 1_000:
            assert volume(tape.prints("v", "S", T + 9, T + 10).prints) == WAD
    held = tape.prints("v", "S", 0, T + KEEP_MS)
    assert sum(p.count for p in held.prints) == tapes.MOST_TRADES
    put(tape, trade(str(tapes.MOST_TRADES + 9), at_ms=T + 500), received_at_ms=T + 600)
    assert tape.dropped == {"v": 1}, "the newest are still known by their numbers"


def test_a_flood_of_small_trades_in_one_round_pushes_out_no_larger_one() -> None:
    tape = TradeTape()
    put(tape, *(trade(f"large {i}", 110, 5 * WAD) for i in range(20)), trade("small", 90, 2))
    for i in range(2 * tapes.MOST_TRADES):
        tape.put("v", TradeTick(symbol="S", result=trade(str(i), 100, 3, at_ms=T + i // 100)), T + i // 100)
    told = tape.prints("v", "S", 0, T + KEEP_MS)
    count = sum(p.count for p in told.prints)
    assert volume(told.prints) == 100 * WAD + 3 * (count - 20)
    assert tapes.MOST_TRADES * 3 // 4 <= count <= tapes.MOST_TRADES
    assert count + tape.dropped["v"] == 21 + 2 * tapes.MOST_TRADES, "what gave way is counted"
    newest = [p for p in told.prints if p.price_wad == 100 * WAD][-1]
    assert newest.at_ms == T + (2 * tapes.MOST_TRADES - 1) // 100


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 5), st.booleans()), max_size=80), st.integers(1, 2))
def test_dust_is_left_out_before_anything_is_merged(rows: list[tuple[int, int, bool]], scale: int) -> None:
    """However small and many the others are, a trade that is none keeps its size; merged with them it would be dust itself."""
    tape, large = TradeTape(), []
    for i, (at, price, is_dust) in enumerate(rows):
        made = trade(str(i), price * scale, WAD // 1_000 if is_dust else WAD, at_ms=T + at)
        put(tape, made, received_at_ms=T + 3_000)
        large += [] if is_dust else [made]
    told = tape.prints("v", "S", 0, T + 3_000, WAD // 2)
    assert replace(told, from_ms=0) == merged(large)
    assert all(p.volume_wad >= p.count * WAD // 2 for p in told.prints)


_TRADES = st.lists(
    st.builds(
        VenueTrade,
        trade_id=st.just(""),
        price_wad=st.integers(1, 5).map(lambda n: Wad(n * 10**17 + n)),
        volume_wad=st.integers(1, 10**21),
        at_ms=st.integers(T, T + 300).map(lambda t: t),
    ),
    max_size=60,
)


def naive(trades: list[VenueTrade]) -> list[Print]:
    """Every time and price that occurs, in order, with what was traded there: a list walked once for each."""
    places = sorted({(t.at_ms, t.price_wad) for t in trades})
    here = [[t for t in trades if (t.at_ms, t.price_wad) == place] for place in places]
    return [
        Print(at_ms=at, price_wad=price, volume_wad=sum(t.volume_wad for t in held), count=len(held))
        for (at, price), held in zip(places, here, strict=True)
    ]


@given(_TRADES)
def test_prints_are_exact_where_they_are_few(trades: list[VenueTrade]) -> None:
    assert merged(trades) == tapes.Prints(prints=tuple(naive(trades)), span_ms=1)


@given(_TRADES, st.integers(2, 20))
def test_prints_that_are_too_many_keep_volume_count_and_mean(trades: list[VenueTrade], most: int) -> None:
    told = merged(trades, most)
    assert len(told.prints) <= most
    assert volume(told.prints) == sum(t.volume_wad for t in trades)
    assert sum(p.count for p in told.prints) == len(trades)
    assert [p.at_ms for p in told.prints] == sorted(p.at_ms for p in told.prints)
    paid = sum(t.price_wad * t.volume_wad for t in trades)
    lost = paid - sum(p.price_wad * p.volume_wad for p in told.prints)
    assert 0 <= lost < max(1, volume(told.prints)), "less than one unit of the price is rounded away, and never up"
    if told.span_ms > 1:
        assert len(naive(trades)) > most, "merged only where it must be"
        spans = [p.at_ms // told.span_ms for p in told.prints]
        assert len(spans) == len(set(spans))


@given(_TRADES, st.lists(st.integers(0, 400), min_size=1, max_size=5))
def test_rounds_that_follow_each_other_see_each_trade_once(trades: list[VenueTrade], rounds: list[int]) -> None:
    tape = TradeTape()
    for each in sorted(trades, key=lambda t: t.at_ms):
        put(tape, each, received_at_ms=each.at_ms)
    cuts = [T - 1, *(T + r for r in sorted(rounds)), T + 401]
    seen = [p for a, b in pairwise(cuts) for p in tape.prints("v", "S", a, b).prints]
    assert sorted(seen, key=lambda p: (p.at_ms, p.price_wad)) == naive(trades)
