"""`lrt-oracle bench`: what this machine does, as ratios within one run. They are not tests; each has files of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from demo.bench.aggregate import aggregate
from demo.bench.api import api
from demo.bench.chain import chain
from demo.bench.gas import gas
from demo.bench.latency import latency
from demo.bench.public import public
from demo.bench.storage import storage


async def run(what: str) -> dict[str, Any]:
    """Run one benchmark by name; returns its JSON document."""
    benches: Mapping[str, Callable[[], Awaitable[dict[str, Any]]]] = {
        "chain": chain,
        "latency": latency,
        "aggregate": aggregate,
        "api": _api,
        "gas": gas,
        "storage": storage,
    }
    return await benches[what]()


async def _api() -> dict[str, Any]:
    """The operator's own process under its readers, then a public endpoint."""
    return {**await api(), "public": await public()}
