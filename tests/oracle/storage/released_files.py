"""Databases and sign journals as a release has left them, made again of what that release itself wrote."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

FOLDER = Path(__file__).parent / "released"


def write_released(release: str, path: Path, *, journal: bool = False) -> Path:
    """Write a release's database, or its sign journal, to a file."""
    name = f"{release}-journal" if journal else release
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(gzip.decompress((FOLDER / f"{name}.sql.gz").read_bytes()).decode())
        connection.execute("PRAGMA journal_mode=WAL")  # as that release leaves them
    return path
