"""What the doctor finds of an archive: its database, how far it is behind, and the folder of its Parquet files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from oracle.archive.link import ArchiveFault
from oracle.archive.standing import ArchiveStanding, standing_of
from oracle.config.sections import Config
from oracle.doctor.findings import HealthFinding, critical, info, ok, warning

_LATE_S = 600
_LEAST_BYTES = 1 << 30
_RUN = "is `lrt-oracle archive` running, and do the operators that it follows answer (`--only node`)?"


async def look_at_archive(config: Config, now_s: int) -> list[HealthFinding]:
    """All of the archive that this config writes to, or that its node reads."""
    found: list[HealthFinding] = []
    places = (("archive.dsn", config.archive.dsn, True), ("node.archive", config.node.archive, False))
    for key, dsn, writes in places:
        if dsn is None:
            continue
        try:
            standing = await standing_of(dsn)
        except ArchiveFault as e:
            advice = "start PostgreSQL, or mend the address, user or password of the key (docs/archive.md)"
            found.append(critical("archive", f"{key}: {e}", advice))
            continue
        found += standing_findings(key, standing, now_s, writes=writes)
    if config.archive.parquet is not None:
        found += folder_findings(Path(config.archive.parquet))
    return found or [info("archive", "no archive is named")]


def standing_findings(key: str, seen: ArchiveStanding, now_s: int, *, writes: bool) -> Iterator[HealthFinding]:
    """What is wrong with an archive's database, for who writes to it or reads it. Pure."""
    if seen.is_too_old:
        text = f"{key}: PostgreSQL {seen.server // 10_000} is too old"
        yield critical("archive", text, "an archive needs 15 or later: take a newer server")
        return
    if seen.is_later:
        text = f"{key}: a later version of this program made the archive (schema {seen.version})"
        yield critical("archive", text, "install that version or a later one here")
        return
    if seen.unreadable:
        text = f"{key}: this user may not read {', '.join(seen.unreadable)}"
        yield critical("archive", text, "GRANT USAGE ON SCHEMA and SELECT ON ALL TABLES (docs/archive.md)")
        return
    if writes and not seen.may_make:
        what = "make the schema" if seen.version is None else "write to it"
        yield critical("archive", f"{key}: this user may not {what}", "give it the database (docs/archive.md)")
    if seen.version is None:
        text = f"{key}: the database answers, and has no archive yet"
        yield info("archive", text) if writes else warning("archive", text, "start `lrt-oracle archive` beside it")
        return
    for store, newest_s in seen.newest_s.items():
        if newest_s is None:
            yield warning("archive", f"{key}: no round of {store} yet", _RUN)
        elif now_s - newest_s > _LATE_S:
            yield warning("archive", f"{key}: the newest round of {store} is {now_s - newest_s} s old", _RUN)
        else:
            yield ok("archive", f"{key}: rounds of {store} up to {now_s - newest_s} s ago")
    if not seen.newest_s:
        yield warning("archive", f"{key}: no store's rounds are in it yet", _RUN)


def folder_findings(folder: Path) -> Iterator[HealthFinding]:
    """The folder of Parquet files: whether it can be written to, and room."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not there.is_dir():
        yield critical("archive", f"archive.parquet: {there} is a file", "name a folder, or remove it")
    elif not os.access(there, os.W_OK | os.X_OK):
        advice = "give it to the user that runs the archive, or name another folder"
        yield critical("archive", f"archive.parquet: {there} cannot be written to", advice)
    elif (free := shutil.disk_usage(there).free) < _LEAST_BYTES:
        text = f"archive.parquet: {free >> 20} MiB are left at {there}"
        yield warning("archive", text, "make room, or move older days elsewhere: they are never written again")
    else:
        yield ok("archive", f"archive.parquet: {free >> 30} GiB are left at {there}")
