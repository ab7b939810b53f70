"""A source by config alone: its numbers worked out by hand, its keys refused where they can hurt, and it runs."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.venues.server import Venue
from feeds.chain_follower import IngestHooks
from feeds.decode import values
from feeds.errors import FeedError
from feeds.exchanges.json_http import JsonHttp, JsonVenue
from feeds.ingest import Ingest
from feeds.observe import Observer, Source
from feeds.types import Kind, Observation, Pair, Quote, Tick
from feeds.units import WAD
from tests.feeds.golden_cases import assert_sane_answer, at, changed, dumps, places, replacements
from tests.feeds.local_venues import quote, until, wall_ms

URL = "https://api.issuer.example/v1/rate?base={symbol}"
ANSWER = {
    "data": [{"name": "weETH", "rate": 1.0871234567890123456, "at": 1_760_130_545, "iso": "2025-10-10T21:09:05Z"}],
    "wad": "1087123456789012345",
    "book": {"bid": "1.0870", "ask": "1.0872"},
    "status": "ok",
}


def read(message: Any = None, *, body: bytes | None = None, **keys: Any) -> Quote | FeedError:
    venue = JsonVenue(name="weETH/ETH|issuer", source=JsonHttp(url=URL, **keys))
    (request,) = venue.request(["WEETH"])
    try:
        (tick,) = venue.parse_reply(request, body or json.dumps(ANSWER if message is None else message).encode())
    except FeedError as e:
        return e
    assert tick.symbol == "WEETH"
    return tick.result


def code(result: Quote | FeedError) -> str:
    assert isinstance(result, FeedError), result
    return result.code


def test_a_number_keeps_every_digit_that_was_sent() -> None:
    body = b'{"data": [{"rate": 1.087123456789012345678}]}'
    assert read(body=body, price="data.0.rate") == Quote(price_wad=1_087_123_456_789_012_345)


def test_a_wad_is_scaled_back() -> None:
    assert read(price="wad", scale=18) == Quote(price_wad=1_087_123_456_789_012_345)
    assert read({"wad": 10**27 + 1}, price="wad", scale=27) == Quote(price_wad=WAD)


def test_a_book_has_its_middle() -> None:
    expected = Quote(price_wad=1_087_100_000_000_000_000, bid_wad=1_087 * 10**15, ask_wad=10_872 * 10**14)
    assert read(bid="book.bid", ask="book.ask") == expected


def test_inverted_a_bid_becomes_an_ask() -> None:
    """1 / 1.0872 and 1 / 1.0870, rounded down at the 18th place."""
    bid, ask = 919_793_966_151_582_045, 919_963_201_471_941_122
    expected = Quote(price_wad=(bid + ask) // 2, bid_wad=bid, ask_wad=ask)
    assert read(bid="book.bid", ask="book.ask", invert=True) == expected
    assert read({"p": "4"}, price="p", invert=True) == Quote(price_wad=WAD // 4)


@given(st.integers(1, 10**30), st.integers(0, 24), st.booleans())
def test_scaling_and_inverting_round_down_and_nothing_else(n: int, scale: int, invert: bool) -> None:
    exact = Fraction(n, 10**scale)
    result = read({"p": str(n)}, price="p", scale=scale, invert=invert)
    if isinstance(result, FeedError):
        assert result.code in ("OUT_OF_RANGE", "NOT_POSITIVE")
        return
    wanted = exact * WAD
    if invert:
        wanted = Fraction(WAD * WAD, int(wanted))
    assert result.price_wad == wanted.numerator // wanted.denominator


@pytest.mark.parametrize(
    ("path", "unit", "expected_ms"),
    [("data.0.at", "s", 1_760_130_545_000), ("data.0.iso", "iso", 1_760_130_545_000)],
)
def test_the_sources_own_time_is_kept(path: str, unit: str, expected_ms: int) -> None:
    result = read(price="wad", scale=18, time=path, time_unit=unit)
    assert isinstance(result, Quote)
    assert result.stated_at_ms == expected_ms


def test_a_time_in_another_unit_or_none_is_no_time() -> None:
    for unit in ("ms", "us", "ns", "iso"):
        assert code(read(price="wad", scale=18, time="data.0.at", time_unit=unit)) == "MALFORMED"
    assert code(read({"p": "1", "t": None}, price="p", time="t")) == "MALFORMED"


def test_another_symbols_answer_is_not_taken() -> None:
    keys: dict[str, Any] = {"price": "wad", "scale": 18}
    assert isinstance(read(**keys, expect={"data.0.name": "weETH", "status": "ok"}), Quote)
    assert code(read(**keys, expect={"data.0.name": "ezETH"})) == "WRONG_SYMBOL"
    assert code(read(**keys, expect={"data.1.name": "weETH"})) == "MALFORMED"


def test_a_crossed_book_and_a_path_to_nowhere() -> None:
    assert code(read(bid="book.ask", ask="book.bid")) == "CROSSED"
    for path in ("data.rate", "data.9.rate", "data.0.rate.x", "book.0", "nothing", "status.0", "data.٣.rate"):
        assert code(read(price=path)) == "MALFORMED"
    assert code(read(price="data.0.rate", scale=16)) == "OUT_OF_RANGE"


def test_mutated_answers_give_a_sane_quote_or_a_feed_error() -> None:
    full: dict[str, Any] = {"time": "data.0.at", "expect": {"status": "ok"}}
    for keys in ({"price": "wad", "scale": 18, "invert": True}, {"bid": "book.bid", "ask": "book.ask", "invert": True}):
        venue = JsonVenue(name="x", source=JsonHttp(url=URL, **keys, **full))
        message = values.load(json.dumps(ANSWER))
        for place in places(message):
            for new in replacements(at(message, place)):
                body = dumps(changed(message, place, lambda _, new=new: new))
                answer: tuple[Tick, ...] | FeedError
                try:
                    answer = venue.parse_reply(venue.request(["X"])[0], body)
                except FeedError as e:
                    answer = e
                assert_sane_answer(answer)


def test_the_symbol_and_the_headers_travel() -> None:
    source = JsonHttp(url=URL, price="p", headers={"Accept-Language": "en"})
    (one, two) = JsonVenue(name="x", source=source).request(["A/B", "C"])
    assert one.url == "https://api.issuer.example/v1/rate?base=A%2FB"
    assert two.url.endswith("?base=C")
    assert one.headers == {"Accept-Language": "en"}
    assert source.host == "api.issuer.example"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"url": "http://api.issuer.example/"}, "https://"),
        ({"url": "ftp://x/"}, "https://"),
        ({"url": "https:///x"}, "https://"),
        ({"url": "https://x:99999/"}, "not an address"),
        ({"url": "https://x/{base}"}, "brackets"),
        ({"url": "https://user:pass@x/"}, "no secrets"),
        ({"url": "https://x/?api_key=1"}, "no secrets"),
        ({"url": "https://x/?Access_Token=1"}, "no secrets"),
        ({"url": "https://x/?token=9f86d081884c7d659a2feaa0c55ad015"}, "no secrets"),
        ({"url": "https://x/?key=AIzaSyD9x8w7v6u5t4s3r2"}, "no secrets"),
        ({"url": "https://x/?token=550e8400-e29b-41d4-a716-446655440000"}, "no secrets"),
        ({"url": "https://x/?token={symbol}9f86d081884c7d659a2feaa0c55ad015"}, "no secrets"),
        ({"url": "https://x/?apikey={symbol}x"}, "no secrets"),
        ({"url": "https://x/${1KEY}"}, r"\$\{NAME\}"),
        ({"url": "https://x/${KEY"}, r"\$\{NAME\}"),
        ({"url": "https://${KEY}.x/"}, "host is written out"),
        ({"url": "${KEY}"}, "https://"),
        ({"headers": {"X-Key": "9f86d081884c7d659a2feaa0c55ad015"}}, "secret"),
        ({"headers": {"Authorization": "Bearer 9f86d081${KEY}"}}, "secret"),
        ({"headers": {"Authorization": "Bearer x"}}, "secret"),
        ({"headers": {"X-API-Key": "x"}}, "secret"),
        ({"headers": {"Cookie": "x"}}, "secret"),
        ({"headers": {"X": "a\r\nHost: y"}}, "plain header"),
        ({"price": ""}, "price ="),
        ({"bid": "b", "ask": "a"}, "price ="),
        ({"price": "", "bid": "b"}, "price ="),
        ({"price": "a..b"}, "path"),
        ({"time": "a."}, "path"),
        ({"expect": {"": "x"}}, "path"),
        ({"price": 'a."b'}, "path"),
        ({"price": 'a."b"c'}, "path"),
        ({"price": 'a.""'}, "path"),
        ({"expect": {"a": 1.5}}, "in quotes"),
        ({"expect": {"a": ["b"]}}, "in quotes"),
        ({"time_unit": "h"}, "time_unit"),
        ({"scale": -1}, "scale"),
        ({"scale": 37}, "scale"),
        ({"rest_ms": 100}, "rest_ms"),
    ],
)
def test_keys_that_can_hurt_are_refused_with_what_to_write(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        JsonHttp(**{"url": "https://x/", "price": "p", **keys})


@pytest.mark.parametrize(
    "url",
    [
        "https://api.issuer.example/v1/rate?token={symbol}",
        "https://x/?token=weETH",
        "https://x/?token=renzo-restaked-eth-2",
        "https://x/?token=0xCd5fE23C85820F7B72D0926FC9b05b43E359b7ee",
        "https://x/?key=prices",
        "https://x/?apikey={symbol}",
        "https://x/?apikey=${KEY}",
        "https://x/v2/${KEY}/prices?token={symbol}&access_token=${file:/run/secrets/key}",
    ],
)
def test_a_symbol_is_no_secret_and_a_named_secret_is_none_that_is_written(url: str) -> None:
    source = JsonHttp(url=url, price="p", headers={"Authorization": "Bearer ${KEY}", "X-API-Key": "${KEY}"})
    assert source.has_secrets


def test_a_symbol_never_becomes_the_name_of_a_secret() -> None:
    """What is filled in is what the address of the config names, whatever the symbol is."""
    (request,) = JsonVenue(name="x", source=JsonHttp(url=URL, price="p")).request(["${HOME}"])
    assert request.url.endswith("?base=%24%7BHOME%7D")
    assert not request.has_secrets


def test_a_name_with_a_dot_is_read_by_quotes() -> None:
    message = {"prices": {"weETH.eth": "1.05", 'a"b': "1.06", "0": "1.07"}, "rows": [{"x.y": {"p": 2}}]}
    assert read(message, price='prices."weETH.eth"') == Quote(price_wad=105 * WAD // 100)
    assert read(message, price='prices."a\\"b"') == Quote(price_wad=106 * WAD // 100)
    assert read(message, price='"prices"."0"') == read(message, price="prices.0") == Quote(price_wad=107 * WAD // 100)
    assert read(message, price='rows.0."x.y".p') == Quote(price_wad=2 * WAD)
    assert code(read(message, price='rows."0"."x.y".p')) == "MALFORMED", "a quoted part is a name, and a list has none"
    assert code(read(message, price="prices.weETH.eth")) == "MALFORMED"


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=6), min_size=1, max_size=4))
def test_every_name_can_be_written_as_a_path(names: list[str]) -> None:
    message: Any = "1.05"
    for name in reversed(names):
        message = {name: message}
    path = ".".join('"' + n.replace("\\", "\\\\").replace('"', '\\"') + '"' for n in names)
    assert read(message, price=path) == Quote(price_wad=105 * WAD // 100)


@pytest.mark.parametrize(
    ("wanted", "fits", "others"),
    [
        ("weETH", ["weETH"], ["weeth", 1, None, True, ["weETH"]]),
        (1, [1, 1.0], ["1", 2, True, None, 1.5]),
        ("1", ["1", 1, 1.0], [2, True, "1.0", None]),
        ("1.50", ["1.50", 1.5], [1.51, "1.5"]),
        (True, [True], [1, "true", False]),
        (False, [False], [0, "", None]),
    ],
)  # fmt: skip
def test_what_must_be_there_may_be_a_text_a_number_or_a_truth(wanted: Any, fits: list[Any], others: list[Any]) -> None:
    for value in fits:
        assert isinstance(read({"is": value, "p": "1.05"}, price="p", expect={"is": wanted}), Quote), value
    for value in others:
        assert code(read({"is": value, "p": "1.05"}, price="p", expect={"is": wanted})) == "WRONG_SYMBOL", value


@pytest.mark.parametrize(
    ("stated", "unit"),
    [
        (1_760_130_545.25, "s"),
        ("1760130545.25", "s"),
        (1_760_130_545_250.9, "ms"),
        ("2025-10-10T21:09:05.25+00:00", "iso"),
        ("2025-10-10 21:09:05.250Z", "iso"),
    ],
)
def test_a_time_may_have_a_fraction_and_a_zone(stated: Any, unit: str) -> None:
    result = read({"p": "1.05", "t": stated}, price="p", time="t", time_unit=unit)
    assert isinstance(result, Quote)
    assert result.stated_at_ms == 1_760_130_545_250


def test_this_machine_may_be_asked_without_tls() -> None:
    assert JsonHttp(url="http://127.0.0.1:8000/x", price="p").host == "127.0.0.1"


@pytest.mark.loopback
async def test_it_is_asked_at_its_own_pace_and_survives_an_outage(session: aiohttp.ClientSession) -> None:
    venue = Venue("coinbase")
    await venue.start()
    quote(venue, "4000")
    address = f"{venue.rest_url}/products/{{symbol}}/ticker"  # any JSON over HTTP will do
    source = JsonHttp(url=address, bid="bid", ask="ask", time="time", time_unit="iso", rest_ms=500)
    one = Source(
        feed="ETH/USD", name="issuer", pair=Pair.parse("ETH/USD"), group=source.host, kind=Kind.MARKET, max_age_s=60,
        venue="ETH/USD|issuer", symbol="ETH-USD", pull=JsonVenue(name="ETH/USD|issuer", source=source),
    )  # fmt: skip
    news: list[frozenset[str]] = []
    hooks = IngestHooks(
        on_news=news.append, on_stated=lambda *_: None, on_date=lambda *_: None, on_head=lambda *_: None,
        on_reorg=lambda *_: None,
    )  # fmt: skip
    observer = Observer([one])
    watch = Ingest(observer, [one], venues={}, chains={}, session=session, now_ms=wall_ms, hooks=hooks)
    assert list(watch.tasks()) == ["rest ETH/USD|issuer"]
    task = asyncio.create_task(watch.tasks()["rest ETH/USD|issuer"]())

    def seen() -> Any:
        return observer.observe("ETH/USD", wall_ms())[0]

    try:
        await until(lambda: isinstance(seen(), Observation))
        assert seen().price_wad == 4000 * WAD
        assert seen().bid_wad == 4000 * WAD - WAD // 100
        assert news[0] == {"ETH/USD"}
        venue.misbehave("html")
        await until(lambda: getattr(getattr(seen(), "error", None), "code", "") == "MALFORMED")
        venue.misbehave(None)
        await asyncio.sleep(0.005)
        quote(venue, "4100")
        await until(lambda: getattr(seen(), "price_wad", 0) == 4100 * WAD)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await venue.stop()
