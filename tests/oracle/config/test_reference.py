"""The documentation of the keys is what the declarations say, and the declarations hold what they promise."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from oracle.config.reference import TABLES, answers_reference, config_reference, main, marked_tables
from oracle.model.keys import key_of

DOCS = Path(__file__).parents[3] / "docs"
UNBOUNDED = {"threshold", "step_threshold", "least_part"}
"""The weights of a store bound its thresholds; the rules fix the least part."""
OWN_TABLES = {"keys", "bands", "rules", "tuning", "sources", "params", "classes", "peers"}
OWN_TABLES |= {"stake", "collateral", "delegated", "symbiotic", "eigenlayer", "strategies"}


def test_the_docs_are_what_is_declared() -> None:
    for name, reference in (("config.md", config_reference), ("api.md", answers_reference)):
        text = (DOCS / name).read_text()
        assert reference(text) == text, f"{name} is not what is declared: run make docs"


def test_every_table_of_the_config_is_in_the_docs_once() -> None:
    assert sorted(marked_tables((DOCS / "config.md").read_text())) == sorted([*TABLES, "adapters", "pool_states"])


def test_docs_that_say_something_else_are_mended(tmp_path: Path) -> None:
    for name in ("config.md", "api.md"):
        whole = (DOCS / name).read_text()
        lines = [line for line in whole.splitlines(keepends=True) if "`moved_s`" not in line or "rules" not in line]
        changed = "".join(lines).replace("how long a slash is held against the token", "something else")
        assert changed != whole
        (tmp_path / name).write_text(changed)
    main(tmp_path)
    for name in ("config.md", "api.md"):
        assert (tmp_path / name).read_text() == (DOCS / name).read_text()


@pytest.mark.parametrize("name", TABLES)
def test_every_key_is_declared_and_every_number_has_bounds_that_hold_its_default(name: str) -> None:
    record: Any = TABLES[name]
    hints = get_type_hints(record)
    for field in fields(record):
        key = key_of(field)
        if key is None:
            assert field.name in OWN_TABLES
            continue
        assert key.says
        assert key.says[-1] != "."
        if hints[field.name] in (int, tuple[int, ...], int | None) and not key.wad:
            assert (key.least is not None) is (field.name not in UNBOUNDED), field.name
        if hints[field.name] is int and field.default is not MISSING:
            assert key.holds(field.default), field.name
