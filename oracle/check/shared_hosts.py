"""Whether servers of different names are one machine: what their names resolve to. A hint, for a CDN is one address of many."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from itertools import combinations

from feeds.exchanges.json_http import JsonVenue
from feeds.registry import EXCHANGES
from feeds.types import Kind
from oracle.config.check_addresses import apart_by_name, fill_from, shown
from oracle.config.resolve import ResolvedConfig
from oracle.config.sections import Config
from oracle.config.source_plans import SourcePlan
from oracle.config.tables.providers import server_of

_PATIENCE_S = 5.0

Resolve = Callable[[str], Awaitable[frozenset[str]]]
"""The IP addresses of a host; none where it cannot be resolved."""


async def resolved_by_system(host: str) -> frozenset[str]:
    """What the system's resolver says."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return frozenset()
    return frozenset(str(entry[4][0]) for entry in found)


async def shared_host_notes(
    config: Config, environ: Mapping[str, str] | None = None, resolve: Resolve = resolved_by_system
) -> list[str]:
    """Servers of one list that two providers seem to run, and whose names lead to one address and port."""
    pairs = [(listed, server_of(a), server_of(b), a, b) for listed, a, b in apart_by_name(config, fill_from(environ))]
    addresses = await _resolved({host for _, a, b, _, _ in pairs for host in (a[0], b[0])}, resolve)
    notes = []
    for listed, (host, port, *_), (other_host, other_port, *_), one, other in pairs:
        common = addresses[host] & addresses[other_host]
        if common and port == other_port:
            notes.append(
                f"{listed.where}: {shown(one)} and {shown(other)} lead to one address, {min(common)}: one machine, or one"
                " front of several providers; ask them which"
            )
    return notes


async def shared_party_notes(resolved: ResolvedConfig, resolve: Resolve = resolved_by_system) -> list[str]:
    """Sources over JSON that are another group than some source of their feed, and whose host leads to the same address."""
    market = [(p, url) for p in resolved.sources if p.spec.kind is Kind.MARKET and (url := _asked(resolved, p))]
    pairs = [
        (one, url, other, other_url)
        for (one, url), (other, other_url) in combinations(market, 2)
        if one.feed == other.feed
        and one.spec.group != other.spec.group
        and (isinstance(one.pull, JsonVenue) or isinstance(other.pull, JsonVenue))
        and server_of(url)[1] == server_of(other_url)[1]
    ]
    addresses = await _resolved({server_of(u)[0] for _, url, _, other in pairs for u in (url, other)}, resolve)
    notes = []
    for one, url, other, other_url in pairs:
        host, other_host = server_of(url)[0], server_of(other_url)[0]
        if common := addresses[host] & addresses[other_host]:
            notes.append(
                f"{one.feed}: {one.spec.name} and {other.spec.name} count as two groups, and {host} and {other_host} lead to"
                f" one address, {min(common)}: where one party runs both, write the same group for both"
            )
    return notes


def _asked(resolved: ResolvedConfig, source: SourcePlan) -> str | None:
    """Where a source is asked for its price over HTTP; None for a pool, and for what a library asks."""
    if isinstance(source.pull, JsonVenue):
        return source.pull.source.url
    if source.venue is None or source.venue not in EXCHANGES:
        return None
    section = resolved.config.venues.get(source.venue)
    return (section.rest_url if section else None) or EXCHANGES[source.venue].rest_url


async def _resolved(hosts: set[str], resolve: Resolve) -> dict[str, frozenset[str]]:
    return dict(zip(hosts, await asyncio.gather(*map(resolve, hosts)), strict=True))
