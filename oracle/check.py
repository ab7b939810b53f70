"""`lrt-oracle check`: what the config reaches, and with a network whether the chains and stores are what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

from feeds.observe import Source
from feeds.rpc import ChainReader, ReaderLimits
from feeds.types import FeedError, Kind
from feeds.units import MS, wad_text
from oracle.chain import ChainError, StoreClient
from oracle.clock import now_ms
from oracle.config import address
from oracle.eip712 import Domain
from oracle.plan import Plan, reachable_groups
from oracle.sources import sources_of

_TIMEOUT_S = 20.0


async def check(plan: Plan, *, offline: bool) -> dict[str, Any]:
    """Counts, the groups that each feed can reach, notes, and with a network every chain read and store.

    Returns:
        A JSON document; ``errors`` is empty where everything fits.
    """
    errors: list[dict[str, str]] = []
    notes: list[str] = []
    if not plan.config.operators:
        notes.append("no operators: the process runs dry, prices are served but not signed")
    if not plan.config.targets:
        notes.append("no targets: nothing is pushed")
    if plan.config.oracle.scaled_times:
        notes.append("scaled_times: windows and dwells may be too short for real money")
    reads: list[dict[str, Any]] = []
    if not offline:
        async with asyncio.timeout(_TIMEOUT_S * max(1, len(plan.config.chains))):
            reads = await _chains(plan, errors)
            await _stores(plan, errors)
    return {
        "counts": _counts(plan),
        "feeds": [_feed(plan, name) for name in plan.specs],
        "reads": reads,
        "notes": notes,
        "errors": errors,
    }


def _counts(plan: Plan) -> dict[str, int]:
    kinds = [p.spec.kind for p in plan.sources]
    return {
        "feeds": len(plan.specs),
        "venues": len({p.venue for p in plan.sources if p.venue}),
        "pools": sum(1 for p in plan.sources if p.adapter and p.spec.kind is Kind.MARKET),
        "rates": kinds.count(Kind.REDEMPTION),
        "references": kinds.count(Kind.REFERENCE),
        "chains": len(plan.config.chains),
    }


def _feed(plan: Plan, name: str) -> dict[str, Any]:
    spec = plan.specs[name]
    groups = reachable_groups(spec)
    use = "signed and pushed" if name in plan.pushed else "reference only: served, not on chain"
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
        "min_groups": spec.min_groups if spec.sources else 0,
        "use": use,
    }


async def _chains(plan: Plan, errors: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Read every adapter of every chain once."""
    rows: list[dict[str, Any]] = []
    async with aiohttp.ClientSession() as session:
        for name, section in plan.config.chains.items():
            reader = ChainReader(
                chain_id=section.chain_id,
                endpoints=section.endpoints,
                session=session,
                now_ms=now_ms,
                limits=ReaderLimits(max_head_age_ms=section.max_head_age_s * MS),
                multicall_address=section.multicall,
            )
            sources = [s for s in sources_of(plan) if s.chain == name and s.adapter is not None]
            try:
                head = await reader.head()
            except FeedError as e:
                errors.append({"key": f"chains.{name}", "text": f"{e}; {e.advice}"})
                continue
            reads = {f"{s.feed}|{s.name}": s.adapter.read() for s in sources if s.adapter is not None}
            results = (await reader.read(head, reads)).results
            rows += [_read(name, source, results, errors) for source in sources]
    return rows


def _read(chain: str, source: Source, results: Mapping[str, Any], errors: list[dict[str, str]]) -> dict[str, Any]:
    result = results[f"{source.feed}|{source.name}"]
    row = {"chain": chain, "feed": source.feed, "source": source.name}
    if isinstance(result, FeedError):
        errors.append({"key": f'feeds."{source.feed}".{source.name}', "text": f"{result}; {result.advice}"})
        return row | {"error": str(result)}
    return row | {"price": wad_text(result.price_wad)}


async def _stores(plan: Plan, errors: list[dict[str, str]]) -> None:
    """Chain id, code, registered feeds and presence of both prices at every target."""
    for name, target in plan.config.targets.items():
        chain = plan.config.chains[target.chain]
        domain = Domain(chain_id=chain.chain_id, store=address(target.store))
        client = StoreClient(chain.endpoints, domain, None, max_fee_gwei=0)
        try:
            await client.connect()
            known = await client.feeds()
            missing = [f for f in plan.pushed if f not in known]
            if missing:
                text = f"not registered in the store: {', '.join(missing)}"
                errors.append({"key": f"targets.{name}.store", "text": text})
        except (ChainError, OSError) as e:
            errors.append({"key": f"targets.{name}", "text": str(e)})
        finally:
            await client.close()
