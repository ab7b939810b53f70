"""The laws of adapters, stated once and run over every one in the registry. An adapter without golden replies fails.

A golden reply is one file ``tests/feeds/golden/<registry name>/<any name>.json``, written out in the source's real
format. Numbers in it are read exactly (no float). Integers of the answer may be JSON integers or decimal texts.

An exchange (a name in EXCHANGES)::

    {"about": "one sentence",
     "kind": "frame",                 a stream message; or "reply", the body of the REST reply
     "symbols": ["ETH-USD"],          a reply only: the symbols of its request
     "before": [{...}],               frames of the same connection that came before, for a session that remembers
     "encoding": "gzip",              how a frame travels, where not as plain JSON text (see below)
     "message": {...},                what the venue sends, as JSON
     "answers": ["pong"],             what the venue must be answered at once; none where the key is missing
     "expect": [{"symbol": "ETH-USD", "price_wad": "...", "bid_wad": "...", "stated_at_ms": 1},
                {"symbol": "X-USD", "error": "NOT_POSITIVE"}]}

``encoding`` of a frame: "gzip"; "text", the message is a JSON string and travels without its quotes; "hex", it is a JSON
string of hex digits and travels as those bytes; "protobuf", it is a JSON object whose keys are field numbers and travels in
the protobuf wire format (texts as text, integers as varints, objects as nested messages, arrays as repeated fields).

``expect`` is [] for acknowledgements and heartbeats, and {"error": "REFUSED"} where the whole message is refused.

A pool or rate (a name in POOLS or RATES)::

    {"about": "one sentence",
     "params": {...},                 keyword arguments of the adapter: "0x..." becomes bytes, an array a tuple
     "phases": [{"calls": [{"to": "0x<20 bytes>", "data": "0x..."}],
                 "replies": ["0x...", {"error": "REVERTED"}]}],
     "expect": {"price_wad": "...", "depth_wad": "..."}}      or {"error": "THIN"}

``phases`` are the batches that the generator yields, in order (at most two); ``replies`` are what it is sent back.
Fields of Quote that ``expect`` does not name are expected to be None.

The law of mutated replies: each leaf of a golden reply becomes in turn missing, null, 0, -1, "NaN", "Infinity",
1e999999, true, of a wrong type, with swapped decimals; each word of a contract's answer becomes 0, 1, the largest
integer, a negative one, too short, of swapped decimals, and each answer empty, cut and reverted. What comes out is a
sane Quote or a FeedError, never another exception.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from feeds.decode import values
from feeds.errors import ERRORS, FeedError, Reverted
from feeds.registry import EXCHANGES, POOLS, RATES
from feeds.streams.venue import Exchange, Heard
from feeds.types import Call, Quote, Reply, Request, Tick

GOLDEN = Path(__file__).parent / "golden"
CHAIN = {**POOLS, **RATES}
WORD = 32
FIRST_MS, LAST_MS = 1_262_304_000_000, 4_102_444_800_000
MISSING = object()
RAW_HUGE = "\0huge"
"""Written into the JSON as a bare 1e999999."""


def golden(names: Any, *, holding: bytes = b"", without: bytes = b"\0") -> list[Any]:
    """One parameter per golden file of these adapters that holds some text, and not the other."""
    files = [(name, path) for name in sorted(names) for path in sorted((GOLDEN / name).glob("*.json"))]
    files = [(name, path) for name, path in files if holding in (said := path.read_bytes()) and without not in said]
    return [pytest.param(name, path, id=f"{name}-{path.stem}") for name, path in files]


def dumps(value: Any) -> bytes:
    """JSON with exact numbers: a Decimal is written with its own digits."""
    marked = json.dumps(value, default=lambda d: f"\0{d}")
    text = marked.replace(json.dumps(RAW_HUGE), "1e999999")
    head, *rest = text.split('"\\u0000')
    return (head + "".join(number + tail for number, _, tail in (part.partition('"') for part in rest))).encode()


def assert_sane(quote: Quote) -> None:
    for field in fields(quote):
        value = getattr(quote, field.name)
        assert value is None or type(value) is int, field.name
    prices = [
        p for p in (quote.price_wad, quote.bid_wad, quote.ask_wad, quote.last_wad, quote.mean_wad) if p is not None
    ]
    assert all(values.MIN_PRICE_WAD <= p <= values.MAX_PRICE_WAD for p in prices)
    if quote.bid_wad is not None and quote.ask_wad is not None:
        assert quote.bid_wad <= quote.price_wad <= quote.ask_wad
    amounts = (quote.depth_half_wad, quote.depth_wad, quote.depth_two_wad, quote.volume_wad, quote.mean_span_ms)
    assert all(n is None or n >= 0 for n in amounts)
    depths = [d for d in amounts[:3] if d is not None]
    assert depths == sorted(depths)
    assert quote.base_share_bps is None or 0 <= quote.base_share_bps <= values.BPS
    assert quote.virtual_wad is None or quote.virtual_wad > 0
    assert quote.stated_at_ms is None or FIRST_MS <= quote.stated_at_ms <= LAST_MS


def expected_quote(expect: dict[str, Any]) -> Quote:
    return Quote(**{k: int(v) for k, v in expect.items() if k != "symbol"})


@pytest.mark.parametrize("name", sorted({**EXCHANGES, **CHAIN}))
def test_an_adapter_without_golden_replies_fails(name: str) -> None:
    assert list((GOLDEN / name).glob("*.json")), f"write tests/feeds/golden/{name}/*.json in the format above"


def test_golden_replies_belong_to_an_adapter() -> None:
    assert {p.name for p in GOLDEN.iterdir()} <= set(EXCHANGES) | set(CHAIN)


# --- exchanges


def encoded(case: dict[str, Any], body: Any) -> Any:
    """The bytes as they travel."""
    encoding = case.get("encoding")
    if encoding is None or case["kind"] != "frame":
        return body
    if encoding == "gzip":
        return gzip.compress(body.encode() if isinstance(body, str) else body, 1)
    try:
        message = values.load(body)
        if encoding == "text":
            return str(message)
        return bytes.fromhex(message) if encoding == "hex" else protobuf(message)
    except (
        FeedError,
        AttributeError,
        TypeError,
        ValueError,
    ):  # a mutation that cannot be written so: it travels as it is
        return body


def protobuf(message: dict[str, Any]) -> bytes:
    """The protobuf wire format of an object whose keys are field numbers."""
    return b"".join(
        protobuf_field(int(number), each)
        for number, value in message.items()
        for each in (value if isinstance(value, list) else [value])
    )


def protobuf_field(number: int, value: Any) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value % (1 << 64) if value < 0 else value)
    if isinstance(value, Decimal):
        return varint(number << 3 | 1) + b"\x01\x02\x03\x04\x05\x06\x07\x08"
    if isinstance(value, dict):
        body = protobuf(value)
    else:
        body = b"" if value is None else value.encode("utf-8", "surrogatepass")
    return varint(number << 3 | 2) + varint(len(body)) + body


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def hear(exchange: Exchange, case: dict[str, Any], sent: Any) -> Heard:
    """What a new session makes of a frame, after the frames that came before it."""
    session = exchange.session()
    for earlier in case.get("before", []):
        session.hear(encoded(case, dumps(earlier)))
    return session.hear(sent)


def heard_from(exchange: Exchange, case: dict[str, Any], sent: Any) -> tuple[Tick, ...] | FeedError:
    """The ticks of a frame; anything but a FeedError passes through and fails the test."""
    try:
        return hear(exchange, case, sent).ticks
    except FeedError as e:
        return e


def run_exchange(exchange: Exchange, case: dict[str, Any], body: Any) -> tuple[Tick, ...] | FeedError:
    """What the adapter makes of the bytes; anything but a FeedError passes through and fails the test."""
    if case["kind"] == "frame":
        return heard_from(exchange, case, encoded(case, body))
    try:
        return exchange.parse_reply(Request(url="", symbols=tuple(case["symbols"])), body)
    except FeedError as e:
        return e


def assert_sane_answer(answer: tuple[Tick, ...] | FeedError) -> None:
    if isinstance(answer, FeedError):
        assert answer.code in ERRORS
        return
    for tick in answer:
        assert isinstance(tick.symbol, str)
        if isinstance(tick.result, Quote):
            assert_sane(tick.result)
        else:
            assert tick.result.code in ERRORS


@pytest.mark.parametrize(("name", "path"), golden(EXCHANGES))
def test_golden_messages_read_as_written(name: str, path: Path) -> None:
    case = values.load(path.read_bytes())
    answer = run_exchange(EXCHANGES[name], case, dumps(case["message"]))
    if isinstance(case["expect"], dict):
        assert isinstance(answer, FeedError)
        assert answer.code == case["expect"]["error"]
        return
    assert not isinstance(answer, FeedError), str(answer)
    if case["kind"] == "frame":
        heard = hear(EXCHANGES[name], case, encoded(case, dumps(case["message"])))
        assert [json.loads(a) if a[:1] in ("{", "[") else a for a in heard.answers] == case.get("answers", [])
    assert [t.symbol for t in answer] == [e["symbol"] for e in case["expect"]]
    for tick, expect in zip(answer, case["expect"], strict=True):
        if "error" in expect:
            assert isinstance(tick.result, FeedError)
            assert tick.result.code == expect["error"]
        else:
            assert tick.result == expected_quote(expect)


def swapped(value: Any) -> Any:
    """The number with its decimals twelve places off; text stays text."""
    try:
        shifted = Decimal(value) * 10**12
    except (ArithmeticError, TypeError, ValueError):
        return MISSING
    return f"{shifted:f}" if isinstance(value, str) else shifted


def replacements(value: Any) -> list[Any]:
    wrong_type: Any = {"x": 1} if isinstance(value, str | int | Decimal) else "text"
    return [
        MISSING, None, 0, -1, "NaN", "Infinity", "-Infinity", RAW_HUGE, True, wrong_type, [], swapped(value), "", "-1",
        "$10,000.00", "0.0000", "1e999999", "1e99999999999999999999", "9" * 5000, Decimal("0.5"), "\ud800", "٣", 10**40,
    ]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all leaves and containers but the root."""
    if path:
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def changed(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """A copy of a JSON value with one place changed; MISSING removes it."""
    if not path:
        return change(value)
    key, rest = path[0], path[1:]
    new = changed(value[key], rest, change)
    if isinstance(value, dict):
        return {k: (new if k == key else v) for k, v in value.items() if k != key or new is not MISSING}
    return [new if i == key else v for i, v in enumerate(value) if i != key or new is not MISSING]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


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


@pytest.mark.parametrize(("name", "path"), golden(EXCHANGES, holding=b"frame"))
def test_text_and_bytes_read_the_same(name: str, path: Path) -> None:
    case = values.load(path.read_bytes())
    body = dumps(case["message"])
    answers = [run_exchange(EXCHANGES[name], case, b) for b in (body, body.decode())]
    assert str(answers[0]) == str(answers[1])


@pytest.mark.parametrize(("name", "path"), golden(EXCHANGES, holding=b'"price_wad"', without=b'"hex"'))
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
            quotes = 0 if isinstance(answer, FeedError) else sum(isinstance(t.result, Quote) for t in answer)
            broken += quotes == good - 1
    assert broken >= len(wads) * 7


def as_wad(value: Any) -> int | None:
    try:
        return values.price_wad(value)
    except FeedError:
        return None


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_bytes_that_are_no_message_are_malformed(name: str) -> None:
    junk = (
        b"", b"null", b"[]", b"{}", b"1", b'"x"', b"<html></html>", b"{" * 100_000, b"[" * 100_000, b"\xff\xfe",
        b"\x1f\x8b\x08", b'{"type":', b'{"stream":{},"data":[]}', b'{"channel":"ticker","data":{}}', b"[[[]]]",
        b'{"error":[],"result":{}}', b'{"type":{"a":1}}', b'{"method":[]}', b'{"channel":["ticker"]}',
    )  # fmt: skip
    for body in junk:
        for case in ({"kind": "frame"}, {"kind": "reply", "symbols": ["A-B"]}):
            answer = run_exchange(EXCHANGES[name], case, body)
            assert_sane_answer(answer)
            assert isinstance(answer, FeedError) or all(isinstance(t.result, FeedError) for t in answer)


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_requests_cover_each_symbol_once(name: str) -> None:
    exchange = EXCHANGES[name]
    symbols = [f"T{i}/USD" for i in range(45)]
    requests = exchange.request(symbols)
    assert [s for r in requests for s in r.symbols] == symbols
    assert all(r.url.startswith(exchange.rest_url + "/") for r in requests)
    assert all(r.url.isascii() and not set(r.url) & set(' "<>\\{}[]') for r in requests)
    assert exchange.request([]) == ()


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_subscriptions_are_json_and_name_every_symbol(name: str) -> None:
    messages = EXCHANGES[name].subscribe(["AAA-USD", "BBB-USD"], 1_700_000_000_000)
    assert all(isinstance(json.loads(m), dict) for m in messages)
    assert all(s in " ".join(messages).upper() for s in ("AAA-USD", "BBB-USD"))


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_the_registry_name_is_the_venues_name(name: str) -> None:
    exchange = EXCHANGES[name]
    assert exchange.name == name
    assert exchange.ws_url.startswith("wss://")
    assert exchange.rest_url.startswith("https://")
    assert not exchange.rest_url.endswith("/")


# --- pools and rates


def param(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    return tuple(param(v) for v in value) if isinstance(value, list) else value


def reply(value: Any) -> Reply:
    return ERRORS[value["error"]]("golden") if isinstance(value, dict) else bytes.fromhex(value[2:])


def run_chain(name: str, case: dict[str, Any], replies: list[tuple[Reply, ...]]) -> tuple[Quote | FeedError, list[Any]]:
    """Answer of the adapter to the replies, and the calls it made. A phase too many gets the last replies again."""
    adapter = CHAIN[name](**{k: param(v) for k, v in case["params"].items()})
    reading = adapter.read()
    made: list[tuple[Call, ...]] = []
    try:
        made.append(next(reading))
        while len(made) <= 2:
            made.append(reading.send(replies[min(len(made), len(replies)) - 1]))
    except StopIteration as done:
        return done.value, made
    except FeedError as e:
        return e, made
    raise AssertionError(f"{name} asks in more than two phases")


def golden_replies(case: dict[str, Any]) -> list[tuple[Reply, ...]]:
    return [tuple(reply(r) for r in phase["replies"]) for phase in case["phases"]]


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


def mutated_words(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), WORD):
        n = int.from_bytes(data[start : start + WORD], "big")
        for new in (0, 1, 2**256 - 1, 2**255, 2**255 + 5, 2**128, n * 10**12 % 2**256, n // 10**12, n + 1, 10**18):
            yield data[:start] + new.to_bytes(WORD, "big") + data[start + WORD :]
        yield data[:start]
        yield data[: start + 5]
    yield b""
    yield data + bytes(WORD)


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
                    assert_sane(answer)
                else:
                    assert answer.code in ERRORS
