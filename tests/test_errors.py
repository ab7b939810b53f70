"""Every exception of the program hangs on one root and stands in the drawing of docs/errors.md, and nothing else does."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from feeds.errors import ERRORS, FeedError, LrtOracleError

_PACKAGES = ("contracts", "demo", "feeds", "lab", "oracle")
_DRAWING = Path(__file__).parents[1] / "docs" / "errors.md"
_LINE = re.compile(
    r"(?P<branch>(?:[│ ] {2})*(?:[├└]─ )?)(?P<name>\w+) \| (?P<when>[^|]+) \| (?P<fault>[^|]+) \| (?P<advice>[^|]+)"
)


def _modules(package: str) -> Iterator[str]:
    yield package
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        yield found.name


def _defined() -> dict[str, type[BaseException]]:
    """Every exception class that a module of ours defines, by name."""
    classes: dict[str, type[BaseException]] = {}
    for module in (importlib.import_module(name) for package in _PACKAGES for name in _modules(package)):
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == module.__name__:
                assert classes.setdefault(name, value) is value, f"{name} is defined twice"
    return classes


def _drawn() -> dict[str, str | None]:
    """The exceptions of the drawing, by name, each with what it hangs on."""
    tree = _DRAWING.read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    drawn: dict[str, str | None] = {}
    path: list[str] = []
    for line in tree.splitlines():
        match = _LINE.fullmatch(line)
        assert match is not None, f"not a line of the tree: {line}"
        depth, name = len(match["branch"]) // 3, match["name"]
        assert name not in drawn, f"{name} is drawn twice"
        path = [*path[:depth], name]
        drawn[name] = path[-2] if depth else None
    return drawn


def test_every_exception_derives_from_the_root() -> None:
    strays = [name for name, kind in _defined().items() if not issubclass(kind, LrtOracleError)]
    assert not strays


def test_the_drawing_holds_every_exception_under_its_base_and_no_other() -> None:
    own = {
        name: next(b.__name__ for b in kind.__mro__[1:] if issubclass(b, Exception))
        for name, kind in _defined().items()
    }
    drawn = _drawn()
    assert drawn.pop("LrtOracleError") is None
    own.pop("LrtOracleError")
    assert drawn == own


def test_every_code_of_a_feed_error_names_one_class() -> None:
    kinds = [k for k in _defined().values() if issubclass(k, FeedError) and k is not FeedError]
    assert set(ERRORS.values()) == {k for k in kinds if "code" in vars(k)}
    assert all(code == kind.code for code, kind in ERRORS.items())
    assert len({k.code for k in ERRORS.values()}) == len(ERRORS)
