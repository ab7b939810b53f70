"""Duties at the sources of stake: what another protocol did not take when a penalty was carried out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oracle.model.duty_kind import DutyKind
from oracle.stake.discover import SourceKind
from oracle.stake.due.duties import Duty, duty_step

_CALLS = {
    SourceKind.SYMBIOTIC: (DutyKind.FINISH, "SymbioticStake", "finish"),
    SourceKind.EIGENLAYER: (DutyKind.TAKE_REST, "EigenStake", "takeRest"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RestFacts:
    """Something of a step that was carried out, and that a source has not taken.

    Attributes:
        kind: of the source.
        source: address, hex.
        operator: address, hex.
        case_id: 32 bytes.
        step: of the case.
        step_id: by which the source knows it, 32 bytes.
        left: vaults of Symbiotic's that are left; 0 at EigenLayer, where nobody can ask.
        doable: whether some of it would be taken or given up now.
    """

    kind: SourceKind
    source: str
    operator: str
    case_id: bytes
    step: int
    step_id: bytes
    left: int
    doable: bool


def rest_duties(rests: Sequence[RestFacts]) -> Iterator[Duty]:
    """Take what is left, as soon as the other protocol would let it be taken; nobody is paid for it: what is slashed is burned."""
    for one in rests:
        if not one.doable:
            continue
        kind, contract, function = _CALLS[one.kind]
        name = "0x" + one.case_id.hex()
        text = f"case {name} of {one.operator}: takes what was not slashed when the penalty was carried out"
        step = duty_step(one.source, contract, function, (one.step_id,), text, "never")
        left = f", {one.left} vaults left" if one.left else ""
        yield Duty(kind=kind, subject=f"{name} step {one.step} at {one.source}{left}", since_s=None, step=step)
