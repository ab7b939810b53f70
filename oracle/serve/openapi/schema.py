"""The pieces that every schema is written with."""

from __future__ import annotations

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]


def _field(kind: str, description: str, *, nullable: bool = False) -> Schema:
    return {"type": [kind, "null"] if nullable else kind, "description": description}


def text(description: str, *, nullable: bool = False) -> Schema:
    """A string."""
    return _field("string", description, nullable=nullable)


def whole(description: str, *, nullable: bool = False) -> Schema:
    """A whole number."""
    return _field("integer", description, nullable=nullable)


def flag(description: str) -> Schema:
    """True or false."""
    return _field("boolean", description)


def object_of(fields: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """An object with exactly these fields."""
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def list_of(items: Schema) -> Schema:
    """An array."""
    return {"type": "array", "items": items}


def or_null(schema: Schema) -> Schema:
    """The same or null."""
    return {"oneOf": [schema, {"type": "null"}]}


def ref(name: str) -> Schema:
    """A reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}
