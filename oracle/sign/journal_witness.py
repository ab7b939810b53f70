"""A witness of a sign journal: how much its key has said, kept where no snapshot of journals and database reaches.

A journal that was restored from a snapshot knows less than the key has said. Beside it that cannot be seen when the
database comes from the same snapshot; from outside it can.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from feeds.errors import LrtOracleError

_BYTES = 64
"""Written at once and in place: no line is ever half an old and half a new one."""


class WitnessError(LrtOracleError, RuntimeError):
    """The witness cannot be read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessNote:
    """``writes``: how often the key's journal was written to. ``round_s``: newest round_time that was ever in it."""

    writes: int
    round_s: int


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
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as e:
            raise WitnessError(f"{self.path}: {e.strerror}: name another folder in oracle.sign.journal_witness") from e

    def told(self) -> WitnessNote | None:
        """What it says; None if it is new.

        Raises:
            WitnessError: it is damaged.
        """
        text = os.pread(self._handle, _BYTES, 0).decode(errors="replace").split()
        if not text:
            return None
        with contextlib.suppress(ValueError):
            writes, round_s = (int(word) for word in text)
            return WitnessNote(writes=writes, round_s=round_s)
        raise WitnessError(f"{self.path} is damaged: remove it once you know that no journal was restored")

    def tell(self, told: WitnessNote) -> None:
        """Write it down, and return once it is on disk.

        Raises:
            WitnessError: it cannot be written.
        """
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            before = self.told()
            if before is None or before.writes < told.writes:
                newest_s = max(told.round_s, before.round_s if before is not None else 0)
                os.pwrite(self._handle, f"{told.writes} {newest_s}\n".ljust(_BYTES).encode(), 0)
                os.fdatasync(self._handle)
        except OSError as e:
            raise WitnessError(f"{self.path}: {e.strerror}") from e
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def witness_folder(named: str, environ: Mapping[str, str]) -> Path | None:
    """Where witnesses are: as the config names it, else with the user's other state. None where neither is known."""
    if named:
        return Path(named)
    if state := environ.get("XDG_STATE_HOME"):
        return Path(state) / "lrt-oracle"
    return Path(home) / ".local/state/lrt-oracle" if (home := environ.get("HOME")) else None
