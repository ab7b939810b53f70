"""A record of the catalogue as the table that it is read from, and what it is called in errors and lists. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "token": ("symbol",),
        "pool": ("name", "chain"),
        "reference": ("name", "chain"),
        "symbol": ("venue", "symbol"),
        "chain": ("name",),
        "unit": ("symbol",),
    }
)
"""The keys that tell a record of each kind from all others: a catalogue has one with their values."""


def label_of(kind: str, record: Any) -> str:
    """Kind and name of a record, or of a table that may become one: ``pool fluid rsETH/ETH on base``."""
    keys = NAMES[kind]
    values = [record.get(k) if isinstance(record, Mapping) else getattr(record, k) for k in keys]
    if keys[-1] == "chain":
        return f"{kind} {values[0]} on {values[1]}" if values[1] else f"{kind} {values[0]}"
    return " ".join([kind, *(str(v) for v in values)])


def table_of(record: Any) -> dict[str, Any]:
    """The keys of a record that are written, as parsed from TOML: required ones first, others where they are not their default."""
    ranked = sorted(fields(record), key=_has_default)
    return {f.name: _plain(v) for f in ranked if (v := getattr(record, f.name)) != _default(f) or not _has_default(f)}


def extended(table: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A table with further keys: those win, and tables in it are extended likewise; lists are replaced."""
    out = dict(table)
    for key, value in more.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = extended(out[key], value) if both else value
    return out


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return table_of(value)
    return value
