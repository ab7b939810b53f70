"""Evidence outlives the process, once, bounded, and as a document that anybody can check and submit."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from eth_abi.abi import decode

from oracle.chain.store_abi import selector
from oracle.watch.compare import Contradiction
from oracle.watch.evidence import BadEvidence, EvidenceState, evidence_document, prove_data, read_document
from oracle.watch.kept import MOST_OF_OPERATOR
from oracle.watch.watcher import Watcher
from oracle.watch.words import SignedWord
from tests.oracle.watch.watch_world import (
    ADDRESSES,
    HERE,
    ROUND_S,
    SEALED,
    A,
    B,
    file_rows,
    memory_rows,
    word_by,
)

SAID = [word_by(0, A, SEALED, step=3), word_by(0, B)]
FOUND = Contradiction(operator=ADDRESSES[0], first=SAID[0], second=SAID[1], index=1)


def test_evidence_is_kept_once_however_it_is_found_again(tmp_path: Path) -> None:
    for _ in range(3):
        watcher = Watcher(file_rows(tmp_path / "watch.db"), lambda: 5)
        for word in (*SAID, *reversed(SAID)):
            watcher.hear(word)
        watcher.flush()
    (kept,) = file_rows(tmp_path / "watch.db").evidence()
    assert (kept.found, kept.state, kept.found_ms) == (FOUND, EvidenceState.FOUND, 5)
    assert kept.evidence_id == FOUND.evidence_id == replace(FOUND, first=SAID[1], second=SAID[0]).evidence_id


def test_a_word_from_before_a_restart_contradicts_one_after_it(tmp_path: Path) -> None:
    first = Watcher(file_rows(tmp_path / "watch.db"), lambda: 5)
    first.hear(SAID[0])
    first.flush()
    second = Watcher(file_rows(tmp_path / "watch.db"), lambda: 5)
    second.hear(SAID[1])
    assert [k.found for k in second.rows.evidence()] == [FOUND]


def test_a_lie_in_a_round_that_has_left_memory_is_found_though_nothing_was_written_yet() -> None:
    watcher = Watcher(memory_rows(), lambda: 5, most_rounds=4)
    watcher.hear(SAID[0])
    for n in range(1, 20):
        watcher.hear(word_by(0, A, round_s=ROUND_S + 10 * n))
    watcher.hear(SAID[1])
    assert [k.found for k in watcher.rows.evidence()] == [FOUND]


def test_evidence_that_could_not_be_written_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher(memory_rows(), lambda: 5)
    watcher.hear(SAID[0])
    with monkeypatch.context() as disk:
        disk.setattr(watcher.rows, "add", lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("disk is full")))
        with pytest.raises(sqlite3.OperationalError):
            watcher.hear(SAID[1])
    assert watcher.rows.evidence() == []
    watcher.flush()
    assert [k.found for k in watcher.rows.evidence()] == [FOUND]


def test_an_old_and_a_new_key_are_one_operator_once_that_is_known() -> None:
    silenced: list[bytes] = []
    watcher = Watcher(memory_rows(), lambda: 5, own=[ADDRESSES[3]], on_own=silenced.append)
    for key, said in enumerate((A, B, B, B, A)):
        watcher.hear(word_by(key, said))
    assert watcher.keys == set(ADDRESSES)
    assert watcher.rows.evidence() == []
    for _ in range(2):
        watcher.learn({ADDRESSES[0]: b"\x99" * 20, ADDRESSES[1]: b"\x99" * 20})
    assert [(k.found.operator, k.state) for k in watcher.rows.evidence()] == [(b"\x99" * 20, EvidenceState.FOUND)]
    watcher.learn(dict.fromkeys(ADDRESSES[2:], b"\x77" * 20))
    assert [k.state for k in watcher.rows.evidence() if k.found.operator == b"\x77" * 20] == [EvidenceState.OWN]
    assert set(silenced) == {ADDRESSES[3]}, "also where other keys of this operator said it"


def test_who_lies_all_day_does_not_fill_the_disk() -> None:
    watcher = Watcher(memory_rows(), lambda: 5)
    for n in range(MOST_OF_OPERATOR + 50):
        for said in (A, B):
            watcher.hear(word_by(0, said, round_s=ROUND_S + 10 * n))
    assert len(watcher.rows.evidence()) == MOST_OF_OPERATOR
    for said in (A, B):
        watcher.hear(word_by(1, said))
    assert {k.found.operator for k in watcher.rows.evidence()} == set(ADDRESSES[:2]), "another one's is kept"


def test_old_words_are_forgotten_and_evidence_is_not() -> None:
    rows = memory_rows()
    watcher = Watcher(rows, lambda: 5)
    for n in range(50):
        watcher.hear(word_by(0, A, round_s=ROUND_S + 600 * n))
    watcher.hear(word_by(0, B))
    watcher.flush()
    for _ in range(20):
        rows.prune(ROUND_S + 600 * 40)
    assert [len(rows.words(HERE, ROUND_S + 600 * n)) for n in (0, 39, 40, 49)] == [0, 0, 1, 1]
    assert len(rows.evidence()) == 1


def test_a_document_proves_itself() -> None:
    rows = memory_rows()
    rows.add(FOUND, EvidenceState.FOUND, 5)
    document = json.loads(json.dumps(evidence_document(rows.evidence()[0])))
    assert read_document(document) == FOUND
    data = bytes.fromhex(document["calldata"][2:])
    assert data == prove_data(FOUND)
    signed = "(uint8,uint16,bytes,bytes32,bytes32)"
    assert data[:4] == selector("prove", (signed, signed, "uint16"))
    assert decode([signed, signed, "uint16"], data[4:]) == (SAID[0].signed, SAID[1].signed, 1)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (replace(FOUND, second=replace(SAID[1], signature=SAID[0].signature)), "not signed"),
        (replace(FOUND, second=replace(SAID[1], key=ADDRESSES[1])), "not signed"),
        (replace(FOUND, index=0), "the same of token 0"),
        (replace(FOUND, index=9), "says nothing"),
        (replace(FOUND, second=word_by(0, B, round_s=ROUND_S + 1)), "different stores or rounds"),
        (replace(FOUND, second=SAID[0]), "the same"),
    ],
)
def test_what_is_no_evidence_is_refused(found: Contradiction, why: str) -> None:
    rows = memory_rows()
    rows.add(found, EvidenceState.FOUND, 5)
    with pytest.raises(BadEvidence, match=why):
        read_document(evidence_document(rows.evidence()[0]))


@pytest.mark.parametrize("document", [{}, {"words": 7}, {"chain_id": "x"}, {"words": [{}, {}]}])
def test_what_is_no_document_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(BadEvidence, match="not evidence"):
        read_document(document)


def test_the_form_of_a_word_is_checked_before_its_signature() -> None:
    for changed in (
        {"items": b""},
        {"items": A[:-1]},
        {"signature": b"\1" * 63},
        {"signature": bytes(64)},
        {"step": 1 << 16},
    ):
        assert not SignedWord(**{**{f: getattr(SAID[0], f) for f in SignedWord.__slots__}, **changed}).is_sound
