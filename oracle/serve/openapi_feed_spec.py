"""A feed's bands and rules in the endpoint's answers: every field and its sentence as the spec declares them."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any, get_type_hints

from oracle.model.keys import Key, key_of
from oracle.model.spec import Bands, Rules

_TYPES = {int: "integer", bool: "boolean"}


def _schema_of(record: type[Any]) -> dict[str, Any]:
    """An object with exactly the fields of a record."""
    hints = get_type_hints(record)
    properties = {field.name: _property(hints[field.name], key) for field, key in _declared(record)}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _declared(record: type[Any]) -> list[tuple[Field[Any], Key]]:
    return [(field, key) for field in fields(record) if (key := key_of(field)) is not None]


def _property(kind: type[Any], key: Key) -> dict[str, Any]:
    """A number times 1e18 is an exact decimal text, null where there is none."""
    return {"type": ["string", "null"] if key.wad else _TYPES[kind], "description": key.says}


BANDS = _schema_of(Bands)
RULES = _schema_of(Rules)
