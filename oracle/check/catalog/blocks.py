"""A record of the catalogue as the TOML block that it is read from; with its end, where one was found. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from feeds.units import MS
from oracle.check.catalog.findings import EntryResult, EntryState, sentence_of

_COMMENT = "# "


def block_of(kind: str, record: Any, changes: Mapping[str, Any] | None = None) -> str:
    """The block of a record, which reads back to the same record.

    Args:
        kind: the table it belongs to: token, pool, reference, symbol, chain or unit.
        record: as it is known.
        changes: keys that have another value, or that the record does not have.
    """
    return "\n".join(_block(kind, {**(changes or {}), **_values(record), **(changes or {})})) + "\n"


def replacing_block(kind: str, record: Any, changes: Mapping[str, Any] | None = None) -> str:
    """The same, to take the place of what is shipped."""
    return block_of(kind, record, {"replaces": True, **(changes or {})})


def ended_block(result: EntryResult, record: Any, *, own: bool) -> str:
    """The block that marks an entry dead as of the block that was read; for a chain or a unit a comment, as they have no end.

    Args:
        result: what was found of it, dead.
        record: as it is known.
        own: whether the record is the operator's own, to be changed where it stands.
    """
    why = sentence_of(result)
    gone = {f.what for f in result.findings if f.state is EntryState.DEAD}
    if not hasattr(record, "dead_why") or (result.kind == "token" and not gone & {"token", "supply"}):
        return f"{_COMMENT}{result.label}: {why}\n"
    day = datetime.fromtimestamp(result.block_ms // MS, tz=UTC).date().isoformat()
    changes = {
        "dead_why": why,
        "dead_since": day,
        "dead_block": result.block,
        "dead_source": [f"lrt-oracle catalog verify at block {result.block} of {result.chain}"],
        "doubtful": None,
    }
    told = f"{_COMMENT}found dead at this block: it may have ended earlier\n"
    return told + (block_of if own else replacing_block)(result.kind, record, changes)


def _values(record: Any) -> dict[str, Any]:
    """The keys that are written: required ones first, and of the others those that are not their defaults."""
    ranked = sorted(fields(record), key=lambda f: f.default is not MISSING or f.default_factory is not MISSING)
    out: dict[str, Any] = {}
    for field in ranked:
        value = getattr(record, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if (field.default is MISSING and field.default_factory is MISSING) or value != default:
            out[field.name] = value
    return out


def _block(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Plain keys, keys with a dot for tables, and after them the lists of tables."""
    yield f"[[{name}]]"
    later: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, tuple) and value and is_dataclass(value[0]):
            later += [(f"{name}.{key}", each) for each in value]
        else:
            yield from _lines(key, value)
    for place, record in later:
        yield ""
        yield from _block(place, _values(record))


def _lines(key: str, value: Any) -> Iterator[str]:
    if value is None:
        return
    if is_dataclass(value):
        value = _values(value)
    if isinstance(value, Mapping):
        for inner, each in value.items():
            yield from _lines(f"{key}.{inner}", each)
    else:
        yield f"{key} = {_text(value)}"


def _text(value: Any) -> str:
    """A value in TOML: its basic strings are written as JSON's."""
    if isinstance(value, Enum):
        return _text(value.value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(v) for v in value)}]"
    return json.dumps(value, ensure_ascii=False)
