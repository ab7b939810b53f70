"""Golden replies: how they are written, how an adapter is run on them, how they are spoiled, what a sane answer is.

A golden reply is one file ``tests/feeds/golden/<registry name>/<any name>.json``, written out in the source's real
format. Numbers in it are read exactly (no float). Integers of the answer may be JSON integers or decimal texts.

An exchange (a name in EXCHANGES)::

    {"about": "one sentence",
     "kind": "frame",                 a stream message; or "reply", the body of the REST reply; or "trades" or "book", below
     "symbols": ["ETH-USD"],          a reply or book only: the symbols of its request
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

Of kind "trades", a message of a connection that subscribed to trades, with ``before``, ``encoding`` and ``answers`` as above::

     "expect": [{"symbol": "ETH-USD", "trade_id": "7", "price_wad": "...", "volume_wad": "...", "at_ms": 1},
                {"symbol": "X-USD", "error": "WRONG_SYMBOL"}]

Of kind "book", the body of the REST reply to ``book_request``; ``stated_at_ms`` where the reply has a time::

     "expect": {"bids": [["<price_wad>", "<size_wad>"]], "asks": [...], "stated_at_ms": 1}      or {"error": "NO_DATA"}

A pool or rate (a name in POOLS or RATES)::

    {"about": "one sentence",
     "params": {...},                 keyword arguments of the adapter: "0x..." becomes bytes, an array a tuple
     "phases": [{"calls": [{"to": "0x<20 bytes>", "data": "0x..."}],
                 "replies": ["0x...", {"error": "REVERTED"}]}],
     "expect": {"price_wad": "...", "depth_wad": "..."}}      or {"error": "THIN"}

``phases`` are the batches that the generator yields, in order (at most two); ``replies`` are what it is sent back.
Fields of Quote that ``expect`` does not name are expected to be None.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from feeds.decode import values
from feeds.errors import ERRORS, FeedError
from feeds.registry import POOLS, RATES
from feeds.streams.venue import Exchange, ParsedFrame
from feeds.types import Book, Call, Quote, Reply, Request, Tick, TradeTick, VenueTrade

GOLDEN = Path(__file__).parent / "golden"
CHAIN = {**POOLS, **RATES}
WORD = 32
FIRST_MS, LAST_MS = 1_262_304_000_000, 4_102_444_800_000
MISSING = object()
RAW_HUGE = "\0huge"
"""Written into the JSON as a bare 1e999999."""
COUNTS = frozenset({"amount_call"})
STREAMED = ("frame", "trades")
QUOTED = ("frame", "reply")
Answer: TypeAlias = tuple[Tick, ...] | tuple[TradeTick, ...] | Book | FeedError


def golden(names: Any, *, holding: bytes = b"", without: bytes = b"\0", kinds: tuple[str, ...] = ()) -> list[Any]:
    """One parameter per golden file of these adapters that holds some text, and not the other, and is of one of the kinds."""
    files = [(name, path) for name in sorted(names) for path in sorted((GOLDEN / name).glob("*.json"))]
    files = [(name, path) for name, path in files if holding in (said := path.read_bytes()) and without not in said]
    files = [(name, path) for name, path in files if not kinds or json.loads(path.read_bytes())["kind"] in kinds]
    return [pytest.param(name, path, id=f"{name}-{path.stem}") for name, path in files]


def cases_of(name: str, kind: str) -> list[Any]:
    """Golden replies of one kind."""
    cases = [values.load(p.read_bytes()) for p in sorted((GOLDEN / name).glob("*.json"))]
    return [c for c in cases if c["kind"] == kind]


def dumps(value: Any) -> bytes:
    """JSON with exact numbers: a Decimal is written with its own digits."""
    marked = json.dumps(value, default=lambda d: f"\0{d}")
    text = marked.replace(json.dumps(RAW_HUGE), "1e999999")
    head, *rest = text.split('"\\u0000')
    return (head + "".join(number + tail for number, _, tail in (part.partition('"') for part in rest))).encode()


def assert_sane(quote: Quote, name: str = "") -> None:
    """``name``: the adapter that made it; what counts tokens may find none."""
    for field in fields(quote):
        value = getattr(quote, field.name)
        assert value is None or type(value) is int, field.name
    prices = [
        p for p in (quote.price_wad, quote.bid_wad, quote.ask_wad, quote.last_wad, quote.mean_wad) if p is not None
    ]
    least = 0 if name in COUNTS else values.MIN_PRICE_WAD
    assert all(least <= p <= values.MAX_PRICE_WAD for p in prices)
    if quote.bid_wad is not None and quote.ask_wad is not None:
        assert quote.bid_wad <= quote.price_wad <= quote.ask_wad
    amounts = (quote.depth_half_wad, quote.depth_wad, quote.depth_two_wad, quote.volume_wad, quote.mean_span_ms)
    assert all(n is None or n >= 0 for n in amounts)
    depths = [d for d in amounts[:3] if d is not None]
    assert depths == sorted(depths)
    assert quote.base_share_bps is None or 0 <= quote.base_share_bps <= values.BPS
    assert quote.virtual_wad is None or quote.virtual_wad > 0
    assert quote.stated_at_ms is None or FIRST_MS <= quote.stated_at_ms <= LAST_MS


def assert_sane_trade(trade: VenueTrade) -> None:
    assert [type(n) for n in (trade.price_wad, trade.volume_wad, trade.at_ms)] == [int] * 3
    assert type(trade.trade_id) is str
    assert values.MIN_PRICE_WAD <= trade.price_wad <= values.MAX_PRICE_WAD
    assert trade.volume_wad > 0
    assert FIRST_MS <= trade.at_ms <= LAST_MS


def assert_sane_book(book: Book) -> None:
    bids, asks = ([price for price, _ in side] for side in (book.bids, book.asks))
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert bids[0] < asks[0]
    assert all(values.MIN_PRICE_WAD <= p <= values.MAX_PRICE_WAD for p in (*bids, *asks))
    assert all(type(n) is int and n > 0 for level in (*book.bids, *book.asks) for n in level)
    assert book.stated_at_ms is None or FIRST_MS <= book.stated_at_ms <= LAST_MS


def expected_trade(expect: dict[str, Any]) -> VenueTrade:
    numbers = {k: int(expect[k]) for k in ("price_wad", "volume_wad", "at_ms")}
    return VenueTrade(trade_id=expect["trade_id"], **numbers)


def expected_book(expect: dict[str, Any]) -> Book:
    bids, asks = (tuple((int(p), int(n)) for p, n in expect[side]) for side in ("bids", "asks"))
    return Book(bids=bids, asks=asks, stated_at_ms=expect.get("stated_at_ms"))


def expected_quote(expect: dict[str, Any]) -> Quote:
    return Quote(**{k: int(v) for k, v in expect.items() if k != "symbol"})


def encoded(case: dict[str, Any], body: Any) -> Any:
    """The bytes as they travel."""
    encoding = case.get("encoding")
    if encoding is None or case["kind"] not in STREAMED:
        return body
    if encoding == "gzip":
        return gzip.compress(body.encode() if isinstance(body, str) else body, 1)
    try:
        message = values.load(body)
        if encoding == "text":
            return str(message)
        return bytes.fromhex(message) if encoding == "hex" else protobuf(message)
    except (FeedError, AttributeError, TypeError, ValueError):
        return body  # a mutation that cannot be written so: it travels as it is


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


def read_frame(exchange: Exchange, case: dict[str, Any], sent: Any) -> ParsedFrame:
    """What a new session makes of a frame, after the frames that came before it."""
    session = exchange.trade_session() if case["kind"] == "trades" else exchange.session()
    for earlier in case.get("before", []):
        session.read_frame(encoded(case, dumps(earlier)))
    return session.read_frame(sent)


def heard_from(exchange: Exchange, case: dict[str, Any], sent: Any) -> Answer:
    """The ticks or trades of a frame; anything but a FeedError passes through and fails the test."""
    try:
        heard = read_frame(exchange, case, sent)
    except FeedError as e:
        return e
    if case["kind"] == "trades":
        assert not heard.ticks, "a connection of trades has no quotes"
        return heard.trades
    assert not heard.trades, "a connection of quotes has no trades"
    return heard.ticks


def run_exchange(exchange: Exchange, case: dict[str, Any], body: Any) -> Answer:
    """What the adapter makes of the bytes; anything but a FeedError passes through and fails the test."""
    if case["kind"] in STREAMED:
        return heard_from(exchange, case, encoded(case, body))
    try:
        if case["kind"] == "book":
            return exchange.parse_book(exchange.book_request(case["symbols"][0]), body)
        return exchange.parse_reply(Request(url="", symbols=tuple(case["symbols"])), body)
    except FeedError as e:
        return e


def assert_sane_answer(answer: Answer) -> None:
    if isinstance(answer, FeedError):
        assert answer.code in ERRORS
        return
    if isinstance(answer, Book):
        assert_sane_book(answer)
        return
    for tick in answer:
        assert isinstance(tick.symbol, str)
        if isinstance(tick.result, Quote):
            assert_sane(tick.result)
        elif isinstance(tick.result, VenueTrade):
            assert_sane_trade(tick.result)
        else:
            assert tick.result.code in ERRORS


def good_of(answer: Answer) -> int:
    """How many quotes, trades or books there are in an answer."""
    if isinstance(answer, FeedError | Book):
        return isinstance(answer, Book)
    return sum(not isinstance(t.result, FeedError) for t in answer)


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


def as_wad(value: Any) -> int | None:
    try:
        return values.price_wad(value)
    except FeedError:
        return None


def size_wad(value: Any) -> int | None:
    """As :func:`as_wad`, of a number whose sign tells the side."""
    try:
        return values.amount_wad(abs(values.number(value)))
    except FeedError:
        return None


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


def mutated_words(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), WORD):
        n = int.from_bytes(data[start : start + WORD], "big")
        for new in (0, 1, 2**256 - 1, 2**255, 2**255 + 5, 2**128, n * 10**12 % 2**256, n // 10**12, n + 1, 10**18):
            yield data[:start] + new.to_bytes(WORD, "big") + data[start + WORD :]
        yield data[:start]
        yield data[: start + 5]
    yield b""
    yield data + bytes(WORD)
