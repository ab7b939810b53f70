"""Clients of a served endpoint, by its limits."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from oracle.serve.events import StreamLimits
from tests.oracle.serve.endpoint_client import Client, served
from tests.oracle.serve.memory_service import filled


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    limits = StreamLimits(readers=3, backlog_bytes=100_000, stall_s=60.0, heartbeat_s=0.1, grace_s=0.5)
    async for client in served(filled(), limits=limits, cors_origins=("https://app.example",)):
        yield client


@pytest.fixture
async def plain() -> AsyncIterator[Client]:
    async for client in served(filled()):
        yield client


@pytest.fixture
async def impatient() -> AsyncIterator[Client]:
    """Readers may have any backlog, but must take something of it soon."""
    async for client in served(filled(), limits=StreamLimits(backlog_bytes=1 << 40, stall_s=0.3)):
        yield client
