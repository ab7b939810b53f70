"""CONTRIBUTING.md does not lie: every worked example is carried out as it stands there, in a copy of the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contributing.worked_examples import blocks, contents, copy_of_the_tree, run, tasks, write

TASKS = ("a pool of a known type", "an exchange", "a method", "a view", "a rule")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copy_of_the_tree(tmp_path)


def test_the_table_has_a_row_for_every_example() -> None:
    assert tuple(tasks()) == TASKS


@pytest.mark.parametrize("task", TASKS)
def test_the_table_names_the_files_of_the_example(task: str) -> None:
    assert {b.path for b in blocks(task) if b.path} == tasks()[task].written


@pytest.mark.parametrize("task", TASKS)
def test_an_example_works_as_it_is_written(tree: Path, task: str) -> None:
    """Its files, its commands with what they print, the linters; and it changes nothing that the table does not name."""
    before, output = contents(tree), ""
    for block in blocks(task):
        if block.path:
            write(tree, block)
        elif block.kind == "sh":
            output = "".join(run(tree, command) for command in block.body.splitlines())
        else:
            assert all(line in output for line in block.body.splitlines()), output
    row = tasks()[task]
    changed = {name for name, content in contents(tree).items() if before.get(name) != content}
    assert changed == row.written | row.generated
    python = sorted(f for f in row.written if f.endswith(".py"))
    if python:
        run(tree, f".venv/bin/ruff check --no-cache {' '.join(python)}")
        run(tree, f".venv/bin/ruff format --no-cache --check {' '.join(python)}")
