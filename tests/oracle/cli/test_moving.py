"""An operator moves to another machine, and comes back from a backup, by the commands of docs/operate.md."""

from __future__ import annotations

import sqlite3
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from oracle.runtime.clock import now_ms
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.journal_form import JournalSealed
from oracle.sign.journal_witness import JournalWitness
from oracle.sign.key_lock import KeyLock, sole_writer
from oracle.sign.keyfiles import save
from oracle.sign.sign_journal import EquivocationRefused, SignJournal
from oracle.storage.backup import copy_database
from oracle.storage.database import Database
from tests.oracle.assemble.keyed_config import KEY
from tests.oracle.cli.command import document, run
from tests.oracle.storage.small_disk import small_disk
from tests.oracle.storage.stored_rounds import keep

CONFIG = """
[oracle]
database = "{folder}/o.db"
witness = "{folder}/witness"

[feeds."ETH/USD"]
sources = [{{ type = "coinbase", symbol = "ETH-USD" }}, {{ type = "kraken", symbol = "ETH/USD" }}]

[[operators]]
name = "a"
keyfile = "{folder}/a.json"
journal = "{folder}/a.db"
"""
HOME = Domain(chain_id=1, store=b"\5" * 20)
S0, A, B = 1_700_000_000, b"a" * 32, b"b" * 32


class Place:
    """A machine of this operator."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.config = folder, folder / "config.toml"
        self.config.write_text(CONFIG.format(folder=folder))
        save(folder / "a.json", KEY, "word", iterations=2)

    def journal(self, *, newborn: bool = False) -> SignJournal:
        witness = JournalWitness(self.folder / "witness", address_of(KEY))
        try:
            return SignJournal(
                self.folder / "a.db",
                address_of(KEY),
                now_ms=S0 * 1_000,
                mute_ms=10_000,
                newborn=newborn,
                witness=witness,
            )
        except BaseException:
            witness.close()
            raise

    def call(self, *args: str) -> tuple[int, str]:
        result = run("--config", str(self.config), *args)
        return result.exit_code, result.output


@pytest.fixture
def old(tmp_path: Path) -> Place:
    """A machine that has signed a round."""
    place = Place(tmp_path / "old")
    with closing(place.journal(newborn=True)) as journal:
        journal.record(HOME, S0, {0: A})
    with closing(Database(place.folder / "o.db")) as database:
        keep(database, range(5))
    return place


def test_law_the_steps_of_a_move_sign_on_at_once_and_never_on_the_old_machine(old: Place, tmp_path: Path) -> None:
    new, file = Place(tmp_path / "new"), tmp_path / "moved.json"
    ticket = document("--config", str(new.config), "journal", "ticket")["ticket"]
    again = run("--config", str(new.config), "journal", "ticket")
    assert (again.exit_code, again.stdout) == (0, f"{ticket}\n"), "asked again it is the same"
    assert "copy neither this folder nor this machine" in again.stderr
    code, text = old.call("journal", "export", str(file), "--to", ticket)
    assert (code, "1 lines up to round 1700000000" in text, "sealed" in text) == (0, True, True), text
    code, text = new.call("journal", "import", str(file))
    assert (code, "signs from the next round on" in text) == (0, True), text
    with closing(new.journal()) as journal:
        assert journal.mute_for_ms(now_ms()) == 0
        journal.record(HOME, journal.moved_s + 1, {0: B})
        with pytest.raises(EquivocationRefused):
            journal.record(HOME, S0, {0: B})
    with pytest.raises(JournalSealed):
        old.journal()
    assert new.call("journal", "import", str(file))[0] == 1


def test_a_journal_in_use_is_not_moved(old: Place, tmp_path: Path) -> None:
    lock = KeyLock(old.folder / "a.json", old.folder / "a.db")
    code, text = old.call("journal", "export", str(tmp_path / "f"), "--to", "11" * 16)
    assert (code, "stop that one first" in text) == (1, True), text
    lock.close()
    for args in ((), ("--copy", "--to", "11" * 16), ("--to", "11")):
        assert old.call("journal", "export", str(tmp_path / "f"), *args)[0] == 2
    with closing(old.journal()) as journal:
        journal.record(HOME, S0 + 10, {0: A}), "it signs as before"


def test_a_backup_comes_back_and_is_mute_at_first(old: Place, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    with sole_writer(old.folder / "o.db"), closing(old.journal()):
        made = document("--config", str(old.config), "backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert made["operators"] == [{"name": "a", "address": f"0x{address_of(KEY).hex()}", "low_water": S0}]
    with closing(old.journal()) as journal:
        journal.record(HOME, S0 + 10, {0: A}), "after the backup"
    new = Place(tmp_path / "new")
    code, text = new.call("restore", str(file))
    assert (code, "mute at first" in text) == (0, True), text
    with closing(Database(new.folder / "o.db")) as database:
        assert database.last_round_s() == FEED_LAST
    with closing(new.journal()) as journal:
        assert 0 < journal.mute_for_ms(now_ms()) <= 10_000, "as long as is needed, and no longer"
        with pytest.raises(EquivocationRefused):
            journal.record(HOME, S0, {0: B})


def test_of_a_damaged_database_the_backup_says_what_to_do(old: Place, tmp_path: Path) -> None:
    path = old.folder / "o.db"
    whole = path.read_bytes()
    for broken in (b"no database" * 500, whole[:4_096] + bytes(4_096) + whole[8_192:]):
        path.write_bytes(broken)
        code, text = old.call("backup", str(tmp_path / "backup.tar.gz"))
        assert (code, f"{path} is damaged" in text, "put back a backup" in text) == (1, True, True), text
    assert list(tmp_path.glob("*backup*")) == []


def test_where_the_disk_of_the_file_is_full_the_backup_says_so(old: Place, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1) as disk:
        file = disk.folder / "backup.tar.gz"
        disk.fill()
        code, text = old.call("backup", str(file))
        assert (code, f"the disk of {file} is full" in text) == (1, True), text
        assert [f.name for f in disk.folder.iterdir()] == ["filler"]


def test_law_neither_a_backup_nor_a_copy_signs_where_a_key_has_moved_away(old: Place, tmp_path: Path) -> None:
    new, file, sealed = Place(tmp_path / "new"), tmp_path / "backup.tar.gz", tmp_path / "moved.json"
    assert old.call("backup", str(file))[0] == 0
    with closing(old.journal()) as journal:
        journal.record(HOME, S0 + 10, {0: A}), "after the backup"
    ticket = document("--config", str(new.config), "journal", "ticket")["ticket"]
    assert old.call("journal", "export", str(sealed), "--to", ticket)[0] == 0
    for args in (("export", str(tmp_path / "c.json"), "--copy"), ("import", str(sealed), "--as-copy")):
        code, text = old.call("journal", *args)
        assert (code, "signs elsewhere" in text or "signs on another machine" in text) == (1, True), text
    code, text = old.call("restore", str(file))
    assert (code, "is sealed: its key signs on another machine" in text) == (1, True), text
    (old.folder / "a.db").unlink()
    (old.folder / "o.db").unlink()
    code, text = old.call("restore", str(file))
    assert (code, "`lrt-oracle journal ticket`, and export from where it is now" in text) == (1, True), text
    code, text = old.call("restore", str(file), "--the-other-machine-is-lost")
    assert (code, "older than the seal" in text) == (1, True), text
    assert not list(old.folder.glob("*.db")), "nothing was put anywhere"
    assert old.call("journal", "import", str(sealed), "--the-other-machine-is-lost")[0] == 2, "it goes with --as-copy"
    code, text = old.call("journal", "import", str(sealed), "--as-copy", "--the-other-machine-is-lost")
    assert (code, "must never start again" in text) == (0, True), text
    with closing(old.journal()) as journal:
        assert journal.mute_for_ms(now_ms()) > 0


def test_a_newer_backup_comes_back_where_the_other_machine_is_lost(old: Place, tmp_path: Path) -> None:
    new, file, sealed = Place(tmp_path / "new"), tmp_path / "backup.tar.gz", tmp_path / "moved.json"
    ticket = document("--config", str(new.config), "journal", "ticket")["ticket"]
    assert old.call("journal", "export", str(sealed), "--to", ticket)[0] == 0
    assert new.call("journal", "import", str(sealed))[0] == 0
    with closing(Database(new.folder / "o.db")) as database:
        keep(database, range(5))
    assert new.call("backup", str(file))[0] == 0
    (old.folder / "a.db").unlink()
    (old.folder / "o.db").unlink()
    assert old.call("restore", str(file))[0] == 1
    code, text = old.call("restore", str(file), "--the-other-machine-is-lost")
    assert (code, "must never start again" in text) == (0, True), text
    with closing(old.journal()) as journal:
        assert journal.mute_for_ms(now_ms()) > 0


def test_nothing_is_overwritten_and_nothing_changed_is_restored(old: Place, tmp_path: Path) -> None:
    file, new = tmp_path / "backup.tar.gz", Place(tmp_path / "new")
    assert old.call("backup", str(file))[0] == 0
    code, text = old.call("backup", str(file))
    assert (code, "exists" in text) == (1, True)
    code, text = old.call("restore", str(file))
    assert (code, "a journal that is there knows more" in text) == (1, True), text
    (old.folder / "a.db").unlink()
    code, text = old.call("restore", str(file))
    assert (code, "is not overwritten" in text) == (1, True), text
    whole = file.read_bytes()
    unpacked = tmp_path / "unpacked"
    with tarfile.open(file) as archive:
        archive.extractall(unpacked, filter="data")
    (unpacked / "journals" / f"0x{address_of(KEY).hex()}.json").write_text("{}")
    with tarfile.open(file, "w:gz") as archive:
        for part in ("manifest.json", "journals", "database.db"):
            archive.add(unpacked / part, part)
    for text in (file.read_bytes(), whole[: len(whole) // 2], b"no archive"):
        file.write_bytes(text)
        code, said = new.call("restore", str(file))
        assert (code, "take another one" in said) == (1, True), said
        assert not (new.folder / "o.db").exists()
        assert not (new.folder / "a.db").exists()


def test_a_copy_is_of_one_moment_while_rounds_are_written(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "o.db")) as database:
        keep(database, range(200))
        stop, copies = threading.Event(), list[int]()

        def copy() -> None:
            for i in range(4):
                copy_database(tmp_path / "o.db", tmp_path / f"copy{i}.db")
                with closing(sqlite3.connect(tmp_path / f"copy{i}.db")) as db:
                    counts = db.execute(
                        "SELECT (SELECT count(*) FROM rounds), (SELECT count(*) FROM transitions)"
                    ).fetchone()
                assert counts[0] == counts[1], "a round is in it whole, or not at all"
                copies.append(counts[0])
            stop.set()

        thread = threading.Thread(target=copy)
        thread.start()
        second = 200
        while not stop.is_set() and thread.is_alive():
            keep(database, [second])
            second += 1
        thread.join()
    assert len(copies) == 4
    assert second > copies[-1] - 1 > 198
    assert copies == sorted(copies)


FEED_LAST = 1_700_000_004
