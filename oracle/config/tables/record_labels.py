"""What a record of the catalogue is called in errors and lists. Pure."""

from __future__ import annotations

from typing import Any

from feeds.catalog.records import CatalogPool, ChainFacts, Reference, Symbol


def label_of(kind: str, record: Any) -> str:
    """Kind and name of a record: what no two records of a catalogue share."""
    match record:
        case CatalogPool() | Reference():
            return f"{kind} {record.name} on {record.chain}" if record.chain else f"{kind} {record.name}"
        case ChainFacts():
            return f"{kind} {record.name}"
        case Symbol():
            return f"{kind} {record.venue} {record.symbol}"
        case _:
            return f"{kind} {record.symbol}"
