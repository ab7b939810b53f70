"""docs/glossary.md and the code say the same words: every term has its class, and no retired name is back."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "glossary.md"
TERMS, RETIRED = PAGE.read_text(encoding="utf-8").split("\n## Retired names\n")
TREES = ("oracle", "feeds", "contracts", "demo", "lab")


@cache
def parsed() -> dict[Path, ast.Module]:
    """Every module of the project, tests left out."""
    return {p: ast.parse(p.read_text(encoding="utf-8")) for top in TREES for p in sorted((ROOT / top).rglob("*.py"))}


def public(kind: type[ast.ClassDef] | tuple[type[ast.AST], ...], *tops: str) -> dict[str, list[str]]:
    """Public top-level definitions by name, with the modules that make them."""
    out: dict[str, list[str]] = defaultdict(list)
    for path, tree in parsed().items():
        name = path.relative_to(ROOT).as_posix()
        if not tops or name.startswith(tuple(f"{top}/" for top in tops)):
            for node in tree.body:
                if isinstance(node, kind) and not node.name.startswith("_"):  # type: ignore[attr-defined]
                    out[node.name].append(name)  # type: ignore[attr-defined]
    return out


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def members(name: str) -> set[str]:
    """Fields, enum members, methods and properties of a class, and those of its bases in the project."""
    out: set[str] = set()
    for tree in parsed().values():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                for part in node.body:
                    if isinstance(part, FUNCTIONS):
                        out.add(part.name)
                    elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                        out.add(part.target.id)
                    elif isinstance(part, ast.Assign):
                        out |= {target.id for target in part.targets if isinstance(target, ast.Name)}
    return out


def rows(text: str) -> list[tuple[str, list[str]]]:
    """Terms with the names in their last column."""
    found = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    return [(term, re.findall(r"`([\w.]+)`", names)) for term, names in found if term != "term"]


def test_every_term_names_what_embodies_it() -> None:
    known = public(ast.ClassDef).keys() | public(FUNCTIONS).keys()
    assert len(rows(TERMS)) > 60
    wrong = []
    for term, names in rows(TERMS):
        assert names, term
        for name in names:
            owner, _, member = name.partition(".")
            if owner not in known or (member and member not in members(owner)):
                wrong.append(f"{term}: {name}")
    assert wrong == []


def test_every_term_is_explained_once() -> None:
    terms = [term for term, _ in rows(TERMS)]
    assert sorted(set(terms)) == sorted(terms)


def test_a_public_class_has_a_name_of_its_own() -> None:
    assert {name: places for name, places in public(ast.ClassDef).items() if len(places) > 1} == {}


def retired() -> list[tuple[str, str, str]]:
    """Old name, kind, and the name that stands for it now."""
    found = re.findall(r"^\| `(\w+)` \| (class|function|module|Solidity) \| `(\w+)` \|$", RETIRED, re.MULTILINE)
    assert len(found) == RETIRED.count("\n| `")
    return found


@pytest.mark.parametrize(("old", "kind", "new"), retired(), ids=[f"{k} {o}" for o, k, _ in retired()])
def test_a_retired_name_stays_away_and_its_successor_is_there(old: str, kind: str, new: str) -> None:
    names: set[str]
    if kind == "Solidity":
        text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "contracts").rglob("*.sol"))
        code = re.sub(r"//.*", "", text)
        names = set(re.findall(r"\w+", code))
    elif kind == "module":
        names = {p.stem for p in parsed()} | {p.parent.name for p in parsed() if p.name == "__init__.py"}
    else:
        names = set(public(ast.ClassDef if kind == "class" else FUNCTIONS))
    assert old not in names
    assert new in names
