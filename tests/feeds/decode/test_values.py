"""Bytes become exact numbers or a typed error, nothing else."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feeds.decode import values
from feeds.errors import Crossed, FeedError, Malformed, NotPositive, OutOfRange, TooLarge
from feeds.types import Quote, Tick
from feeds.units import WAD

NO_NUMBERS = [
    None, True, False, [], {}, "", " 1", "1 ", "1_000", "1,000", "$10,000.00", "NaN", "nan", "sNaN", "Infinity", "-inf",
    "0x10", "1e", "e5", "--1", "1.2.3", "٣", "1" * 61, 1.5, b"1", "1e99999999999999999999",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=Decimal("1e-12"), max_value=Decimal("1e12"), places=25
)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_malformed(value: Any) -> None:
    with pytest.raises(Malformed):
        values.number(value)


@pytest.mark.parametrize("text", ["1e999999", "-1e999999", "1e-999999", "1e1000"])
def test_an_exponent_beyond_reason_is_out_of_range(text: str) -> None:
    with pytest.raises(OutOfRange):
        values.number(text)
    with pytest.raises(OutOfRange):
        values.number(values.load(text))


@pytest.mark.parametrize("text", ["1e99999999999999999999", "1" * 5_000, "0." + "1" * 5_000, "NaN", "-Infinity"])
def test_a_json_number_that_is_none_fails_where_it_is_used(text: str) -> None:
    message = values.load(f'{{"bad": {text}, "good": 1.5}}')
    assert values.number(message["good"]) == Decimal("1.5")
    with pytest.raises(Malformed):
        values.number(message["bad"])


@given(st.binary(max_size=60) | st.text(max_size=60) | JSON.map(json.dumps))
@example(b"\xff\xfe\x00")
@example('"\ud800"')
@example("[" * 100_000)
def test_any_bytes_load_or_are_malformed(body: bytes | str) -> None:
    try:
        values.load(body)
    except Malformed as e:
        str(e).encode()


@given(JSON)
def test_any_value_is_a_sane_number_or_a_feed_error(value: Any) -> None:
    loaded = values.load(json.dumps(value))
    for read in (values.number, values.price_wad, values.amount_wad, values.time_ms, values.iso_ms, values.text):
        try:
            result = read(loaded)
        except FeedError as e:
            str(e).encode()
        else:
            assert read is values.text or isinstance(result, int | Decimal)


@given(NUMBERS)
def test_prices_are_exact_and_rounded_down(n: Decimal) -> None:
    wad = values.price_wad(str(n)) if "E" not in str(n) else values.price_wad(n)
    exact = Fraction(n) * WAD
    assert wad <= exact < wad + 1
    assert values.price_wad(values.load(str(n))) == wad


@pytest.mark.parametrize("value", ["0", "0.0000", "-0", "-1", 0, -5, Decimal("-0.1"), "-1e-30"])
def test_a_price_at_or_below_zero_is_not_positive(value: Any) -> None:
    with pytest.raises(NotPositive):
        values.price_wad(value)


@pytest.mark.parametrize("value", ["1e-16", "1e16", "1e60", "1e-60", 10**16, "1e900"])
def test_a_price_beyond_any_sane_value_is_out_of_range(value: Any) -> None:
    with pytest.raises((OutOfRange, NotPositive)):
        values.price_wad(value)


@pytest.mark.parametrize("edge", [values.MIN_PRICE_WAD, values.MAX_PRICE_WAD])
def test_the_edges_of_the_sane_range_are_inside(edge: int) -> None:
    assert values.bounded_price(edge) == edge
    with pytest.raises(OutOfRange):
        values.bounded_price(edge + (1 if edge == values.MAX_PRICE_WAD else -1))


def test_amounts_may_be_zero_and_not_negative() -> None:
    assert values.amount_wad("0.000") == 0
    assert values.amount_wad("1.5") == 3 * WAD // 2
    with pytest.raises(NotPositive):
        values.amount_wad("-0.1")
    with pytest.raises(OutOfRange):
        values.amount_wad("1e25")


def test_the_middle_is_rounded_down_and_a_crossed_book_refused() -> None:
    assert values.book_mid("1", "1.000000000000000001") == (WAD, WAD, WAD + 1)
    with pytest.raises(Crossed):
        values.book_mid("2", "1")


@pytest.mark.parametrize(("last", "fits"), [("80", True), ("79.9", False), ("121.2", True), ("121.3", False)])
def test_the_last_trade_may_lie_a_fifth_outside_of_the_book(last: str, *, fits: bool) -> None:
    if fits:
        assert values.book_quote("100", "101", last=last).price_wad == 201 * WAD // 2
    else:
        with pytest.raises(Crossed, match=r"last=\d+"):
            values.book_quote("100", "101", last=last)


def test_a_book_quote_keeps_what_is_given_and_nothing_else() -> None:
    assert values.book_quote("1", "3") == Quote(price_wad=2 * WAD, bid_wad=WAD, ask_wad=3 * WAD)
    full = values.book_quote("1", "3", last="2", volume="7", stated_at_ms=5)
    assert (full.volume_wad, full.stated_at_ms) == (7 * WAD, 5)


def test_a_tick_carries_the_error_as_a_value() -> None:
    ticks = [values.tick(s, lambda s=s: values.book_quote(s, s)) for s in ("1", "0", "x")]
    assert [type(t.result) for t in ticks] == [Quote, NotPositive, Malformed]
    assert isinstance(ticks[0], Tick)


def test_times_in_the_wrong_unit_are_refused() -> None:
    ms = 1_741_064_767_891
    assert values.time_ms(ms) == values.time_ms(str(ms)) == ms
    assert values.time_ms(ms * 1_000, per_s=1_000_000) == ms
    assert values.time_ms(ms // 1_000, per_s=1) == ms // 1_000 * 1_000
    for wrong in (ms // 1_000, ms * 1_000, 0, -ms, "1.5", ms + Decimal("0.5"), "1e400"):
        with pytest.raises(FeedError):
            values.time_ms(wrong)


@given(st.datetimes(min_value=datetime(2010, 1, 1), max_value=datetime(2099, 12, 31)))  # noqa: DTZ001 - UTC is added
def test_iso_times_agree_with_the_library(moment: datetime) -> None:
    exact = moment.replace(tzinfo=UTC)
    text = exact.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert values.iso_ms(text) == int(exact.timestamp()) * 1_000 + exact.microsecond // 1_000


@pytest.mark.parametrize(
    "value",
    [
        "", "2021-04-17", "2021-04-17T16:43:37", "2021-04-17T16:43:37+02:00", "2021-04-17T16:43:37+0", "2021-13-17T16:43:37Z",
        "2021-04-17T24:43:37Z", "2021-04-17T16:43:37.Z1Z", "2021-04-17T16:43:37.0123456789Z", "1969-04-17T16:43:37Z",
        "٢٠٢١-04-17T16:43:37Z", None, 1_618_677_817, "2021-4-17T16:43:37Z",
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_utc_time_is_malformed(value: Any) -> None:
    with pytest.raises(Malformed):
        values.iso_ms(value)


@pytest.mark.parametrize("zone", ["Z", "z", "+00:00", "-00:00"])
@pytest.mark.parametrize("between", ["T", "t", " "])
def test_utc_has_several_spellings_and_one_meaning(between: str, zone: str) -> None:
    assert values.iso_ms(f"2021-04-17{between}16:43:37{zone}") == 1_618_677_817_000
    assert values.iso_ms(f"2021-04-17{between}16:43:37.020616{zone}") == 1_618_677_817_020


@given(st.integers(1_262_304_000 * 10**9, 4_102_444_799 * 10**9), st.sampled_from([1, 1_000, 10**6, 10**9]))
def test_a_time_with_a_fraction_is_exact_to_the_millisecond_and_rounded_down(ns: int, per_s: int) -> None:
    stated = Decimal(ns).scaleb(len(str(per_s)) - 10)
    assert values.moment_ms(stated, per_s=per_s) == ns // 1_000_000
    assert values.moment_ms(str(stated), per_s=per_s) == ns // 1_000_000


def test_a_fraction_of_a_time_never_makes_it_later_or_of_another_unit() -> None:
    assert values.moment_ms("1764487810123.9999999999999999999999999999999999999", per_s=1_000) == 1_764_487_810_123
    for wrong in (1_764_487_810, "1e400", "-1e400", "1e-400", "x", True, None):
        with pytest.raises(FeedError):
            values.moment_ms(wrong, per_s=1_000)


def test_fields_that_are_not_there_are_malformed() -> None:
    for read in (
        lambda: values.member([], "a"), lambda: values.member({}, "a"), lambda: values.item([], 0),
        lambda: values.item("abc", 0), lambda: values.item({}, 0), lambda: values.text(1),
    ):  # fmt: skip
        with pytest.raises(Malformed):
            read()


def test_a_leap_second_is_the_moment_after_the_59th_and_an_impossible_day_is_malformed() -> None:
    assert values.iso_ms("2016-12-31T23:59:60.5Z") == values.iso_ms("2017-01-01T00:00:00.5Z")
    with pytest.raises(Malformed):
        values.iso_ms("2021-02-30T00:00:00Z")


def test_what_a_source_said_is_short_and_printable() -> None:
    assert values.printable("a\x00\x1b[31m\ud800b" + "x" * 500) == "a[31mb" + "x" * 71


@given(st.binary(max_size=500))
def test_what_was_packed_unpacks(body: bytes) -> None:
    packed = gzip.compress(body)
    assert values.gunzip(packed) == body
    assert values.gunzip(packed, max_bytes=len(body)) == body
    for broken in (
        packed[:-1],
        packed[:5],
        packed + b"x",
        packed + packed,
        packed[:-5] + bytes([packed[-5] ^ 1]) + packed[-4:],
    ):
        with pytest.raises(Malformed):
            values.gunzip(broken)


@given(st.binary(max_size=200))
def test_bytes_that_are_not_gzip_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        values.gunzip(b"{" + body)


def test_a_bomb_is_never_unpacked_beyond_the_cap() -> None:
    packed = gzip.compress(bytes(1001))
    with pytest.raises(TooLarge):
        values.gunzip(packed, max_bytes=1000)
    assert values.gunzip(packed, max_bytes=1001) == bytes(1001)
    bomb = gzip.compress(bytes(64 << 20), 1)
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    with pytest.raises(TooLarge):
        values.gunzip(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_large_body_with_an_escape_is_refused_for_its_brackets() -> None:
    """An escaped quote would hide from the count of depth what stands between two of them."""
    levels = ",".join(["[1,2]"] * (values.MOST_BRACKETS + 1))
    most = 4 * values.MOST_BRACKETS
    assert len(values.load(f"[{levels}]".encode(), most_brackets=most)) == values.MOST_BRACKETS + 1
    with pytest.raises(Malformed, match="more brackets"):
        values.load(f'[{levels},"\\""]'.encode(), most_brackets=most)
