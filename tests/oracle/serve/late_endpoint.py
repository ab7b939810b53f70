"""An endpoint of which the newest round is set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tests.oracle.serve.endpoint_client import Client, served
from tests.oracle.serve.memory_service import filled

INTERVAL_S = 10


@asynccontextmanager
async def endpoint(round_s: int | None) -> AsyncIterator[Client]:
    """An endpoint whose newest round is this one."""
    service = filled()
    service.current_health = replace(service.current_health, round=round_s)
    async with asyncio.timeout(60):
        async for client in served(service, interval_s=INTERVAL_S, cors_origins=("*",)):
            yield client
