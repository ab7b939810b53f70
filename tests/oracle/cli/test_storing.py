"""`lrt-oracle db`: what is stored is all accounted for, also while it is written; a file is rewritten only when asked to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from oracle.__main__ import main
from oracle.sign.key_lock import sole_writer
from oracle.storage.database import Database
from oracle.storage.limits import DatabaseLimits
from oracle.storage.vacuum import shrinks_by_steps
from tests.oracle.storage.stored_rounds import keep

CONFIG = """
[oracle]
database = "{folder}/o.db"
[feeds."ETH/USD"]
mode = "market"
reference_only = true
min_groups = 1
accept_single_group = true
[[feeds."ETH/USD".sources]]
type = "coinbase"
symbol = "ETH-USD"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    return path


def run(config: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["--config", str(config), "db", *words])
    return done.exit_code, done.output


def test_every_byte_has_its_kind_while_another_process_writes(config: Path) -> None:
    path = config.parent / "o.db"
    database = Database(path, DatabaseLimits(packed_together=20, left_unpacked=10))
    with sole_writer(path):
        keep(database, range(0, 3_610, 10))
        while (job := database.packer.next()) is not None:
            database.packer.keep(job, job.packed())
        code, text = run(config, "size", "--json")
        assert code == 0, text
        document = json.loads(text)
        pages = database.connection.execute("PRAGMA page_count").fetchone()[0] * 4_096
        assert abs(document["used"] + document["free_in_file"] - pages) <= 4_096 * 20, "indexes of indexes apart"
        kinds = {k["kind"]: k for k in document["kinds"]}
        assert kinds["rounds with inputs"]["rows"] == kinds["records"]["rows"] == 361
        assert kinds["rounds with inputs"]["kept_days"] == 7
        assert kinds["status changes"]["settles_at"] is None
        a_day = kinds["records"]["bytes_a_day"]
        assert 8_640 * 40 < a_day < 8_640 * 400
        assert kinds["records"]["settles_at"] > 6 * a_day
        assert document["disk_lasts_days"] is None
        assert document["shrinks_by_itself"]
        code, text = run(config, "size")
        assert code == 0
        assert "the disk lasts: the file settles at" in text
    database.close()


def test_of_some_seconds_of_rounds_nothing_is_projected(config: Path) -> None:
    database = Database(config.parent / "o.db")
    keep(database, range(0, 60, 10))
    text = run(config, "size")[1]
    assert "cannot be told yet: the rounds in it reach over 50 s" in text
    assert "the disk is full" not in text
    assert "the disk lasts:" not in text
    assert text.count("?") > 2 * 6
    document = json.loads(run(config, "size", "--json")[1])
    assert (document["spans_s"], document["is_telling"], document["disk_lasts_days"]) == (50, False, None)
    database.close()


def test_an_older_file_says_how_it_shrinks_and_is_rewritten_when_asked_to(config: Path) -> None:
    path = config.parent / "o.db"
    database = Database(path)
    keep(database, range(20))
    database.connection.execute("PRAGMA auto_vacuum=NONE")
    database.connection.execute("VACUUM")
    assert "stop the oracle, then `lrt-oracle db vacuum`" in run(config, "size")[1]
    code, text = run(config, "vacuum")
    assert (code, "it takes 1 s or less, with the oracle stopped" in text, "add --yes" in text) == (0, True, True)
    assert not shrinks_by_steps(database.connection)
    database.close()
    with sole_writer(path):
        code, text = run(config, "vacuum", "--yes")
        assert code == 1
        assert "is in use by process" in text
    code, text = run(config, "vacuum", "--yes", "--json")
    assert (code, json.loads(text)["done"]) == (0, True)
    database = Database(path)
    assert shrinks_by_steps(database.connection)
    database.close()


def test_without_a_database_there_is_nothing_to_look_at(config: Path) -> None:
    assert run(config, "size")[0] == run(config, "vacuum")[0] == 3
