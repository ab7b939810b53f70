"""Told in the log: rounds that the others seal without an operator of this process, why, and that it is back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from oracle.agree.outcome import RoundOutcome

_AGAIN_S = 60
"""From one line about an absence that lasts to the next."""
_log = structlog.get_logger("oracle.network.absence")


@dataclass(slots=True)
class _Absence:
    """Of one operator at one store. ``told_s``: round of the last line; ``rounds``: since it began."""

    told_s: int
    rounds: int = 0


class AbsenceReporter:
    """Looks at each round once it has had its time: a late signature is no absence.

    Args:
        own: names of this process's operators, by report address.
    """

    def __init__(self, own: Mapping[bytes, str]) -> None:
        self._own = dict(own)
        self._absent: dict[tuple[bytes, str], _Absence] = {}

    def note(self, outcome: RoundOutcome) -> None:
        """A round is over. One that nobody sealed is told of elsewhere, with what is missing of each."""
        sealed, terms = outcome.sealed, outcome.terms
        if sealed is None:
            return
        for member in outcome.members:
            if member.address not in self._own:
                continue
            key = (member.address, terms.target)
            if member.signed_ms is None and member.address not in sealed.addresses:
                self._missing(key, terms.round_time_s, member.why)
            elif (absence := self._absent.pop(key, None)) is not None:
                _log.warning(
                    "this operator signs again", operator=self._own[member.address], target=terms.target,
                    round_time=terms.round_time_s, missed=absence.rounds,
                )  # fmt: skip

    def _missing(self, key: tuple[bytes, str], round_time_s: int, why: str) -> None:
        address, target = key
        absence = self._absent.get(key)
        is_new = absence is None
        absence = self._absent.setdefault(key, _Absence(round_time_s))
        absence.rounds += 1
        if not is_new and round_time_s - absence.told_s < _AGAIN_S:
            return
        absence.told_s = round_time_s
        _log.warning(
            "the others sealed a round without this operator", operator=self._own[address], target=target,
            round_time=round_time_s, missed=absence.rounds, why=why or "why is not known",
        )  # fmt: skip
