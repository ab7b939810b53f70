"""A rate that leads through other rates to another unit: sfrxETH to frxETH to ether. All steps at one block.

Each step is a text of the form ``BASE/QUOTE how``, and each must begin with the unit that the last one ended with::

    ezETH/ETH 0x74a0... calculateTVLs() word=2 over 0xbf54... totalSupply()
    tETH/wstETH 0xD11c... convertToAssets(uint256) 1e18
    stETH/ETH par

A call's answer is the step's rate times 10**scale (``scale=18`` unless written); with ``over`` it is the quotient of two
answers of the same scale; ``par`` is exactly one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from feeds.chains.abi import address, calldata, integer_of
from feeds.decode import abi_words, values
from feeds.errors import NotPositive, OutOfRange
from feeds.types import Call, Pair, Quote, Read
from feeds.units import WAD

_MOST_STEPS = 6
_MOST_SCALE = 36
_MOST_WORDS = 16
_OVER = "over"


@dataclass(frozen=True, slots=True)
class _Term:
    """One word of one call's answer."""

    call: Call
    word: int
    scale: int


@dataclass(frozen=True, slots=True)
class _Step:
    """One rate: ``above`` over ``below`` where there is one, over 10**scale otherwise; at par without a call."""

    pair: Pair
    above: _Term | None = None
    below: _Term | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePath:
    """The product of its steps' rates, rounded down once.

    Attributes:
        steps: see this module; the pair of the whole is the first one's base and the last one's quote.
    """

    steps: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        parsed = _parsed(self.steps)
        if not 1 <= len(parsed) <= _MOST_STEPS:
            raise ValueError(f"steps: write 1 to {_MOST_STEPS} of them")
        for step, following in itertools.pairwise(parsed):
            if step.pair.quote != following.pair.base:
                text = f"{step.pair} is followed by {following.pair}: the units do not close"
                raise ValueError(f"{text}, a step begins with the unit that the last one ended with")
        if not _calls(self.steps):
            raise ValueError("every step is at par: there is nothing to read")

    @property
    def pair(self) -> Pair:
        """What the whole path says."""
        parsed = _parsed(self.steps)
        return Pair(base=parsed[0].pair.base, quote=parsed[-1].pair.quote)

    def read(self) -> Read:
        """One phase: every call once, also where two words of its answer are used.

        Raises:
            NotPositive: a step's rate, or what it is divided by, is zero.
            OutOfRange: the product is outside 1e-15 to 1e15.
        """
        calls = _calls(self.steps)
        replies = dict(zip(calls, (yield calls), strict=True))
        above, below = WAD, 1
        for step in _parsed(self.steps):
            for term, is_above in ((step.above, True), (step.below, False)):
                if term is None:
                    continue
                raw = abi_words.uint_at(abi_words.returned(replies[term.call], words=term.word + 1), term.word)
                if raw == 0:
                    raise NotPositive("rate", step=str(step.pair))
                above, below = (above * raw, below) if is_above else (above, below * raw)
            if step.above is not None and step.below is None:
                below *= 10**step.above.scale
        if above < below:
            raise OutOfRange("rate rounds to zero: check scale", pair=str(self.pair))
        return Quote(price_wad=values.bounded_price(above // below))


@lru_cache(maxsize=1024)
def _parsed(steps: tuple[str, ...]) -> tuple[_Step, ...]:
    return tuple(_step(text) for text in steps)


@lru_cache(maxsize=1024)
def _calls(steps: tuple[str, ...]) -> tuple[Call, ...]:
    terms = (t for s in _parsed(steps) for t in (s.above, s.below) if t is not None)
    return tuple(dict.fromkeys(t.call for t in terms))


def _step(text: str) -> _Step:
    pair, *how = text.split() or [""]
    parsed = Pair.parse(pair)
    if how == ["par"]:
        return _Step(parsed)
    above, below = (how[: how.index(_OVER)], how[how.index(_OVER) + 1 :]) if _OVER in how else (how, [])
    if below and any(w.startswith("scale=") for w in how):
        raise ValueError(f"{text!r}: the scales of a quotient cancel, leave scale= out")
    return _Step(parsed, _term(text, above), _term(text, below) if below else None)


def _term(text: str, words: Sequence[str]) -> _Term:
    if len(words) < 2:  # noqa: PLR2004 - a contract and a function
        raise ValueError(f"{text!r}: write BASE/QUOTE and then par, or a contract and a function with its arguments")
    contract, function, *rest = words
    options = dict(w.split("=", 1) for w in rest if "=" in w)
    if unknown := sorted(set(options) - {"word", "scale"}):
        raise ValueError(f"{text!r}: {unknown[0]} is not an option: write word=N or scale=N")
    word, scale = integer_of(options.get("word", 0)), integer_of(options.get("scale", 18))
    if not 0 <= word < _MOST_WORDS:
        raise ValueError(f"{text!r}: write word=0 to word={_MOST_WORDS - 1}")
    if not 0 <= scale <= _MOST_SCALE:
        raise ValueError(f"{text!r}: write scale=0 to scale={_MOST_SCALE}")
    data = calldata(function, tuple(w for w in rest if "=" not in w))
    return _Term(Call(to=address(contract), data=data), word, scale)
