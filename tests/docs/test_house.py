"""The house stays one to live in: no module grows too long, the root stays small, no test leans on another test."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("contracts", "demo", "feeds", "lab", "oracle")
MOST_LINES, MOST_IN_ROOT = 350, 6


def modules(*tops: str) -> list[Path]:
    return [p for top in tops for p in sorted((ROOT / top).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it, with the names it takes from them."""
    out: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            out |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            out |= {f"{node.module or ''}.{a.name}" for a in node.names}
    return out


def test_no_module_is_longer_than_one_reads_at_once() -> None:
    lines = {
        p.relative_to(ROOT).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in modules(*CODE, "tests")
    }
    assert len(lines) > 500
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_the_root_of_the_oracle_is_a_handful() -> None:
    assert len(list((ROOT / "oracle").glob("*.py"))) <= MOST_IN_ROOT


def test_no_test_module_imports_a_test_module() -> None:
    """What several tests use is a module of its own, not a test."""
    tests = {p.stem for p in modules("tests") if p.stem.startswith("test_")}
    shared = {
        p.relative_to(ROOT).as_posix(): sorted(found)
        for p in modules("tests")
        if (found := {name for name in imported(p) if tests & set(name.split("."))})
    }
    assert shared == {}


def test_the_product_imports_no_test() -> None:
    assert [p for p in modules(*CODE) if any(name.split(".")[0] == "tests" for name in imported(p))] == []
