"""Rates that lead through other units: what a step may say, one rounding, each call once."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import NotPositive, OutOfRange
from feeds.rates.path import RatePath
from feeds.types import Pair, Quote, Reply

A, B = "0x" + "12" * 20, "0x" + "34" * 20
WAD = 10**18


def words(*values: int) -> bytes:
    return b"".join(v.to_bytes(32, "big") for v in values)


def answer(path: RatePath, *replies: Reply) -> Quote:
    reading = path.read()
    calls = next(reading)
    assert len(calls) == len(replies)
    with pytest.raises(StopIteration) as done:
        reading.send(replies)
    quote = done.value.value
    assert isinstance(quote, Quote)
    return quote


def test_a_way_says_what_it_is_about() -> None:
    path = RatePath(steps=(f"tETH/wstETH {A} getRate()", f"wstETH/stETH {B} stEthPerToken()", "stETH/ETH par"))
    assert path.pair == Pair(base="tETH", quote="ETH")


@given(rates=st.lists(st.integers(10**17, 10**19), min_size=1, max_size=3))
def test_the_product_is_rounded_down_once(rates: list[int]) -> None:
    """Exactly the floor of the product of exact fractions, whatever the number of steps."""
    units = "abcd"
    contracts = ["0x" + f"{i + 1:02x}" * 20 for i in range(3)]
    steps = tuple(f"{units[i]}/{units[i + 1]} {contracts[i]} getRate()" for i in range(len(rates)))
    exact = Fraction(WAD)
    for r in rates:
        exact *= Fraction(r, WAD)
    if exact >= 1000:
        assert answer(RatePath(steps=steps), *(words(r) for r in rates)).price_wad == int(exact)


def test_a_scale_of_its_own_and_a_quotient() -> None:
    assert answer(RatePath(steps=(f"a/b {A} getRate() scale=27",)), words(105 * 10**25)).price_wad == 105 * 10**16
    quotient = RatePath(steps=(f"a/b {A} totalAssets() over {A} totalSupply()",))
    assert answer(quotient, words(2 * 10**6), words(3 * 10**6)).price_wad == WAD * 2 // 3


def test_two_words_of_one_answer_are_one_call() -> None:
    path = RatePath(steps=(f"a/b {A} f() word=1 over {A} f() word=2",))
    assert len(next(path.read())) == 1
    assert next(path.read()) is next(path.read()), "the calls are made once for all rounds"


def test_nothing_below_and_nothing_above_are_refused() -> None:
    quotient = RatePath(steps=(f"a/b {A} f() over {B} g()",))
    for replies in ((words(0), words(1)), (words(1), words(0))):
        with pytest.raises(NotPositive):
            answer(quotient, *replies)
    with pytest.raises(OutOfRange):
        answer(quotient, words(1), words(10**19))


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ((), "write 1 to 6"),
        (("a/b par",), "nothing to read"),
        ((f"a/b {A} f()", f"c/d {B} f()"), "the units do not close"),
        ((f"a {A} f()",), "write BASE/QUOTE"),
        ((f"a/b {A}",), "a contract and a function"),
        ((f"a/b {A} f",), "name and types"),
        ((f"a/b {A} f() wrod=1",), "wrod is not an option"),
        ((f"a/b {A} f() word=16",), "word=0 to word=15"),
        ((f"a/b {A} f() scale=37",), "scale=0 to scale=36"),
        ((f"a/b {A} f() word=x",), "write an integer"),
        ((f"a/b {A} f() scale=6 over {A} g()",), "the scales of a quotient cancel"),
        (("a/b 0x12 f()",), "not an address"),
        (tuple(f"u{i}/u{i + 1} {A} f()" for i in range(7)), "write 1 to 6"),
    ],
)
def test_the_config_is_told_what_to_write(steps: tuple[str, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("(", r"\(")):
        RatePath(steps=steps)
