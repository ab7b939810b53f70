"""Frozen records to canonical JSON and back: the same value always gives the same bytes, and so the same hash."""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import orjson

from feeds.errors import ERRORS, FeedError, LrtOracleError

T = TypeVar("T")
Reader: TypeAlias = Callable[[Any], Any]


ADDED_LATER = {"added_later": True}
"""Metadata of a field that stored records of older versions lack: they are read with its default, a JSON type."""


class Undecodable(LrtOracleError, ValueError):
    """Stored bytes do not fit the type: another version wrote them, or they are damaged."""


def stored_name(kind: Any) -> str:
    """The name that a stored record carries: what its class was called when the first one was stored (``STORED_AS``)."""
    name: str = getattr(kind, "STORED_AS", getattr(kind, "__name__", ""))
    return name


def plain(value: Any) -> Any:
    """Turn a record into JSON types. Integers beyond 2^53 become decimal text; a union's record names its type."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 53 else str(value)
    if isinstance(value, FeedError):
        return {"code": value.code, "detail": value.detail, "facts": dict(value.facts)}
    if is_dataclass(value):
        own = {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        return {"is": stored_name(type(value))} | own
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no canonical form")


def dump(value: Any) -> bytes:
    """Canonical JSON of a record: sorted keys, no spaces, UTF-8."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, as hex."""
    return hashlib.sha256(dump(value)).hexdigest()


def parse(kind: type[T], body: bytes | str) -> T:
    """Read canonical JSON back into the record type; Undecodable if it does not fit."""
    value: T = _reader(cast("Any", kind))(orjson.loads(body))
    return value


@cache
def _reader(kind: Any) -> Reader:
    """What rebuilds values of an annotated type from their plain form: made once a type, for rounds are read by the thousand."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind))
    if origin is tuple:
        return _sequence(get_args(kind))
    if origin is not None and issubclass(origin, Mapping):
        each = _reader(get_args(kind)[1])
        return lambda value: {k: each(v) for k, v in value.items()}
    supertype = getattr(kind, "__supertype__", None)
    return _leaf(kind) if supertype is None else _reader(supertype)


def _leaf(kind: Any) -> Reader:
    if kind is type(None) or kind is None:
        return lambda _: None
    if isinstance(kind, type) and is_dataclass(kind):
        return _record(kind)
    if isinstance(kind, type) and issubclass(kind, FeedError):
        return lambda value: ERRORS[value["code"]](value["detail"], **value["facts"])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if kind is bytes:
        return bytes.fromhex
    return partial(_whole if kind is int else _plain, kind)


def _whole(kind: Any, value: Any) -> Any:
    return _plain(kind, value) if isinstance(value, bool) else int(value)


def _plain(kind: Any, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    raise Undecodable(f"expected {kind}, found {type(value).__name__}")


def _record(kind: Any) -> Reader:
    name, readers = stored_name(kind), {k: _reader(hint) for k, hint in get_type_hints(kind).items()}
    known, parts = {"is", *readers}, tuple(readers.items())
    added = {f.name: f.default for f in fields(kind) if f.metadata.get("added_later")}

    def read(value: Any) -> Any:
        if added and isinstance(value, dict):
            value = {**added, **value}
        if not isinstance(value, dict) or value.get("is") != name or value.keys() != known:
            raise Undecodable(f"not a {name} of this version")
        return kind(**{k: reader(value[k]) for k, reader in parts})

    return read


def _union(kinds: tuple[Any, ...]) -> Reader:
    choices = [k for k in kinds if k is not type(None)]
    named = {stored_name(k): _reader(k) for k in choices}
    only = _reader(choices[0]) if len(choices) == 1 else None

    def read(value: Any) -> Any:
        if value is None:
            return None
        if only is not None:
            return only(value)
        if isinstance(value, dict) and "is" in value:
            return named[value["is"]](value)
        return value

    return read


def _sequence(kinds: tuple[Any, ...]) -> Reader:
    readers = [_reader(k) for k in kinds if k is not Ellipsis]
    if len(kinds) == 2 and kinds[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        (each,) = readers
        return lambda value: tuple(map(each, value))
    return lambda value: tuple(read(v) for read, v in zip(readers, value, strict=True))
