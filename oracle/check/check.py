"""`lrt-oracle check`: what the config reaches, and with a network whether the chains and stores are what it says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from feeds.registry import EXCHANGES
from feeds.types import FeedError, Kind
from feeds.units import wad_text
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import StoreClient
from oracle.check.chain import ChainFound, ChainProbe, probe
from oracle.check.push_ready import PushReadiness, config_notes, config_problems, strangers
from oracle.check.push_ready import look as look_at
from oracle.check.references import compared, reads_of, table
from oracle.check.trust import trust
from oracle.check.values import held_problems, own_values, value_problems
from oracle.config.resolve import ResolvedConfig, reachable_groups
from oracle.config.tables.catalog import Catalog, shipped
from oracle.config.tables.forms import raw_address
from oracle.config.tables.schema import Problem
from oracle.model.types import Report
from oracle.round.reference_divergence import Divergence
from oracle.sign.eip712 import Domain
from oracle.storage.database import Database

_TIMEOUT_S = 20.0


async def check(
    plan: ResolvedConfig,
    *,
    offline: bool,
    confirmed: frozenset[str] = frozenset(),
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Counts, the groups that each feed can reach, notes, and with a network every contract, value, reference and store.

    Args:
        plan: the checked config.
        offline: ask no network.
        confirmed: feeds whose new value may lie far from the running one.
        environ: where passphrases would be.

    Returns:
        A JSON document; ``errors`` is empty where everything fits, ``alarms`` where no reference has drifted far.

    Raises:
        ConfigError: the catalogue itself is broken.
    """
    catalog = shipped()
    found: dict[str, Any] = {
        "counts": {**catalog.counts(), "venues": len(EXCHANGES), "feeds": len(plan.specs)},
        "pools_by_family": catalog.families(),
        "in_use": _in_use(plan),
        "feeds": [_feed(plan, name) for name in plan.specs],
        "off": [{"feed": n, "reason": f.reason or ""} for n, f in plan.config.feeds.items() if f.off],
        "notes": [*_notes(plan), *config_notes(plan.config, environ)],
        "reads": [],
        "drift": [],
        "alarms": [],
        "trust": [],
        "errors": [_problem(p) for p in config_problems(plan, environ)],
    }
    if not offline:
        patience_s = _TIMEOUT_S * max(1, len(plan.config.chains))
        try:
            async with asyncio.timeout(patience_s):
                await _chains(plan, catalog, confirmed, found)
                found["trust"], contradicted = await trust(plan)
                problems, notes = await _stores(plan)
                found["errors"] += [_problem(p) for p in (*problems, *contradicted)]
                found["notes"] += notes
        except TimeoutError:
            late = (
                f"not all is looked at: endpoints took more than {patience_s:g} s; run this again, or change endpoints"
            )
            found["errors"].append(_problem(Problem("chains", late)))
    return found


def _problem(problem: Problem) -> dict[str, str]:
    return {"key": problem.key, "text": problem.text}


def _notes(plan: ResolvedConfig) -> list[str]:
    notes: list[str] = []
    if not plan.config.operators:
        notes.append("no operators: the process runs dry, prices are served but not signed")
    if not plan.config.targets:
        notes.append("no targets: nothing is pushed")
    if plan.config.oracle.scaled_times:
        notes.append("scaled_times: windows and dwells may be too short for real money")
    return notes


def _in_use(plan: ResolvedConfig) -> dict[str, int]:
    kinds = [p.spec.kind for p in plan.sources]
    return {
        "venues": len({p.venue for p in plan.sources if p.venue}),
        "pools": sum(1 for p in plan.sources if p.adapter and p.spec.kind is Kind.MARKET),
        "rates": kinds.count(Kind.REDEMPTION),
        "references": kinds.count(Kind.REFERENCE),
        "chains": len(plan.config.chains),
    }


def _feed(plan: ResolvedConfig, name: str) -> dict[str, Any]:
    spec, section = plan.specs[name], plan.config.feeds[name]
    groups = reachable_groups(spec)
    use = "signed and pushed" if name in plan.pushed else "reference only: served, not on chain"
    if section.reference_only and section.reason:
        use += f": {section.reason}"
    if spec.is_cross:
        use = f"product of {' and '.join(spec.legs)}"
    elif spec.share_of:
        use = f"from its share token {spec.share_of}; {use}"
    return {
        "feed": name,
        "mode": spec.mode.value,
        "method": spec.method,
        "groups_reachable": len(groups),
        "groups": list(groups),
        "min_groups": spec.min_groups if spec.sources and spec.has_market else 0,
        "reference_only": section.reference_only,
        "reason": section.reason,
        "use": use,
    }


async def _chains(plan: ResolvedConfig, catalog: Catalog, confirmed: frozenset[str], found: dict[str, Any]) -> None:
    """Look at every chain, then at all values together."""
    here = {name: compared(catalog, plan, name) for name in plan.config.chains}
    async with aiohttp.ClientSession() as session:
        desks = [ChainProbe(n, s, session) for n, s in plan.config.chains.items()]
        looks = [probe(d, plan, catalog, reads_of(here[d.name])) for d in desks]
        done = dict(zip(plan.config.chains, await asyncio.gather(*looks), strict=True))
    values = [v for c in done.values() for v in c.values]
    problems = [p for c in done.values() for p in c.problems]
    problems += value_problems(catalog, plan, values, _running(plan), confirmed)
    own = own_values(plan, values)
    for name, chain in done.items():
        found["reads"] += _reads(name, chain)
        if chain.head is None:
            continue
        for row in table(plan, own, here[name], chain.references):
            _note_drift(found, name, row)
    found["in_use"]["contracts"] = sum(c.contracts for c in done.values())
    found["errors"] += [_problem(p) for p in problems]


def _reads(chain: str, seen: ChainFound) -> list[dict[str, Any]]:
    return [
        {"chain": chain, "feed": v.source.feed, "source": v.source.spec.name, "kind": v.source.spec.kind.value,
         "pair": str(v.source.spec.pair), "price": wad_text(v.price_wad)}
        for v in seen.values
    ]  # fmt: skip


def _note_drift(found: dict[str, Any], chain: str, row: Any) -> None:
    if not isinstance(row, Divergence):
        one, error = row
        found["drift"].append({"feed": one.feed, "reference": one.reference.name, "chain": chain, "error": _why(error)})
        return
    shown = {
        "feed": row.feed,
        "reference": row.source,
        "provider": row.provider,
        "chain": chain,
        "against": row.against.value,
        "theirs": wad_text(row.reference_wad),
        "ours": wad_text(row.own_wad),
        "drift_bps": row.drift_bps,
        "alarm": row.alarm,
    }
    found["drift"].append(shown)
    if row.alarm:
        found["alarms"].append(
            f"{row.source} lies {row.drift_bps} bps from our {row.against.value} price of {row.feed}"
        )


def _why(error: FeedError) -> str:
    return f"{error}; {error.advice}"


@contextmanager
def _records(plan: ResolvedConfig) -> Iterator[Database | None]:
    """What this operator has stored; None before the first run."""
    path = Path(plan.config.oracle.database)
    if not path.is_file():
        yield None
        return
    store = Database(path)
    try:
        yield store
    finally:
        store.close()


def _running(plan: ResolvedConfig) -> Mapping[str, Report]:
    """The last record of each feed that is stored."""
    with _records(plan) as store:
        records = {f: store.record(f) for f in plan.specs} if store is not None else {}
    return {f: r.report for f, r in records.items() if r is not None}


async def _stores(plan: ResolvedConfig) -> tuple[list[Problem], list[str]]:
    """Chain, code, signers, feeds, money and time of every target, and what its store holds of ours."""
    problems: list[Problem] = []
    looks: list[PushReadiness] = []
    for name, target in plan.config.targets.items():
        chain = plan.config.chains[target.chain]
        domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
        client = StoreClient(chain.endpoints, domain, None, max_fee_gwei=0)
        try:
            looks.append(seen := await look_at(plan, name, client))
            known = await client.feeds()
            problems += seen.problems
            problems += await _held(plan, client, {f: i for f, i in known.items() if f in plan.pushed})
        except (ChainError, FeedError, aiohttp.ClientError, OSError) as e:
            problems.append(Problem(f"targets.{name}", str(e)))
        finally:
            await client.close()
    if len(looks) == len(plan.config.targets):  # one that could not be read may know the key
        problems += strangers(plan.config, looks)
    return problems, [note for seen in looks for note in seen.notes]


async def _held(plan: ResolvedConfig, client: StoreClient, indexes: Mapping[str, int]) -> list[Problem]:
    problems: list[Problem] = []
    with _records(plan) as store:
        for feed, index in indexes.items():
            held = await client.stored(index) if store is not None else None
            ours = store.record(feed, held.round_time_s) if store is not None and held is not None else None
            if held is not None and ours is not None:
                problems += held_problems(feed, index, held, ours.report)
    return problems
