"""One report key on several machines: journals that move, are copied, restored, imported twice. What was said by whom is kept."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from oracle.sign.eip712 import Domain
from oracle.sign.epoch_lines import EpochKind, EpochLine, EpochRefused, VoteLine
from oracle.sign.epoch_words import VoteKind
from oracle.sign.interchange import from_json
from oracle.sign.journal_form import JournalError
from oracle.sign.journal_look import look_at
from oracle.sign.journal_moves import MoveRefused, export_journal, import_journal, make_ticket
from oracle.sign.journal_witness import JournalWitness
from oracle.sign.sign_journal import EquivocationRefused, SignJournal

ADDRESS, OTHER = b"\7" * 20, b"\6" * 20
DOMAINS = (Domain(chain_id=1, store=b"\5" * 20), Domain(chain_id=2, store=b"\5" * 20))
S0, MUTE_S, EPOCH_S = 1_700_000_000, 60, 300
WORDS = (b"a" * 32, b"b" * 32)


@dataclass(eq=False)
class Machine:
    """A folder with a journal; a witness outside of what snapshots of it reach."""

    folder: Path
    process: SignJournal | None = None
    snapshots: list[Path] = field(default_factory=list)
    taken: int = 0

    @property
    def journal(self) -> Path:
        return self.folder / "journal.db"

    def witness(self) -> JournalWitness:
        return JournalWitness(self.folder / "witness", ADDRESS)

    def start(self, now_s: int) -> SignJournal:
        witness = self.witness()
        try:
            self.process = SignJournal(
                self.journal, ADDRESS, now_ms=now_s * 1_000, mute_ms=MUTE_S * 1_000, witness=witness
            )
        except BaseException:
            witness.close()
            raise
        return self.process

    def ticket(self, now_s: int) -> bytes:
        with closing(self.witness()) as witness:
            return make_ticket(self.journal, ADDRESS, witness=witness, now_ms=now_s * 1_000)

    def is_sealed(self) -> bool:
        """Whether the key moved away from here, as journal or witness say."""
        with closing(self.witness()) as witness:
            return bool(witness.sealed_writes() or (self.journal.exists() and look_at(self.journal).handover.moved_to))

    def wipe(self) -> None:
        self.stop()
        for file in self.files(self.folder):
            file.unlink()

    def stop(self) -> None:
        if self.process is not None:
            self.process.close()
        self.process = None

    def files(self, folder: Path) -> list[Path]:
        return [f for f in folder.glob("journal.db*") if f.is_file()]

    def snapshot(self) -> None:
        self.taken += 1
        to = self.folder / f"snapshot{self.taken}"
        to.mkdir()
        for file in self.files(self.folder):
            shutil.copy(file, to)
        self.snapshots.append(to)

    def restore(self, snapshot: Path) -> None:
        self.wipe()
        for file in self.files(snapshot):
            shutil.copy(file, self.folder)


class MovingKey:
    """A seeded history. Whatever is signed is held against all that was signed before, by any machine.

    Args:
        folder: for its machines.
        seed: of the history.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_s = S0
        self.machines = [Machine(folder / f"m{i}") for i in range(3)]
        for machine in self.machines:
            machine.folder.mkdir(parents=True)
        self.folder, self.exports = folder, list[Path]()
        self.tickets: list[bytes] = []
        self.said: dict[tuple[object, ...], bytes] = {}
        self.moves = self.refusals = self.mistakes = self.clones = self.files_made = 0
        SignJournal(self.machines[0].journal, ADDRESS, now_ms=0, mute_ms=0, newborn=True).close()

    # --- what an operator does ---------------------------------------------------------------------------------------

    def step(self) -> None:
        self.now_s += self.rng.choice((1, 5, 10, 10, 45))
        machine = self.rng.choice(self.machines)
        acts = [self.ticket, self.export, self.bring, self.copy, self.mistake, self.snapshot, self.back]
        acts += [self.speak, self.speak, self.speak, self.relocate, self.relocate, self.relocate]
        try:
            self.rng.choice(acts)(machine)
        except (MoveRefused, JournalError):
            self.refusals += 1

    def speak(self, machine: Machine) -> None:
        """A process: one at a time by the operator's doing, several by a mistake that locks cannot see."""
        if not machine.journal.exists():
            return
        journal = machine.process or machine.start(self.now_s)
        for _ in range(4):
            if not journal.mute_for_ms(self.now_s * 1_000):
                self.say(journal)
            self.now_s += self.rng.choice((0, 5, 10))
        if self.rng.random() < 0.7:
            machine.stop()

    def say(self, journal: SignJournal) -> bool:
        """Sign something of now or of just before; whether the journal let it."""
        domain, word = self.rng.choice(DOMAINS), self.rng.choice(WORDS)
        back_s = self.rng.choice((0, 0, 0, 10, 20, 40, 120))
        round_s, feed = (self.now_s - back_s) // 10 * 10, self.rng.randrange(2)
        epoch = (self.now_s - back_s - S0) // EPOCH_S + 9
        ended_s = S0 + (epoch - 9) * EPOCH_S
        what = self.rng.choice(("round", "round", "round", "epoch", "vote"))
        try:
            if what == "round":
                place: tuple[object, ...] = (what, domain, feed, round_s)
                journal.record(domain, round_s, {feed: word})
            elif what == "epoch":
                kind = self.rng.choice(tuple(EpochKind))
                place = (what, domain, kind, epoch)
                journal.record_epoch(EpochLine(domain.chain_id, domain.store, kind, epoch, word, ended_s))
            else:
                attempt, said = self.rng.randrange(3), self.rng.choice(tuple(VoteKind))
                place = (what, domain, epoch, attempt, said)
                journal.record_vote(VoteLine(domain.chain_id, domain.store, epoch, attempt, said, word, ended_s))
        except (EquivocationRefused, EpochRefused):
            self.refusals += 1
            return False
        assert self.said.setdefault(place, word) == word, f"two things at {place}"
        return True

    # --- moves -------------------------------------------------------------------------------------------------------

    def relocate(self, machine: Machine) -> None:
        """All of a move, or its beginning, while what the old machine has signed is fresh."""
        target = self.rng.choice([m for m in self.machines if m is not machine])
        self.ticket(target)
        clone = next(m for m in self.machines if m not in {machine, target})
        is_cloned = self.rng.random() < 0.3 and (clone.is_sealed() or not clone.journal.exists())
        if is_cloned:  # the folder that waits, to another machine
            target.snapshot()
            clone.restore(target.snapshots.pop())
        if self.rng.random() < 0.5:
            self.speak(machine)
        file = self.export(machine, self.tickets[-1])
        if self.rng.random() < 0.8:
            self.bring(target, file=file)
            self.speak(target)
            if is_cloned:
                self.clones += 1
                self.bring(clone, file=file)

    def ticket(self, machine: Machine) -> None:
        self.tickets.append(machine.ticket(self.now_s))

    def export(self, machine: Machine, ticket: bytes | None = None) -> Path | None:
        """A sealed export, or a copy; a running process is stopped first, as the lock demands."""
        machine.stop()
        self.files_made += 1
        file = self.folder / f"export{self.files_made}.json"
        if ticket is None:
            ticket = self.rng.choice([b"", *self.tickets[-3:]])
        witness = machine.witness()
        try:
            export_journal(
                machine.journal, ADDRESS, file, ticket=ticket, witness=witness, now_ms=self.now_s * 1_000, window_s=20
            )
        finally:
            witness.close()
        self.exports.append(file)
        return file

    def bring(
        self, machine: Machine, *, as_copy: bool = False, other_is_lost: bool = False, file: Path | None = None
    ) -> None:
        """Import any file that there ever was."""
        if not self.exports:
            return
        machine.stop()
        document = from_json((file or self.rng.choice(self.exports)).read_text())
        witness = machine.witness()
        try:
            import_journal(
                machine.journal, document, ADDRESS, witness=witness, now_ms=self.now_s * 1_000, mute_ms=MUTE_S * 1_000,
                as_copy=as_copy, other_is_lost=other_is_lost,
            )  # fmt: skip
        finally:
            witness.close()
        self.moves += not as_copy

    def copy(self, machine: Machine) -> None:
        """As a copy, as docs/journal.md asks for it: what had the key before is stopped for good."""
        if self.rng.random() < 0.8:
            return
        before = [m for m in self.machines if m is not machine]
        self.bring(machine, as_copy=True, other_is_lost=self.rng.random() < 0.7)
        for other in before:
            other.wipe()
            other.snapshots.clear()

    def mistake(self, machine: Machine) -> None:
        """A copy where the key moved away, as it is or with journals moved away, while whoever has the key goes on with it."""
        if not machine.is_sealed():
            return
        if self.rng.random() < 0.5:
            machine.wipe()
        self.mistakes += 1
        self.bring(machine, as_copy=True)
        self.speak(machine)

    def snapshot(self, machine: Machine) -> None:
        if machine.journal.exists() and machine.process is None:
            machine.snapshot()

    def back(self, machine: Machine) -> None:
        """An old disk comes back, without its witness."""
        if machine.snapshots:
            machine.restore(self.rng.choice(machine.snapshots))

    def close(self) -> None:
        for machine in self.machines:
            machine.stop()


def lines(path: Path) -> int:
    """Lines of a journal about rounds."""
    with sqlite3.connect(path) as db:
        return int(db.execute("SELECT count(*) FROM signed").fetchone()[0])
