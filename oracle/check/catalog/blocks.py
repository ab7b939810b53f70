"""A record of the catalogue as the TOML block that it is read from; with its end, where one was found. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from feeds.units import MS
from oracle.check.catalog.findings import EntryResult, EntryState, sentence_of
from oracle.config.tables.record_tables import NAMES, extended, table_of

_COMMENT = "# "


def block_of(kind: str, record: Any, changes: Mapping[str, Any] | None = None) -> str:
    """The block of a record, which reads back to the same record.

    Args:
        kind: the table it belongs to: token, pool, reference, symbol, chain or unit.
        record: as it is known.
        changes: keys that have another value, None for none, or that the record does not have.
    """
    return _written(kind, extended(table_of(record), changes or {}))


def replacing_block(kind: str, record: Any) -> str:
    """The same, to take the place of what is shipped."""
    return _written(kind, {"replaces": True, **table_of(record)})


def ended_block(result: EntryResult, record: Any, *, own: bool) -> str:
    """The block that marks an entry dead as of the block that was read; a comment for what has no end of its own.

    That is a chain, a unit, and a token of which only a rate has ended: the token lives.

    Args:
        result: what was found of it, dead.
        record: as it is known.
        own: whether the record is the operator's own, to be written anew, or a shipped one that is extended.
    """
    why = sentence_of(result)
    gone = {f.what for f in result.findings if f.state is EntryState.DEAD}
    if not hasattr(record, "dead_why") or (result.kind == "token" and not gone & {"token", "supply"}):
        return f"{_COMMENT}{result.label}: {why}\n"
    end = {
        "dead_why": why,
        "dead_since": datetime.fromtimestamp(result.block_ms // MS, tz=UTC).date().isoformat(),
        "dead_block": result.block,
        "dead_source": [f"lrt-oracle catalog verify at block {result.block} of {result.chain}"],
    }
    told = f"{_COMMENT}found dead at this block: it may have ended earlier\n"
    if own:
        return told + block_of(result.kind, record, {**end, "doubtful": None})
    names = {key: value for key, value in table_of(record).items() if key in NAMES[result.kind]}
    return told + _written(result.kind, {**names, "extends": True, **end, **_no_doubt(record)})


def _no_doubt(record: Any) -> dict[str, Any]:
    """What is known to be dead is not in doubt: an empty text takes the shipped one's place."""
    return {"doubtful": ""} if getattr(record, "doubtful", None) is not None else {}


def _written(kind: str, table: Mapping[str, Any]) -> str:
    return "\n".join(_block(kind, table)) + "\n"


def _block(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Plain keys, keys with a dot for tables, and after them the lists of tables."""
    yield f"[[{name}]]"
    later: list[tuple[str, Mapping[str, Any]]] = []
    for key, value in table.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            later += [(f"{name}.{key}", each) for each in value]
        else:
            yield from _lines(key, value)
    for place, each in later:
        yield ""
        yield from _block(place, each)


def _lines(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner, each in value.items():
            yield from _lines(f"{key}.{inner}", each)
    elif value is not None:
        yield f"{key} = {_text(value)}"


def _text(value: Any) -> str:
    """A value in TOML: its basic strings are written as JSON's."""
    return (
        f"[{', '.join(_text(v) for v in value)}]" if isinstance(value, list) else json.dumps(value, ensure_ascii=False)
    )
