"""Files and folders that nobody but their owner may read, whatever the umask: keys, journals, databases."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

_OTHERS = 0o077
_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite writes beside a file, with that file's own rights."""
_log = structlog.get_logger("oracle.runtime.private_files")


def private_folder(folder: Path) -> None:
    """Make a folder, with those above it that are missing. One that is there may hold other things, and stays as it is."""
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    for new in reversed(missing):
        new.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(exist_ok=True)  # a file of this name is no folder


def private_file(path: Path) -> None:
    """Make a file in a private folder, empty, or take away what others may do with one that is there.

    One that is there is not opened: closing it would end SQLite's locks on it in this process. What cannot be changed, as on a
    disk that is read only, stays as it is.
    """
    if not path.exists():
        private_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    for file in (path, *(path.with_name(f"{path.name}{end}") for end in _BESIDE)):
        _narrow(file)


def readable_by_others(path: Path) -> bool:
    """Whether others than its owner may do anything with a file."""
    return path.is_file() and bool(path.stat().st_mode & _OTHERS)


def _narrow(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        if not mode & _OTHERS:
            return
        path.chmod(mode & ~_OTHERS & 0o7777)
    except FileNotFoundError:
        return
    except OSError as e:
        _log.warning("others may read a file, and it cannot be changed", file=str(path), why=e.strerror)
        return
    _log.warning(
        "others could read a file: now its owner alone may", file=str(path), was=f"{mode & 0o777:o}", news=True
    )
