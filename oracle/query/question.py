"""The question: which pair, of which of its sources, by which method and filter, over which time. Typed and bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from feeds.errors import LrtOracleError
from oracle.config.tables.schema import Problem, build
from oracle.model.keys import key, required

_MOST_S = (1 << 32) - 1
_DAY_S = 86_400
_ROOT = "query"
MOST_SELECTORS = 64


class QuestionRefused(LrtOracleError):
    """A question that gets no answer: a code for machines, a sentence, and what to ask instead."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint)
        self.code, self.message, self.hint = code, message, hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


BAD_QUERY, TOO_COSTLY, NOT_KEPT = "bad_query", "query_too_costly", "not_kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSelector:
    """Sources of which all that is written here is true."""

    name: str | None = key(None, "its name in the feed")
    venue: str | None = key(None, "an exchange, or the kind of a pool: `kraken`, `uniswap_v3`")
    pool: str | None = key(None, "the address of the contract that is read")
    chain: str | None = key(None, "the chain that it is read on")
    group: str | None = key(None, "what it depends on")
    min_depth: int = key(0, "base units that move its price by 1 %, at least, at `from_s`, or now", wad=True)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if all(not getattr(self, f.name) for f in fields(self)):
            yield "name", "nothing is written: write name, venue, pool, chain, group or min_depth"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceQuestion:
    """What is asked. What is left out is as the feed has it."""

    base: str = field(metadata=required("the token, or its contract as `ethereum:0x...`"))
    quote: str = field(metadata=required("its unit, likewise"))
    feed: str | None = key(None, "the feed of that pair whose inputs and judge are taken, where there are several")
    sources: tuple[SourceSelector, ...] = ()
    method: str | None = key(None, "how sources become one price")
    filter: str | None = key(None, "filter of outliers, or `none`")
    window_s: int | None = key(None, "of a method over time", least=1, most=_DAY_S)
    dust: int | None = key(None, "trades of fewer base units are left out, of a method of trades", least=0, wad=True)
    from_s: int | None = key(None, "Unix seconds; by default `to_s`", least=1, most=_MOST_S)
    to_s: int | None = key(None, "Unix seconds; by default now", least=1, most=_MOST_S)
    step_s: int | None = key(None, "a price each so many seconds from `from_s` on; without it one, at `to_s`", least=1)
    live: bool | None = key(
        None, "one price of this moment, of what a running process holds; by default if no time is asked"
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if len(self.sources) > MOST_SELECTORS:
            yield "sources", f"has {len(self.sources)} selectors: write at most {MOST_SELECTORS}"
        if self.from_s is not None and self.to_s is not None and self.from_s > self.to_s:
            yield "from_s", f"{self.from_s} is after to_s = {self.to_s}: swap them"
        if self.step_s is not None and self.from_s is None:
            yield "step_s", "a series needs its beginning: write from_s"
        if self.live and (timed := [k for k in ("from_s", "to_s", "step_s") if getattr(self, k) is not None]):
            yield "live", f"is of this moment, and {', '.join(timed)} of stored rounds: leave one of them out"

    @property
    def feed_name(self) -> str:
        """The feed whose inputs are taken."""
        return self.feed or f"{self.base}/{self.quote}"

    @property
    def is_of_now(self) -> bool:
        """Whether no time is asked of: the answer is of this moment where there is a process that knows it."""
        return self.live is not False and self.from_s is self.to_s is self.step_s is None

    @property
    def wants_depth(self) -> bool:
        """Whether sources are chosen by their depth."""
        return any(s.min_depth for s in self.sources)


def parsed(document: Any) -> PriceQuestion:
    """A question as JSON or TOML gives it.

    Raises:
        QuestionRefused: with every fault, each with its key and what to write.
    """
    problems: list[Problem] = []
    made = build(PriceQuestion, document, _ROOT, problems)
    if made is None or problems:
        raise QuestionRefused(BAD_QUERY, "; ".join(str(p).removeprefix(f"{_ROOT}.") for p in problems))
    return made
