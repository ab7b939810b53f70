"""Whether servers of different names are one machine: what their names resolve to. A hint, for a CDN is one address of many."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping

from oracle.config.check_addresses import apart_by_name, fill_from, shown
from oracle.config.sections import Config
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
    hosts = {host for _, a, b, _, _ in pairs for host in (a[0], b[0])}
    addresses = dict(zip(hosts, await asyncio.gather(*map(resolve, hosts)), strict=True))
    notes = []
    for listed, (host, port, *_), (other_host, other_port, *_), one, other in pairs:
        common = addresses[host] & addresses[other_host]
        if common and port == other_port:
            notes.append(
                f"{listed.where}: {shown(one)} and {shown(other)} lead to one address, {min(common)}: one machine, or one"
                " front of several providers; ask them which"
            )
    return notes
