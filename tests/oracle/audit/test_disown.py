"""Rounds of a wrong time are withdrawn: the rest is as if they had never been made, and they still recompute."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from oracle.audit.disown import disown, disowning
from oracle.audit.recompute import verify, verify_withdrawn
from oracle.model.publication import OPEN, PushRow, PushState
from oracle.sign.key_lock import DatabaseInUse, sole_writer
from oracle.storage.database import Database
from tests.oracle.cli.command import run as command
from tests.oracle.oracle_build import T0
from tests.oracle.round.halt_world import HaltWorld, everybody
from tests.oracle.storage.stored_rounds import FEED, S0, SHORT, keep

AHEAD_S = 7_200


def table_of(database: Database, name: str) -> list[tuple[object, ...]]:
    return database.connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - our own names


def good(database: Database, *seconds: int) -> None:
    for i in seconds:
        checks = [*verify(database, FEED.feed, S0 + i)]
        assert checks
        assert all(c.ok for c in checks), checks


def still_withdrawn(database: Database, *seconds: int) -> None:
    for i in seconds:
        checks = [*verify_withdrawn(database, FEED.feed, S0 + i)]
        assert [c.what for c in checks[:2]] == ["withdrawn", "fold of a, withdrawn"]
        assert all(c.ok for c in checks), checks


def test_what_goes_on_is_what_would_be_had_the_glitch_never_been(tmp_path: Path) -> None:
    glitched, clean = Database(tmp_path / "g.db", SHORT), Database(tmp_path / "c.db", SHORT)
    for database in (glitched, clean):
        keep(database, range(10))
    keep(glitched, range(AHEAD_S, AHEAD_S + 7), price="1.02")
    disown(glitched, disowning(glitched, S0 + 9), at_ms=T0)
    glitched.close()
    glitched = Database(tmp_path / "g.db", SHORT)
    assert glitched.last_round_s() == S0 + 9
    for database in (glitched, clean):
        keep(database, range(10, 25))
    for name in ("rounds", "states", "checkpoints", "records", "transitions", "specs"):
        assert table_of(glitched, name) == table_of(clean, name), name
    good(glitched, *range(25))
    still_withdrawn(glitched, *range(AHEAD_S, AHEAD_S + 7))


def test_when_its_time_really_comes_a_round_is_made_again_and_both_recompute(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", SHORT)
    keep(database, range(6))
    keep(database, range(20, 24), price="1.02")
    disown(database, disowning(database, S0 + 5), at_ms=T0)
    database.close()
    database = Database(tmp_path / "o.db", SHORT)
    keep(database, range(6, 30))
    good(database, *range(30))
    still_withdrawn(database, 20, 21, 22, 23)
    disown(database, disowning(database, S0 + 3), at_ms=T0 + 1)
    good(database, *range(4))
    still_withdrawn(database, *range(4, 30))
    assert len(database.withdrawn.of(FEED.feed, S0 + 22)) == 2


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)), min_size=1, max_size=5))
def test_law_any_history_of_glitches_leaves_the_rounds_of_one_without(parts: list[tuple[int, int, int]]) -> None:
    """Each part: so many good rounds, so many from ahead, disowned; the next ones may pass through those times."""
    glitched, clean = Database(":memory:", SHORT), Database(":memory:", SHORT)
    at = 0
    for count, bad, ahead in parts:
        for database in (glitched, clean):
            keep(database, range(at, at + count))
        at += count
        keep(glitched, range(at + ahead, at + ahead + bad), price="1.01")
        disown(glitched, disowning(glitched, S0 + at - 1), at_ms=T0)
    for name in ("rounds", "states", "checkpoints", "records", "transitions"):
        assert table_of(glitched, name) == table_of(clean, name), name
    good(glitched, *range(at))
    for second in range(at + 10):
        if glitched.withdrawn.of(FEED.feed, S0 + second):
            still_withdrawn(glitched, second)
    glitched.close()
    clean.close()


def test_a_byte_changed_in_a_withdrawn_round_is_found(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", SHORT)
    keep(database, range(6))
    keep(database, range(20, 23))
    disown(database, disowning(database, S0 + 5), at_ms=T0)
    change = "UPDATE withdrawn SET body = cast(replace(body, '1050000000000000000', '1050000000000000001') AS BLOB)"
    database.connection.execute(f"{change} WHERE what = 'round' AND round_s = ?", (S0 + 21,))
    assert not all(c.ok for c in verify_withdrawn(database, FEED.feed, S0 + 21))
    still_withdrawn(database, 20)


def test_where_no_good_round_is_kept_the_state_begins_anew_and_that_is_reported(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", SHORT)
    keep(database, range(5))
    found = disowning(database, S0 - 1)
    assert found.losses[0].anew == "no earlier round of it is kept"
    disown(database, found, at_ms=T0)
    database.close()
    database = Database(tmp_path / "o.db", SHORT)
    keep(database, range(3))
    good(database, 0, 1, 2)
    database.connection.execute(
        "UPDATE rounds SET body = cast(replace(body, '\"rules_version\":', '\"rules_version\":9') AS BLOB)"
    )
    found = disowning(database, S0 + 1)
    assert "was made by rules 9" in str(found.losses[0].anew)


def test_pushes_of_withdrawn_rounds_are_listed_and_not_sent_any_more(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", SHORT)
    keep(database, [0, 1, AHEAD_S])
    for nonce, (i, state) in enumerate([(1, PushState.LANDED), (AHEAD_S, PushState.PREPARED)]):
        database.add_push(
            PushRow(
                id=0, target="t", chain_id=1, round_s=S0 + i, items=b"", nonce=nonce, tx_hash=f"0x{i}", raw=b"",
                state=state, made_ms=1,
            )
        )  # fmt: skip
    found = disowning(database, S0 + 1)
    assert found.pushes == (("t", S0 + AHEAD_S, "prepared"),)
    assert any("can carry it once its time comes" in line for line in found.lines())
    disown(database, found, at_ms=T0)
    assert [(p.round_s - S0, p.state) for p in database.pushes("t")] == [(1, "landed"), (AHEAD_S, "expired")]
    assert not database.pushes("t", OPEN)


# --- the command ---------------------------------------------------------------------------------------------------------


def written(folder: Path) -> tuple[Path, str]:
    """A config on disk whose database has three good rounds and two from ahead, of one of its feeds."""
    text = f"""
[oracle]
database = "{folder / "o.db"}"
[feeds."{FEED.feed}"]
mode = "market"
min_groups = 1
accept_single_group = true
[[feeds."{FEED.feed}".sources]]
type = "coinbase"
symbol = "WDIVETH-ETH"
"""
    path = folder / "config.toml"
    path.write_text(text)
    database = Database(folder / "o.db", SHORT)
    keep(database, range(3))
    keep(database, [AHEAD_S, AHEAD_S + 1])
    database.close()
    return path, str(S0 + 2)


def called(path: Path, *args: str) -> Result:
    return command("--config", str(path), *args)


def test_the_command_lists_first_and_does_it_with_yes(tmp_path: Path) -> None:
    path, after = written(tmp_path)
    listed = called(path, "disown", "--after", after)
    assert listed.exit_code == 0, listed.stderr
    assert "2 rounds, 2023-11-15T00:13:20Z to 2023-11-15T00:13:21Z; 3 are left" in listed.stdout
    assert "add --yes" in listed.stdout
    done = called(path, "disown", "--after", "2023-11-14T22:13:22Z", "--why", "bad NTP", "--yes", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["done"] is True
    again = called(path, "verify", FEED.feed, "--round", str(S0 + AHEAD_S))
    assert again.exit_code == 0
    assert "withdrawn: round" in again.stdout
    assert "bad NTP" in again.stdout
    assert called(path, "verify", FEED.feed).exit_code == 0
    shown = json.loads(called(path, "history", FEED.feed, "--minutes", "9000000", "--json").stdout)
    assert [r["round"] - S0 for r in shown["records"]] == [0, 1, 2]
    assert [(r["round"] - S0, r["withdrawn"]["why"]) for r in shown["withdrawn"]] == [
        (AHEAD_S, "bad NTP"), (AHEAD_S + 1, "bad NTP")
    ]  # fmt: skip
    told = called(path, "explain", FEED.feed, "--round", str(S0 + AHEAD_S))
    assert "was withdrawn: bad NTP" in told.stderr
    none = called(path, "disown", "--after", after, "--yes")
    assert none.exit_code == 2
    assert "no round after" in none.stderr
    assert "write Unix seconds" in called(path, "disown", "--after", "yesterday").stderr


@pytest.mark.parametrize(
    "text",
    [
        "20261130",
        "2",
        "²",
        "٢٠٢٦",
        "999999999",
        "253402300800",
        "9" * 30,
        "9" * 5_000,
        "-5",
        "0001-01-01",
        "1969-12-31",
        "",
    ],
)
def test_what_cannot_be_the_time_of_a_round_is_refused(tmp_path: Path, text: str) -> None:
    path, _ = written(tmp_path)
    refused = called(path, "disown", f"--after={text}", "--yes")
    assert refused.exit_code == 2, refused.stderr
    assert "write Unix seconds" in refused.stderr


def test_the_time_is_printed_as_understood_and_the_last_round_goes_only_with_all(tmp_path: Path) -> None:
    path, after = written(tmp_path)
    assert "after    1700000002 (2023-11-14T22:13:22Z)\n" in called(path, "disown", "--after", after).stdout
    compact = called(path, "disown", "--after", "20231114T221322", "--json")
    assert json.loads(compact.stdout)["after_time"] == "2023-11-14T22:13:22Z"
    for more in ((), ("--yes",)):
        refused = called(path, "disown", "--after", str(S0 - 1), *more)
        assert refused.exit_code == 2
        assert "nothing would be left after 1699999999 (2023-11-14T22:13:19Z)" in refused.stderr
        assert "add --all" in refused.stderr
    assert called(path, "disown", "--after", str(S0), "--yes").exit_code == 0, "the first one is left"
    assert called(path, "disown", "--after", str(S0 - 1), "--all", "--yes").exit_code == 0


def test_one_database_has_one_process_and_readers_go_on(tmp_path: Path) -> None:
    path, after = written(tmp_path)
    code = (
        "import sys\nfrom oracle.sign.key_lock import sole_writer\n"
        "with sole_writer(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    root = Path(__file__).resolve().parents[3]
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "o.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=root,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(DatabaseInUse, match=f"in use by process {holder.pid}: one database has one process"), \
            sole_writer(tmp_path / "o.db"):  # fmt: skip
        pass
    for args in (("run",), ("disown", "--after", after, "--yes")):
        refused = called(path, *args)
        assert refused.exit_code == 1
        assert f"in use by process {holder.pid}" in refused.stderr
    assert called(path, "verify", FEED.feed, "--round", after).exit_code == 0
    assert called(path, "history", FEED.feed, "--minutes", "9000000").exit_code == 0
    holder.kill()
    holder.communicate(timeout=60)
    assert holder.wait() != 0
    with sole_writer(tmp_path / "o.db"):
        pass


def test_what_was_sealed_is_kept_apart_with_the_signatures_over_it() -> None:
    """They bind keys for good, whatever becomes of the round."""
    world = HaltWorld()
    for _ in range(2):
        world.run_round(everybody("1.00"))
    (agreement,) = table_of(world.store, "agreements")[1:]
    after_s = world.done.round_time_s - 1
    disown(world.store, disowning(world.store, after_s), at_ms=T0)
    assert len(table_of(world.store, "agreements")) == 1
    columns = "operator, round_s, signers, indexes, body, sealed"
    (kept,) = world.store.connection.execute(f"SELECT {columns} FROM withdrawn WHERE what = 'agreement'")  # noqa: S608 - ours
    assert kept == agreement
