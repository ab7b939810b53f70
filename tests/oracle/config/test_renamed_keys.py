"""A config with an old name is told the new one, at the key."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from oracle.config.reference import TABLES
from oracle.config.sections import parse
from oracle.config.tables.renamed_keys import RENAMED
from oracle.config.tables.schema import ConfigError

PUBLISHED: dict[str, list[str]] = json.loads(
    Path(__file__).with_name("published_keys.json").read_text(encoding="utf-8")
)
"""Every name that a key of the config, or a field of an answer that copies it, ever had, by record."""
RECORDS = {record.__name__: (name, record) for name, record in TABLES.items()}
OLD = [(record, old) for record, names in RENAMED.items() for old in names]
BESIDE: dict[str, dict[str, Any]] = {
    "targets": {"chain": "local", "store": "0x" + "11" * 20},
    "stores": {"signers": ["0x" + "11" * 20], "threshold": 1},
}
"""What a table must have besides."""
GONE = {"RegistrySection": ("StoreSection", "registry")}
"""Records whose whole table is gone: where it stood."""
SOURCES = [{"type": "coinbase", "symbol": "ETH-USD"}, {"type": "kraken", "symbol": "ETH/USD"}]


def written(record: str, key: str) -> tuple[dict[str, Any], str]:
    """A config with this key in a table of that record, and where the problem is."""
    feed: dict[str, Any] = {"sources": [dict(s) for s in SOURCES]}
    table, _ = RECORDS[record]
    if table == "feeds.sources":
        feed["sources"][1][key] = 5
        return {"feeds": {"ETH/USD": feed}}, f'feeds."ETH/USD".sources[1].{key}'
    if table.startswith("feeds"):
        part = table.partition(".")[2]
        (feed.setdefault(part, {}) if part else feed)[key] = 5
        return {"feeds": {"ETH/USD": feed}}, ".".join(filter(None, ('feeds."ETH/USD"', part, key)))
    own = {"x": {**BESIDE.get(table, {}), key: 5}} if table in {"venues", "chains", *BESIDE} else {key: 5}
    return {table: own, "feeds": {"ETH/USD": feed}}, ".".join([table, *(["x"] if "x" in own else []), key])


@pytest.mark.parametrize(("record", "old"), OLD)
def test_an_old_name_is_told_the_new_one(record: str, old: str) -> None:
    config, place = written(record, old)
    with pytest.raises(ConfigError) as caught:
        parse(config)
    assert [p.key for p in caught.value.problems] == [place]
    text, became = caught.value.problems[0].text, RENAMED[record][old]
    assert f"`{old}` is " in text
    assert became.since in text
    if became.key is not None:
        assert f"called `{became.key}`" in text
        assert f"write {became.key} = ..." in text
    assert became.hint in text


@pytest.mark.parametrize(("record", "old"), OLD)
def test_the_new_name_is_a_key_and_the_old_one_is_none(record: str, old: str) -> None:
    names = {f.name for f in fields(RECORDS[record][1])}
    assert old not in names
    new = RENAMED[record][old].key
    assert new is None or new in names


@pytest.mark.parametrize("record", PUBLISHED)
def test_a_name_that_a_config_may_have_is_a_key_or_is_explained(record: str) -> None:
    """Whoever renames a key, or drops one, writes down what became of it."""
    if record in GONE:
        where, name = GONE[record]
        assert name in RENAMED[where]
        return
    known = {f.name for f in fields(RECORDS[record][1])} | RENAMED.get(record, {}).keys()
    assert [name for name in PUBLISHED[record] if name not in known] == []
