"""Every pool of the catalogue: it can be read, or what is missing is one published fact, named."""

from __future__ import annotations

from feeds.registry import POOLS
from oracle.config.tables.catalog import shipped
from oracle.config.tables.schema import Problem, build
from oracle.config.tables.shorthand_pools import READERS

UNREAD = {"gyro_eclp"}
"""Families without an adapter."""


def test_every_pool_builds_or_misses_a_fact_that_nobody_published() -> None:
    catalog = shipped()
    built = 0
    for pool in catalog.pools:
        if pool.address is None or pool.family in UNREAD:
            continue
        base = pool.token if pool.token in pool.coins else next(c for c in pool.coins if c != "BPT")
        other = next(c for c in pool.coins if c not in (base, "BPT"))
        keys = READERS[pool.family](catalog, pool, base, other)
        problems: list[Problem] = []
        build(POOLS[keys.pop("type")], {**keys, "notional": "1"}, pool.name, problems)
        missing = {p.key.rpartition(".")[2] for p in problems if "is missing" in p.text}
        assert len(missing) == len(problems), problems
        assert missing <= {"pool_id", "base", "quote"}, problems
        built += not problems
    assert built >= 95


def test_every_family_has_an_adapter_or_is_known_to_have_none() -> None:
    families = {p.family for p in shipped().pools if p.address is not None}
    assert families - set(READERS) == UNREAD
