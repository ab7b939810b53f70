"""Keys, journals and databases are read by their owner alone, whatever the umask and whatever they were before."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from oracle.runtime.file_faults import FileFaultKind, file_fault
from oracle.runtime.log_output import LogOutput
from oracle.runtime.private_files import private_file
from oracle.sign.journal_witness import JournalWitness
from oracle.sign.key_lock import sole_writer
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database
from oracle.storage.reading import DatabaseReader
from tests.oracle.storage.small_disk import small_disk
from tests.oracle.storage.stored_rounds import FEED, keep


@pytest.fixture(params=[0o000, 0o022, 0o027])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def wide(folder: Path) -> list[str]:
    """What others may do something with."""
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if p.stat().st_mode & 0o077]


@pytest.mark.usefixtures("umask")
def test_what_is_made_is_its_owner_s_alone(tmp_path: Path) -> None:
    root = tmp_path / "data"
    with capture_logs() as logs, sole_writer(root / "db/o.db"):
        database = Database(root / "db/o.db")
        keep(database, range(3))
        private_file(root / "journals/deep/j.db")
        journal = SignJournal(root / "journals/deep/j.db", b"a" * 20, now_ms=0, mute_ms=0, newborn=True)
        JournalWitness(root / "witness/of", b"a" * 20).close()
        made = {p.name for p in root.rglob("*")}
        assert {"o.db", "o.db-wal", "o.db-shm", "o.db.lock", "j.db", "j.db-wal", "j.db-shm"} <= made
        assert wide(tmp_path) == []
        assert root.stat().st_mode & 0o777 == 0o700
        journal.close()
        database.close()
    assert logs == [], "nothing was narrowed afterwards: it was never open to others"


def test_what_others_could_read_is_narrowed_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    first = Database(path)
    keep(first, range(2))
    beside = path.with_name("o.db-wal")
    for file in (path, beside):
        file.chmod(0o664)
    with capture_logs() as logs:
        Database(path).close()
    assert [(line["file"], line["was"]) for line in logs] == [(str(path), "664"), (str(beside), "664")]
    assert wide(tmp_path) == []
    with capture_logs() as logs:
        Database(path).close()
    assert logs == []
    first.close()


def test_folders_that_were_there_stay_as_they_are(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Database(tmp_path / "o.db").close()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_database_on_a_disk_that_is_read_only_can_be_read(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.folder / "o.db"
        database = Database(path)
        keep(database, range(4))
        database.close()
        disk.remount("ro")
        reader = DatabaseReader(path)
        assert len(reader.history(FEED.feed, 0, 1 << 50, 10)) == 4
        reader.close()
        with pytest.raises(Exception, match=r"unable to open|readonly|read-only|Read-only") as raised:
            Database(path)
        fault = file_fault(raised.value)
        assert fault is not None
        assert fault.kind is FileFaultKind.READ_ONLY


class FullStream(io.StringIO):
    """A file on a disk that is full."""

    def write(self, _text: str, /) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_log_line_that_cannot_be_written_takes_nothing_along() -> None:
    output = LogOutput(FullStream())
    print("a line", file=output, flush=True)
    assert output.lost >= 1
    kept = io.StringIO()
    print("a line", file=LogOutput(kept), flush=True)
    assert kept.getvalue() == "a line\n"


def test_dev_full_is_a_disk_that_is_full() -> None:
    with pytest.raises(OSError, match="No space left") as raised:
        Path("/dev/full").write_bytes(b"x")
    fault = file_fault(raised.value)
    assert fault is not None
    assert fault.kind is FileFaultKind.DISK_FULL
