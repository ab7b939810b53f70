"""A feed's bands and rules in the endpoint's answers: every field and its sentence as the spec declares them."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any, get_type_hints

from oracle.model.keys import Key, key_of
from oracle.model.spec import Bands, Rules
from oracle.serve.openapi.schema import Schema, object_of

_TYPES = {int: "integer", bool: "boolean"}


def _schema_of(record: type[Any]) -> Schema:
    """An object with exactly the fields of a record."""
    hints = get_type_hints(record)
    return object_of({field.name: _property(hints[field.name], key) for field, key in _declared(record)})


def _declared(record: type[Any]) -> list[tuple[Field[Any], Key]]:
    return [(field, key) for field in fields(record) if (key := key_of(field)) is not None]


def _property(kind: type[Any], key: Key) -> Schema:
    """A number times 1e18 is an exact decimal text, null where there is none."""
    return {"type": ["string", "null"] if key.wad else _TYPES[kind], "description": key.says}


BANDS = _schema_of(Bands)
RULES = _schema_of(Rules)
