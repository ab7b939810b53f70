"""What an operator's process said of its rounds, from its log: why one came to nothing. Nothing is counted by it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_LINE = re.compile(r"a round was not sealed .*round_time=(\d+) .*why=(?P<why>.+)$")


def unsealed_by_log(log: Path) -> dict[int, str]:
    """Why rounds were not sealed, by round_time, as the process saw it; nothing while there is no log."""
    if not log.is_file():
        return {}
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return {int(found[1]): _plain(found["why"]) for line in lines if (found := _LINE.search(line))}


def _plain(written: str) -> str:
    """A value as it was, of one that is in quotes where it has blanks."""
    if written[:1] not in ("'", '"'):
        return written
    try:
        return str(ast.literal_eval(written))
    except (SyntaxError, ValueError):  # the process was killed in the middle of the line
        return written.strip("'\"")
