"""What others can make a journal do costs little, however long it has been kept: a round waits for it meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.sign.eip712 import Domain
from oracle.sign.journal_witness import JournalWitness
from oracle.sign.operator import SEALED_PLACE
from oracle.sign.sign_journal import EquivocationRefused, SignJournal

ADDRESS = b"\7" * 20
DOMAIN = Domain(chain_id=1, store=b"\5" * 20)
S0, FEEDS = 1_700_000_000, 10
HASHES = {i: i.to_bytes(32, "big") for i in (*range(FEEDS), SEALED_PLACE)}
QUESTIONS: dict[str, Callable[[SignJournal, int], object]] = {
    "signing": lambda j, newest_s: j.record(DOMAIN, newest_s + 10, HASHES),
    "signing the same again": lambda j, newest_s: j.record(DOMAIN, newest_s, HASHES),
    "what was signed in a round": lambda j, newest_s: j.hashes(DOMAIN, newest_s),
    "the newest round": lambda j, _: j.last_round_s(),
    "the newest round of a store": lambda j, _: j.newest_round_s(DOMAIN),
}


def kept(folder: Path, rounds: int) -> tuple[SignJournal, int]:
    """A journal of so many rounds, with a witness; and its newest one."""
    folder.mkdir()
    witness = JournalWitness(folder / "witness", ADDRESS)
    journal = SignJournal(folder / "j.db", ADDRESS, now_ms=0, mute_ms=61_000, newborn=True, witness=witness)
    lines = [(1, DOMAIN.store, i, S0 + 10 * n, h) for n in range(rounds) for i, h in HASHES.items()]
    journal._db.execute("BEGIN")
    journal._db.executemany("INSERT INTO signed VALUES (?, ?, ?, ?, ?)", lines)
    journal._db.execute("COMMIT")
    return journal, S0 + 10 * (rounds - 1)


def steps(journal: SignJournal, work: Callable[[], object]) -> int:
    """Tens of steps of the database's machine."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    journal._db.set_progress_handler(count, 10)
    work()
    journal._db.set_progress_handler(None, 0)
    return counted


@pytest.mark.parametrize("question", QUESTIONS)
def test_law_nothing_costs_more_the_more_is_kept(tmp_path: Path, question: str) -> None:
    few, newest_few_s = kept(tmp_path / "few", 20)
    many, newest_many_s = kept(tmp_path / "many", 2_000)
    ask = QUESTIONS[question]
    assert steps(many, lambda: ask(many, newest_many_s)) <= 2 * steps(few, lambda: ask(few, newest_few_s)) + 20


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    journal, newest_s = kept(tmp_path / "j", 3)
    journal.record(DOMAIN, newest_s + 10, HASHES)
    changes, noted = journal._db.total_changes, journal._witness.read()  # type: ignore[union-attr]
    for some in (HASHES, {3: HASHES[3]}, {}):
        journal.record(DOMAIN, newest_s + 10, some)
    assert (journal._db.total_changes, journal._witness.read()) == (changes, noted)  # type: ignore[union-attr]
    with pytest.raises(EquivocationRefused):
        journal.record(DOMAIN, newest_s + 10, {3: HASHES[3], 4: HASHES[3]})
    journal.record(DOMAIN, newest_s + 10, {3: HASHES[3], 77: HASHES[3]})
    assert journal.has_signed(DOMAIN, 77, newest_s + 10)
    assert journal._db.total_changes > changes
