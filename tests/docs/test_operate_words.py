"""What docs/operate.md says that the program says, it says: each sentence in the tables of what is wrong is one of the sources'."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
SECTIONS = ("When it is you who is missing", "When it does not start", "6. The seat")
_LEAST = 6
"""Shorter pieces between what is filled in prove nothing."""


def said_by_the_program() -> str:
    """All sources as one text, with texts that go over several lines in one piece."""
    whole = "\n".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "oracle").rglob("*.py")))
    return re.sub(r'"\s*\n?\s*f?"', "", whole)


def quoted(section: str) -> list[str]:
    """What stands in backticks in the first column of a section's table."""
    body = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in body.splitlines() if line.startswith("| ") and "it says" not in line]
    return [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]


def pieces(text: str) -> list[str]:
    return [p.strip(" ,") for p in re.split(r"\.\.\.|: ", text) if len(p.strip(" ,")) >= _LEAST]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_the_page_quotes_is_what_the_program_says(section: str) -> None:
    sources, told = said_by_the_program(), quoted(section)
    assert told, "there is a table"
    assert [t for t in told if not all(p in sources for p in pieces(t))] == []


def test_the_tables_of_the_night_are_long_enough_to_help() -> None:
    assert len(quoted("When it is you who is missing")) > 15
    assert len(quoted("When it does not start")) > 5
