"""The laws of adapters, stated once and run over every one in the registry. An adapter without golden replies fails.

Golden replies are described in golden_cases.py, what an exchange's methods owe in feeds/streams/venue.py.

The law of mutated replies: each leaf of a golden reply becomes in turn missing, null, 0, -1, "NaN", "Infinity",
1e999999, true, of a wrong type, with swapped decimals; each word of a contract's answer becomes 0, 1, the largest
integer, a negative one, too short, of swapped decimals, and each answer empty, cut and reverted. What comes out is a
sane Quote, trade or Book, or a FeedError, never another exception.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from feeds.decode import values
from feeds.errors import ERRORS, FeedError, Reverted
from feeds.registry import EXCHANGES
from feeds.types import Book, Call, Quote, Reply
from tests.feeds.golden_cases import (
    CHAIN,
    GOLDEN,
    QUOTED,
    RAW_HUGE,
    STREAMED,
    as_wad,
    assert_sane,
    assert_sane_answer,
    at,
    cases_of,
    changed,
    dumps,
    encoded,
    expected_book,
    expected_quote,
    expected_trade,
    golden,
    golden_replies,
    good_of,
    heard_from,
    mutated_words,
    param,
    places,
    read_frame,
    replacements,
    run_chain,
    run_exchange,
    size_wad,
)


@pytest.mark.parametrize("name", sorted({**EXCHANGES, **CHAIN}))
def test_an_adapter_without_golden_replies_fails(name: str) -> None:
    assert list((GOLDEN / name).glob("*.json")), (
        f"write tests/feeds/golden/{name}/*.json in the format of golden_cases.py"
    )


def test_golden_replies_belong_to_an_adapter() -> None:
    assert {p.name for p in GOLDEN.iterdir()} <= set(EXCHANGES) | set(CHAIN)


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_an_exchange_without_golden_trades_and_a_golden_book_fails(name: str) -> None:
    """Of each: one that is read, and one that is refused."""
    trades, books = cases_of(name, "trades"), cases_of(name, "book")
    assert any("price_wad" in row for case in trades for row in case["expect"]), "no trade"
    assert any("error" in row for case in trades for row in (*case["expect"], case["expect"])), "no refused trade"
    assert any("bids" in case["expect"] for case in books), "no book"
    assert any("error" in case["expect"] for case in books), "no refused book"


@pytest.mark.parametrize(("name", "path"), golden(EXCHANGES))
def test_golden_messages_read_as_written(name: str, path: Path) -> None:
    case = values.load(path.read_bytes())
    answer = run_exchange(EXCHANGES[name], case, dumps(case["message"]))
    if "error" in case["expect"]:
        assert isinstance(answer, FeedError)
        assert answer.code == case["expect"]["error"]
        return
    assert not isinstance(answer, FeedError), str(answer)
    if isinstance(answer, Book):
        assert answer == expected_book(case["expect"])
        return
    if case["kind"] in STREAMED:
        heard = read_frame(EXCHANGES[name], case, encoded(case, dumps(case["message"])))
        assert [json.loads(a) if a[:1] in ("{", "[") else a for a in heard.replies] == case.get("answers", [])
    assert [t.symbol for t in answer] == [e["symbol"] for e in case["expect"]]
    expected = expected_trade if case["kind"] == "trades" else expected_quote
    for tick, expect in zip(answer, case["expect"], strict=True):
        if "error" in expect:
            assert isinstance(tick.result, FeedError)
            assert tick.result.code == expect["error"]
        else:
            assert tick.result == expected(expect)


@pytest.mark.parametrize(("name", "path"), golden(EXCHANGES))
def test_mutated_messages_give_a_sane_quote_or_a_feed_error(name: str, path: Path) -> None:
    case = values.load(path.read_bytes())
    message = case["message"]
    for place in places(message):
        for new in replacements(at(message, place)):
            body = dumps(changed(message, place, lambda _, new=new: new))
            assert_sane_answer(run_exchange(EXCHANGES[name], case, body))


@pytest.mark.parametrize(("name", "path"), golden(EXCHANGES, holding=b'"encoding"'))
def test_mutated_bytes_give_a_sane_quote_or_a_feed_error(name: str, path: Path) -> None:
    """What travels otherwise than as JSON text is also spoiled byte by byte, and cut at each."""
    case = values.load(path.read_bytes())
    sent = encoded(case, dumps(case["message"]))
    sent = sent.encode() if isinstance(sent, str) else sent
    spoilt = [sent[:i] + bytes((new,)) + sent[i + 1 :] for i in range(len(sent)) for new in (0, 0x7F, 0x80, 0xFF)]
    spoilt += [sent[:i] for i in range(len(sent))] + [sent[:i] + sent[i + 1 :] for i in range(len(sent))]
    for body in [*spoilt, sent + sent, sent + b"\0"]:
        assert_sane_answer(heard_from(EXCHANGES[name], case, body))


@pytest.mark.parametrize(("name", "path"), golden(EXCHANGES, kinds=STREAMED))
def test_text_and_bytes_read_the_same(name: str, path: Path) -> None:
    case = values.load(path.read_bytes())
    body = dumps(case["message"])
    answers = [run_exchange(EXCHANGES[name], case, b) for b in (body, body.decode())]
    assert str(answers[0]) == str(answers[1])


@pytest.mark.parametrize(("name", "path"), golden(EXCHANGES, kinds=QUOTED, holding=b'"price_wad"', without=b'"hex"'))
def test_a_mutated_price_never_passes_for_the_right_one_unnoticed(name: str, path: Path) -> None:
    """Each price of the book matters: a broken one is an error, never ignored in favour of another field."""
    case = values.load(path.read_bytes())
    wads = {e[k] for e in case["expect"] if "price_wad" in e for k in ("bid_wad", "ask_wad")}
    message = case["message"]
    book = [p for p in places(message) if (w := as_wad(at(message, p))) is not None and str(w) in wads]
    assert len(book) >= len(wads)
    good = sum("price_wad" in e for e in case["expect"])
    broken = 0
    for place in book:
        for new in (None, 0, -1, "NaN", RAW_HUGE, True, "$10,000.00"):
            answer = run_exchange(EXCHANGES[name], case, dumps(changed(message, place, lambda _, new=new: new)))
            broken += good_of(answer) == good - 1
    assert broken >= len(wads) * 7


_BROKEN = (None, 0, "NaN", RAW_HUGE, True, "$10,000.00", [], "\ud800")


@pytest.mark.parametrize(
    ("name", "path"), golden(EXCHANGES, kinds=("trades",), holding=b'"price_wad"', without=b'"hex"')
)
def test_a_trade_with_a_broken_number_is_an_error_and_costs_no_other(name: str, path: Path) -> None:
    """Price and volume of each trade, each broken in turn."""
    case = values.load(path.read_bytes())
    message, expect = case["message"], case["expect"]
    numbers = {int(row[k]) for row in expect if "price_wad" in row for k in ("price_wad", "volume_wad")}
    good = sum("price_wad" in row for row in expect)
    for wad in numbers:
        found = [p for p in places(message) if size_wad(at(message, p)) == wad]
        assert found, f"{wad} is nowhere in the message"
        left = [
            good_of(run_exchange(EXCHANGES[name], case, dumps(changed(message, place, lambda _, new=new: new))))
            for place in found
            for new in _BROKEN
        ]
        assert left.count(good - 1) >= len(_BROKEN), f"{wad} may be broken and nobody notices"


@pytest.mark.parametrize(("name", "path"), golden(EXCHANGES, kinds=("book",), holding=b'"bids"'))
def test_a_book_with_a_broken_level_is_none(name: str, path: Path) -> None:
    """Half a book would state a depth that is not there, and one of the other side's."""
    case = values.load(path.read_bytes())
    if "error" in case["expect"]:
        return
    message = case["message"]
    levels = [level for side in ("bids", "asks") for level in case["expect"][side]]
    for wad in {int(n) for level in levels for n in level}:
        found = [p for p in places(message) if size_wad(at(message, p)) == wad]
        refused = [
            run_exchange(EXCHANGES[name], case, dumps(changed(message, place, lambda _, new=new: new)))
            for place in found
            for new in (None, "NaN", RAW_HUGE, True, "$10,000.00")
        ]
        assert sum(isinstance(answer, FeedError) for answer in refused) >= 5, f"{wad} may be broken and nobody notices"


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_bytes_that_are_no_message_are_malformed(name: str) -> None:
    junk = (
        b"", b"null", b"[]", b"{}", b"1", b'"x"', b"<html></html>", b"{" * 100_000, b"[" * 100_000, b"\xff\xfe",
        b"\x1f\x8b\x08", b'{"type":', b'{"stream":{},"data":[]}', b'{"channel":"ticker","data":{}}', b"[[[]]]",
        b'{"error":[],"result":{}}', b'{"type":{"a":1}}', b'{"method":[]}', b'{"channel":["ticker"]}',
    )  # fmt: skip
    for body in junk:
        for kind in ("frame", "reply", "trades", "book"):
            answer = run_exchange(EXCHANGES[name], {"kind": kind, "symbols": ["A-B"]}, body)
            assert_sane_answer(answer)
            assert good_of(answer) == 0


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_requests_cover_each_symbol_once(name: str) -> None:
    exchange = EXCHANGES[name]
    symbols = [f"T{i}/USD" for i in range(45)]
    requests = exchange.request(symbols)
    assert [s for r in requests for s in r.symbols] == symbols
    assert all(r.url.startswith(exchange.rest_url + "/") for r in requests)
    assert all(r.url.isascii() and not set(r.url) & set(' "<>\\{}[]') for r in requests)
    assert exchange.request([]) == (), "no symbols, no request"


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_subscriptions_are_json_and_name_every_symbol(name: str) -> None:
    messages = EXCHANGES[name].subscribe(["AAA-USD", "BBB-USD"], 1_700_000_000_000)
    assert all(isinstance(json.loads(m), dict) for m in messages), "each message is a JSON object"
    assert all(s in " ".join(messages).upper() for s in ("AAA-USD", "BBB-USD"))


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_subscriptions_to_trades_are_json_and_name_every_symbol(name: str) -> None:
    messages = EXCHANGES[name].subscribe_trades(["AAA-USD", "BBB-USD"], 1_700_000_000_000)
    assert all(isinstance(json.loads(m), dict) for m in messages), "each message is a JSON object"
    assert all(s in " ".join(messages).upper() for s in ("AAA-USD", "BBB-USD"))


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_a_book_is_asked_for_one_symbol_of_any_spelling(name: str) -> None:
    exchange = EXCHANGES[name]
    for symbol in ("ETH-USD", "ETH/USD", "eth usd", "a&b=c", "ü"):
        request = exchange.book_request(symbol)
        assert request.symbols == (symbol,)
        assert request.url.startswith(exchange.rest_url + "/")
        assert request.url.isascii()
        assert not set(request.url) & set(' "<>\\{}[]')


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_the_registry_name_is_the_venues_name(name: str) -> None:
    exchange = EXCHANGES[name]
    assert exchange.name == name
    assert exchange.ws_url.startswith("wss://")
    assert exchange.rest_url.startswith("https://")
    assert not exchange.rest_url.endswith("/")


@pytest.mark.parametrize(("name", "path"), golden(CHAIN))
def test_golden_reads_make_the_calls_and_the_quote_as_written(name: str, path: Path) -> None:
    case = values.load(path.read_bytes())
    answer, made = run_chain(name, case, golden_replies(case))
    wanted = [tuple(Call(to=param(c["to"]), data=param(c["data"])) for c in p["calls"]) for p in case["phases"]]
    assert made == wanted
    assert len(made) <= 2
    if "error" in case["expect"]:
        assert isinstance(answer, FeedError)
        assert answer.code == case["expect"]["error"]
    else:
        assert answer == expected_quote(case["expect"])


@pytest.mark.parametrize(("name", "path"), golden(CHAIN))
def test_mutated_reads_give_a_sane_quote_or_a_feed_error(name: str, path: Path) -> None:
    case = values.load(path.read_bytes())
    good = golden_replies(case)
    for i, phase in enumerate(good):
        for j, old in enumerate(phase):
            news: list[Reply] = [Reverted("golden")]
            news += list(mutated_words(old)) if isinstance(old, bytes) else []
            for new in news:
                changed_phase = (*phase[:j], new, *phase[j + 1 :])
                answer, _ = run_chain(name, case, [*good[:i], changed_phase, *good[i + 1 :]])
                if isinstance(answer, Quote):
                    assert_sane(answer, name)
                else:
                    assert answer.code in ERRORS
