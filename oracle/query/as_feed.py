"""A question as a feed of the config: the block that gives the same price from its next round on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, replace
from enum import Enum
from typing import Any

from feeds.units import wad_text
from oracle.config.tables.feed_sections import SourceSection
from oracle.model.keys import key_of
from oracle.query.plan import QueryPlan

_BESIDE = "#asked"
_TABLES = ("bands", "rules", "tuning")


def as_feed(plan: QueryPlan, name: str | None = None) -> str:
    """The block, under a name of its own so that it can stand beside the feed; it is served and not pushed.

    Args:
        plan: what the question means.
        name: of the new feed, ``BASE/QUOTE#anything``.
    """
    feed = name or f"{plan.spec.pair}{_BESIDE}"
    section = replace(plan.section, reference_only=True, reason=f"asked of {plan.spec.feed} by query", off=False)
    where = f"feeds.{_text(feed)}"
    lines = [f"[{where}]", *_keys(section, (*_TABLES, "sources", "catalog", "notional", "average_s"))]
    for table in _TABLES:
        written = list(_keys(getattr(section, table), (), whole=table != "tuning"))
        if written:
            lines += ["", f"[{where}.{table}]", *written]
    for source in section.sources:
        lines += ["", f"[[{where}.sources]]", *_source(source)]
    return "\n".join(lines) + "\n"


def _source(source: SourceSection) -> Iterator[str]:
    yield from _keys(source, ("params",))
    for name, value in source.params.items():
        yield f"{name} = {_value(value)}"


def _keys(record: Any, left_out: tuple[str, ...], *, whole: bool = False) -> Iterator[str]:
    """The keys that differ from their defaults; with ``whole`` all, where a default may come from the catalogue."""
    for declared in fields(record):
        about, value = key_of(declared), getattr(record, declared.name)
        if declared.name in left_out or (about is not None and not about.settable):
            continue
        if value is None or (not whole and value == _default(declared)) or (whole and value in ("", ())):
            continue
        if whole and value == 0 and about is not None and not about.holds(0):
            continue
        is_wad = about is not None and about.wad
        if is_wad and not value:
            continue
        yield f"{declared.name} = {_text(wad_text(value)) if is_wad else _value(value)}"


def _default(declared: Field[Any]) -> Any:
    return declared.default if declared.default is not MISSING else MISSING


def _value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Enum):
        return _text(str(value.value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(str(k))} = {_value(v)}" for k, v in value.items()) + " }"
    if value and all(isinstance(v, tuple) and len(v) == 2 and isinstance(v[0], str) for v in value):  # noqa: PLR2004 - pairs
        return _value(dict(value))
    return "[" + ", ".join(_value(v) for v in value) + "]"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
