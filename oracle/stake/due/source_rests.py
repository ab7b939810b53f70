"""Reads what sources of other protocols have not taken of penalties that were carried out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak

from oracle.chain.quorum_rpc import ChainError
from oracle.stake.discover import SourceKind, StakeSystem
from oracle.stake.due.at_the_penalties import CaseFacts, CaseOutcome
from oracle.stake.due.at_the_sources import RestFacts
from oracle.stake.reads import StakeReads

_ORDERED = 2
"""A case at SymbioticStake that was carried out."""
_STILL_FAILS = "SlashingFailed"


def step_id_of(case_id: bytes, step: int) -> bytes:
    """What sources know a step of a case by."""
    return keccak(encode(["bytes32", "uint16"], [case_id, step]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A penalty that waits in a vault of Symbiotic's."""

    step_id: bytes
    operator: str
    vault: str
    capture_s: int
    amount: int
    index: int


async def rests_of(reads: StakeReads, system: StakeSystem, cases: Sequence[CaseFacts]) -> list[RestFacts]:
    """What is left of these cases at all sources.

    Raises:
        ChainError: endpoints do not answer or agree.
    """
    found: list[RestFacts] = []
    for source in system.of_kind(SourceKind.SYMBIOTIC):
        found += await _at_symbiotic(reads, source.at, cases)
    for source in system.of_kind(SourceKind.EIGENLAYER):
        for case, number in _taken(cases):
            step_id = step_id_of(case.case_id, number)
            refused = await reads.refusal(source.at, "EigenStake", "takeRest", step_id)
            if refused in ("", _STILL_FAILS):
                found.append(_rest(SourceKind.EIGENLAYER, source.at, case, number, doable=not refused))
    return found


def _taken(cases: Sequence[CaseFacts]) -> Iterator[tuple[CaseFacts, int]]:
    for case in cases:
        for number, step in enumerate(case.steps):
            if step.outcome is CaseOutcome.TAKEN:
                yield case, number


def _rest(kind: SourceKind, at: str, case: CaseFacts, number: int, *, left: int = 0, doable: bool) -> RestFacts:
    return RestFacts(
        kind=kind, source=at, operator=case.operator, case_id=case.case_id, step=number,
        step_id=step_id_of(case.case_id, number), left=left, doable=doable,
    )  # fmt: skip


async def _at_symbiotic(reads: StakeReads, at: str, cases: Sequence[CaseFacts]) -> list[RestFacts]:
    waiting: list[_Entry] = []
    taken: dict[bytes, tuple[CaseFacts, int]] = {}
    for case in cases:
        for number in range(len(case.steps)):
            step_id = step_id_of(case.case_id, number)
            ((operator, stage, entries),) = await reads.call(at, "SymbioticStake", "caseOf", step_id)
            if stage == _ORDERED:
                taken[step_id] = case, number
            waiting += [_entry(step_id, operator, e) for e in entries if not e[2]]
    found = []
    (vaults,) = await reads.call(at, "SymbioticStake", "vaults")
    for step_id, (case, number) in taken.items():
        left = [e for e in waiting if e.step_id == step_id]
        if left:
            doable = any([await _is_doable(reads, at, vaults, e, waiting) for e in left])
            found.append(_rest(SourceKind.SYMBIOTIC, at, case, number, left=len(left), doable=doable))
    return found


def _entry(step_id: bytes, operator: str, entry: Sequence[Any]) -> _Entry:
    vault, capture_s, _, amount, index = entry
    return _Entry(step_id=step_id, operator=operator, vault=vault, capture_s=capture_s, amount=amount, index=index)


async def _is_doable(reads: StakeReads, at: str, vaults: str, entry: _Entry, waiting: Sequence[_Entry]) -> bool:
    """Whether a vault would be slashed now, or its time is over and what was put aside would be free.

    `finish` does not say: it takes nothing and goes through. An older penalty of the operator in the vault comes first.
    """
    (vault,) = await reads.call(vaults, "SymbioticVaults", "vaultOf", entry.vault)
    slasher, epoch_s, vetoes = vault[3], vault[4], vault[5]
    if reads.head.time_s > entry.capture_s + epoch_s:
        return True
    for other in waiting:
        is_of_it = (other.vault, other.operator) == (entry.vault, entry.operator)
        if is_of_it and other.capture_s < entry.capture_s and reads.head.time_s <= other.capture_s + epoch_s:
            return False
    call: tuple[Any, ...] = ("executeSlash", entry.index, b"")
    if not vetoes:
        subnetwork = bytes.fromhex(at[2:]) + bytes(12)
        call = ("slash", subnetwork, entry.operator, entry.amount, entry.capture_s, b"")
    try:
        return await reads.tried_by(at, slasher, "ISymbioticSlasher", *call) is not None
    except ChainError:
        return False
