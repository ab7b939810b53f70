"""Attendance in the database: written once a round has had its time, read once its epoch has ended."""

from __future__ import annotations

from collections.abc import Iterator

from oracle.agree.outcome import RoundOutcome
from oracle.rewards.attended import AttendedRound, epoch_attendance
from oracle.rewards.frozen import FrozenEpoch
from oracle.sign.epoch_words import EpochAttendance, read_counts
from oracle.storage.database import Database


def save_attended(database: Database, outcome: RoundOutcome) -> None:
    """Note who signed a round, once the next one of its store begins: who signed later was not there in time.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    if outcome.sealed is None:
        return
    terms = outcome.terms
    places = [i for i, key in enumerate(terms.signers.signers) if key in outcome.sealed.addresses]
    database.save_attended(terms.target, terms.signers.epoch, terms.round_time_s, places)


def stored_attendance(database: Database, target: str, frozen: FrozenEpoch) -> EpochAttendance:
    """What the operators of a database say of an epoch.

    Of a round that this process only learned of it is the certificate that is known, which is kept for as long as its values.
    """
    return epoch_attendance(frozen, [*_in_time(database, target, frozen), *_certified(database, target, frozen)])


def said_attendance(database: Database, target: str, frozen: FrozenEpoch) -> EpochAttendance:
    """The same once and for all: it is written down before a journal has it, so a crash between the two changes no word.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    kept = database.said_of(target, frozen.epoch, frozen.capture_s)
    if kept is not None:
        rounds, counted = kept
        return EpochAttendance(domain=frozen.domain, epoch=frozen.epoch, rounds=rounds, counts=read_counts(counted))
    said = stored_attendance(database, target, frozen)
    database.save_said(target, frozen.epoch, frozen.capture_s, (said.rounds, said.counted))
    return said


def _in_time(database: Database, target: str, frozen: FrozenEpoch) -> Iterator[AttendedRound]:
    for round_s, places in database.attended(target, frozen.epoch):
        signed = frozenset(key for i, key in enumerate(frozen.keys) if i in places)
        yield AttendedRound(epoch=frozen.epoch, round_time_s=round_s, signed=signed)


def _certified(database: Database, target: str, frozen: FrozenEpoch) -> Iterator[AttendedRound]:
    for seal in database.seals(target, frozen.capture_s):
        yield AttendedRound(epoch=seal.signers.epoch, round_time_s=seal.round_time_s, signed=frozenset(seal.addresses))
