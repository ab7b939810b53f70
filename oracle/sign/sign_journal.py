"""The sign journal: a signer writes down what it is about to sign, and never signs another thing for the same place.

One SQLite file for each key, written with full synchronisation before a signature leaves the process. Old lines are
dropped a few at a time, in the transaction that writes a new one; for a place so old that its line may be gone, nothing
is signed any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from feeds.errors import LrtOracleError
from oracle.runtime.file_faults import is_damage
from oracle.sign.eip712 import Domain
from oracle.sign.epoch_lines import EpochKind, EpochLine, EpochLines, VoteLine
from oracle.sign.epoch_words import VoteKind
from oracle.sign.handover import Handover
from oracle.sign.journal_form import JournalError, damaged_journal, open_journal
from oracle.sign.journal_witness import JournalWitness, WitnessError, WitnessNote
from oracle.sign.mute_period import MutePeriod
from oracle.sign.round_lines import JournalPlace, RoundLines

KEPT_S = 2 * 86_400
"""Lines of a feed that are older than its newest by this are dropped; longer where a store takes older rounds."""
_BUSY_MS = 1_000
"""So long a write waits for another process that has the journal; rounds wait too. Later it is a refusal, and the next
round tries again."""


class EquivocationRefused(LrtOracleError):
    """The key has already signed something else for this place."""

    def __init__(self, place: JournalPlace) -> None:
        super().__init__(f"feed {place.feed} at round_time {place.round_s} is already signed with other values")
        self.place = place


class ForgottenRefused(EquivocationRefused):
    """The place is so old that the journal may have dropped what was signed there."""

    def __init__(self, place: JournalPlace, newest_s: int) -> None:
        super().__init__(place)
        why = f"the journal's newest line is at {newest_s} and lines this old are dropped; nothing is signed there any more"
        self.args = (f"feed {place.feed} at round_time {place.round_s}: {why}",)


class LostRefused(EquivocationRefused):
    """The place is from before the journal was lost or restored: what was signed there is not known any more."""

    def __init__(self, place: JournalPlace, floor_s: int) -> None:
        super().__init__(place)
        why = f"the journal was missing, restored or moved and knows nothing of what was signed up to {floor_s}"
        self.args = (f"feed {place.feed} at round_time {place.round_s}: {why}; nothing is signed there any more",)


class SignJournal:
    """What one key has signed, on disk.

    Args:
        path: the file; its folder must exist.
        address: the key's 20-byte address, bound to the file.
        now_ms: present time.
        mute_ms: how long to stay mute when the file is new but the key is not: the longest time for which something that
            the key may have signed before could still be pushed, plus one round.
        newborn: the key was made together with this journal, so it has signed nothing yet.
        witness: where the number of writes is noted too, before each signature; None for none.
        time_confirmed: whether somebody has confirmed ``now_ms``; if not, `set_time` says when it is.
        busy_ms: how long a write waits for another process that has the journal.
    """

    def __init__(
        self,
        path: Path,
        address: bytes,
        *,
        now_ms: int,
        mute_ms: int,
        newborn: bool = False,
        witness: JournalWitness | None = None,
        time_confirmed: bool = True,
        busy_ms: int = _BUSY_MS,
    ) -> None:
        self.path = path
        self.witnessed_s: int | None = None
        """Newest round_time of which the witness knew more than this file when it was opened; None if it did not."""
        self._witness = witness
        self._damage: str | None = None
        self._db = open_journal(path)
        self._handover = Handover(self._db, path)
        self._lines, self._epochs = RoundLines(self._db), EpochLines(self._db)
        self._mute = MutePeriod(self._db, mute_ms, time_confirmed=time_confirmed)
        # mute_ms covers what a store still takes
        self._kept_s = max(KEPT_S, 2 * mute_ms // 1_000)
        try:
            self._open(address, now_ms, newborn=newborn)
            self._db.execute(f"PRAGMA busy_timeout = {busy_ms}")
            self._ask_witness(now_ms)
        except BaseException:
            self._db.close()
            raise

    def _open(self, address: bytes, now_ms: int, *, newborn: bool) -> None:
        """Bind the key, and begin to be mute if need be: all or nothing, a crash leaves no journal that forgot it was new."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._handover.check_open()
            self._db.execute("INSERT INTO silence SELECT 0, 1 WHERE NOT EXISTS (SELECT 1 FROM silence)")
            row = self._db.execute("SELECT address, mute_until_ms FROM owner").fetchone()
            if row is None:
                self._db.execute("INSERT INTO owner VALUES (?, 0)", (address,))
            elif row[0] != address:
                owner = f"0x{row[0].hex()}, not 0x{address.hex()}"
                raise JournalError(f"{self.path} belongs to key {owner}: give each key its own")
            else:
                self._mute.load(row[1])
            if not self._mute.is_confirmed or (row is None and not newborn):
                self._mute.begin(now_ms)

    # --- mute ----------------------------------------------------------------------------------------------------

    @property
    def mute_until_ms(self) -> int:
        """Unix ms until which this key signs nothing, by the time that the process had when it was set."""
        return self._mute.until_ms

    @property
    def forgotten_s(self) -> int:
        """Up to when it may have signed what is not in here, Unix s: the file was missing or restored; 0 if it never was."""
        return self._mute.floor_s

    @property
    def moved_s(self) -> int:
        """Up to which round_time only what is in here may be signed again, as it is here: it came from another machine."""
        return self._handover.floor_s

    def mute_for_ms(self, now_ms: int) -> int:
        """How long this key still signs nothing, at least; 0 if it may sign."""
        return self._mute.rest_ms(now_ms)

    def mute(self, until_ms: int) -> None:
        """Stay mute until then, if not for longer."""
        self._mute.extend(until_ms)

    def mark_restored(self, now_ms: int, signed_s: int = 0) -> None:
        """Stay mute for the full time from now: the key has signed what is not in here.

        Args:
            now_ms: present time.
            signed_s: the newest round_time that it is known to have signed.
        """
        self._mute.begin(now_ms, signed_s)

    def set_time(self, now_ms: int, by_ms: int = 0) -> None:
        """Our time is now known, or was set by so much: what is left of being mute moves with it, see MutePeriod."""
        self._mute.set_time(now_ms, by_ms)

    # --- what was signed -----------------------------------------------------------------------------------------

    def last_round_s(self) -> int:
        """Newest round_time signed, 0 if none."""
        return int(self._db.execute("SELECT coalesce(max(round_s), 0) FROM signed").fetchone()[0])

    def newest_round_s(self, domain: Domain) -> int:
        """Newest round_time signed for a store, 0 if none."""
        sql = "SELECT round_s FROM signed INDEXED BY signed_round WHERE chain = ? AND store = ? ORDER BY round_s DESC LIMIT 1"
        row = self._db.execute(sql, (domain.chain_id, domain.store)).fetchone()
        return 0 if row is None else int(row[0])

    def has_signed(self, domain: Domain, feed: int, round_s: int) -> bool:
        """Whether something was signed for this place, by any process that writes here, and is not yet dropped."""
        return self._lines.has(JournalPlace(domain.chain_id, domain.store, feed, round_s))

    def hashes(self, domain: Domain, round_s: int) -> Mapping[int, bytes]:
        """Item hashes of a round that are signed already, by feed index."""
        sql = "SELECT feed, item_hash FROM signed INDEXED BY signed_round WHERE chain = ? AND store = ? AND round_s = ?"
        return dict(self._db.execute(sql, (domain.chain_id, domain.store, round_s)).fetchall())

    def record(self, domain: Domain, round_s: int, item_hashes: Mapping[int, bytes]) -> None:
        """Write the item hashes of one round of a store, by feed index, all or none, and return once they are on disk.

        What is there already is not written again: others can ask for the same signature often, and a write waits for the disk.

        Raises:
            EquivocationRefused: one of them was signed with another hash, or may have been; nothing is written.
            JournalError: the witness could not be written, or knows of more than is in here; nothing may be signed.
        """
        self._write_down(
            lambda: self._holds(domain, round_s, item_hashes), lambda: self._write_round(domain, round_s, item_hashes)
        )

    def record_epoch(self, line: EpochLine) -> None:
        """Write what is about to be signed of an epoch, and return once it is on disk.

        Raises:
            EpochRefused: another word of this kind was signed for it, or may have been.
            JournalError: as of `record`.
        """
        self._write_down(lambda: self._epochs.holds(line), lambda: self._epochs.write(line, self._mute.floor_s))

    def record_vote(self, line: VoteLine) -> None:
        """As `record_epoch`, of a word of the agreement on an epoch's report."""
        self._write_down(
            lambda: self._epochs.holds_vote(line), lambda: self._epochs.write_vote(line, self._mute.floor_s)
        )

    def epoch_signed(self, domain: Domain, kind: EpochKind, epoch: int) -> bytes | None:
        """Hash of what was signed of an epoch; None where nothing was."""
        return self._epochs.signed(domain.chain_id, domain.store, kind, epoch)

    def epoch_votes(self, domain: Domain, epoch: int) -> list[tuple[int, VoteKind, bytes]]:
        """Attempt, kind and content of all that was said in the agreement on an epoch's report, the oldest attempt first."""
        return self._epochs.votes(domain.chain_id, domain.store, epoch)

    def _write_down(self, is_there: Callable[[], bool], write: Callable[[], None]) -> None:
        """One transaction, and its witness. Once a file is seen to be damaged, nothing it says is believed any more."""
        if self._damage is not None:
            raise damaged_journal(self.path, self._damage)
        try:
            self._write_whole(is_there, write)
        except sqlite3.DatabaseError as e:
            if not is_damage(e):
                raise
            self._damage = str(e)
            raise damaged_journal(self.path, self._damage) from e

    def _write_whole(self, is_there: Callable[[], bool], write: Callable[[], None]) -> None:
        with self._db:  # commits, or rolls back when an exception passes
            self._db.execute("BEGIN IMMEDIATE")
            self._handover.check_open()
            ahead = self._witness_ahead()
            if ahead is None and is_there():
                return
            if ahead is None:
                write()
                self._db.execute("UPDATE written SET writes = writes + 1")
            else:
                self._go_on_from(ahead)
        if ahead is not None:
            raise JournalError(
                f"{self.path} was restored while it was in use: its witness knows of more; mute for a while"
            )
        self._write_witness()

    def _write_round(self, domain: Domain, round_s: int, item_hashes: Mapping[int, bytes]) -> None:
        for feed, item_hash in item_hashes.items():
            place = JournalPlace(domain.chain_id, domain.store, feed, round_s)
            self._admit(place)
            self._write(place, item_hash)
            self._lines.drop_old(place, self._kept_s)

    def _holds(self, domain: Domain, round_s: int, item_hashes: Mapping[int, bytes]) -> bool:
        """Whether all of it is there, as it was signed."""
        return all(
            self._lines.held(JournalPlace(domain.chain_id, domain.store, f, round_s)) == h
            for f, h in item_hashes.items()
        )

    def _admit(self, place: JournalPlace) -> None:
        """Refuse a place of which it is not known any more what was signed there."""
        oldest_s, floor_s = self._lines.oldest_s(place, self._kept_s), max(self._mute.floor_s, self.moved_s)
        if (place.round_s >= oldest_s and place.round_s > floor_s) or self._lines.has(place):
            return
        if place.round_s < oldest_s:
            raise ForgottenRefused(place, oldest_s + self._kept_s)
        raise LostRefused(place, floor_s)

    def _write(self, place: JournalPlace, item_hash: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO signed VALUES (?, ?, ?, ?, ?)", (*place, item_hash))
        if self._lines.held(place) != item_hash:
            raise EquivocationRefused(place)

    # --- the witness ---------------------------------------------------------------------------------------------

    def _ask_witness(self, now_ms: int) -> None:
        """Find out whether this journal is older than what the key has signed; then it is mute, and counts on from there."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO written SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM written)")
            note = self._note_ahead()
            if note is not None:
                self.witnessed_s = note.round_s
                self._go_on_from(note)
                self._mute.begin(now_ms, note.round_s)
        self._write_witness()

    def _witness_ahead(self) -> WitnessNote | None:
        """What the witness knows, if that is more than is in here: it is written after the journal, so that was restored."""
        try:
            return self._note_ahead()
        except WitnessError as e:
            raise _unwitnessed(e) from e

    def _note_ahead(self) -> WitnessNote | None:
        note = self._witness.read() if self._witness is not None else None
        if note is None or note.writes <= self._writes():
            return None
        if note.sealed:
            raise self._handover.sealed_elsewhere()
        return note

    def _go_on_from(self, note: WitnessNote) -> None:
        """Count on from where the witness is, and be mute: at once, and for the full time from when that is asked for."""
        self._db.execute("UPDATE written SET writes = ?", (note.writes,))
        self._mute.begin_when_asked(note.round_s)

    def _write_witness(self) -> None:
        """After the journal: the witness never knows of more than was in it."""
        if self._witness is None:
            return
        try:
            self._witness.write(WitnessNote(writes=self._writes(), round_s=self.last_round_s()))
        except WitnessError as e:
            raise _unwitnessed(e) from e

    def _writes(self) -> int:
        return int(self._db.execute("SELECT writes FROM written").fetchone()[0])

    def close(self) -> None:
        """Close the files."""
        self._db.close()
        if self._witness is not None:
            self._witness.close()


def _unwitnessed(error: WitnessError) -> JournalError:
    return JournalError(f"nothing is signed that the witness does not know of: {error}")
