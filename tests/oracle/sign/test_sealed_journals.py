"""Where a key has moved away: no copy signs there beside it, and a ticket is taken where it was drawn alone."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from oracle.sign.journal_form import JournalSealed
from oracle.sign.journal_moves import MoveRefused
from oracle.sign.journal_ticket import draw_ticket, drawn_here
from oracle.sign.sign_journal import EquivocationRefused
from tests.oracle.sign.moving_key import DOMAINS, MUTE_S, S0, WORDS, MovingKey

HOME = DOMAINS[0]
A, B = WORDS


@pytest.fixture
def key(tmp_path: Path) -> MovingKey:
    """It signed on the first machine, and was exported to the second one; ``exports``: a copy from before, and the sealed file."""
    key = MovingKey(tmp_path, 0)
    first, second = key.machines[:2]
    first.start(key.now_s).record(HOME, S0, {0: A})
    first.stop()
    first.snapshot()
    key.export(first, b"")
    first.start(key.now_s).record(HOME, S0 + 10, {0: A})
    key.now_s += 15
    key.export(first, second.ticket(key.now_s))
    return key


@pytest.mark.parametrize("there", ["sealed journal", "nothing", "journal from before", "journal that a start made"])
def test_a_key_that_moved_is_not_brought_back_by_a_copy(key: MovingKey, there: str) -> None:
    first, second = key.machines[:2]
    before, sealed = key.exports
    key.bring(second, file=sealed)
    second.start(key.now_s).record(HOME, S0 + 20, {0: A})
    key.now_s += 15
    if there != "sealed journal":
        first.wipe()
    if there == "journal from before":
        first.restore(first.snapshots[0])
    if there == "journal that a start made":
        with pytest.raises(JournalSealed):
            first.start(key.now_s)
    for file in (before, sealed):
        with pytest.raises(MoveRefused):
            key.bring(first, file=file, as_copy=True)
    assert first.is_sealed(), "nothing took the seal away"
    if there != "nothing":
        with pytest.raises(JournalSealed):
            first.start(key.now_s + 10 * MUTE_S)
    back = key.export(second, first.ticket(key.now_s))
    for file in (before, sealed):  # nor once a ticket is drawn
        with pytest.raises(MoveRefused, match="export from where it is now"):
            key.bring(first, file=file, as_copy=True)
    key.bring(first, file=back)
    journal = first.start(key.now_s)
    assert journal.mute_for_ms(key.now_s * 1_000) == 0, "what is advised brings it back, and it waits for nothing"
    with pytest.raises(EquivocationRefused):
        journal.record(HOME, S0 + 20, {0: B})


def test_a_sealed_file_is_a_copy_only_where_its_machine_is_said_to_be_lost(key: MovingKey) -> None:
    third, sealed = key.machines[2], key.exports[1]
    with pytest.raises(MoveRefused, match="--the-other-machine-is-lost"):
        key.bring(third, file=sealed, as_copy=True)
    key.bring(third, file=sealed, as_copy=True, other_is_lost=True)
    assert third.start(key.now_s).mute_for_ms(key.now_s * 1_000) == MUTE_S * 1_000
    key.bring(key.machines[1], file=sealed, as_copy=True), "the machine of the ticket needs no such word"


@pytest.mark.parametrize("is_there", [True, False])
def test_where_the_other_machine_is_lost_a_copy_is_no_older_than_the_seal(key: MovingKey, is_there: bool) -> None:
    first, second = key.machines[:2]
    before, sealed = key.exports
    key.bring(second, file=sealed)
    second.start(key.now_s).record(HOME, S0 + 20, {0: A})
    newer = key.export(second, b"")
    key.now_s += 15
    if not is_there:
        first.wipe()
    with pytest.raises(MoveRefused, match="older than the seal"):
        key.bring(first, file=before, as_copy=True, other_is_lost=True)
    state = first.folder.parent / "state"
    shutil.copytree(first.folder, state)
    for file in (sealed, newer):
        shutil.rmtree(first.folder)
        shutil.copytree(state, first.folder)
        key.bring(first, file=file, as_copy=True, other_is_lost=True)
        journal = first.start(key.now_s)
        assert journal.mute_for_ms(key.now_s * 1_000) == MUTE_S * 1_000
        for round_s in (S0, S0 + 10, S0 + 20):
            with pytest.raises(EquivocationRefused):
                journal.record(HOME, round_s, {0: B})
        first.stop()


def test_a_sealed_journal_is_not_copied(key: MovingKey) -> None:
    first = key.machines[0]
    with pytest.raises(MoveRefused, match="Copy the journal there"):
        key.export(first, b"")
    first.restore(first.snapshots[0])
    with pytest.raises(JournalSealed):
        key.export(first, b"")
    assert len(key.exports) == 2


def test_a_ticket_is_taken_where_it_was_drawn_and_in_no_copy_of_its_folder(key: MovingKey) -> None:
    second, third, sealed = *key.machines[1:], key.exports[1]
    second.snapshot()
    third.restore(second.snapshots[0])
    for as_copy in (False, True):
        with pytest.raises(MoveRefused, match=r"draw a new ticket|--the-other-machine-is-lost"):
            key.bring(third, file=sealed, as_copy=as_copy)
    drawn = third.ticket(key.now_s)
    assert drawn != second.ticket(key.now_s), "a copy draws one of its own"
    key.bring(second, file=sealed)
    second.start(key.now_s).record(HOME, S0 + 20, {0: A})
    key.bring(third, file=key.export(second, drawn))
    third.start(key.now_s)


def test_a_ticket_is_of_one_machine_file_and_witness(tmp_path: Path, key: MovingKey) -> None:
    second = key.machines[1]
    here, there = tmp_path / "here", tmp_path / "there"
    here.write_text("1\n")
    there.write_text("2\n")
    with closing(second.witness()) as witness, closing(key.machines[2].witness()) as other:
        ticket = draw_ticket(second.journal, witness, machine=here)
        assert drawn_here(ticket, second.journal, witness, machine=here)
        assert not drawn_here(ticket, second.journal, witness, machine=there)
        assert not drawn_here(ticket, second.journal, witness, machine=tmp_path / "none")
        assert not drawn_here(ticket, second.journal, other, machine=here)
        assert not drawn_here(ticket, second.journal, None, machine=here)
        copy = second.journal.with_name("copy.db")
        shutil.copy(second.journal, copy)
        assert not drawn_here(ticket, copy, witness, machine=here), "at another path"
        second.journal.unlink()
        copy.rename(second.journal)
        assert not drawn_here(ticket, second.journal, witness, machine=here), "at the same path, as another file"
    assert draw_ticket(second.journal, None) != draw_ticket(second.journal, None)
    assert len(ticket) == 16
    assert not drawn_here(b"", second.journal, None)
