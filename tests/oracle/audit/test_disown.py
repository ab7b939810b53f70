"""Rounds from a wrong time are disowned: the rest is what it would be had they never been, and they still recompute."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from oracle.audit.disown import disown, disowning
from oracle.audit.recompute import verify, verify_withdrawn
from oracle.model.publication import PushRow, Transition
from oracle.model.spec import FeedSpec
from oracle.model.status import Status
from oracle.model.types import FeedRound, FoldedFeed
from oracle.round.step import step
from oracle.sign.key_lock import DatabaseInUse, sole_writer
from oracle.storage import database as store_module
from oracle.storage.database import Database, last_published
from tests.oracle.cli.test_commands import run as command
from tests.oracle.oracle_build import T0, outcomes, spec
from tests.oracle.storage.test_database import record_of

FEED = spec()
S0 = T0 // 1_000
AHEAD_S = 7_200


def keep(store: Database, seconds: Sequence[int], price: str = "1.05", feed: FeedSpec = FEED) -> None:
    """Rounds at these seconds after the start, folded on what is stored, with a record each."""
    for i in seconds:
        at_ms = T0 + i * 1_000
        state = store.state("a", feed.feed)
        before = last_published(store, feed.feed)
        result, after = step(feed, state, outcomes(price, at_ms=at_ms), {}, at_ms, before)
        records = [record_of(result)] if isinstance(result, FeedRound) else []
        change = Transition(feed=feed.feed, at_ms=at_ms + 40, before=Status.OK, after=Status.WATCH, reasons=())
        kept = FoldedFeed(operator="a", spec=feed, before=state, after=after, result=result)
        store.save_round([kept], [], records, [change])


def table_of(store: Database, name: str) -> list[tuple[object, ...]]:
    return store._conn.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - our own names


def good(store: Database, *seconds: int) -> None:
    for i in seconds:
        checks = [*verify(store, FEED.feed, S0 + i)]
        assert checks
        assert all(c.ok for c in checks), checks


def still_told(store: Database, *seconds: int) -> None:
    for i in seconds:
        checks = [*verify_withdrawn(store, FEED.feed, S0 + i)]
        assert [c.what for c in checks[:2]] == ["withdrawn", "fold of a, withdrawn"]
        assert all(c.ok for c in checks), checks


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "CHECKPOINT_EVERY", 4)


def test_what_goes_on_is_what_would_be_had_the_glitch_never_been(tmp_path: Path) -> None:
    glitched, clean = Database(tmp_path / "g.db"), Database(tmp_path / "c.db")
    for store in (glitched, clean):
        keep(store, range(10))
    keep(glitched, range(AHEAD_S, AHEAD_S + 7), price="1.02")
    disown(glitched, disowning(glitched, S0 + 9), at_ms=T0)
    glitched.close()
    glitched = Database(tmp_path / "g.db")
    assert glitched.last_round_s() == S0 + 9
    for store in (glitched, clean):
        keep(store, range(10, 25))
    for name in ("rounds", "states", "checkpoints", "records", "transitions", "specs"):
        assert table_of(glitched, name) == table_of(clean, name), name
    good(glitched, *range(25))
    still_told(glitched, *range(AHEAD_S, AHEAD_S + 7))


def test_when_its_time_really_comes_a_round_is_made_again_and_both_recompute(tmp_path: Path) -> None:
    store = Database(tmp_path / "o.db")
    keep(store, range(6))
    keep(store, range(20, 24), price="1.02")
    disown(store, disowning(store, S0 + 5), at_ms=T0)
    store.close()
    store = Database(tmp_path / "o.db")
    keep(store, range(6, 30))
    good(store, *range(30))
    still_told(store, 20, 21, 22, 23)
    disown(store, disowning(store, S0 + 3), at_ms=T0 + 1)
    good(store, *range(4))
    still_told(store, *range(4, 30))
    assert len(store.withdrawn.of(FEED.feed, S0 + 22)) == 2


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)), min_size=1, max_size=5))
def test_law_any_history_of_glitches_leaves_the_rounds_of_one_without(parts: list[tuple[int, int, int]]) -> None:
    """Each part: so many good rounds, so many from ahead, disowned; the next ones may pass through those times."""
    glitched, clean = Database(":memory:"), Database(":memory:")
    at = 0
    for count, bad, ahead in parts:
        for store in (glitched, clean):
            keep(store, range(at, at + count))
        at += count
        keep(glitched, range(at + ahead, at + ahead + bad), price="1.01")
        disown(glitched, disowning(glitched, S0 + at - 1), at_ms=T0)
        glitched._counts = {
            (r[0], r[1]): r[2] for r in glitched._conn.execute("SELECT operator, feed, rounds FROM states")
        }
    for name in ("rounds", "states", "checkpoints", "records", "transitions"):
        assert table_of(glitched, name) == table_of(clean, name), name
    good(glitched, *range(at))
    for second in range(at + 10):
        if glitched.withdrawn.of(FEED.feed, S0 + second):
            still_told(glitched, second)
    glitched.close()
    clean.close()


def test_a_byte_changed_in_a_disowned_round_is_found(tmp_path: Path) -> None:
    store = Database(tmp_path / "o.db")
    keep(store, range(6))
    keep(store, range(20, 23))
    disown(store, disowning(store, S0 + 5), at_ms=T0)
    change = "UPDATE withdrawn SET body = cast(replace(body, '1050000000000000000', '1050000000000000001') AS BLOB)"
    store._conn.execute(f"{change} WHERE what = 'round' AND round_s = ?", (S0 + 21,))
    assert not all(c.ok for c in verify_withdrawn(store, FEED.feed, S0 + 21))
    still_told(store, 20)


def test_where_no_good_round_is_kept_the_state_begins_anew_and_that_is_said(tmp_path: Path) -> None:
    store = Database(tmp_path / "o.db")
    keep(store, range(5))
    found = disowning(store, S0 - 1)
    assert found.losses[0].anew == "no earlier round of it is kept"
    disown(store, found, at_ms=T0)
    store.close()
    store = Database(tmp_path / "o.db")
    keep(store, range(3))
    good(store, 0, 1, 2)
    store._conn.execute(
        "UPDATE rounds SET body = cast(replace(body, '\"rules_version\":', '\"rules_version\":9') AS BLOB)"
    )
    found = disowning(store, S0 + 1)
    assert "was made by rules 9" in str(found.losses[0].anew)


def test_pushes_of_disowned_rounds_are_listed_and_not_sent_any_more(tmp_path: Path) -> None:
    store = Database(tmp_path / "o.db")
    keep(store, [0, 1, AHEAD_S])
    for nonce, (i, state) in enumerate([(1, "landed"), (AHEAD_S, "prepared")]):
        store.add_push(
            PushRow(
                id=0, target="t", chain_id=1, round_s=S0 + i, items=b"", nonce=nonce, tx_hash=f"0x{i}", raw=b"",
                state=state, made_ms=1,
            )
        )  # fmt: skip
    found = disowning(store, S0 + 1)
    assert found.pushes == (("t", S0 + AHEAD_S, "prepared"),)
    assert any("can carry it once its time comes" in line for line in found.lines())
    disown(store, found, at_ms=T0)
    assert [(p.round_s - S0, p.state) for p in store.pushes("t")] == [(1, "landed"), (AHEAD_S, "expired")]
    assert not store.pushes("t", ("prepared", "sent"))


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
    store = Database(folder / "o.db")
    keep(store, range(3))
    keep(store, [AHEAD_S, AHEAD_S + 1])
    store.close()
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
def test_what_is_no_time_of_a_round_is_no_time(tmp_path: Path, text: str) -> None:
    path, _ = written(tmp_path)
    refused = called(path, "disown", f"--after={text}", "--yes")
    assert refused.exit_code == 2, refused.stderr
    assert "write Unix seconds" in refused.stderr


def test_the_time_is_told_as_it_was_understood_and_the_last_round_goes_only_when_that_is_said(tmp_path: Path) -> None:
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
    holder.communicate(timeout=20)
    assert holder.wait() != 0
    with sole_writer(tmp_path / "o.db"):
        pass
