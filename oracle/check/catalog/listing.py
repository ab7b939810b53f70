"""The records of the catalogue as a list, and by name. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from feeds.catalog.records import CatalogPool, ChainFacts, Reference, Symbol, Token, Unit
from oracle.config.tables.catalog import Catalog, CatalogRecords
from oracle.config.tables.record_tables import label_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which records are wanted; None: any."""

    chain: str | None = None
    token: str | None = None
    kind: str | None = None
    dead: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecord:
    """A record with its place.

    Attributes:
        kind: the table that it is written in.
        label: kind and name, with the chain of a pool or reference.
        record: as it is known.
        own: whether it is the operator's.
        place: where it stands, for people.
    """

    kind: str
    label: str
    record: Any
    own: bool
    place: str

    @property
    def state(self) -> str:
        """How the catalogue marks it: dead, doubtful, or nothing."""
        if getattr(self.record, "dead_why", None) is not None:
            return "dead"
        return "doubtful" if getattr(self.record, "doubtful", None) is not None else ""

    @property
    def line(self) -> str:
        """For people: its name, where it is, and its end."""
        known = [_where(self.record), "own" if self.own else "", _end(self.record)]
        return ": ".join([self.label, ", ".join(k for k in known if k)]).removesuffix(": ")

    def document(self) -> dict[str, Any]:
        """As JSON: the record's keys that are known, and its place."""
        facts = json.loads(json.dumps(asdict(self.record), default=str))
        known = {k: v for k, v in facts.items() if v not in (None, [], {}, "")}
        return {
            "kind": self.kind,
            "label": self.label,
            "own": self.own,
            "place": self.place,
            "state": self.state,
            **known,
        }


def _where(record: Any) -> str:
    if isinstance(record, CatalogPool | Reference):
        return record.address or getattr(record, "pool_id", None) or record.why_null or ""
    if isinstance(record, Token | Unit):
        return " ".join(f"{chain} {text}" for chain, text in record.address.items())
    if isinstance(record, Symbol):
        return record.pair
    return f"chain id {record.chain_id}" if record.chain_id is not None else record.why_null or ""


def _end(record: Any) -> str:
    if end := str(getattr(record, "end", "")):
        return end
    doubt, missing = getattr(record, "doubtful", None), getattr(record, "missing", None)
    return ", ".join([f"doubtful: {doubt}"] * bool(doubt) + [f"cannot be read: {missing}"] * bool(missing))


def records(catalog: Catalog) -> Iterator[ListedRecord]:
    """Every record, kind by kind."""
    whole = CatalogRecords.of(catalog)
    for field in fields(whole):
        for record in getattr(whole, field.name):
            label = label_of(field.name, record)
            own = label in catalog.own
            file = catalog.own.get(label) or "the config"
            instead = ", in the place of the shipped record" if label in catalog.replaced else ""
            place = f"{file}{instead}" if own else "shipped"
            yield ListedRecord(kind=field.name, label=label, record=record, own=own, place=place)


def listed(catalog: Catalog, wanted: Filter) -> Iterator[ListedRecord]:
    """The records that a filter lets through."""
    for row in records(catalog):
        fits = (
            wanted.kind in {None, row.kind}
            and (wanted.chain is None or wanted.chain in _chains(row.record))
            and (wanted.token is None or wanted.token in _tokens(row.record))
            and (not wanted.dead or bool(row.state))
        )
        if fits:
            yield row


def named(catalog: Catalog, name: str) -> Iterator[ListedRecord]:
    """The records of a name: a pool's or feed's on every chain, a venue's symbol as ``okx STETH-ETH``."""
    return (row for row in records(catalog) if name in {_name(row.record), row.label, row.label.partition(" ")[2]})


def names(catalog: Catalog) -> list[str]:
    """Every name."""
    return sorted({_name(row.record) for row in records(catalog)})


def _name(record: Any) -> str:
    if isinstance(record, Symbol):
        return f"{record.venue} {record.symbol}"
    return str(record.symbol if isinstance(record, Token | Unit) else record.name)


def _chains(record: Any) -> set[str | None]:
    """The chains that a record speaks of."""
    if isinstance(record, Unit):
        return set(record.address)
    if isinstance(record, Token):
        read = [*((record.rate,) if record.rate else ()), *record.second, *record.open]
        return {*record.address, *(r.chain for r in read)}
    if isinstance(record, ChainFacts):
        return {record.name}
    return {getattr(record, "chain", None)}


def _tokens(record: Any) -> set[str | None]:
    """The tokens and units that a record is about."""
    if isinstance(record, CatalogPool):
        return {record.token, *record.coins}
    if isinstance(record, Reference):
        return {record.base, record.quote}
    if isinstance(record, Symbol):
        return set(record.pair.split("/"))
    return {record.symbol} if isinstance(record, Token | Unit) else set()
