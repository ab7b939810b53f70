"""The law that tests/open_databases.py keeps: the program breaks it, a test does not."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.sign.journal_form import open_journal
from oracle.sign.sign_journal import SignJournal


def test_what_the_program_opens_and_drops_is_told(tmp_path: Path) -> None:
    code = compile("def look(path):\n    open_journal(path)\n", str(tmp_path / "program.py"), "exec")
    names: dict[str, Any] = {"open_journal": open_journal}
    exec(code, names)  # noqa: S102 - a function of another file than this one
    with pytest.warns(ResourceWarning, match=r"opened by .*program\.py:2 look"):
        _let_go(names["look"], tmp_path / "j.db")


@pytest.mark.filterwarnings("error")
def test_what_a_test_opens_is_closed_for_it(tmp_path: Path) -> None:
    SignJournal(tmp_path / "j.db", bytes(20), now_ms=0, mute_ms=0)
    sqlite3.connect(tmp_path / "other.db")
    gc.collect()


def _let_go(look: Callable[[Path], None], path: Path) -> None:
    look(path)
    gc.collect()
