"""The state of one member in one instance, and what the machine asks its process to do. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from oracle.agree.messages import (
    NO_CERTIFICATE,
    Advance,
    Certificate,
    Commit,
    Content,
    Propose,
    Ready,
    SealedRound,
    values_hash,
)
from oracle.agree.terms import Terms
from oracle.model.types import Published, Report
from oracle.sign.verified_values import VerifiedValues


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnView:
    """What a member holds a proposal against.

    Attributes:
        reports: its own of this round, by feed index.
        published: what was last sealed of each feed, by index: a halt must repeat it.
        bound_bps: how far an agreed price may lie from its own.
        signed: hashes of the items that its key has signed for this round already, by feed index.
        may_speak: whether it takes part; else it only listens: its journal is mute, its clock off, or it has no key.
    """

    reports: Mapping[int, Report] = field(default_factory=dict)
    published: Mapping[int, Published] = field(default_factory=dict)
    bound_bps: int = 100
    signed: Mapping[int, bytes] = field(default_factory=dict)
    may_speak: bool = True


class MemberFault(StrEnum):
    """What two words of one key show, or one. The registry takes ``TWO_ITEMS`` as evidence, and no other."""

    TWO_VALUES = "two_values"
    TWO_PROPOSALS = "two_proposals"
    TWO_READIES = "two_readies"
    TWO_ADVANCES = "two_advances"
    TWO_ITEMS = "two_items"
    WRONG_PROPOSAL = "wrong_proposal"
    CLONE = "clone"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEvidence:
    """Words of one member that do not go together. ``first`` and ``second``: the messages; ``text``: what is wrong."""

    kind: MemberFault
    address: bytes
    round_time_s: int
    text: str
    first: object
    second: object = None


@dataclass(frozen=True, slots=True)
class Say:
    """Sign this with the network key, tell all, and hear it yourself. ``certificate``: that an advance names, to go with it."""

    said: Propose | Ready | Advance
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class SignCommit:
    """Journal the items, sign them with the report key, tell all, and hear it yourself."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Give:
    """Hand these values over to a member that seems not to have them."""

    to: bytes
    values: VerifiedValues


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a member for values."""

    to: bytes
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """The round is sealed."""

    sealed: SealedRound


@dataclass(frozen=True, slots=True)
class Found:
    """A member was seen to misbehave."""

    evidence: FaultEvidence


Effect: TypeAlias = Say | SignCommit | Give | Ask | Decided | Found


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One member's state. Every mapping is replaced, never changed.

    Attributes:
        terms: of the instance.
        me: the member's report address.
        view: its own.
        now_ms: ms since the round's start, of the newest input.
        step: in which it is.
        values: first ones heard of each member.
        twins: other values of the same members, by hash: either may be in a proposal.
        quorum_ms: when weight T of values was in.
        proposals, readies, advances: first ones heard, by step; readies and advances by member.
        commits: by step and content hash, then by member.
        certificate: the highest known.
        said: steps in which it is ready.
        proposed: steps that it has proposed.
        signed: (step, content hash) of what it was asked to sign.
        bound: hashes of the items that its key is bound to by that, by feed index.
        wanted: (step, hash) of values that it has asked that step's leader for.
        given: when values that a leader lacked were handed over, by whose they are and to whom.
        sealed: once it is decided.
        seen: evidence found, by kind and member.
        over: the interval has ended.
    """

    terms: Terms
    me: bytes
    view: OwnView
    now_ms: int = 0
    step: int = 0
    values: Mapping[bytes, VerifiedValues] = field(default_factory=dict)
    twins: Mapping[bytes, VerifiedValues] = field(default_factory=dict)
    quorum_ms: int | None = None
    proposals: Mapping[int, Propose] = field(default_factory=dict)
    readies: Mapping[int, Mapping[bytes, Ready]] = field(default_factory=dict)
    advances: Mapping[int, Mapping[bytes, Advance]] = field(default_factory=dict)
    commits: Mapping[tuple[int, bytes], Mapping[bytes, Commit]] = field(default_factory=dict)
    certificate: Certificate | None = None
    said: frozenset[int] = frozenset()
    proposed: frozenset[int] = frozenset()
    signed: tuple[tuple[int, bytes], ...] = ()
    bound: Mapping[int, bytes] = field(default_factory=dict)
    wanted: frozenset[tuple[int, bytes]] = frozenset()
    given: Mapping[tuple[bytes, bytes], int] = field(default_factory=dict)
    sealed: SealedRound | None = None
    seen: frozenset[tuple[MemberFault, bytes]] = frozenset()
    over: bool = False

    @property
    def attempt(self) -> int:
        """Counted from 0."""
        return self.step // 2

    @property
    def certified(self) -> int:
        """Step of the highest certificate known."""
        return NO_CERTIFICATE if self.certificate is None else self.certificate.step

    def values_by_hash(self) -> dict[bytes, VerifiedValues]:
        """All values known."""
        return {values_hash(v.signed): v for v in self.values.values()} | dict(self.twins)

    def readies_of(self, step: int, content: Content) -> tuple[Ready, ...]:
        """Those of a step for one content, ascending by member."""
        wanted = content.hash()
        held = self.readies.get(step, {})
        return tuple(held[a] for a in sorted(held) if held[a].content == wanted)

    def found(self, kind: MemberFault, address: bytes, text: str, first: object, second: object = None) -> _Turn:
        """The state with that noted, and the effect; nothing where it is known already."""
        if (kind, address) in self.seen:
            return self, ()
        evidence = FaultEvidence(
            kind=kind, address=address, round_time_s=self.terms.round_time_s, text=text, first=first, second=second
        )
        return replace(self, seen=self.seen | {(kind, address)}), (Found(evidence),)


_Turn: TypeAlias = tuple[Instance, tuple[Effect, ...]]
Turn: TypeAlias = _Turn
