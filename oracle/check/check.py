"""`lrt-oracle check`: what the config reaches, and with a network whether the chains and stores are what it says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp

from feeds.errors import FeedError
from feeds.registry import EXCHANGES
from feeds.types import Kind
from feeds.units import MS, wad_text
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import StoreClient
from oracle.check.agreement_bounds import one_party_notes
from oracle.check.chain import ChainProbe, ChainReadings, chain_errors, read_chain
from oracle.check.network_ready import key_file_notes, network_file_problems, network_notes
from oracle.check.node_ready import node_findings
from oracle.check.push_ready import (
    PushReadiness,
    config_notes,
    config_problems,
    readiness_of,
    unknown_key_problems,
)
from oracle.check.references import ReferenceComparison, comparisons, divergence_rows, reads_of
from oracle.check.remote_keys import remote_key_file_problems, remote_key_findings, remote_key_notes
from oracle.check.rewards_ready import rewards_file_problems, rewards_findings, rewards_notes
from oracle.check.schedules import schedule_notes, schedule_rows
from oracle.check.shared_hosts import shared_host_notes, shared_party_notes
from oracle.check.source_rows import SourceTable, distance_problems, source_table
from oracle.check.stored import database_notes, stored_database
from oracle.check.trust import trust_documents
from oracle.check.values import chain_prices, said_by, stored_value_problems, value_problems
from oracle.check.venues import VENUES_S, ask_venues, venue_values
from oracle.check.watch_ready import watch_file_problems, watch_problems_on_chain
from oracle.config.check_addresses import address_problems, fill_from, literal_notes, provider_notes
from oracle.config.check_legs import one_group_notes
from oracle.config.feed_sources import sequencer_of
from oracle.config.resolve import ResolvedConfig, group_counts, reachable_groups
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.forms import raw_address
from oracle.config.tables.schema import Problem
from oracle.model.types import Report
from oracle.round.reference_divergence import Divergence
from oracle.runtime.clock import now_ms
from oracle.sign.eip712 import Domain

_TIMEOUT_S = 20.0


async def check(
    resolved: ResolvedConfig,
    *,
    offline: bool,
    confirmed: frozenset[str] = frozenset(),
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Counts, the groups that each feed can reach, notes, and with a network every source, contract, reference and store.

    Args:
        resolved: the checked config.
        offline: ask no network.
        confirmed: feeds whose new value may lie far from the running one.
        environ: where passphrases would be.

    Returns:
        A JSON document; ``errors`` is empty where everything fits, ``alarms`` where no reference has drifted far.
    """
    document = _without_network(resolved, environ)
    nameless = [_problem(p) for p in address_problems(resolved.config, environ)]
    document["errors"] += nameless
    if not offline and not nameless:
        patience_s = max(VENUES_S, _TIMEOUT_S * max(1, len(resolved.config.chains)))
        try:
            async with asyncio.timeout(patience_s):
                await _sources(resolved, resolved.config.catalog, confirmed, document)
                document["trust"] = await trust_documents(resolved)
                problems, notes = await _stores(resolved)
                unsigned, signed = await remote_key_findings(resolved.config, environ)
                unproven = await watch_problems_on_chain(resolved.config)
                unpaid, paying = await rewards_findings(resolved.config)
                serving = await node_findings(resolved.config, now_ms() // MS)
                document["alarms"] += serving.alarms
                document["errors"] += [
                    _problem(p) for p in (*problems, *unsigned, *unproven, *unpaid, *serving.problems)
                ]
                hints = await shared_host_notes(resolved.config, environ), await shared_party_notes(resolved)
                document["notes"] += [*notes, *signed, *paying, *serving.notes, *hints[0], *hints[1]]
        except TimeoutError:
            text = f"not everything was checked: the endpoints took more than {patience_s:g} s; run this again, or change endpoints"
            document["errors"].append(_problem(Problem("chains", text)))
    return document


def _without_network(resolved: ResolvedConfig, environ: Mapping[str, str]) -> dict[str, Any]:
    """What the config and this machine's files say by themselves."""
    catalog = resolved.config.catalog
    return {
        "counts": {**catalog.counts(), "venues": len(EXCHANGES), "feeds": len(resolved.specs)},
        "own_records": catalog.own_counts(),
        "pools_by_family": catalog.families(),
        "in_use": _in_use(resolved),
        "feeds": [_feed(resolved, name) for name in resolved.specs],
        "off": [{"feed": n, "reason": f.reason or ""} for n, f in resolved.config.feeds.items() if f.off],
        "schedules": list(schedule_rows(resolved, now_ms() // MS)),
        "notes": [
            *_notes(resolved),
            *schedule_notes(resolved),
            *config_notes(resolved.config, environ),
            *remote_key_notes(resolved.config),
            *key_file_notes(resolved.config),
            *database_notes(resolved),
            *network_notes(resolved.config),
            *rewards_notes(resolved.config, environ),
            *one_party_notes(resolved.config),
            *_unheld(resolved),
            *one_group_notes(resolved.config, group_counts(resolved.specs)),
            *provider_notes(resolved.config, fill_from(environ)),
            *literal_notes(resolved.config),
        ],
        "reads": [],
        "sources": [],
        "sequencers": [],
        "clocks": {},
        "drift": [],
        "alarms": [],
        "trust": [],
        "errors": [
            _problem(p)
            for p in (
                *config_problems(resolved, environ),
                *remote_key_file_problems(resolved.config),
                *network_file_problems(resolved.config),
                *watch_file_problems(resolved.config, environ),
                *rewards_file_problems(resolved.config, environ),
            )
        ],
    }


def _problem(problem: Problem) -> dict[str, str]:
    return {"key": problem.key, "text": problem.text}


def _unheld(resolved: ResolvedConfig) -> Iterator[str]:
    """Sources whose symbol does not say what it is about."""
    for source in resolved.sources:
        if source.unheld:
            yield (
                f"{source.feed}: {source.venue} {source.symbol} is {source.spec.pair} because the file says so: its spelling"
                " does not, look at the venue's list"
            )


def _notes(resolved: ResolvedConfig) -> list[str]:
    notes: list[str] = []
    if resolved.config.node.operators and not resolved.config.operators:
        notes.append("a node: `lrt-oracle serve` serves what operators sealed; with `run` it runs dry beside that")
    elif not resolved.config.operators:
        notes.append("no operators: the process runs dry, prices are served but not signed")
    if not resolved.config.targets:
        notes.append("no targets: nothing is pushed")
    if resolved.config.oracle.scaled_times:
        notes.append("scaled_times: windows and dwells may be too short for real money")
    if own := resolved.config.catalog.own_counts():
        listed = ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in own.items() if kind != "replaced")
        notes.append(f"own catalogue: {listed}; {own['replaced']} of them changing or replacing a shipped one")
        notes += resolved.config.catalog.revived
    return notes + [doubt for source in resolved.sources for doubt in source.doubts]


def _in_use(resolved: ResolvedConfig) -> dict[str, int]:
    kinds = [p.spec.kind for p in resolved.sources]
    return {
        "venues": len({p.venue for p in resolved.sources if p.venue}),
        "pools": sum(1 for p in resolved.sources if p.adapter and p.spec.kind is Kind.MARKET),
        "rates": kinds.count(Kind.REDEMPTION),
        "references": kinds.count(Kind.REFERENCE),
        "chains": len(resolved.config.chains),
    }


def _pushed(resolved: ResolvedConfig) -> str:
    """What becomes of a feed that goes on chain."""
    have = {"operators": resolved.config.operators, "targets": resolved.config.targets}
    missing = " and ".join(f"[{what}]" for what, there in have.items() if not there)
    return f"served; signed and pushed once there are {missing}" if missing else "signed and pushed"


def _feed(resolved: ResolvedConfig, name: str) -> dict[str, Any]:
    spec, section = resolved.specs[name], resolved.config.feeds[name]
    groups = reachable_groups(spec)
    use = _pushed(resolved) if name in resolved.pushed else "reference only: served, not on chain"
    if section.reference_only and section.reason:
        use += f": {section.reason}"
    if spec.is_cross:
        use = f"product of {' and '.join(spec.legs)}"
    elif not spec.has_market:
        use = f"redemption rate alone; {use}"
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


async def _sources(
    resolved: ResolvedConfig, catalog: Catalog, confirmed: frozenset[str], document: dict[str, Any]
) -> None:
    """Ask every chain and every venue once, then check all values together."""
    compared = {name: comparisons(catalog, resolved, name) for name in resolved.config.chains}
    asked, readings = await asyncio.gather(ask_venues(resolved), _chains(resolved, catalog, compared))
    on_chains = [v for c in readings.values() for v in c.values]
    venues = venue_values(resolved, asked)
    problems = [p for c in readings.values() for p in c.problems]
    problems += value_problems(catalog, resolved, [*on_chains, *venues.values], _running(resolved), confirmed)
    table = source_table(resolved, said_by([*on_chains, *venues.values]), {**chain_errors(readings), **venues.errors})
    problems += [*venues.problems, *distance_problems(resolved, table)]
    _note_sources(document, table)
    own = chain_prices(resolved, on_chains)
    for name, chain in readings.items():
        document["reads"] += _reads(name, chain)
        if chain.head is None:
            continue
        for row in divergence_rows(resolved, own, compared[name], chain.references):
            _note_drift(document, name, row)
    uptimes = [c.sequencer for c in readings.values() if c.sequencer is not None]
    document["sequencers"] = [u.document() for u in uptimes]
    document["notes"] += [*(n for u in uptimes if (n := u.note())), *venues.notes, *asked.clock_notes()]
    document["clocks"] = dict(asked.clocks)
    document["in_use"]["contracts"] = sum(c.contracts for c in readings.values())
    document["errors"] += [_problem(p) for p in problems]


async def _chains(
    resolved: ResolvedConfig, catalog: Catalog, compared: Mapping[str, tuple[ReferenceComparison, ...]]
) -> dict[str, ChainReadings]:
    """Read every chain, all at once."""
    async with aiohttp.ClientSession() as session:
        probes = [ChainProbe(n, s, session) for n, s in resolved.config.chains.items()]
        reading = [
            read_chain(
                p, resolved, catalog, reads_of(compared[p.name]), sequencer_of(catalog, resolved.config.chains[p.name])
            )
            for p in probes
        ]
        return dict(zip(resolved.config.chains, await asyncio.gather(*reading), strict=True))


def _note_sources(document: dict[str, Any], table: SourceTable) -> None:
    """Every source beside its feed, and of each feed how many groups really answered."""
    document["sources"] = [row.document() for row in table.rows]
    for feed in document["feeds"]:
        answered, price = table.answered(feed["feed"]), table.market.get(feed["feed"])
        feed["groups_answered"] = len(answered)
        feed["silent_groups"] = [g for g in feed["groups"] if g not in answered]
        feed["price"] = None if price is None else wad_text(price)


def _reads(chain: str, readings: ChainReadings) -> list[dict[str, Any]]:
    return [
        {"chain": chain, "feed": v.source.feed, "source": v.source.spec.name, "kind": v.source.spec.kind.value,
         "pair": str(v.source.spec.pair), "price": wad_text(v.price_wad)}
        for v in readings.values
    ]  # fmt: skip


def _note_drift(document: dict[str, Any], chain: str, row: Any) -> None:
    if not isinstance(row, Divergence):
        comparison, error = row
        document["drift"].append(
            {"feed": comparison.feed, "reference": comparison.reference.name, "chain": chain, "error": _why(error)}
        )
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
    document["drift"].append(shown)
    if row.alarm:
        document["alarms"].append(
            f"{row.source} lies {row.drift_bps} bps from our {row.against.value} price of {row.feed}"
        )


def _why(error: FeedError) -> str:
    return f"{error}; {error.advice}"


def _running(resolved: ResolvedConfig) -> Mapping[str, Report]:
    """The last record of each feed that is stored."""
    with stored_database(resolved) as database:
        records = {f: database.record(f) for f in resolved.specs} if database is not None else {}
    return {f: r.report for f, r in records.items() if r is not None}


async def _stores(resolved: ResolvedConfig) -> tuple[list[Problem], list[str]]:
    """Chain, code, signers, feeds, money and time of every target, and what its store holds of ours."""
    problems: list[Problem] = []
    readiness: list[PushReadiness] = []
    for name, target in resolved.config.targets.items():
        chain = resolved.config.chains[target.chain]
        domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
        client = StoreClient(chain.endpoints, domain, None, max_fee_gwei=0)
        try:
            readiness.append(target_readiness := await readiness_of(resolved, name, client))
            known = await client.feeds()
            problems += target_readiness.problems
            problems += await _stored_values(resolved, client, {f: i for f, i in known.items() if f in resolved.pushed})
        except (ChainError, FeedError, aiohttp.ClientError, OSError) as e:
            problems.append(Problem(f"targets.{name}", str(e)))
        finally:
            await client.close()
    if len(readiness) == len(resolved.config.targets):  # one that could not be read may know the key
        problems += unknown_key_problems(resolved.config, readiness)
    return problems, [note for one in readiness for note in one.notes]


async def _stored_values(resolved: ResolvedConfig, client: StoreClient, indexes: Mapping[str, int]) -> list[Problem]:
    problems: list[Problem] = []
    with stored_database(resolved) as database:
        for feed, index in indexes.items():
            held = await client.stored(index) if database is not None else None
            ours = database.record(feed, held.round_time_s) if database is not None and held is not None else None
            if held is not None and ours is not None:
                problems += stored_value_problems(feed, index, held, ours.report)
    return problems
