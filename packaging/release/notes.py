"""Prints the section of CHANGELOG.md for a version: python3 packaging/release/notes.py 1.2.3. Status 1 where there is none."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parents[2] / "CHANGELOG.md"


def notes(text: str, version: str) -> str:
    """What stands under the heading of a version, without the heading; "" where there is no such heading."""
    found = re.search(
        rf"^## \[{re.escape(version)}\].*?\n(.*?)(?=^## \[|^\[[^\]]+\]: |\Z)", text, re.MULTILINE | re.DOTALL
    )
    return found.group(1).strip() if found else ""


if __name__ == "__main__":
    section = notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1].removeprefix("v"))
    if not section:
        sys.exit(f"CHANGELOG.md has no section [{sys.argv[1]}]: write it before the release")
    print(section)  # noqa: T201 - for the workflow
