"""A record with the quick ``__init__`` is the frozen dataclass that it was."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from feeds.record import record
from feeds.types import Observation
from oracle.model.state import FeedState, Memory, Sample
from oracle.model.types import Input, Report, Used


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    one: int
    two: str = "b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    one: int
    two: str = "b"


def test_it_equals_hashes_copies_and_shows_like_any_other() -> None:
    made = Quick(one=1)
    assert made == Quick(one=1, two="b") != Quick(one=2)
    assert hash(made) == hash(Plain(one=1))
    assert repr(made) == "Quick(one=1, two='b')"
    assert replace(made, two="c") == Quick(one=1, two="c")
    assert copy.copy(made) == made == pickle.loads(pickle.dumps(made))  # noqa: S301 - its own bytes
    assert [f.name for f in fields(made)] == ["one", "two"]


def test_nothing_can_be_set_afterwards() -> None:
    made = Quick(one=1)
    with pytest.raises(FrozenInstanceError):
        made.one = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del made.one
    assert made.one == 1


@pytest.mark.parametrize("given", [{}, {"two": "x"}, {"one": 1, "three": 3}])
def test_fields_are_asked_for_as_before(given: dict[str, object]) -> None:
    with pytest.raises(TypeError) as quick:
        Quick(**given)  # type: ignore[arg-type]
    with pytest.raises(TypeError) as plain:
        Plain(**given)  # type: ignore[arg-type]
    assert str(quick.value) == str(plain.value).replace("Plain", "Quick")


def test_other_classes_are_refused() -> None:
    class NoDataclass:
        one: int

    @dataclass(slots=True, kw_only=True)
    class Open:
        one: int

    @dataclass(frozen=True, kw_only=True)
    class NoSlots:
        one: int

    @dataclass(frozen=True, slots=True)
    class ByPlace:
        one: int

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Makes:
        one: list[int] = field(default_factory=list)

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Checks:
        one: int

        def __post_init__(self) -> None:
            raise ValueError(self.one)

    for kind in (NoDataclass, Open, NoSlots, ByPlace, Makes, Checks):
        with pytest.raises(TypeError):
            record(kind)


@pytest.mark.parametrize("kind", [Input, Used, Sample, Memory, FeedState, Report, Observation])
def test_what_a_round_makes_most_of_is_quick(kind: type) -> None:
    assert "_twin" in kind.__init__.__globals__  # type: ignore[misc]
