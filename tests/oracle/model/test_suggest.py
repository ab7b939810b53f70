"""The hint behind an unknown name: a name that is near, whatever its case, and never a wall of names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.model.suggest import nearest

NAMES = st.lists(st.text("abcdefghXYZ/_", min_size=1, max_size=30), unique=True, max_size=200)


@pytest.mark.parametrize("written", ["wsteth", "WSTETH", "wstEHT", "wstETH "])
def test_the_nearest_name_is_found_whatever_its_case(written: str) -> None:
    assert nearest(written, ["rETH", "wstETH", "ethereum"]) == "did you mean 'wstETH'?"


def test_few_names_are_all_told() -> None:
    assert nearest("x", ["b", "a"]) == "known: a, b"
    assert nearest("x", []) == "known: none"


@given(st.text(max_size=20), NAMES)
def test_a_hint_is_short_and_names_only_what_is_known(written: str, known: list[str]) -> None:
    hint = nearest(written, known)
    assert len(hint) <= 620
    listed = hint.removeprefix("known: ").split(", the nearest ")[-1].split(", ")
    assert hint.startswith("did you mean ") or hint == "known: none" or set(listed) <= set(known)
    if len(", ".join(known)) > 600 and not hint.startswith("did"):
        assert hint.startswith(f"known are {len(known)}, the nearest ")
        assert 1 <= len(listed) <= 5


@given(NAMES.filter(bool))
def test_a_name_that_is_known_but_for_its_case_is_meant(known: list[str]) -> None:
    one = known[0]
    hint = nearest(one.swapcase(), known)
    assert hint.startswith("did you mean ")
    assert hint[len("did you mean ") + 1 : -2].lower() == one.lower()
