"""Locks: one process for a database, and one journal for a report key, however many processes on a machine use its keyfile.

Two journals would let a key sign two values for one feed and round, and neither would notice. The journal itself may be
shared: SQLite lets one process after the other write, and the second one finds what the first has signed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from feeds.errors import LrtOracleError
from oracle.runtime.private_files import private_folder
from oracle.sign.keyfiles import KeyfileError


class DatabaseInUse(LrtOracleError, RuntimeError):
    """Another process writes rounds into this database."""


@contextmanager
def sole_writer(database: Path | str) -> Iterator[None]:
    """Be the one process that writes rounds into a database; others may read it meanwhile.

    Two locks (flock: advisory, on one machine; they end with the process, however that ends). One is on the file itself,
    made empty if it is not there, so that no other name of it leads around it. SQLite's own locks on it are of another kind
    (fcntl) and would go with the handle: it is released last, after the database is closed. One is on ``NAME.lock`` beside
    it, with the pid: it stays where the database is replaced by another file.

    Raises:
        DatabaseInUse: another process has it; the error names its pid.
    """
    path = Path(database).resolve()
    private_folder(path.parent)
    with ExitStack() as handles:
        beside = _opened(handles, path.with_name(f"{path.name}.lock"))
        file = _opened(handles, path)
        try:
            for handle in (file, beside):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(beside, 20, 0).decode(errors="replace").strip() or "unknown"
            raise DatabaseInUse(
                f"{path} is in use by process {holder}: one database has one process. Stop that one, or give this one"
                " another oracle.database"
            ) from None
        os.ftruncate(beside, 0)
        os.pwrite(beside, f"{os.getpid()}\n".encode(), 0)
        yield


def _opened(handles: ExitStack, path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    handles.callback(os.close, handle)
    return handle


class JournalInUse(LrtOracleError, RuntimeError):
    """A process signs with this journal."""


@contextmanager
def sole_journal(journal: Path) -> Iterator[None]:
    """Nobody else has a journal meanwhile. One that is not there is nobody's.

    Raises:
        JournalInUse: a process signs with it.
    """
    if not journal.exists():
        yield
        return
    handle = os.open(journal, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise JournalInUse(f"{journal} is in use by a process that signs: stop that one first") from None
    finally:
        os.close(handle)


class KeyLock:
    """Keyfile and journal, held by this process until it closes them or ends.

    Locks are advisory (flock) and hold on one machine; a copy of the keyfile is another file. The journal's is on the file
    itself, by whatever name it is reached. SQLite's own locks on it would go with the handle: it is made before the journal
    is opened, and released after that is closed.

    Args:
        keyfile: of a report key; it must exist.
        journal: what the key has signed, as this process will open it; an empty one is made if it is not there.

    Raises:
        KeyfileError: another process uses the keyfile with another journal.
    """

    def __init__(self, keyfile: Path, journal: Path) -> None:
        self._journal = os.open(journal, os.O_RDWR | os.O_CREAT, 0o600)
        self._keyfile = os.open(keyfile, os.O_RDONLY)
        _lock_shared(self._journal)  # first the journal: another user of the key finds it in use, or has another one
        if not _lock_shared(self._keyfile) and _lock_shared(self._journal):
            self.close()
            raise KeyfileError(
                f"{keyfile} is in use by another process with another journal than {journal}: one key with two journals"
                " signs two things and is slashed. Give both processes the same journal, or this one no report key"
            )

    def close(self) -> None:
        """Release both locks."""
        os.close(self._journal)
        os.close(self._keyfile)


def _lock_shared(handle: int) -> bool:
    """Lock a file together with others that lock it so; whether no other does."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(handle, fcntl.LOCK_SH)
        return False
    fcntl.flock(handle, fcntl.LOCK_SH)
    return True
