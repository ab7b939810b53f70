"""The pieces that every schema is written with."""

from __future__ import annotations

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]


def _field(kind: str, says: str, *, nullable: bool = False) -> Schema:
    return {"type": [kind, "null"] if nullable else kind, "description": says}


def text(says: str, *, nullable: bool = False) -> Schema:
    """A string."""
    return _field("string", says, nullable=nullable)


def whole(says: str, *, nullable: bool = False) -> Schema:
    """A whole number."""
    return _field("integer", says, nullable=nullable)


def flag(says: str) -> Schema:
    """True or false."""
    return _field("boolean", says)


def object_of(fields: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """An object with exactly these fields."""
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def list_of(of: Schema) -> Schema:
    """An array."""
    return {"type": "array", "items": of}


def or_null(of: Schema) -> Schema:
    """The same or null."""
    return {"oneOf": [of, {"type": "null"}]}


def ref(name: str) -> Schema:
    """One of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}
