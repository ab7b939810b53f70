"""The names under which records are stored: a class may be renamed, what it is called on disk may not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from oracle.model.canonical_json import stored_name
from oracle.model.publication import DONE, GIVEN_UP, OPEN, PushState, Record, Transition
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.types import Abstained, FeedRound
from oracle.sign.messages import SignedValues, SignerSet

ROWS = (FeedSpec, FeedState, FeedRound, Abstained, Record, Transition, SignerSet, SignedValues)
"""What the database keeps as canonical JSON."""
STORED = {
    "Abstained", "Absent", "Aggregate", "Bands", "Domain", "Failure", "FeedSpec", "FeedState", "GroupTrades", "JudgeState", "Leg", "Memory",
    "Observation", "Pair", "Print", "Published", "RateState", "Reason", "Record", "Rejected", "Report", "Round", "Rules", "Sample", "Seal",
    "SignedValues", "SignerSet", "SourceSpec", "Suspicion", "Trade", "TradesUsed", "Transition", "Tuning", "Unchanged", "Used", "Verdict",
    "Window",
}  # fmt: skip
STORED_VALUES = {
    "Kind": ["market", "redemption", "reference", "supply", "backing", "open"],
    "Mode": ["market", "redemption", "min", "max", "capped", "redemption_unless_depeg"],
    "Status": [1, 2, 3, 4],
}
PUSH_STATES = [
    "prepared", "sent", "landed", "poked", "armed", "called", "overtaken", "reverted", "replaced", "expired", "refused",
]  # fmt: skip


def types_in(hint: Any) -> Iterator[Any]:
    """The classes in an annotation."""
    if get_origin(hint) is not None:
        for part in get_args(hint):
            yield from types_in(part)
    elif (supertype := getattr(hint, "__supertype__", None)) is not None:
        yield from types_in(supertype)
    elif isinstance(hint, type):
        yield hint


def reached() -> set[type]:
    """Every record and enum that is in a row, at any depth."""
    seen: set[type] = set()
    todo: list[type] = list(ROWS)
    while todo:
        kind = todo.pop()
        if kind in seen or not (is_dataclass(kind) or issubclass(kind, Enum)):
            continue
        seen.add(kind)
        if is_dataclass(kind):
            todo += [t for hint in get_type_hints(kind).values() for t in types_in(hint)]
    return seen


def test_every_stored_class_keeps_its_name_on_disk() -> None:
    names = [stored_name(kind) for kind in reached() if is_dataclass(kind)]
    assert len(names) == len(set(names)), "a name on disk means one class"
    assert set(names) == STORED
    assert (FeedRound.__name__, stored_name(FeedRound)) == ("FeedRound", "Round"), (
        "the control: a class that was renamed"
    )


def test_every_stored_word_stays_what_it_was() -> None:
    enums = {kind.__name__: [m.value for m in kind] for kind in reached() if issubclass(kind, Enum)}
    assert set(enums) == {*STORED_VALUES, "Why"}
    assert STORED_VALUES.items() <= enums.items()
    assert [state.value for state in PushState] == PUSH_STATES


def test_a_push_is_open_done_or_given_up() -> None:
    groups = [*OPEN, *DONE, *GIVEN_UP]
    assert len(groups) == len(set(groups))
    assert set(groups) == set(PushState)
