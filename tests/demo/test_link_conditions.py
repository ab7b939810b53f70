"""The fate of a frame follows from seed, link and number alone, and a share is met as a share."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.world.link_conditions import CALM, Conditions, FrameFate, HostileNetworkError, fate_of

ROUGH = Conditions(delay_ms=80, jitter_ms=20, drop=0.1, stall=0.05, duplicate=0.1, reorder=0.1, cut=0.01)


def fates(conditions: Conditions, count: int, *, seed: int = 1, sender: str = "a", **ends: str) -> list[FrameFate]:
    names = {"dialler": "a", "listener": "b"} | ends
    return [fate_of(conditions, seed=seed, sender=sender, number=n, **names) for n in range(count)]


def test_the_same_frame_meets_the_same_fate_and_another_link_direction_or_seed_is_another_draw() -> None:
    first = fates(ROUGH, 400)
    assert first == fates(ROUGH, 400)
    assert list(reversed(first)) == [
        fate_of(ROUGH, seed=1, dialler="a", listener="b", sender="a", number=n) for n in reversed(range(400))
    ]
    others = [
        fates(ROUGH, 400, seed=2), fates(ROUGH, 400, sender="b"), fates(ROUGH, 400, dialler="c"),
        fates(ROUGH, 400, listener="c"), fates(ROUGH, 400, dialler="ab", listener=""),
    ]  # fmt: skip
    assert all(other != first for other in others)
    assert others[2] != others[3]


@pytest.mark.parametrize(
    ("share", "met"),
    [
        ("drop", "dropped"),
        ("duplicate", "duplicated"),
        ("reorder", "reordered"),
        ("cut", "cuts"),
        ("stall", "stalled_ms"),
    ],
)
def test_a_share_is_met_and_none_and_all_are_exact(share: str, met: str) -> None:
    def count(of: float) -> int:
        return sum(bool(getattr(f, met)) for f in fates(Conditions(**{share: of}), 4_000))

    assert count(0.0) == 0
    assert count(1.0) == 4_000
    assert 300 < count(0.1) < 500


def test_kinds_are_drawn_apart() -> None:
    """A share that is raised adds frames to those that met it, and moves no other kind."""
    few = fates(Conditions(duplicate=0.1, stall=0.2), 2_000)
    more = fates(Conditions(duplicate=0.3, stall=0.2), 2_000)
    assert all(b.duplicated for a, b in zip(few, more, strict=True) if a.duplicated)
    assert [f.stalled_ms for f in few] == [f.stalled_ms for f in more]


@given(st.integers(0, 2**63), st.floats(0, 1_000), st.floats(0, 1_000))
def test_a_delay_lies_within_its_jitter(number: int, delay_ms: float, jitter_ms: float) -> None:
    conditions = Conditions(delay_ms=delay_ms, jitter_ms=jitter_ms)
    fate = fate_of(conditions, seed=3, dialler="a", listener="b", sender="b", number=number)
    assert delay_ms <= fate.late_ms <= delay_ms + jitter_ms
    assert fate.stalled_ms == 0


def test_calm_touches_nothing() -> None:
    assert set(fates(CALM, 50)) == {FrameFate()}
    assert fates(Conditions(silent=True, bytes_per_s=1), 50) == fates(CALM, 50)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"drop": 1.1}, "drop = 1.1: a share from 0 to 1 is asked for"),
        ({"stall": -0.1}, "stall = -0.1: a share"),
        ({"cut": math.nan}, "cut = nan: a share"),
        ({"delay_ms": -1}, "delay_ms = -1: milliseconds, 0 or more"),
        ({"jitter_ms": math.inf}, "jitter_ms = inf: milliseconds"),
        ({"bytes_per_s": 0}, "bytes_per_s = 0: 1 or more"),
    ],
)
def test_conditions_that_cannot_be_are_refused_in_words(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(HostileNetworkError, match=says):
        Conditions(**wrong)  # type: ignore[arg-type]
