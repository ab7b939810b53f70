"""The house stays one to live in: no module grows too long, the root stays small, no test leans on another test."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("contracts", "demo", "feeds", "lab", "oracle")
MOST_LINES, MOST_IN_ROOT = 350, 6


def modules(*tops: str) -> list[Path]:
    return [p for top in tops for p in sorted((ROOT / top).rglob("*.py"))]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it, with the names it takes from them."""
    out: set[str] = set()
    for node in ast.walk(parsed(path)):
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


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def test_every_private_name_is_read_somewhere() -> None:
    """A constant, a function or an attribute that nothing reads is dead, and says something that is not so."""
    given: dict[str, set[str]] = {}
    here: dict[str, set[str]] = {}
    anywhere: set[str] = set()
    for path in modules(*CODE):
        nodes = list(ast.walk(parsed(path)))
        name = path.relative_to(ROOT).as_posix()
        attributes = [n for n in nodes if isinstance(n, ast.Attribute)]
        names = [n for n in nodes if isinstance(n, ast.Name)]
        defined = [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
        given[name] = {n.attr for n in attributes if isinstance(n.ctx, ast.Store)} | {n.name for n in defined}
        given[name] |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
        here[name] = {n.id for n in names if isinstance(n.ctx, ast.Load)}
        anywhere |= {n.attr for n in attributes if isinstance(n.ctx, ast.Load)}
    unread = {n: {g for g in names if is_private(g)} - here[n] - anywhere for n, names in given.items()}
    assert {n: sorted(names) for n, names in unread.items() if names} == {}


WAITS = {
    "timeout",
    "timeout_at",
    "wait_for",
    "communicate",
    "receive",
    "wait",
    "until",
    "acquire",
    "run",
    "get",
    "join",
}
LEAST_S = 30


def waits(path: Path) -> list[float]:
    """Seconds, written as numbers, after which a test gives up waiting."""
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            options = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            found += [float(d.value) for a, d in options if a.arg == "within_s" and isinstance(d, ast.Constant)]
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        told = [k.value for k in node.keywords if name in WAITS and k.arg in {"timeout", "within_s"}]
        told += node.args[:1] if name == "timeout" else node.args[1:2] if name == "wait_for" else []
        found += [float(t.value) for t in told if isinstance(t, ast.Constant) and isinstance(t.value, int | float)]
    return found


def test_no_test_gives_up_before_a_busy_machine_would_have_answered() -> None:
    """What must come is waited for, however long the rest of the suite keeps the processors."""
    patience = {p.relative_to(ROOT).as_posix(): waits(p) for p in modules("tests")}
    assert sum(map(len, patience.values())) > 20
    assert {n: hasty for n, w in patience.items() if (hasty := [s for s in w if s < LEAST_S])} == {}
