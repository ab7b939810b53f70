"""What the doctor says of an archive: a real PostgreSQL in each state that it can be in."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from oracle.archive.link import SCHEMA
from oracle.archive.standing import ArchiveStanding
from oracle.config.sections import Config
from oracle.config.tables.archive_sections import ArchiveSection
from oracle.config.tables.node_sections import NodeSection
from oracle.doctor.archive import folder_findings, look_at_archive, standing_findings
from oracle.doctor.findings import HealthFinding, Severity
from tests.oracle.archive.archive_world import NOON_S, verified
from tests.oracle.archive.postgres_process import needs_postgres
from tests.oracle.archive.writing import written

NOW_S = NOON_S + 60
STORE = f"{verified(NOON_S).domain.chain_id}/0x{verified(NOON_S).domain.store.hex()}"


def told(found: list[HealthFinding]) -> list[tuple[Severity, str]]:
    assert all(f.advice for f in found if f.severity >= Severity.WARNING)
    assert {f.check for f in found} == {"archive"}
    return [(f.severity, f.text) for f in found]


def of(dsn: str | None = None, reads: str | None = None) -> Config:
    return Config(archive=ArchiveSection(dsn=dsn), node=NodeSection(archive=reads))


async def run(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.mark.loopback
@needs_postgres
async def test_an_archive_is_looked_at_as_its_writer_and_as_its_reader(dsn: str) -> None:
    assert told(await look_at_archive(of(), NOW_S)) == [(Severity.INFO, "no archive is named")]
    nothing_yet = "the database answers, and has no archive yet"
    assert told(await look_at_archive(of(dsn, dsn), NOW_S)) == [
        (Severity.INFO, f"archive.dsn: {nothing_yet}"),
        (Severity.WARNING, f"node.archive: {nothing_yet}"),
    ]
    await written(dsn, [verified(NOON_S)])
    assert told(await look_at_archive(of(dsn), NOW_S)) == [
        (Severity.OK, f"archive.dsn: rounds of {STORE} up to 60 s ago")
    ]
    assert told(await look_at_archive(of(dsn), NOON_S + 601)) == [
        (Severity.WARNING, f"archive.dsn: the newest round of {STORE} is 601 s old")
    ]


@pytest.mark.loopback
@needs_postgres
async def test_a_user_without_rights_a_later_schema_and_a_server_that_is_away(dsn: str) -> None:
    await written(dsn, [verified(NOON_S)])
    user = f"reader_{dsn.rsplit('/', 1)[1]}"
    await run(dsn, f"CREATE ROLE {user} LOGIN")
    theirs = dsn.replace("lrt@", f"{user}@")
    (shut,) = await look_at_archive(of(reads=theirs), NOW_S)
    assert shut.severity is Severity.CRITICAL
    assert "this user may not read versions, domains, rounds" in shut.text
    await run(dsn, f"GRANT USAGE ON SCHEMA {SCHEMA} TO {user}; GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {user}")
    assert [s for s, _ in told(await look_at_archive(of(reads=theirs), NOW_S))] == [Severity.OK]
    assert told(await look_at_archive(of(theirs), NOW_S))[0] == (
        Severity.CRITICAL,
        "archive.dsn: this user may not write to it",
    )
    await run(dsn, f"INSERT INTO {SCHEMA}.versions (version) VALUES (99)")  # noqa: S608 - our own name
    assert told(await look_at_archive(of(dsn), NOW_S)) == [
        (Severity.CRITICAL, "archive.dsn: a later version of this program made the archive (schema 99)")
    ]
    away = "postgresql://lrt@127.0.0.1:1/gone"
    ((severity, text),) = told(await look_at_archive(of(away), NOW_S))
    assert severity is Severity.CRITICAL
    assert text.startswith("archive.dsn: PostgreSQL does not answer: ")


@pytest.mark.parametrize(("server", "bad"), [(149_999, True), (150_000, False)])
def test_a_server_before_15_is_too_old(server: int, bad: bool) -> None:
    seen = ArchiveStanding(server=server, version=None, may_make=True, unreadable=(), newest_s={})
    (found,) = standing_findings("archive.dsn", seen, NOW_S, writes=True)
    assert (found.severity is Severity.CRITICAL) == bad


def test_a_folder_of_files_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert [f.severity for f in folder_findings(tmp_path / "file" / "days")] == [Severity.CRITICAL]
    assert [f.severity for f in folder_findings(tmp_path / "days")] == [Severity.OK]
