"""What is kept of other members: of evidence the newest, so that nobody fills the disk, and any announcement that one can make."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.sign.messages import EvidenceRow
from oracle.storage.database import Database
from oracle.storage.record_rows import MOST_EVIDENCE

LIAR, OTHER = b"\x01" * 20, b"\x02" * 20


def row(round_s: int, address: bytes = LIAR, kind: str = "two_values", target: str = "home") -> EvidenceRow:
    return EvidenceRow(
        target=target, round_time_s=round_s, address=address, kind=kind, text="two values", first=b"one", second=b"two"
    )


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "rounds.db")


def test_of_each_kind_and_member_the_newest_rounds_are_kept(database: Database) -> None:
    rare = [row(1, kind="two_items"), row(1, address=OTHER), row(1, target="away")]
    database.save_evidence(rare)
    for round_s in range(10, 10 + MOST_EVIDENCE + 40):
        database.save_evidence([row(round_s), row(round_s)])
    kept = database.evidence(limit=10_000)
    assert [r.round_time_s for r in kept if r not in rare] == list(range(49 + MOST_EVIDENCE, 49, -1))
    assert all(r in kept for r in rare), "what is rare gives way to nothing that is not"
    assert database.evidence_of("home", 49) == []


def test_all_evidence_of_one_round_is_kept_however_much_there_is(database: Database) -> None:
    rows = [row(1, address=n.to_bytes(20, "big"), kind=k) for n in range(255) for k in ("two_values", "two_items")]
    database.save_evidence(rows)
    assert len(database.evidence(limit=10_000)) == len(rows)


def test_an_announcement_with_the_highest_counter_there_is_can_be_kept(database: Database) -> None:
    for counter in (5, 2**63 - 2, 2**64 - 1, 7):
        database.save_announcement(LIAR, counter, b"said %d" % counter)
    assert database.announcements() == [b"said %d" % (2**64 - 1)]
