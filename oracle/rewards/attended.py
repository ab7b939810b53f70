"""Who was there in an epoch, by what one operator has stored: the word that it signs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oracle.rewards.frozen import FrozenEpoch
from oracle.sign.epoch_words import MOST_ROUNDS, EpochAttendance


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendedRound:
    """A sealed round of an epoch, and the report keys whose signatures over it are known: under its certificate, or in time after."""

    epoch: int
    round_time_s: int
    signed: frozenset[bytes]


def epoch_attendance(frozen: FrozenEpoch, rounds: Iterable[AttendedRound]) -> EpochAttendance:
    """What an operator says of an epoch. A round may be given several times, with other signatures; those of other epochs do not count."""
    signed: dict[int, frozenset[bytes]] = {}
    for known in rounds:
        if known.epoch == frozen.epoch:
            signed[known.round_time_s] = signed.get(known.round_time_s, frozenset()) | known.signed
    newest = sorted(signed)[-MOST_ROUNDS:]
    return EpochAttendance(
        domain=frozen.domain,
        epoch=frozen.epoch,
        rounds=len(newest),
        counts=tuple(sum(key in signed[r] for r in newest) for key in frozen.keys),
    )
