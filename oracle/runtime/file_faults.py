"""What is wrong with a file of this process when SQLite or the system refuses it, and what to do about it."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass
from enum import StrEnum


class FileFaultKind(StrEnum):
    """In one of a few words: they label a metric."""

    DISK_FULL = "disk_full"
    READ_ONLY = "read_only"
    DAMAGED = "damaged"
    DISK_ERROR = "disk_error"
    BUSY = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFault:
    """What is wrong. ``advice``: a sentence on what to do. ``passes``: whether it may be over by itself."""

    kind: FileFaultKind
    advice: str
    passes: bool = True


_FAULTS = {
    FileFaultKind.DISK_FULL: FileFault(
        kind=FileFaultKind.DISK_FULL,
        advice="the disk is full: make room; it goes on by itself once there is some",
    ),
    FileFaultKind.READ_ONLY: FileFault(
        kind=FileFaultKind.READ_ONLY,
        advice="the file or its disk cannot be written to: look at its rights and at how the disk is mounted (a disk with faults"
        " is mounted read only by the system: see its log); it goes on by itself once it can be written",
    ),
    FileFaultKind.DAMAGED: FileFault(
        kind=FileFaultKind.DAMAGED,
        advice="the file is damaged: stop the process and follow docs/upgrade.md, A damaged file",
        passes=False,
    ),
    FileFaultKind.DISK_ERROR: FileFault(
        kind=FileFaultKind.DISK_ERROR,
        advice="the disk refuses to read or write: see the system's log; it goes on by itself once the disk answers",
    ),
    FileFaultKind.BUSY: FileFault(
        kind=FileFaultKind.BUSY,
        advice="another process holds the file: see which one has it open",
    ),
}
_BY_SQLITE = {
    sqlite3.SQLITE_FULL: FileFaultKind.DISK_FULL,
    sqlite3.SQLITE_READONLY: FileFaultKind.READ_ONLY,
    sqlite3.SQLITE_PERM: FileFaultKind.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: FileFaultKind.READ_ONLY,
    sqlite3.SQLITE_CORRUPT: FileFaultKind.DAMAGED,
    sqlite3.SQLITE_NOTADB: FileFaultKind.DAMAGED,
    sqlite3.SQLITE_IOERR: FileFaultKind.DISK_ERROR,
    sqlite3.SQLITE_BUSY: FileFaultKind.BUSY,
    sqlite3.SQLITE_LOCKED: FileFaultKind.BUSY,
}
_BY_SYSTEM = {
    errno.ENOSPC: FileFaultKind.DISK_FULL,
    errno.EDQUOT: FileFaultKind.DISK_FULL,
    errno.EFBIG: FileFaultKind.DISK_FULL,
    errno.EROFS: FileFaultKind.READ_ONLY,
    errno.EIO: FileFaultKind.DISK_ERROR,
}


def file_fault(error: BaseException | None) -> FileFault | None:
    """What is wrong with the file that an error is about; None where it is about no file. Causes count too."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind = _kind(error)
        if kind is not None:
            return _FAULTS[kind]
        error = error.__cause__ or error.__context__
    return None


def is_damage(error: BaseException) -> bool:
    """Whether it says that a file is not whole."""
    fault = file_fault(error)
    return fault is not None and fault.kind is FileFaultKind.DAMAGED


def _kind(error: BaseException) -> FileFaultKind | None:
    if isinstance(error, sqlite3.Error):
        return _BY_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return _BY_SYSTEM.get(error.errno or 0) if isinstance(error, OSError) else None
