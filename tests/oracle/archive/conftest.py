"""One PostgreSQL server for the tests of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.oracle.archive.postgres_process import PostgresProcess


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    made = PostgresProcess()
    asyncio.run(made.start())
    yield made
    asyncio.run(made.end())


@pytest.fixture
async def dsn(postgres: PostgresProcess) -> str:
    return await postgres.new_database()
