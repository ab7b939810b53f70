"""Reads the worked examples of CONTRIBUTING.md, and carries them out in a copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "CONTRIBUTING.md"
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"(?:^`(?P<path>[^`\n]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| \[(?P<task>[^]]+)\]\(#[^)]+\) \| (?P<written>[^|]*) \| (?P<generated>[^|]*) ?\|$", re.MULTILINE)
_LEFT_BEHIND = (".git", ".venv", "node_modules", "var", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block. ``path``: the file that it goes to; empty for commands and their output."""

    path: str
    kind: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A row of the page's table: the files that are written by hand, and those that a command writes."""

    name: str
    written: frozenset[str]
    generated: frozenset[str]


def tasks() -> dict[str, Task]:
    """The rows of the page's table by their names."""
    rows = [
        Task(name=m["task"], written=_names(m["written"]), generated=_names(m["generated"]))
        for m in _ROW.finditer(PAGE.read_text(encoding="utf-8"))
    ]
    return {row.name: row for row in rows}


def _names(cell: str) -> frozenset[str]:
    return frozenset(re.findall(r"`([^`]+)`", cell))


def blocks(task: str) -> list[Block]:
    """The fenced blocks of a task's section in their order; a block without a path belongs to the file before it."""
    page = PAGE.read_text(encoding="utf-8")
    heads = list(_SECTION.finditer(page))
    ends = [*(h.start() for h in heads[1:]), len(page)]
    (section,) = [page[h.end() : end] for h, end in zip(heads, ends, strict=True) if h[1].lower() == task.lower()]
    return list(_with_paths(section))


def _with_paths(section: str) -> Iterator[Block]:
    path = ""
    for match in _BLOCK.finditer(section):
        path = match["path"] or path
        loose = match["kind"] in ("sh", "text")
        yield Block(path="" if loose else path, kind=match["kind"], body=match["body"])


def copy_of_the_tree(folder: Path) -> Path:
    """Everything but history, state and caches; the environment and the packages are linked."""
    copy = folder / "tree"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
    environment = ROOT / ".venv"
    (copy / ".venv").symlink_to(environment.resolve() if environment.is_dir() else Path(sys.prefix))
    (copy / "node_modules").symlink_to((ROOT / "node_modules").resolve())
    return copy


def write(tree: Path, block: Block) -> None:
    """Make a new file, or change one that is there.

    Raises:
        AssertionError: a new file is there already, or what a diff changes is not in the file exactly once.
    """
    file = tree / block.path
    if block.kind != "diff":
        assert not file.exists(), f"{block.path} is there already"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.body, encoding="utf-8")
        return
    lines = block.body.splitlines()
    assert all(line[:1] in ("", " ", "+", "-") for line in lines), f"not a diff: {block.body}"
    before = "".join(f"\n{line[1:]}" for line in lines if line[:1] != "+")
    after = "".join(f"\n{line[1:]}" for line in lines if line[:1] != "-")
    text = "\n" + file.read_text(encoding="utf-8")
    assert text.count(before + "\n") == 1, f"{block.path} has these lines {text.count(before)} times:{before}"
    file.write_text(text.replace(before + "\n", after + "\n")[1:], encoding="utf-8")


def run(tree: Path, command: str) -> str:
    """The output of a command.

    Raises:
        AssertionError: it failed.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def contents(tree: Path) -> dict[str, bytes]:
    """The files of a tree by their paths in it, without state and caches."""
    files = (p for p in tree.rglob("*") if p.is_file() and not set(p.relative_to(tree).parts) & set(_LEFT_BEHIND))
    return {str(p.relative_to(tree)): p.read_bytes() for p in files}
