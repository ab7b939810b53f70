"""Other oracles' feeds: ages against the block's clock, and what the config may say. Values are golden replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from feeds.errors import FromFuture, Malformed, OutOfRange, Stale
from feeds.rates.api3 import Api3
from feeds.rates.chainlink import Chainlink
from feeds.rates.chronicle import Chronicle
from feeds.rates.pyth import Pyth
from feeds.types import ChainAdapter, Quote, Reply

A, ID = "0x" + "12" * 20, "0x" + "ab" * 32
T = 1_760_000_000
WAD = 10**18
Make = Callable[..., ChainAdapter]


def words(*values: int) -> bytes:
    return b"".join((v % 2**256).to_bytes(32, "big") for v in values)


def answer(adapter: ChainAdapter, *replies: Reply) -> Quote:
    reading = adapter.read()
    assert len(next(reading)) == len(replies)
    with pytest.raises(StopIteration) as done:
        reading.send(replies)
    quote = done.value.value
    assert isinstance(quote, Quote)
    return quote


def chainlink(now_s: int, **params: Any) -> Quote:
    return answer(Chainlink(feed=A, **params), words(9, WAD, T, T, 9), words(18), words(now_s))


def pyth(now_s: int, **params: Any) -> Quote:
    return answer(Pyth(contract=A, feed_id=ID, **params), words(10**8, 0, -8, T), words(now_s))


def chronicle(now_s: int, **params: Any) -> Quote:
    return answer(Chronicle(contract=A, **params), words(WAD, T), words(now_s))


def api3(now_s: int, **params: Any) -> Quote:
    return answer(Api3(proxy=A, **params), words(WAD, T), words(now_s))


@pytest.mark.parametrize("read", [chainlink, pyth, chronicle, api3])
def test_an_answers_age_is_held_against_its_blocks_clock(read: Callable[..., Quote]) -> None:
    assert read(T + 3_600, oldest_s=3_600) == Quote(price_wad=WAD, stated_at_ms=T * 1_000)  # type: ignore[arg-type]
    with pytest.raises(Stale) as caught:
        read(T + 3_601, oldest_s=3_600)
    assert caught.value.facts == {"age_ms": 3_601_000, "max_age_ms": 3_600_000}
    assert read(T + 10**7).price_wad == WAD, "no limit unless one is written"
    with pytest.raises(FromFuture):
        read(T - 1)


def test_pyths_exponent_goes_both_ways() -> None:
    """The case of 2021-09-20: an exponent of 0 in place of -8 is a price a hundred million times as high."""
    adapter = Pyth(contract=A, feed_id=ID)
    assert answer(adapter, words(42, 0, 2, T), words(T)).price_wad == 4_200 * WAD
    assert answer(adapter, words(42_000 * 10**8, 0, 0, T), words(T)).price_wad == 42_000 * 10**8 * WAD
    for expo in (-31, 13):
        with pytest.raises(OutOfRange, match="exponent"):
            answer(adapter, words(42, 0, expo, T), words(T))
    with pytest.raises(OutOfRange, match="does not fit"):
        answer(adapter, words(2**63, 0, -18, T), words(T))


def test_a_feed_of_other_decimals_than_expected_is_refused() -> None:
    with pytest.raises(Malformed, match="other decimals"):
        chainlink(T, decimals=8)
    assert chainlink(T, decimals=18).price_wad == WAD


def test_a_capped_adapter_is_asked_for_its_answer_only() -> None:
    capped = Chainlink(feed=A, answer_only=True)
    assert [c.data.hex() for c in next(capped.read())] == ["50d25bcd", "313ce567"]
    with pytest.raises(ValueError, match="has no time"):
        Chainlink(feed=A, answer_only=True, oldest_s=60)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Chainlink(feed="0x12"), "not an address"),
        (lambda: Chainlink(feed=A, decimals=37), "0 to 36"),
        (lambda: Chainlink(feed=A, oldest_s=-1), "oldest_s = -1"),
        (lambda: Pyth(contract=A, feed_id="0x12"), "not bytes32"),
        (lambda: Pyth(contract=A, feed_id=ID, max_conf_bps=0), "max_conf_bps = 0"),
        (lambda: Chronicle(contract=A, oldest_s=10**9), "at most"),
        (lambda: Api3(proxy="x"), "not an address"),
    ],
)
def test_the_config_is_told_what_to_write(make: Make, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()
