"""What became of an instance, member by member: who spoke, who was ready, who signed, and what is missing of whom. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from oracle.agree.content import content_of
from oracle.agree.messages import Commit, FeedRefusal, Heard, Ready, SealedRound
from oracle.agree.state import FaultEvidence, Instance
from oracle.agree.terms import Terms
from oracle.model.types import Report
from oracle.report.wire import decode_items, split_items
from oracle.sign.messages import Refusal
from oracle.sign.verified_values import VerifiedValues


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """One member in one round.

    Attributes:
        address: of its report key.
        name: in the config, else its address as 0x-hex.
        weight: in the set.
        values_ms, ready_ms, signed_ms: when each was heard, ms from the round's start; None: not at all.
        refused: feeds that it did not vouch for, with the reason of each.
        why: what is missing of it and why, a sentence; "" where nothing is.
    """

    address: bytes
    name: str
    weight: int
    values_ms: int | None = None
    ready_ms: int | None = None
    signed_ms: int | None = None
    refused: tuple[tuple[int, FeedRefusal], ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class RoundOutcome:
    """One round of one store.

    Attributes:
        terms: of the instance.
        sealed: None where it came to nothing.
        sealed_ms: when weight T of signatures was in, ms from the round's start.
        attempts: how many were begun.
        values: those that were heard, ascending by member.
        used_values: those that the sealed items were made from, as far as they were heard: of two of one member the one used.
            None where what the sender of a sealed round says of them is not true.
        members: each one's part, in the set's order.
        refusals: of operators in this process.
        evidence: of misbehaviour.
        why: why it was not sealed; "" where it was.
    """

    terms: Terms
    sealed: SealedRound | None
    sealed_ms: int | None
    attempts: int
    values: tuple[VerifiedValues, ...]
    members: tuple[Attendance, ...]
    used_values: tuple[VerifiedValues, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    evidence: tuple[FaultEvidence, ...] = ()
    why: str = ""

    @cached_property
    def reports(self) -> Mapping[str, Report]:
        """What was sealed, by feed; nothing where it came to nothing."""
        if self.sealed is None:
            return {}
        feeds = {i: f for f, i in self.terms.indexes.items()}
        reports = decode_items(self.sealed.content.items, self.terms.round_time_s)
        return {feeds[i]: r for i, r in reports.items()}

    def apart(self, member: Attendance) -> tuple[tuple[str, str], ...]:
        """Feeds that a member did not vouch for, by name, with the reason of each."""
        feeds = {i: f for f, i in self.terms.indexes.items()}
        return tuple((feeds.get(i, str(i)), code.text) for i, code in member.refused)

    @property
    def signed(self) -> tuple[str, ...]:
        """Names of those who signed, in the set's order."""
        return tuple(m.name for m in self.members if m.signed_ms is not None)


def name_of(names: Mapping[bytes, str], address: bytes) -> str:
    """A member's name in the config, else its address as 0x-hex."""
    return names.get(address, f"0x{address.hex()}")


@dataclass(slots=True)
class Arrivals:
    """When what was heard of whom, ms from the round's start, and what is known of those who are not heard."""

    values: dict[bytes, int] = field(default_factory=dict)
    readies: dict[bytes, int] = field(default_factory=dict)
    commits: dict[bytes, int] = field(default_factory=dict)
    troubles: dict[bytes, str] = field(default_factory=dict)

    def note(self, spoken: VerifiedValues | Heard, now_ms: int) -> None:
        """When it was first heard."""
        match spoken:
            case VerifiedValues(address=address):
                self.values.setdefault(address, now_ms)
            case Heard(said=Ready(address=address)):
                self.readies.setdefault(address, now_ms)
            case Heard(said=Commit(address=address)):
                self.commits.setdefault(address, now_ms)
            case _:
                pass


def outcome_of(
    state: Instance,
    arrivals: Arrivals,
    names: Mapping[bytes, str],
    *,
    sealed_ms: int | None,
    refusals: tuple[Refusal, ...] = (),
    evidence: tuple[FaultEvidence, ...] = (),
) -> RoundOutcome:
    """Sum up an instance.

    Args:
        state: at its end.
        arrivals: of this process.
        names: of the members, by address.
        sealed_ms: when it was sealed.
        refusals: of operators in this process.
        evidence: that was found.
    """
    terms, sealed = state.terms, _with_late_signatures(state)
    counted = None if sealed is None else sealed.addresses
    members = tuple(_attendance(state, arrivals, names, address, counted) for address in terms.members)
    return RoundOutcome(
        terms=terms,
        sealed=sealed,
        sealed_ms=sealed_ms,
        attempts=state.attempt + 1,
        values=tuple(state.values[a] for a in sorted(state.values)),
        members=members,
        used_values=_used_values(state),
        refusals=refusals,
        evidence=evidence,
        why="" if state.sealed is not None else _why_not(state, members),
    )


def faulty_outcome(terms: Terms, names: Mapping[bytes, str], why: str) -> RoundOutcome:
    """Of a round that came to nothing because of a fault here: nothing is known of anybody."""
    members = tuple(
        Attendance(address=a, name=names.get(a, f"0x{a.hex()}"), weight=w, why=why) for a, w in terms.members.items()
    )
    return RoundOutcome(terms=terms, sealed=None, sealed_ms=None, attempts=0, values=(), members=members, why=why)


def _attendance(
    state: Instance, arrivals: Arrivals, names: Mapping[bytes, str], address: bytes, counted: Collection[bytes] | None
) -> Attendance:
    """``counted``: whose signatures stand under what was sealed: one over something else is not among them."""
    readies = [of[address] for _, of in sorted(state.readies.items()) if address in of]
    sealed = state.sealed
    signed = arrivals.commits.get(address)
    if counted is not None:
        signed = (state.now_ms if signed is None else signed) if address in counted else None
    return Attendance(
        address=address,
        name=name_of(names, address),
        weight=state.terms.members[address],
        values_ms=arrivals.values.get(address),
        ready_ms=arrivals.readies.get(address),
        signed_ms=signed,
        refused=_refused(sealed, readies),
        why="" if signed is not None else _missing(state, arrivals, address, has_readied=bool(readies)),
    )


def _used_values(state: Instance) -> tuple[VerifiedValues, ...]:
    """What was sealed was made from these, if it follows from them; which ones is what the sender of a sealed round says."""
    if state.sealed is None:
        return ()
    content, known = state.sealed.content, state.values_by_hash()
    used = tuple(known[wanted] for _, wanted in content.values if wanted in known)
    is_whole = len(used) == len(content.values)
    return () if is_whole and content_of(state.terms, used, content.dropped) != content else used


def _with_late_signatures(state: Instance) -> SealedRound | None:
    """What was sealed, with the signatures over it that came after weight T too: over its step and its items."""
    sealed = state.sealed
    if sealed is None:
        return None
    late = {
        a: c.seal
        for (step, _), of in state.commits.items()
        for a, c in of.items()
        if step == sealed.step and c.certificate.content.items == sealed.content.items
    }
    signatures = late | dict(sealed.signatures)
    return msgspec.structs.replace(sealed, signatures=tuple(sorted(signatures.items())))


def _refused(sealed: SealedRound | None, readies: Sequence[Ready]) -> tuple[tuple[int, FeedRefusal], ...]:
    """What a member does not vouch for: of the feeds that were sealed by its words on that content, of the others by all of them."""
    held, content = (split_items(sealed.content.items).keys(), sealed.content.hash()) if sealed else (set(), b"")
    refused = {i: code for r in readies for i, code in r.refused if i not in held or r.content == content}
    return tuple((i, FeedRefusal(code)) for i, code in sorted(refused.items()))


def _missing(state: Instance, arrivals: Arrivals, address: bytes, *, has_readied: bool) -> str:
    trouble = arrivals.troubles.get(address)
    steps = [step for (step, _), of in state.commits.items() if address in of]
    if state.sealed is not None and steps:
        return f"it signed what attempt {max(steps) // 2 + 1} proposed, which is not what was sealed"
    if address not in state.values:
        return trouble or "nothing was heard of it"
    if trouble:
        return trouble
    if state.sealed is None and not state.proposals:
        return "its values are here, nobody has proposed"
    if not has_readied:
        return "its values are here, it was not ready for the proposal"
    return "it was ready, its signature is missing"


def _why_not(state: Instance, members: tuple[Attendance, ...]) -> str:
    """Why a round came to nothing, for people: what fell short of weight T first."""
    terms = state.terms
    stages = (
        ("values", [m.address for m in members if m.values_ms is not None]),
        ("readiness", [a for of in state.readies.values() for a in of]),
        ("signatures", [m.address for m in members if m.signed_ms is not None]),
    )
    for name, addresses in stages:
        weight = terms.weight(addresses)
        if weight < terms.threshold:
            missing = "; ".join(f"{m.name}: {m.why}" for m in members if m.address not in addresses)
            return f"{name} of weight {weight}, {terms.threshold} are needed: {missing}"
    return "members of enough weight spoke, and came to no common round in time"
