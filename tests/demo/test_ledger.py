"""What became of a fleet's rounds is read from databases; a fork, a lost round and its reason are seen there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from structlog.dev import ConsoleRenderer

from demo.fleet.ledger import percentiles, read_ledger, rounds_made, rounds_sealed
from demo.fleet.said import unsealed_by_log
from oracle.report.wire import encode_items
from oracle.sign.eip712 import Domain
from oracle.sign.messages import Agreement, EvidenceRow, SignerSet
from oracle.storage.database import Database
from tests.oracle.oracle_build import T0
from tests.oracle.report.reports import report
from tests.oracle.storage.stored_rounds import keep

S0 = T0 // 1_000
KEYS = tuple(bytes([n]) * 20 for n in range(1, 5))
SIGNERS = SignerSet(
    domain=Domain(chain_id=1, store=b"\x09" * 20), epoch=1, signers=KEYS, weights=(1, 1, 1, 1), threshold=3
)


def sealed(second: int, prices: Mapping[int, str], step: int = 0) -> Agreement:
    """A round with these prices by feed index."""
    items = encode_items({i: report(price) for i, price in prices.items()})
    return Agreement(
        target="local", round_time_s=S0 + second, signers=SIGNERS, feeds=("A/ETH", "B/ETH"), indexes=(0, 1), values=(),
        items=items, step=step, seals=tuple((k, b"\1" * 64) for k in KEYS[:3]),
    )  # fmt: skip


def book(folder: Path, name: str, made: range, *agreements: Agreement) -> Path:
    path = folder / f"{name}.db"
    database = Database(path)
    keep(database, list(made))
    database.save_round((), agreements, (), ())
    database.close()
    return path


def test_rounds_attempts_and_signers_are_counted_once_however_many_have_them(tmp_path: Path) -> None:
    one, two = sealed(0, {0: "1.05"}), sealed(1, {0: "1.06"}, step=2)
    books = {"a": book(tmp_path, "a", range(3), one, two), "b": book(tmp_path, "b", range(3), two)}
    ledger = read_ledger(books, "local", range(S0, S0 + 2), 3)
    assert (list(ledger.sealed), ledger.lost, ledger.forks) == ([S0, S0 + 1], {}, [])
    assert ledger.attempts == {1: 1, 2: 1}
    assert ledger.signed == dict.fromkeys(KEYS[:3], 2)


def test_a_fork_is_seen_on_one_feed_and_never_where_one_has_fewer_feeds(tmp_path: Path) -> None:
    books = {
        "a": book(tmp_path, "a", range(0), sealed(0, {0: "1.05", 1: "2"}), sealed(1, {0: "1.05", 1: "2"})),
        "b": book(tmp_path, "b", range(0), sealed(0, {0: "1.05"}), sealed(1, {0: "1.05", 1: "3"})),
    }
    assert read_ledger(books, "local", range(S0, S0 + 2), 3).forks == [S0 + 1]


def test_of_a_lost_round_it_is_said_who_did_not_make_it(tmp_path: Path) -> None:
    books = {
        "a": book(tmp_path, "a", range(2)),
        "b": book(tmp_path, "b", range(2)),
        "c": book(tmp_path, "c", range(1)),
        "gone": tmp_path / "never started.db",
    }
    lost = read_ledger(books, "local", range(S0, S0 + 2), 3).lost
    assert lost == {
        S0: "3 of 4 made it, gone did not; those came to no common round in time",
        S0 + 1: "2 of 4 made it, 3 are needed: c, gone did not",
    }


def test_evidence_of_several_databases_counts_once_a_round(tmp_path: Path) -> None:
    books = {n: book(tmp_path, n, range(0)) for n in ("a", "b")}
    for path in books.values():
        database = Database(path)
        row = EvidenceRow(
            target="local", round_time_s=S0, address=KEYS[0], kind="two_values", text="", first=b"1", second=b"2"
        )
        database.save_evidence([row])
        database.close()
    assert read_ledger(books, "local", [S0], 3).evidence == {(KEYS[0], "two_values"): 1}


def test_a_database_that_is_not_there_yet_has_no_rounds(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    assert (rounds_made(path), rounds_sealed(path)) == ([], [])
    assert not path.exists()


@pytest.mark.parametrize(("values", "p50", "p99"), [([5], 5, 5), ([1, 2, 3, 4], 3, 4), (list(range(1_000)), 500, 990)])
def test_percentiles_are_values_that_were_measured(values: list[int], p50: int, p99: int) -> None:
    found = percentiles(values)
    assert (found["count"], found["p50"], found["p99"], found["max"]) == (len(values), p50, p99, values[-1])


def test_why_a_round_came_to_nothing_is_read_from_what_its_process_logged(tmp_path: Path) -> None:
    """Beside what databases show: they know who made a round, and not what each had heard in it."""
    log = tmp_path / "log.txt"
    assert unsealed_by_log(log) == {}
    render, why = ConsoleRenderer(colors=False), 'values of weight 2, 3 are needed: c: it\'s "not" connected'
    lines = [
        render(None, "", {"event": "a round was not sealed", "target": "local", "round_time": round_s, "why": said})
        for round_s, said in ((S0, why), (S0 + 1, "unknown"))
    ]
    cut_off = lines[0].replace(str(S0), str(S0 + 2))[:-3]
    log.write_text("\n".join(["a stream opens why='no'", *map(str, lines), cut_off]), encoding="utf-8")
    said = unsealed_by_log(log)
    assert (said[S0], said[S0 + 1]) == (why, "unknown")
    assert said[S0 + 2].startswith("values of weight 2, 3 are needed")
