"""A question to a chain: calls out, findings in; and whose fault it is when there is no answer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from feeds.chains.jsonrpc import BlockMissing, TooMuch
from feeds.errors import (
    Disagreed,
    FeedError,
    FromFuture,
    HeadStopped,
    OutOfRange,
    RateLimited,
    TimedOut,
    TooLarge,
    Unreachable,
    WrongChain,
)
from feeds.types import Call, Quote, Read, Reply
from oracle.check.catalog.findings import EntryFinding, changed, dead, unasked, unread

Asking: TypeAlias = Generator[tuple[Call, ...], tuple[Reply, ...], tuple[EntryFinding, ...]]
"""Yields calls at most twice, is sent the replies, returns what it found: read as a source's adapter is."""
OF_ENDPOINT = (
    BlockMissing, TooMuch, TooLarge, TimedOut, Unreachable, RateLimited, WrongChain, HeadStopped, Disagreed,
)  # fmt: skip
"""What an endpoint does wrong says nothing of the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of one entry.

    Attributes:
        what: a word for it.
        contracts: the addresses that must have code for an answer.
        ask: given the time of the block in Unix ms, a fresh generator.
    """

    what: str
    contracts: tuple[bytes, ...]
    ask: Callable[[int], Asking]

    def answered(self, block_ms: int) -> Asking:
        """Ask; an error of a contract is a finding, and so is an endpoint's, another one."""
        try:
            return (yield from self.ask(block_ms))
        except OF_ENDPOINT as e:
            return (unasked(self.what, f"{e}; {e.advice}"),)
        except FeedError as e:
            return (refused(self.what, e, ""),)


def refused(what: str, error: FeedError, about: str) -> EntryFinding:
    """What an error of a contract says of it: an answer that is out of range is one, any other error is the end of it."""
    text = f"{about}: {error}".removeprefix(": ")
    return changed(what, f"{text}; {error.advice}") if isinstance(error, OutOfRange | FromFuture) else dead(what, text)


def nothing(what: str, why: str) -> Asking:
    """A question that asks nothing, since there is nowhere to ask."""
    yield from ()
    return (unread(what, why),)


def together(reads: Sequence[Read]) -> Generator[tuple[Call, ...], tuple[Reply, ...], list[Quote | FeedError]]:
    """Reads of one phase as one: what each of them says; an endpoint's error is raised."""
    calls = [next(r) for r in reads]
    replies = yield tuple(c for each in calls for c in each)
    results: list[Quote | FeedError] = []
    at = 0
    for read, own in zip(reads, calls, strict=True):
        results.append(_ended(read, replies[at : at + len(own)]))
        at += len(own)
    return results


def _ended(read: Read, replies: tuple[Reply, ...]) -> Quote | FeedError:
    try:
        read.send(replies)
    except StopIteration as done:
        quote: Quote = done.value
        return quote
    except OF_ENDPOINT:
        raise
    except FeedError as e:
        return e
    raise TypeError("a read of one phase asked again")
