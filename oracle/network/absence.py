"""Told in the log: rounds that the others seal without an operator of this process, or in which it parts from them, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import structlog

from oracle.agree.outcome import Attendance, RoundOutcome
from oracle.network.tally import apart_text

_AGAIN_S = 60
"""From one line about what lasts to the next."""
_log = structlog.get_logger("oracle.network.absence")


class _Lack(Enum):
    """What a sealed round lacks of an operator: what is told while it lasts, and what once it is over."""

    SIGNATURE = "the others sealed a round without this operator", "this operator signs again"
    WORD = (
        "this operator does not vouch for what the others sealed: its sources or endpoints say something else than theirs",
        "this operator vouches again for what the others seal",
    )


@dataclass(slots=True)
class _Spell:
    """Rounds in a row that lack something of an operator. ``told_s``: round of the last line; ``rounds``: so far."""

    told_s: int
    rounds: int = 0


class AbsenceReporter:
    """Looks at each round once it has had its time: a late signature is no absence.

    Args:
        own: names of this process's operators, by report address.
    """

    def __init__(self, own: Mapping[bytes, str]) -> None:
        self._own = dict(own)
        self._spells: dict[tuple[bytes, str, _Lack], _Spell] = {}

    def note(self, outcome: RoundOutcome) -> None:
        """A round is over. One that nobody sealed is told of elsewhere, with what is missing of each."""
        sealed = outcome.sealed
        if sealed is None:
            return
        for member in outcome.members:
            if member.address in self._own:
                signed = member.signed_ms is not None or member.address in sealed.addresses
                self._look(outcome, member, _Lack.SIGNATURE, "" if signed else member.why or "why is not known")
                if signed:
                    self._look(outcome, member, _Lack.WORD, apart_text(outcome.apart(member)))

    def _look(self, outcome: RoundOutcome, member: Attendance, lack: _Lack, why: str) -> None:
        """``why``: "" where nothing is lacking."""
        terms, key = outcome.terms, (member.address, outcome.terms.target, lack)
        spell = self._spells.get(key)
        place = {"operator": self._own[member.address], "target": terms.target, "round_time": terms.round_time_s}
        during, after = lack.value
        if not why:
            if self._spells.pop(key, None) is not None and spell is not None:
                _log.warning(after, **place, rounds=spell.rounds, ends=during)
            return
        if spell is None:
            spell = self._spells[key] = _Spell(terms.round_time_s - _AGAIN_S)
        spell.rounds += 1
        if terms.round_time_s - spell.told_s >= _AGAIN_S:
            spell.told_s = terms.round_time_s
            _log.warning(during, **place, rounds=spell.rounds, why=why)
