"""The steps of docs/upgrade.md, one after the other, on what release 0.1.0 has left behind; and back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from oracle.model.spec import RULES_VERSION
from oracle.sign.eip712 import Domain
from oracle.sign.key_lock import sole_writer
from oracle.sign.sign_journal import EquivocationRefused, SignJournal
from oracle.storage.database import Database
from oracle.storage.migrations.steps import NEWEST
from tests.oracle.cli.command import document, run
from tests.oracle.storage.released_files import write_released

S0 = 1_700_000_000
CONFIG = """
[oracle]
database = "o.db"
[feeds."ETH/USD"]
sources = [{ type = "coinbase", symbol = "ETH-USD" }, { type = "kraken", symbol = "ETH/USD" }]
"""
FEEDS = ("calm/ETH", "fell/ETH", "near/ETH", "slow/ETH")
KEY = bytes.fromhex("1a642f0e3c3af545e7acbd38b07251b3990914f1")
PLACE = Domain(chain_id=31337, store=bytes(range(20)))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text(CONFIG)
    write_released("0.1.0", tmp_path / "o.db")
    return tmp_path


def test_dry_says_what_would_be_done_and_changes_nothing(folder: Path) -> None:
    before = (folder / "o.db").read_bytes()
    said = document("upgrade", "--dry")
    assert (said["schema"], said["newest"], said["rules"], said["done"]) == (0, NEWEST, RULES_VERSION, False)
    assert [s["schema"] for s in said["steps"]] == list(range(1, NEWEST + 1))
    assert [(f["feed"], f["made_by"]) for f in said["feeds"]] == [(f, 5) for f in FEEDS]
    assert {f["feed"]: f["status"] for f in said["feeds"]}["fell/ETH"] == "depeg"
    (slow,) = (f for f in said["feeds"] if f["feed"] == "slow/ETH")
    assert "the average over time" in slow["begins_anew"]
    assert (folder / "o.db").read_bytes() == before
    assert "nothing is changed yet" in run("upgrade", "--dry").output


def test_forward_and_back(folder: Path) -> None:
    for end in ("", "-wal", "-shm"):
        if (folder / f"o.db{end}").exists():
            shutil.copy(folder / f"o.db{end}", folder / f"copy.db{end}")
    copied = (folder / "copy.db").read_bytes()
    assert run("explain", "ETH/USD").exit_code == 1, "who only reads does not touch it"
    assert run("upgrade").output.rstrip().endswith("done")
    assert document("upgrade")["steps"] == []
    assert "up to date" in run("upgrade", "--dry").output
    assert run("explain", "ETH/USD").exit_code == 3, "it is read now, and has no round of this feed"
    for file in folder.glob("o.db*"):
        file.rename(folder / f"away-{file.name}")
    (folder / "copy.db").rename(folder / "o.db")
    assert (folder / "o.db").read_bytes() == copied
    assert document("upgrade", "--dry")["schema"] == 0


def test_verify_of_a_round_of_other_rules_ends_with_a_status_of_its_own() -> None:
    database = Database("o.db")
    database.connection.execute("UPDATE older_rounds SET feed = 'ETH/USD' WHERE feed = 'calm/ETH'")  # one of the config
    database.close()
    checked = run("verify", "ETH/USD", "--round", str(S0 + 3))
    assert "rules  fold of a: round 1700000003 was made by rules 5" in checked.output, checked.output
    assert "release 0.1.0 recomputes it" in checked.output
    assert checked.exit_code == 3
    assert run("verify", "ETH/USD", "--round", str(S0 + 300)).exit_code == 3


def test_it_is_refused_while_a_process_has_the_file(folder: Path) -> None:
    with sole_writer(folder / "o.db"):
        refused = run("upgrade")
    assert refused.exit_code == 1
    assert "is in use by process" in refused.output


def test_a_journal_of_0_1_0_still_keeps_its_key_from_signing_twice(folder: Path) -> None:
    path = write_released("0.1.0", folder / "j.db", journal=True)
    journal = SignJournal(path, KEY, now_ms=(S0 + 60) * 1_000, mute_ms=61_000)
    assert journal.mute_for_ms((S0 + 60) * 1_000) == 0
    assert journal.last_round_s() == S0 + 11
    with pytest.raises(EquivocationRefused):
        journal.record(PLACE, S0 + 11, {0: bytes(32)})
    journal.record(PLACE, S0 + 20, {0: bytes(32)})
    journal.close()
    again = SignJournal(path, KEY, now_ms=(S0 + 60) * 1_000, mute_ms=61_000)
    assert again.last_round_s() == S0 + 20
    again.close()


def test_check_says_of_an_older_file_what_to_do() -> None:
    (note,) = (n for n in document("check", "--offline")["notes"] if n.startswith("database:"))
    assert "lrt-oracle upgrade" in note
    run("upgrade")
    assert not [n for n in document("check", "--offline")["notes"] if n.startswith("database:")]


def test_before_a_first_start_there_is_nothing_to_do(folder: Path) -> None:
    for file in folder.glob("o.db*"):
        file.unlink()
    for args in (("upgrade", "--dry"), ("upgrade",)):
        done = run(*args)
        assert (done.exit_code, "there is nothing to bring up to date" in done.output) == (0, True)
    said = document("upgrade", "--dry")
    assert (said["schema"], said["newest"], said["steps"], said["copies"]) == (None, NEWEST, [], False)
    assert not (folder / "o.db").exists()


def test_the_next_start_does_the_same(folder: Path) -> None:
    Database(folder / "o.db").close()
    assert document("upgrade", "--dry")["schema"] == NEWEST
