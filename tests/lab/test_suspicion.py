"""Own data in which something hides the depeg, through the command line: what a user would have been seconds_to_status, and when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.command_line import document

BEGAN_S, CALM = 1_700_000_000, 30
Row = tuple[str, str, str]
"""Two venues and what is owed."""
CLEAN: Row = ("1", "1", "1")


def seconds_to_status(tmp_path: Path, row: Callable[[int], Row], rounds: int = 690) -> dict[str, int]:
    """Seconds from the first row after the calm ones to each status, as `replay` shows it."""
    rows = [CLEAN] * CALM + [row(n) for n in range(rounds)]
    lines = [f"{BEGAN_S + 10 * i},{a},{b},{owed}" for i, (a, b, owed) in enumerate(rows)]
    file = tmp_path / "own.csv"
    file.write_text("time,a,b,redemption\n" + "\n".join(lines) + "\n")
    (case,) = document("replay", str(file), "--columns", "price=a,price=b")["cases"]
    first = BEGAN_S + 10 * CALM
    return {c["after"]: c["at_ms"] // 1_000 - first for c in reversed(case["changes"])}


@pytest.mark.parametrize(
    ("row", "depeg_s"),
    [
        (lambda _: ("0.5", "0.5", "1"), 60),
        (lambda n: ("0.5", "0.4" if n % 3 == 2 else "0.5", "1"), 60),  # every third round the groups are too far apart
        (lambda n: ("0.9", "0" if n % 4 == 1 else "0.9", "1"), 60),  # one of two venues answers nonsense every fourth
        (lambda n: CLEAN if n % 3 == 2 else ("0.5", "0.5", "1"), 180),  # the third priced at par
    ],
    ids=["control", "apart", "nonsense", "at par"],
)
def test_a_depeg_is_shown_within_its_delay(tmp_path: Path, row: Callable[[int], Row], depeg_s: int) -> None:
    found = seconds_to_status(tmp_path, row)
    assert found["watch"] <= 40
    assert found["depeg"] <= depeg_s


@pytest.mark.parametrize(
    "row",
    [
        lambda n: ("0.5", "0.5", "1") if n % 6 == 0 else CLEAN,
        lambda n: ("0.5", "0.5", "1") if n == 0 else ("0", "0", "1"),
        lambda n: ("0.5", "0.5", "1") if n % 10 < 3 else CLEAN,
        lambda n: ("0.5", "0.5", "1") if n == 0 else CLEAN,
    ],
    ids=["one in six", "one and silence", "three in ten", "one"],
)
def test_what_is_not_a_depeg_is_never_shown_as_one(tmp_path: Path, row: Callable[[int], Row]) -> None:
    assert "depeg" not in seconds_to_status(tmp_path, row, 360)
