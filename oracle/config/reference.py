"""The tables of the documentation that follow from the declared keys: ``python -m oracle.config.reference`` writes them.

``docs/config.md`` has them between markers, ``docs/api.md`` has the rows of a feed's bands and rules.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from feeds.chains.abi import address
from feeds.registry import EXCHANGES, POOLS, PULLS, RATES
from oracle.config.pool_states import pool_states
from oracle.config.tables.archive_sections import ArchiveSection
from oracle.config.tables.catalog import shipped
from oracle.config.tables.chain_sections import ChainSection, VenueSection
from oracle.config.tables.feed_sections import FeedSection, SourceSection
from oracle.config.tables.forms import (
    address_or_none,
    http_url,
    listen_at,
    nats_url,
    peer_url,
    postgres_url,
    raw_address,
    sha256_hash,
    signer_url,
    utc_time,
    venue_http_url,
    venue_websocket_url,
    websocket_url,
)
from oracle.config.tables.keeper_sections import KeeperSection
from oracle.config.tables.network_sections import NetworkSection, PeerSection
from oracle.config.tables.node_sections import NatsSection, NodeSection
from oracle.config.tables.operator_sections import OperatorSection, TargetSection
from oracle.config.tables.process_sections import ApiSection, LogSection, OracleSection
from oracle.config.tables.retention_sections import RetentionSection
from oracle.config.tables.rewards_sections import RewardsSection
from oracle.config.tables.stake_sections import StakeSection
from oracle.config.tables.stake_sources import (
    CollateralSection,
    DelegatedSection,
    EigenLayerSection,
    StrategySection,
    SymbioticSection,
    ether,
    rate_function,
)
from oracle.config.tables.store_sections import LimitsSection, StoreSection
from oracle.config.tables.watch_sections import WatchSection
from oracle.model.keys import Key, key_of
from oracle.model.spec import Bands, Rules, Tuning
from oracle.runtime.cron import cron_expression

TABLES: Mapping[str, type[Any]] = {
    "oracle": OracleSection,
    "api": ApiSection,
    "log": LogSection,
    "retention": RetentionSection,
    "chains": ChainSection,
    "venues": VenueSection,
    "operators": OperatorSection,
    "targets": TargetSection,
    "network": NetworkSection,
    "network.peers": PeerSection,
    "watch": WatchSection,
    "rewards": RewardsSection,
    "keeper": KeeperSection,
    "node": NodeSection,
    "nats": NatsSection,
    "archive": ArchiveSection,
    "stores": StoreSection,
    "stores.classes": LimitsSection,
    "stores.stake": StakeSection,
    "stores.stake.delegated": DelegatedSection,
    "stores.stake.collateral": CollateralSection,
    "stores.stake.symbiotic": SymbioticSection,
    "stores.stake.eigenlayer": EigenLayerSection,
    "stores.stake.eigenlayer.strategies": StrategySection,
    "feeds": FeedSection,
    "feeds.tuning": Tuning,
    "feeds.rules": Rules,
    "feeds.bands": Bands,
    "feeds.sources": SourceSection,
}
"""The tables of the config by their names in the markers of ``docs/config.md``."""

_FORMS: Mapping[Callable[[str], object], str] = {
    address: "address",
    raw_address: "address",
    address_or_none: "address",
    http_url: "HTTP URL",
    nats_url: "NATS URL",
    postgres_url: "PostgreSQL URL",
    signer_url: "URL",
    venue_http_url: "HTTP URL",
    websocket_url: "WebSocket URL",
    peer_url: "WebSocket URL",
    listen_at: "host and port",
    sha256_hash: "SHA-256",
    cron_expression: "cron expression",
    utc_time: "UTC time",
    ether: "decimal text",
    rate_function: "function",
    venue_websocket_url: "WebSocket URL",
}
_ADAPTERS, _POOL_STATES = "adapters", "pool_states"
_MARKED = re.compile(r"(<!-- keys: (?P<name>\S+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
_IN_ANSWERS: Mapping[str, type[Any]] = {"feeds[].bands": Bands, "feeds[].rules": Rules}
_JSON_TYPES = {int: "integer", bool: "boolean"}


def config_reference(text: str) -> str:
    """``docs/config.md`` with its tables as declared; KeyError where a marker names no table."""
    return _MARKED.sub(lambda m: f"{m[1]}\n{_part(m['name'])}\n{m[3]}", text)


def marked_tables(text: str) -> list[str]:
    """The names in the markers of a document."""
    return [m["name"] for m in _MARKED.finditer(text)]


def answers_reference(text: str) -> str:
    """``docs/api.md`` with the rows of a feed's bands and rules as declared."""
    for place, record in _IN_ANSWERS.items():
        text = _with_rows(text, place, record)
    return text


def _with_rows(text: str, place: str, record: type[Any]) -> str:
    hints = get_type_hints(record)
    rows = "".join(
        f"| `{place}.{field.name}` | {'string or null' if key.wad else _JSON_TYPES[hints[field.name]]} | {key.says} |\n"
        for field, key in _declared(record)
    )
    block = re.compile(rf"(?:^\| `{re.escape(place)}\.\w+` \|.*\n)+", re.MULTILINE)
    return block.sub(lambda _: rows, text, count=1)


def _part(name: str) -> str:
    if name == _ADAPTERS:
        return ", ".join(f"`{n}`" for n in (*EXCHANGES, *PULLS, *POOLS, *RATES)) + ".\n"
    if name == _POOL_STATES:
        return pool_states(shipped())
    return "".join(f"{line}\n" for line in _table(TABLES[name]))


def _table(record: type[Any]) -> Iterator[str]:
    hints = get_type_hints(record)
    yield "| key | takes | default | meaning |"
    yield "|---|---|---|---|"
    for field, key in _declared(record):
        if key.settable:
            says = key.says + (f", see {key.see}" if key.see else "")
            yield f"| `{field.name}` | {_takes(hints[field.name], key)} | {_default(field, key)} | {says} |"


def _declared(record: type[Any]) -> Iterator[tuple[Field[Any], Key]]:
    """The keys of a record; what it has in common with others comes last."""
    own = vars(record)["__annotations__"]
    for field in sorted(fields(record), key=lambda f: f.name not in own):
        key = key_of(field)
        if key is not None:
            yield field, key


def _takes(kind: Any, key: Key) -> str:
    """What may be written, in words."""
    origin, inner = get_origin(kind), [k for k in get_args(kind) if k is not NoneType]
    if key.wad:
        return "decimal text"
    if origin is tuple:
        element = inner[0]
        if get_origin(element) is tuple:
            return f"table: {_takes(get_args(element)[1], key)} each"
        return f"list: {_takes(element, key)}" if element is str else f"list: {_takes(element, key)} each"
    if inner:
        return _takes(inner[0], key)
    if issubclass(kind, Enum):
        return "one of those named"
    if kind is str:
        return "text" if key.form is None else _FORMS[key.form]
    return "true, false" if kind is bool else key.range or "whole number"


def _default(field: Field[Any], key: Key) -> str:
    """What a key is where it is left out, in words."""
    if key.shown is not None:
        return key.shown
    if key.follows is not None:
        return key.follows.words
    if field.default is MISSING:
        return "required"
    if field.default in (None, ""):
        return "none"
    if isinstance(field.default, tuple):
        return "[]"
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return f"`{field.default}`" if isinstance(field.default, str) else str(field.default)


def main(docs: Path) -> None:
    """Write the tables into the documentation."""
    for name, reference in (("config.md", config_reference), ("api.md", answers_reference)):
        path = docs / name
        path.write_text(reference(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
