"""How an archive stands, seen from outside: whether it answers, what of it is there, and what this role may do. Only read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oracle.archive.link import SCHEMA, ArchiveFault, connected, fault_text, faults
from oracle.archive.migrations import OLDEST_SERVER, VERSION

_TABLES = ("versions", "domains", "rounds", "prices", "status_changes", "minutes", "hours")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStanding:
    """One look.

    Attributes:
        server: version of PostgreSQL, as 150004.
        version: of the archive's schema; None: it is not made, or this role cannot read it.
        may_make: whether this role may make the schema, or write to what is there.
        unreadable: tables that are there and that this role may not read.
        newest_s: round_time_s of the newest round of each store, by `chain_id/0xstore`; None before the first.
    """

    server: int
    version: int | None
    may_make: bool
    unreadable: tuple[str, ...]
    newest_s: dict[str, int | None]

    @property
    def is_too_old(self) -> bool:
        """Whether no archive can be made on this server."""
        return self.server < OLDEST_SERVER

    @property
    def is_later(self) -> bool:
        """Whether a later version of this program has made it."""
        return self.version is not None and self.version > VERSION


async def standing_of(dsn: str) -> ArchiveStanding:
    """Look at an archive.

    Raises:
        ArchiveFault: the library is missing, or PostgreSQL does not answer.
    """
    connection = await connected(dsn, read_only=True, statement_s=10)
    try:
        return await _look(connection)
    except faults() as e:
        raise ArchiveFault(fault_text(e)) from None
    finally:
        connection.terminate()


async def _look(connection: Any) -> ArchiveStanding:
    server = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
    rights = await connection.fetch(
        "SELECT t.name, has_table_privilege(c.oid, 'SELECT') AS reads, has_table_privilege(c.oid, 'INSERT') AS writes"
        " FROM unnest($2::text[]) WITH ORDINALITY t (name, place) JOIN pg_class c ON c.relname = t.name"
        " JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1 ORDER BY t.place",
        SCHEMA, list(_TABLES),
    )  # fmt: skip
    if not rights:
        may_make = await connection.fetchval("SELECT has_database_privilege(current_database(), 'CREATE')")
        return ArchiveStanding(server=server, version=None, may_make=bool(may_make), unreadable=(), newest_s={})
    uses = await connection.fetchval("SELECT has_schema_privilege($1, 'USAGE')", SCHEMA)
    unreadable = tuple(r["name"] for r in rights if not (uses and r["reads"]))
    writes = bool(uses) and all(r["writes"] for r in rights)
    if unreadable:
        return ArchiveStanding(server=server, version=None, may_make=writes, unreadable=unreadable, newest_s={})
    version = await connection.fetchval("SELECT coalesce(max(version), 0) FROM versions")
    stores = await connection.fetch("SELECT chain_id, store, newest_s FROM domains")
    newest_s = {f"{int(r['chain_id'])}/0x{bytes(r['store']).hex()}": r["newest_s"] for r in stores}
    return ArchiveStanding(server=server, version=int(version), may_make=writes, unreadable=(), newest_s=newest_s)
