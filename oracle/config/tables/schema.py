"""TOML tables to frozen records: every error at once, each with its key and the nearest valid name."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from datetime import date, time
from enum import Enum
from operator import itemgetter
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from feeds.chains.abi import wad_of
from feeds.errors import LrtOracleError
from oracle.config.tables.renamed_keys import explained
from oracle.model.keys import Follows, Key, key_of
from oracle.model.suggest import nearest

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
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


def build(
    kind: type[T],
    table: Any,
    where: str,
    problems: list[Problem],
    around: Mapping[str, Any] | None = None,
    *,
    beside: Iterable[str] = (),
) -> T | None:
    """Build a record from a table; None where that is impossible. Problems are added to the list.

    A record's own ``problems()`` yields what is wrong with its keys together, as (key, text). A record that is no part of
    the config, as an adapter's, may raise ValueError in ``__post_init__`` instead, with a sentence that says what to write.

    Args:
        kind: the record.
        table: as parsed from TOML.
        where: the table's place in the config.
        problems: gets what is wrong.
        around: the keys of the tables around this one, for defaults that follow from them.
        beside: keys that the same table may have for other records: an unknown key may be meant to be one of them.
    """
    if not isinstance(table, Mapping):
        problems.append(Problem(where, f"expected a table, found {_name(table)}"))
        return None
    before = len(problems)
    values = _values(kind, table, where, problems, around or {}, beside)
    if len(problems) > before:
        return None
    try:
        made = kind(**values)
    except ValueError as e:
        problems.append(Problem(where, str(e)))
        return None
    own_problems = [Problem(f"{where}.{name}" if name else where, text) for name, text in _own_problems(made)]
    problems += own_problems
    return None if own_problems else made


def _values(
    kind: type[Any],
    table: Mapping[str, Any],
    where: str,
    problems: list[Problem],
    around: Mapping[str, Any],
    beside: Iterable[str],
) -> dict[str, Any]:
    """The fields of a record from its table; what is left out and has no default follows from other keys."""
    hints = get_type_hints(kind)
    own = {f.name: (f, key_of(f)) for f in fields(kind)}
    known = [name for name, (_, about) in own.items() if about is None or about.settable]
    problems.extend(Problem(f"{where}.{k}", _unknown(kind, k, [*known, *beside])) for k in table if k not in known)
    values: dict[str, Any] = {}
    for name, (field, about) in own.items():
        reader = _Reader(key=f"{where}.{name}", problems=problems, around={**around, **values})
        if name not in known or name not in table:
            values[name] = reader.left_out(hints[name], field, about)
            continue
        values[name] = reader.value(hints[name], table[name], about)
        if about is not None and about.beside is not None and about.beside not in table:
            text = f"{name} and {about.beside} belong together: write both or neither"
            problems.append(Problem(reader.key, text))
    return values


def _unknown(kind: type[Any], name: str, known: Sequence[str]) -> str:
    if (text := explained(kind.__name__, name)) is not None:
        return text
    in_seconds = name.removesuffix("_ms") + "_s"
    if name.endswith("_ms") and in_seconds in known:
        return f"unknown key; did you mean {in_seconds!r}, in seconds?"
    return f"unknown key; {nearest(name, known)}"


def _own_problems(record: Any) -> Iterable[tuple[str, str]]:
    """What a record says is wrong with its keys together."""
    return record.problems() if hasattr(record, "problems") else ()


def _meaning(about: Key | None) -> str:
    return "" if about is None else f" ({about.says.replace('`', '')})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads one value at its place in the config."""

    key: str
    problems: list[Problem]
    around: Mapping[str, Any]

    def left_out(self, kind: Any, field: Field[Any], about: Key | None) -> Any:
        """The default of a key that is not written."""
        if about is not None and about.follows is not None:
            return self._floored(self._followed(about.follows), about)
        if field.default is not MISSING:
            return field.default
        if field.default_factory is not MISSING:
            return field.default_factory()
        if is_dataclass(kind):
            return self.value(kind, {})
        return self._wrong(f"is missing: write {field.name} = ...{_meaning(about)}")

    def _followed(self, follows: Follows) -> int | None:
        """A default that follows from other keys; None where one of them is wrong, which is among the problems."""
        try:
            return follows.value(self.around)
        except (AttributeError, TypeError):
            if None in self.around.values():
                return None
            raise

    @staticmethod
    def _floored(value: int | None, about: Key) -> int | None:
        return value if value is None or about.floor is None else max(about.floor, value)

    def value(self, kind: Any, value: Any, about: Key | None = None) -> Any:
        """A value as its annotated type wants it, within what is declared of its key; None with a problem where it is not."""
        origin, inner = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return self.value(next(k for k in inner if k is not type(None)), value, about)
        if origin is tuple:
            return (
                self._pairs(inner[0], value, about)
                if get_origin(inner[0]) is tuple
                else self._list(inner[0], value, about)
            )
        if origin is not None and issubclass(origin, Mapping):
            return self._table(inner[1], value, about)
        if is_dataclass(kind):
            return build(kind, value, self.key, self.problems, self.around)  # type: ignore[arg-type]
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self._choice(kind, value)
        if about is not None and about.wad:
            return self._wad(value)
        if kind is Any or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
            return self._within(value, about)
        return self._wrong(f"expected {_WORDS.get(kind, kind.__name__)}, found {_name(value)} {_shown(value)}")

    def _at(self, key: str) -> _Reader:
        return replace(self, key=key)

    def _list(self, kind: Any, value: Any, about: Key | None) -> Any:
        if not isinstance(value, list):
            return self._wrong(f"expected a list, found {_name(value)}")
        return tuple(self._at(f"{self.key}[{i}]").value(kind, v, about) for i, v in enumerate(value))

    def _table(self, kind: Any, value: Any, about: Key | None) -> Any:
        if not isinstance(value, Mapping):
            return self._wrong(f"expected a table, found {_name(value)}")
        return {k: self._at(f"{self.key}.{_bare_or_quoted(k)}").value(kind, v, about) for k, v in value.items()}

    def _pairs(self, pair: Any, value: Any, about: Key | None) -> Any:
        """A table that the record keeps in the order of its keys: the same table gives the same record."""
        table = self._table(get_args(pair)[1], value, about)
        return None if table is None else tuple(sorted(table.items(), key=itemgetter(0)))

    def _choice(self, kind: type[Enum], value: Any) -> Any:
        known = [str(k.value) for k in kind]
        if value in known:
            return kind(value)
        return self._wrong(f"{value!r} is not one of the values; {nearest(str(value), known)}")

    def _wad(self, value: Any) -> Any:
        if not isinstance(value, str):
            return self._wrong(
                f'expected a decimal number as text in quotes, "0.5" say, found {_name(value)} {value!r}'
            )
        try:
            return wad_of(value)
        except ValueError as e:
            return self._wrong(str(e))

    def _within(self, value: Any, about: Key | None) -> Any:
        """A value of the right type, if it has the declared form or lies within the declared bounds."""
        if about is not None and about.form is not None and isinstance(value, str):
            try:
                about.form(value)
            except ValueError as e:
                return self._wrong(str(e))
        if about is None or not isinstance(value, int) or isinstance(value, bool):
            return value
        if about.holds(value):
            return self._floored(value, about)
        return self._wrong(f"{value} is out of range: write {about.range}{_meaning(about)}")

    def _wrong(self, text: str) -> Any:
        """Tell what is wrong; the value is then None."""
        self.problems.append(Problem(self.key, text))
        return None


_WORDS = {int: "a whole number", str: "text in quotes", bool: "true or false", float: "a number"}


def _bare_or_quoted(key: str) -> str:
    """A key of a table as it stands in the file: in quotes where it is more than letters, digits, _ and -."""
    return key if _BARE.fullmatch(key) else f'"{key}"'


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, date | time) else repr(value)


def _name(value: Any) -> str:
    if isinstance(value, date | time):
        return "a time without quotes"
    return _WORDS.get(type(value), "a list" if isinstance(value, list) else "a table")
