"""The pools of the catalogue that are not simply there, as the documentation shows them: what died, what is doubtful, what is missing."""

from __future__ import annotations

from collections.abc import Iterator

from feeds.catalog.records import CatalogPool
from oracle.config.tables.catalog import Catalog


def pool_states(catalog: Catalog) -> str:
    """Counts in a sentence, and a table with a row for each pool that cannot be named, or with caution."""
    pools = catalog.pools
    dead, doubtful = sum(p.is_dead for p in pools), sum(p.doubtful is not None for p in pools)
    missing = sum(p.missing is not None for p in pools)
    rows = [f"| `{p.name}` | {p.chain} | {state} |" for p in pools if (state := _state(p))]
    counts = f"{len(pools) - missing} have an adapter that reads them, {missing} miss a fact; {dead} are dead, {doubtful} doubtful"
    return "\n".join((f"Of {len(pools)} pools {counts}.", "", "| pool | chain | state |", "|---|---|---|", *rows, ""))


def _state(pool: CatalogPool) -> str:
    """Empty for a pool that may be named without more."""
    return "; ".join(_sentences(pool))


def _sentences(pool: CatalogPool) -> Iterator[str]:
    if pool.is_dead:
        yield pool.end
    if pool.doubtful is not None:
        yield f"is doubtful: {pool.doubtful}"
    if pool.missing is not None:
        yield f"cannot be read: {pool.missing}"
