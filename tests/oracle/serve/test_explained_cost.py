"""What an explanation says of the cost of a price: always a number and its words, whatever is known of the depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from feeds.types import Kind, Outcome, Print
from feeds.units import WAD
from oracle.model.canonical_json import dump, parse
from oracle.model.publication import Explanation
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.types import FeedRound
from oracle.round.step import as_leg, step
from oracle.serve.evidence import explain_document
from oracle.serve.explain import lines
from oracle.serve.openapi.explanation import EXPLANATION
from tests.oracle.oracle_build import T0, seen, source, spec, wad

NAMES = ("coinbase", "kraken", "binance")


def market(name: str, known: str) -> Outcome:
    """A source whose depth is from a book, a pool, the model, or nowhere; ``empty``: a book with nothing near the price."""
    plain = seen(name, "1.05")
    depth = {"depth_half_wad": 2 * WAD, "depth_wad": 4 * WAD, "depth_two_wad": 8 * WAD}
    return {
        "book": replace(plain, **depth),
        "pool": replace(plain, **depth, chain_id=1, block=7),
        "model": replace(plain, **depth, depth_modelled=True),
        "empty": replace(plain, depth_half_wad=0, depth_wad=0, depth_two_wad=0),
        "unknown": plain,
    }[known]


def explained(feed: FeedSpec, given: Sequence[Outcome], legs: Any = None) -> dict[str, Any]:
    """The document of one stored round."""
    result, _ = step(feed, FeedState(), given, legs or {}, T0)
    assert isinstance(result, FeedRound)
    stored = parse(FeedRound, dump(result))
    return explain_document(
        feed.feed,
        Explanation(record=None, rounds=(("local", stored),), values=(), legs=(), specs={"local": feed}),
    )


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a document is what its schema says, as far as this API's schemas go."""
    if "$ref" in schema:
        return isinstance(value, dict)
    if "oneOf" in schema:
        return any(fits(s, value) for s in schema["oneOf"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    types = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    if not any(isinstance(value, types[k]) and (k != "integer" or not isinstance(value, bool)) for k in kinds):
        return False
    if isinstance(value, list):
        return all(fits(schema["items"], v) for v in value)
    if isinstance(value, dict):
        known = schema["properties"]
        return set(schema["required"]) <= set(value) <= set(known) and all(fits(known[k], v) for k, v in value.items())
    return "enum" not in schema or value in schema["enum"]


@pytest.mark.parametrize("known", list(product(("book", "pool", "model", "empty", "unknown"), repeat=3)), ids="-".join)
def test_a_cost_is_a_number_in_words_whatever_is_known(known: tuple[str, str, str]) -> None:
    feed = spec(outliers=None)
    document = explained(
        feed, [market(n, k) for n, k in zip(NAMES, known, strict=True)] + [seen("rate", "1.05", kind=Kind.REDEMPTION)]
    )
    assert fits(EXPLANATION, document)
    told = dict(zip(NAMES, known, strict=True)) | {n: "book" for n, k in zip(NAMES, known, strict=True) if k == "empty"}
    (operator,) = document["operators"]
    assert [c["bps"] for c in operator["cost"][:3]] == [50, 100, 500]
    for cost in operator["cost"]:
        assert {d["group"]: d["from"] for d in cost["depths"]} == {g: told[g] for g in cost["groups"]}
        assert cost["unknown"] == [g for g in cost["groups"] if told[g] == "unknown"]
        assert cost["modelled"] == [g for g in cost["groups"] if told[g] == "model"]
        assert float(cost["base_stated"]) <= float(cost["base"])
    text = "\n".join(lines(document))
    assert "None" not in text
    for word, said in (("unknown", "nothing is known of the depth of"), ("modelled", "only modelled from its volume")):
        assert (said in text) == any(c[word] for c in operator["cost"])


def test_a_price_of_trades_says_of_which() -> None:
    feed = spec(method="vwap", outliers=None)
    prints = (Print(at_ms=T0 - 4_000, price_wad=wad("1.05"), volume_wad=3 * WAD, count=2),)
    given = [replace(market(n, "book"), prints=prints, prints_span_ms=10) for n in NAMES[:2]]
    document = explained(feed, [*given, market("binance", "book"), seen("rate", "1.05", kind=Kind.REDEMPTION)])
    assert fits(EXPLANATION, document)
    assert [o["trades"] for o in document["operators"][0]["outcomes"]] == [0, 2, 2, 0]
    text = "\n".join(lines(document))
    for line in (row for row in text.splitlines() if "cost to" in row):
        assert line.endswith(" base units through binance (order book), and the fees of trading with oneself there")
    assert "made of the trades of 60 s, the first 60 s of them not heard:" in text
    assert "2 trades of 3.000000000000000000 base units in 0 s, the last 4 s before the end, merged over 10 ms" in text


def test_a_rebasing_token_costs_what_its_share_token_costs() -> None:
    shares = spec()
    done, state = step(
        shares, FeedState(), [*(market(n, "book") for n in NAMES), seen("rate", "1.05", kind=Kind.REDEMPTION)], {}, T0
    )
    assert isinstance(done, FeedRound)
    own = spec(feed="divETH/ETH", sources=(), share_of=shares.feed)
    document = explained(own, [], {shares.feed: as_leg(shares, done, state.rate, T0)})
    assert fits(EXPLANATION, document)
    assert document["operators"][0]["cost_of"] == shares.feed
    assert f"that of {shares.feed}, which it is computed from" in "\n".join(lines(document))


def test_books_of_exchanges_are_no_depth_of_pools() -> None:
    """The judge watches the depth that pools lose; an exchange whose book is read for the first time adds nothing to it."""
    feed = spec(
        sources=(*(source(n) for n in NAMES), source("pool", group="chain:1"), source("rate", kind=Kind.REDEMPTION))
    )
    pool = replace(market("pool", "pool"), group="chain:1")
    given = [*(market(n, "book") for n in NAMES), pool, seen("rate", "1.05", kind=Kind.REDEMPTION)]
    _, state = step(feed, FeedState(), given, {}, T0)
    assert [depth for _, depth in state.memory.depths] == [4 * WAD]
