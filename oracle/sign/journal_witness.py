"""A witness of a sign journal: how often its key has signed, kept where no snapshot of journals and database reaches.

A journal that was restored from a snapshot knows less than the key has signed. The database shows that only if it is not
from the same snapshot; a witness outside of it always does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from feeds.errors import LrtOracleError
from oracle.runtime.private_files import private_folder

_SEALED = "sealed"
"""A third word: versions that do not know it take the file for damaged, and sign nothing."""
_BYTES = 64
"""Written at once and in place: no line is ever half an old and half a new one."""


class WitnessError(LrtOracleError, RuntimeError):
    """The witness cannot be read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessNote:
    """``writes``: how often the key's journal was written to. ``round_s``: newest round_time that was ever in it.

    ``sealed``: it was sealed then, for its key signs on another machine: no copy of it signs here any more.
    """

    writes: int
    round_s: int
    sealed: bool = False


class JournalWitness:
    """The file of one key. Processes that share a journal share it; it never goes back.

    Args:
        folder: made if it is not there.
        address: the key's 20-byte address.

    Raises:
        WitnessError: it cannot be opened.
    """

    def __init__(self, folder: Path, address: bytes) -> None:
        self.path = folder / f"0x{address.hex()}.said"
        try:
            private_folder(folder)
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as e:
            raise WitnessError(f"{self.path}: {e.strerror}: name another folder in oracle.witness") from e

    def read(self) -> WitnessNote | None:
        """What was noted last; None if it is new.

        Raises:
            WitnessError: it is damaged.
        """
        text = os.pread(self._handle, _BYTES, 0).decode(errors="replace").split()
        if not text:
            return None
        sealed = text[2:] == [_SEALED]
        with contextlib.suppress(ValueError):
            writes, round_s = (int(word) for word in (text[:2] if sealed else text))
            return WitnessNote(writes=writes, round_s=round_s, sealed=sealed)
        raise WitnessError(f"{self.path} is damaged: remove it once you know that no journal was restored")

    def sealed_writes(self) -> int:
        """How often the key had signed when its journal here was sealed; 0 where it is not.

        Raises:
            WitnessError: it is damaged.
        """
        note = self.read()
        return note.writes if note is not None and note.sealed else 0

    def write(self, note: WitnessNote) -> None:
        """Note it, unless more is noted already, and return once it is on disk.

        Raises:
            WitnessError: it cannot be written.
        """
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            before = self.read()
            if before is None or before.writes < note.writes:
                newest_s = max(note.round_s, before.round_s if before is not None else 0)
                sealed = f" {_SEALED}" if note.sealed else ""
                os.pwrite(self._handle, f"{note.writes} {newest_s}{sealed}\n".ljust(_BYTES).encode(), 0)
                os.fdatasync(self._handle)
        except OSError as e:
            raise WitnessError(f"{self.path}: {e.strerror}") from e
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def witness_fault(folder: Path) -> str:
    """Why no witness can be kept in a folder, with what to do, as far as can be told without writing; "" where one can."""
    there = next((f for f in (folder, *folder.absolute().parents) if f.exists()), Path("/"))
    if not there.is_dir():
        why = f"{there} is no folder"
    elif not os.access(there, os.W_OK | os.X_OK):
        why = f"this user may not write to {there}"
    elif _keeps_no_files(there):
        why = f"{there} is the system's own and keeps no files"
    else:
        return ""
    return f"no witness can be kept in {folder}, for {why}: name another folder in oracle.witness"


def _keeps_no_files(folder: Path) -> bool:
    """Whether it is of a file system without room for anything, as /proc and /sys are: root may write there, and cannot."""
    system = os.statvfs(folder)
    return not system.f_blocks and not system.f_files


def witness_folder(configured: str, environ: Mapping[str, str]) -> Path | None:
    """Where witnesses are: as the config says, else with the user's other state. None where neither is known."""
    if configured:
        return Path(configured)
    if state := environ.get("XDG_STATE_HOME"):
        return Path(state) / "lrt-oracle"
    return Path(home) / ".local/state/lrt-oracle" if (home := environ.get("HOME")) else None
