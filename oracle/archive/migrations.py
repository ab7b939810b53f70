"""The schema of an archive, and bringing an older one up to date: forward only, all of it or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oracle.archive.link import SCHEMA, ArchiveFault

_FOLDER = Path(__file__).parent / "sql"
STEPS = tuple(sorted(_FOLDER.glob("*.sql")))
"""One file a version, in their order. What was released is never changed: what follows is a file of its own."""
VERSION = len(STEPS)
OLDEST_SERVER = 150_000


async def bring_up_to_date(connection: Any) -> int:
    """Make the schema, or bring it up to date; from which version (0: there was none).

    Raises:
        ArchiveFault: a later version has made it, or the server is too old.
    """
    if (server := int(await connection.fetchval("SELECT current_setting('server_version_num')"))) < OLDEST_SERVER:
        raise ArchiveFault(f"PostgreSQL {server // 10_000} is too old: an archive needs 15 or later")
    async with connection.transaction():
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS versions (version integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"
        )
        await connection.execute("LOCK TABLE versions IN EXCLUSIVE MODE")
        before = await version_of(connection)
        for number, step in enumerate(STEPS, start=1):
            if number > before:
                await connection.execute(step.read_text(encoding="utf-8"))
                await connection.execute("INSERT INTO versions (version) VALUES ($1)", number)
    return before


async def version_of(connection: Any) -> int:
    """The version of an archive.

    Raises:
        ArchiveFault: a later version of this program has made it.
    """
    found = int(await connection.fetchval("SELECT coalesce(max(version), 0) FROM versions"))
    if found > VERSION:
        raise ArchiveFault(f"the archive is of version {found}, and this program knows {VERSION}: install a later one")
    return found
