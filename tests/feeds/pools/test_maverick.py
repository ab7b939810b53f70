"""Maverick's adapters against quoters over a known curve, which may serve a part of an order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from feeds.errors import FeedError, Malformed, Reverted, Slippage, Thin, WrongSymbol
from feeds.pools.maverick import MaverickV1, MaverickV2
from feeds.types import ChainAdapter
from feeds.units import WAD
from tests.feeds.pools.curve_reference import read, word
from tests.feeds.pools.quoted_reference import BASE, MAVERICK_POOL, QUOTE, QUOTER, Maverick

KINDS = [pytest.param(MaverickV1, Maverick(), id="v1"), pytest.param(MaverickV2, Maverick(v2=True), id="v2")]


def make(kind: type[ChainAdapter], **params: Any) -> ChainAdapter:
    return kind(**{"quoter": QUOTER, "pool": MAVERICK_POOL, "base": BASE, "quote": QUOTE, "notional": "1", **params})


@pytest.mark.parametrize(("kind", "pool"), KINDS)
def test_both_directions(kind: type[ChainAdapter], pool: Maverick) -> None:
    quote = read(make(kind), pool.answer)
    assert quote.bid_wad == pool.swap(WAD, a_in=True, exact_output=False)[1]
    assert quote.ask_wad == pool.swap(WAD, a_in=False, exact_output=True)[0]
    inverted = read(make(kind, base=QUOTE, quote=BASE, base_is_a=False), pool.answer)
    assert inverted.bid_wad == pool.swap(WAD, a_in=False, exact_output=False)[1]
    assert quote.base_share_bps is None
    assert quote.virtual_wad is None


@pytest.mark.parametrize(("kind", "pool"), KINDS)
def test_the_depth_is_that_of_the_curve(kind: type[ChainAdapter], pool: Maverick) -> None:
    quote = read(make(kind), pool.answer)
    for depth, move in ((quote.depth_half_wad, "0.005"), (quote.depth_wad, "0.01"), (quote.depth_two_wad, "0.02")):
        exact = pool.a * (1 - 1 / (1 + Decimal(move)).sqrt())
        assert depth == pytest.approx(int(exact), rel=0.05)


@pytest.mark.parametrize(("kind", "pool"), KINDS)
def test_a_part_of_the_notional_is_no_price(kind: type[ChainAdapter], pool: Maverick) -> None:
    """Version 1 does not say how much it served: asked again in reverse, it cannot hide it."""
    short = replace(pool, served=Decimal("0.01"))
    with pytest.raises((Thin, Malformed)):
        read(make(kind, notional="50", max_slippage_bps=10_000), short.answer)
    assert read(make(kind), short.answer).price_wad > 0


@pytest.mark.parametrize(("kind", "pool"), KINDS)
def test_a_ladder_served_in_part_gives_a_lower_bound(kind: type[ChainAdapter], pool: Maverick) -> None:
    full, short = (read(make(kind), replace(pool, served=Decimal(s)).answer) for s in ("0.9", "0.006"))
    assert full.depth_two_wad is not None
    assert short.depth_two_wad is not None
    assert short.depth_two_wad < full.depth_two_wad
    assert short.depth_two_wad <= 6 * WAD


@pytest.mark.parametrize(("kind", "pool"), KINDS)
@pytest.mark.parametrize(
    ("name", "reply", "error"),
    [
        ("tokenA/0", word(5), WrongSymbol),
        ("balanceOf/1", word(0), Thin),
        ("calculateSwap/5", Reverted("test"), Reverted),
        ("calculateSwap/5", b"", Malformed),
        ("calculateSwap/5", word(0) * 3, Thin),
        ("calculateSwap/5", word(1 << 200) * 3, FeedError),
    ],
)
def test_what_is_no_quoters_answer_is_refused(
    kind: type[ChainAdapter], pool: Maverick, name: str, reply: Any, error: type[FeedError]
) -> None:
    with pytest.raises(error):
        read(make(kind), replace(pool, overrides={name: reply}).answer)


@pytest.mark.parametrize(("kind", "pool"), KINDS)
def test_the_gates_refuse(kind: type[ChainAdapter], pool: Maverick) -> None:
    with pytest.raises(Thin, match="depth_wad"):
        read(make(kind, min_depth="50"), pool.answer)
    with pytest.raises(Slippage):
        read(make(kind, max_slippage_bps=2), pool.answer)
    with pytest.raises(WrongSymbol):
        read(make(kind, base_is_a=False), pool.answer)


@pytest.mark.parametrize("kind", [MaverickV1, MaverickV2])
@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"quoter": "0x1"}, "not an address"),
        ({"quote": BASE}, "same token"),
        ({"notional": "0"}, "above 0"),
        ({"notional": "1e30"}, "fits 128 bits"),
        ({"min_depth": "x"}, "decimal number"),
    ],
)
def test_the_config_is_told_what_to_write(kind: type[ChainAdapter], params: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make(kind, **params)
