"""TOML tables to frozen records: every error at once, each with its key and the nearest valid name."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from feeds.errors import LrtOracleError
from oracle.model.suggest import nearest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a config: where, what, and what to do."""

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


class ConfigError(LrtOracleError):
    """The config cannot be used. Carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = tuple(problems)


def build(kind: type[T], table: Any, where: str, problems: list[Problem]) -> T | None:
    """Build a record from a table; None where that is impossible. Problems are added to the list.

    A record's own ``__post_init__`` may raise ValueError with a sentence that says what to write.
    """
    if not isinstance(table, Mapping):
        problems.append(Problem(where, f"expected a table, found {_name(table)}"))
        return None
    hints = get_type_hints(kind)
    own = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    before = len(problems)
    problems.extend(Problem(f"{where}.{k}", f"unknown key; {nearest(k, own)}") for k in table if k not in own)
    values: dict[str, Any] = {}
    for name, field in own.items():
        if name in table:
            values[name] = _value(hints[name], table[name], f"{where}.{name}", problems)
        elif field.default is MISSING and field.default_factory is MISSING:
            problems.append(Problem(f"{where}.{name}", f"is missing: write {name} = ..."))
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except ValueError as e:
        problems.append(Problem(where, str(e)))
        return None


def _value(kind: Any, value: Any, where: str, problems: list[Problem]) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _value(next(k for k in inner if k is not type(None)), value, where, problems)
    if origin is tuple:
        return _many(inner[0], value, where, problems)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            problems.append(Problem(where, f"expected a table, found {_name(value)}"))
            return None
        return {k: _value(inner[1], v, f"{where}.{k}", problems) for k, v in value.items()}
    if is_dataclass(kind):
        return build(kind, value, where, problems)  # type: ignore[arg-type]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice(kind, value, where, problems)
    if kind is Any or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
        return value
    problems.append(Problem(where, f"expected {_WORDS.get(kind, kind.__name__)}, found {_name(value)} {value!r}"))
    return None


def _many(kind: Any, value: Any, where: str, problems: list[Problem]) -> tuple[Any, ...] | None:
    if not isinstance(value, list):
        problems.append(Problem(where, f"expected a list, found {_name(value)}"))
        return None
    return tuple(_value(kind, v, f"{where}[{i}]", problems) for i, v in enumerate(value))


def _choice(kind: type[Enum], value: Any, where: str, problems: list[Problem]) -> Any:
    known = [str(k.value) for k in kind]
    if value in known:
        return kind(value)
    problems.append(Problem(where, f"{value!r} is not one of them; {nearest(str(value), known)}"))
    return None


_WORDS = {int: "a whole number", str: "text in quotes", bool: "true or false", float: "a number"}


def _name(value: Any) -> str:
    return _WORDS.get(type(value), "a list" if isinstance(value, list) else "a table")
