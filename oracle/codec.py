"""Frozen records to canonical JSON and back: the same value always gives the same bytes, and so the same hash."""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from feeds.types import ERRORS, FeedError

T = TypeVar("T")


class Undecodable(ValueError):
    """Stored bytes do not fit the type: another version wrote them, or they are damaged."""


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
        return {"is": type(value).__name__} | own
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
    value: T = restore(kind, json.loads(body))
    return value


def restore(kind: Any, value: Any) -> Any:
    """Rebuild a value of the annotated type from its plain form."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind), value)
    if origin is tuple:
        return _sequence(get_args(kind), value)
    if origin is not None and issubclass(origin, Mapping):
        return {k: restore(get_args(kind)[1], v) for k, v in value.items()}
    supertype = getattr(kind, "__supertype__", None)
    if supertype is not None:
        return restore(supertype, value)
    return _leaf(kind, value)


def _leaf(kind: Any, value: Any) -> Any:
    if kind is type(None) or kind is None:
        return None
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        if not isinstance(value, dict) or value.get("is") != kind.__name__ or set(value) - {"is"} != set(hints):
            raise Undecodable(f"not a {kind.__name__} of this version")
        return kind(**{k: restore(hints[k], value[k]) for k in hints})
    if isinstance(kind, type) and issubclass(kind, FeedError):
        return ERRORS[value["code"]](value["detail"], **value["facts"])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is int and not isinstance(value, bool):
        return int(value)
    if kind is bytes:
        return bytes.fromhex(value)
    if isinstance(value, kind):
        return value
    raise Undecodable(f"expected {kind}, found {type(value).__name__}")


def _union(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        return None
    choices = [k for k in kinds if k is not type(None)]
    if len(choices) == 1:
        return restore(choices[0], value)
    if isinstance(value, dict) and "is" in value:
        return restore(next(k for k in choices if getattr(k, "__name__", "") == value["is"]), value)
    return value


def _sequence(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        return tuple(restore(kinds[0], v) for v in value)
    return tuple(restore(k, v) for k, v in zip(kinds, value, strict=True))


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)
