"""What several endpoints answer, as one answer: the vote of reads and of pushes alike. Pure.

``agree`` means one thing wherever endpoints are asked: so many of them must give the same answer before it is believed. An
error is never a vote; where a refusal is itself an answer (a call that reverts), the
caller turns it into a value first. Of two values that enough endpoints give, the one that more give counts; of two that as
many give, the one that was given first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from feeds.errors import FeedError

_MAJORITY_FROM = 3
K = TypeVar("K")
T = TypeVar("T")
Ordered = TypeVar("Ordered", bound=Any)


def quorum_of(agree: int, endpoints: int) -> int:
    """How many endpoints must agree, never more than there are.

    Args:
        agree: as the config says; 0 is a majority of three or more, and of fewer one: two cannot outvote each other.
        endpoints: how many there are.
    """
    majority = endpoints // 2 + 1 if endpoints >= _MAJORITY_FROM else 1
    return min(agree or majority, endpoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedAnswer(Generic[K, T]):
    """A value that enough endpoints gave. ``outvoted``: those that gave another one."""

    value: T
    votes: int
    outvoted: tuple[K, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """No value that enough endpoints gave. ``votes``: how many gave each, most first; ``errors``: of those that gave none."""

    agree: int
    votes: tuple[int, ...]
    errors: tuple[FeedError, ...]

    @property
    def most(self) -> int:
        """Endpoints that gave the same."""
        return self.votes[0] if self.votes else 0


def vote(answers: Mapping[K, T | FeedError], agree: int) -> AgreedAnswer[K, T] | Disagreement:
    """Count the answers.

    Args:
        answers: by endpoint what it answered (anything that hashes), or why it did not; in the order in which they came.
        agree: how many must give the same, see :func:`quorum_of`.
    """
    voters: dict[T, list[K]] = {}
    errors = []
    for endpoint, answer in answers.items():
        if isinstance(answer, FeedError):
            errors.append(answer)
        else:
            voters.setdefault(answer, []).append(endpoint)
    ranked = sorted(
        voters.items(), key=lambda entry: len(entry[1]), reverse=True
    )  # stable: the first of equals stays first
    if not ranked or len(ranked[0][1]) < agree:
        return Disagreement(agree=agree, votes=tuple(len(v) for _, v in ranked), errors=tuple(errors))
    (value, supporters), *others = ranked
    return AgreedAnswer(value=value, votes=len(supporters), outvoted=tuple(e for _, liars in others for e in liars))


def highest_reached(values: Iterable[Ordered], agree: int) -> Ordered | None:
    """The highest value that so many endpoints have reached (a height, a nonce); None where too few say any.

    Fewer liars than ``agree`` cannot raise it above what an honest endpoint has.
    """
    ranked = sorted(values, reverse=True)
    return ranked[agree - 1] if len(ranked) >= agree else None
