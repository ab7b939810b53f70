"""A journal moves to another machine: it neither signs twice nor waits, whatever is exported, copied, restored or imported twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.sign.epoch_lines import EpochKind, EpochLine, VoteLine
from oracle.sign.epoch_words import VoteKind
from oracle.sign.interchange import BadInterchange, from_json, to_json
from oracle.sign.journal_form import JournalError, JournalSealed
from oracle.sign.journal_moves import MoveRefused, export_journal, import_journal, make_ticket
from oracle.sign.sign_journal import EquivocationRefused, SignJournal
from tests.oracle.sign.moving_key import ADDRESS, DOMAINS, MUTE_S, OTHER, S0, WORDS, MovingKey, lines

LOCAL, ELSEWHERE = DOMAINS
A, B = WORDS


@pytest.fixture
def key(tmp_path: Path) -> MovingKey:
    return MovingKey(tmp_path, 0)


def moved(key: MovingKey) -> SignJournal:
    """The key signs on the first machine up to now, and goes on on the second one."""
    first, second = key.machines[:2]
    journal = first.start(key.now_s)
    for i in range(20):
        journal.record(LOCAL, S0 + 10 * i, {0: A, 1: A})
    journal.record(ELSEWHERE, S0, {7: A})
    journal.record_epoch(EpochLine(1, LOCAL.store, EpochKind.REWARDS, 3, A, S0))
    journal.record_vote(VoteLine(1, LOCAL.store, 4, 2, VoteKind.COMMIT, A, S0))
    key.now_s = S0 + 195
    move(key)
    return second.start(key.now_s)


def move(key: MovingKey, source: int = 0, target: int = 1) -> Path:
    ticket = key.machines[target].ticket(key.now_s)
    file = key.export(key.machines[source], ticket)
    assert file is not None
    key.bring(key.machines[target], file=file)
    return file


def test_no_history_of_moves_lets_a_key_sign_two_things(tmp_path: Path) -> None:
    moves = refusals = said = mistakes = clones = 0
    for seed in range(60):
        key = MovingKey(tmp_path / str(seed), seed)
        for _ in range(60):
            key.step()
        key.close()
        moves, refusals, said = moves + key.moves, refusals + key.refusals, said + len(key.said)
        mistakes, clones = mistakes + key.mistakes, clones + key.clones
    assert moves > 100, "or it tests nothing"
    assert refusals > 500
    assert said > 600
    assert mistakes > 100
    assert clones > 20


def test_a_sealed_move_waits_for_nothing_and_misses_no_round(key: MovingKey) -> None:
    journal = moved(key)
    assert journal.mute_for_ms(key.now_s * 1_000) == 0
    journal.record(LOCAL, S0 + 200, {0: B, 1: B})
    journal.record(ELSEWHERE, S0 + 200, {7: B})
    (
        journal.record_epoch(EpochLine(1, LOCAL.store, EpochKind.ATTENDED, 3, B, S0)),
        "of an epoch that ended before the move",
    )
    journal.record_vote(VoteLine(1, LOCAL.store, 4, 3, VoteKind.READY, B, S0))


def test_all_that_was_signed_goes_along(key: MovingKey) -> None:
    journal = moved(key)
    journal.record(LOCAL, S0 + 190, {0: A}), "the same again, for a push that is under way"
    for round_s in (S0 + 190, S0 + 180, S0 + 100, S0):
        with pytest.raises(EquivocationRefused):
            journal.record(LOCAL, round_s, {0: B})
    with pytest.raises(EquivocationRefused, match="restored or moved"):
        journal.record(LOCAL, S0 + 190, {5: B})
    assert journal.epoch_signed(LOCAL, EpochKind.REWARDS, 3) == A
    assert journal.epoch_votes(LOCAL, 4) == [(2, VoteKind.COMMIT, A)]
    assert journal.newest_round_s(ELSEWHERE) == S0, "the newest line of a feed, however old"


def test_only_the_newest_lines_go_along_and_the_mark_stands_for_the_others(key: MovingKey) -> None:
    moved(key)
    assert lines(key.machines[0].journal) == 41
    assert lines(key.machines[1].journal) == 2 * 3 + 1
    document = from_json(key.exports[-1].read_text())
    assert document.complete_from_s == S0 + 170
    assert document.low_water() == {
        (1, LOCAL.store, 0): S0 + 190,
        (1, LOCAL.store, 1): S0 + 190,
        (2, LOCAL.store, 7): S0,
    }


def test_what_was_exported_never_signs_again_nor_does_a_snapshot_of_it(key: MovingKey) -> None:
    first = key.machines[0]
    first.start(key.now_s).record(LOCAL, S0, {0: A})
    first.stop()
    first.snapshot()
    move(key)
    with pytest.raises(JournalSealed, match="was exported to another machine"):
        first.start(key.now_s)
    first.restore(first.snapshots[0])
    with pytest.raises(JournalSealed, match="signs nothing here any more"):
        first.start(key.now_s + 10 * MUTE_S)


def test_a_process_whose_journal_is_sealed_under_it_signs_no_more(key: MovingKey) -> None:
    """A lock keeps that from happening; where locks do not hold, as over a network, the journal itself does."""
    first, second = key.machines[:2]
    journal = first.start(key.now_s)
    ticket = second.ticket(key.now_s)
    export_journal(
        first.journal,
        ADDRESS,
        key.folder / "f.json",
        ticket=ticket,
        witness=None,
        now_ms=key.now_s * 1_000,
        window_s=60,
    )
    with pytest.raises(JournalSealed):
        journal.record(LOCAL, S0, {0: A})


def test_a_file_is_imported_once_and_where_its_ticket_was_drawn(key: MovingKey) -> None:
    file = move(key)
    for machine in (key.machines[1], key.machines[2]):
        with pytest.raises(MoveRefused):
            key.bring(machine, file=file)
    key.machines[2].ticket(key.now_s)
    with pytest.raises(MoveRefused, match="it is for another machine, was imported already"):
        key.bring(key.machines[2], file=file)
    with pytest.raises(JournalSealed, match="waits for the journal of another machine"):
        key.machines[2].start(key.now_s)


def test_an_old_export_is_refused_after_the_key_came_back(key: MovingKey) -> None:
    old = move(key, 0, 1)
    key.machines[1].start(key.now_s).record(LOCAL, S0 + 10, {0: A})
    key.now_s += 10
    move(key, 1, 0)
    key.machines[0].start(key.now_s).record(LOCAL, S0 + 20, {0: A})
    with pytest.raises(MoveRefused):
        key.bring(key.machines[1], file=old)
    key.machines[1].ticket(key.now_s)
    with pytest.raises(MoveRefused):
        key.bring(key.machines[1], file=old)


def test_a_copy_waits_mute_and_signs_nothing_of_rounds_before(key: MovingKey) -> None:
    first, third = key.machines[0], key.machines[2]
    file = key.export(first, b"")
    first.start(key.now_s).record(LOCAL, S0, {0: A}), "a copy seals nothing"
    first.stop()
    with pytest.raises(MoveRefused, match="import it with --as-copy"):
        key.bring(third, file=file)
    key.bring(third, file=file, as_copy=True)
    journal = third.start(key.now_s + 5)
    assert journal.mute_for_ms(key.now_s * 1_000 + 5_000) == MUTE_S * 1_000
    with pytest.raises(EquivocationRefused):
        journal.record(LOCAL, S0, {0: B})
    assert journal.mute_for_ms((key.now_s + 5 + MUTE_S) * 1_000) == 0, "and no longer"


def test_a_restored_journal_is_not_passed_on_as_a_whole_one(key: MovingKey) -> None:
    first = key.machines[0]
    first.snapshot()
    first.start(key.now_s).record(LOCAL, S0, {0: A})
    first.restore(first.snapshots[0])
    move(key)
    journal = key.machines[1].start(key.now_s)
    assert journal.mute_for_ms(key.now_s * 1_000) == MUTE_S * 1_000


def test_a_copy_that_the_database_knows_more_than_is_not_passed_on_as_a_whole_one(key: MovingKey) -> None:
    first, second = key.machines[:2]
    ticket = second.ticket(key.now_s)
    document = export_journal(
        first.journal, ADDRESS, key.folder / "f.json", ticket=ticket, witness=None, now_ms=S0 * 1_000, window_s=60,
        known_s=S0,
    )  # fmt: skip
    assert (document.mute_confirmed, document.unknown_to_s) == (False, S0)


def test_an_export_that_cannot_be_written_seals_nothing(key: MovingKey) -> None:
    first = key.machines[0]
    ticket = key.machines[1].ticket(key.now_s)
    with pytest.raises(FileNotFoundError):
        export_journal(
            first.journal, ADDRESS, key.folder / "no" / "f.json", ticket=ticket, witness=None, now_ms=0, window_s=60
        )
    first.start(key.now_s).record(LOCAL, S0, {0: A})
    first.stop()
    written = [key.export(first, ticket), key.export(first, ticket)]
    assert len({f.read_text() for f in written if f}) == 1, "the sealed journal can be written again, as it was"
    with pytest.raises(MoveRefused, match="was exported to ticket"):
        key.export(first, bytes(16))


def test_what_two_machines_signed_differently_is_never_merged(key: MovingKey) -> None:
    first, second = key.machines[:2]
    file = key.export(first, b"")
    second.start(key.now_s).record(LOCAL, S0 + 1_000, {0: A})
    second.stop()
    journal = first.start(key.now_s)
    for later_s in (0, 10, 20):
        journal.record(LOCAL, S0 + 1_000 + later_s, {0: B})
    first.stop()
    ticket = key.machines[2].ticket(key.now_s)
    key.export(second, ticket)
    assert file is not None
    later = key.export(first, b"")
    with pytest.raises(MoveRefused, match="two things that the key signed at one place"):
        key.bring(second, file=later, as_copy=True, other_is_lost=True)


def test_a_file_that_was_changed_or_is_of_another_key_is_refused(key: MovingKey) -> None:
    first = key.machines[0]
    first.start(key.now_s).record(LOCAL, S0, {0: A})
    file = key.export(first, b"")
    assert file is not None
    document = from_json(file.read_text())
    assert from_json(to_json(document)) == document
    assert file.stat().st_mode & 0o777 == 0o600
    body = json.loads(file.read_text())
    body["data"][0]["signed_rounds"] = []
    for text in (json.dumps(body), file.read_text()[:-40], "[]", "{}", '{"checksum": 1, "metadata": {}}'):
        with pytest.raises(BadInterchange):
            from_json(text)
    with pytest.raises(MoveRefused, match="of key"):
        import_journal(key.folder / "o.db", document, OTHER, witness=None, now_ms=0, mute_ms=0, as_copy=True)
    with pytest.raises(JournalError, match="belongs to key"):
        make_ticket(first.journal, OTHER, witness=None, now_ms=0)
    with pytest.raises(MoveRefused, match="a journal that signs"):
        first.ticket(key.now_s)
