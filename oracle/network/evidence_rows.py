"""FaultEvidence as it is kept: the very messages, so that anybody can check it later."""

from __future__ import annotations

from collections.abc import Iterable

from oracle.agree.messages import Advancing, Commit, Propose, Ready
from oracle.agree.outcome import RoundOutcome
from oracle.agree.state import FaultEvidence
from oracle.agree.terms import Terms
from oracle.agree.wire import Word, encode, values_word
from oracle.sign.messages import EvidenceRow, SignedValues


def evidence_rows(outcomes: Iterable[RoundOutcome]) -> tuple[EvidenceRow, ...]:
    """What was found in rounds."""
    return tuple(_row(o.terms, e) for o in outcomes for e in o.evidence)


def _row(terms: Terms, found: FaultEvidence) -> EvidenceRow:
    return EvidenceRow(
        target=terms.target,
        round_time_s=found.round_time_s,
        address=found.address,
        kind=found.kind.value,
        text=found.text,
        first=_encoded(terms, found.first),
        second=_encoded(terms, found.second),
    )


def evidence_words(terms: Terms, found: FaultEvidence) -> list[Word]:
    """The messages that do not go together, to be shown to whom they are said of: its key may be used twice."""
    return [w for said in (found.first, found.second) if (w := _word(terms, said)) is not None]


def _encoded(terms: Terms, said: object) -> bytes:
    word = _word(terms, said)
    return b"" if word is None else encode(terms.binding, terms.round_time_s, word)


def _word(terms: Terms, said: object) -> Word | None:
    match said:
        case SignedValues():
            return values_word(said, terms.rules.version, terms.rules.digest)
        case Ready() | Propose() | Commit() | Advancing():
            return said
        case _:
            return None
