"""A record of the catalogue as the TOML block that it is read from; with its end, where one was found. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from feeds.catalog.homes import home_of
from feeds.catalog.records import Token, Unit
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


def ended_block(result: EntryResult, record: Any, *, own: bool, units: Iterable[Unit] = ()) -> str:
    """The block that marks an entry dead as of the block that was read; a comment for what has no end of its own.

    That is a chain, a unit, and a token of which only a rate has ended: the token lives. So does one of which a copy on another
    chain than its own is gone: it loses the address there.

    Args:
        result: what was found of it, dead.
        record: as it is known.
        own: whether the record is the operator's own, to be written anew, or a shipped one that is extended.
        units: all that are known: while one wraps a token on a chain, the token's address there stays.
    """
    why = sentence_of(result)
    gone = {f.what for f in result.findings if f.state is EntryState.DEAD}
    if not hasattr(record, "dead_why") or (result.kind == "token" and not gone & {"token", "supply"}):
        return f"{_COMMENT}{result.label}: {why}\n"
    if isinstance(record, Token) and result.chain in record.address and home_of(record) != result.chain:
        wraps = sorted(u.symbol for u in units if u.wraps == record.symbol and result.chain in u.address)
        if wraps:
            return f"{_COMMENT}{result.label}: {why}; {', '.join(wraps)} wraps it there\n"
        return _without_copy(result, record, own=own)
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


def _without_copy(result: EntryResult, token: Token, *, own: bool) -> str:
    """The token without its address on the chain where it is gone."""
    told = f"{_COMMENT}{result.label}: {sentence_of(result)}, at block {result.block}; on its other chains it lives\n"
    if own:
        left = {chain: text for chain, text in token.address.items() if chain != result.chain}
        return told + block_of("token", replace(token, address=left))
    return told + _written("token", {"symbol": token.symbol, "extends": True, "address": {result.chain: ""}})


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
