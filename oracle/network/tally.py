"""The rounds of the last hour, member by member: who took part in which, how late, and what is missing of whom. Pure.

A round is noted when it ends here, and again once nothing of it can come any more: what came late is late, not missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from oracle.agree.outcome import Attendance, RoundOutcome
from oracle.sign.messages import SignerSet

WINDOW_S = 3_600
_MOST_REASONS = 5
"""Different sentences that are shown of a member, or of rounds that were lost."""


class Step(StrEnum):
    """The steps of a round that a member takes, in order."""

    VALUES = "values"
    READY = "ready"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a member did in a round. Times: ms from the round's start; None: not, or it is not known when.

    ``apart``: feeds that it did not vouch for, each with the reason.
    """

    values_ms: int | None = None
    ready_ms: int | None = None
    signed_ms: int | None = None
    signed: bool = False
    why: str = ""
    apart: tuple[tuple[str, str], ...] = ()

    @property
    def missing(self) -> Step | None:
        """The first step that it did not take; None where its signature is there."""
        if self.signed:
            return None
        return Step.VALUES if self.values_ms is None else Step.READY if self.ready_ms is None else Step.SIGNATURE


@dataclass(frozen=True, slots=True, kw_only=True)
class TalliedRound:
    """One round of one store.

    Attributes:
        target: name of the store.
        round_time_s: of the round.
        signers: the set whose round it was.
        parts: by report address.
        sealed: whether it was sealed, as far as is known here.
        sealed_ms: when, ms from the round's start; None where that is not known.
        attempts: that it took, or that were begun.
        led: who led them, in order.
        why: why it was not sealed.
        evidence: address, kind and text of what was found.
        watched: this process saw it happen. Of others it is known who signed, and nothing else.
    """

    target: str
    round_time_s: int
    signers: SignerSet
    parts: Mapping[bytes, Part]
    sealed: bool
    sealed_ms: int | None = None
    attempts: int = 1
    led: tuple[bytes, ...] = ()
    why: str = ""
    evidence: tuple[tuple[bytes, str, str], ...] = ()
    watched: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldReason:
    """A sentence that was told of rounds: of how many, and of which last."""

    text: str
    count: int
    round_time_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Of times, ms; None where there is none."""

    p50_ms: int | None = None
    p99_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberHour:
    """A member in the last hour.

    Attributes:
        rounds: sealed ones, and those that this process saw come to nothing.
        watched: of these, those that this process saw: values and readiness are known of them alone.
        values, ready, signed: in how many it took each step; ``signed`` of all rounds, the others of those watched.
        values_late, signed_late: when they came, from the round's start.
        led, led_sealed: attempts that it led, and those that ended with a sealed round.
        missing: how often which step was the first that it did not take, in rounds that were watched.
        reasons: why its signature was missing, the newest first.
        why: the same of the newest round that was watched; "" where it signed.
        run: newest sealed rounds in a row that were watched and lack its signature.
        apart: which feeds it did not vouch for and why, the newest first.
        apart_now: how many feeds in the newest sealed round; ``apart_run``: in how many sealed rounds in a row.
        evidence: how often each kind was found; ``evidence_texts``: the newest first.
    """

    rounds: int = 0
    watched: int = 0
    values: int = 0
    ready: int = 0
    signed: int = 0
    values_late: Percentiles = Percentiles()
    signed_late: Percentiles = Percentiles()
    led: int = 0
    led_sealed: int = 0
    missing: Mapping[Step, int] = field(default_factory=dict)
    reasons: tuple[ToldReason, ...] = ()
    why: str = ""
    run: int = 0
    apart: tuple[ToldReason, ...] = ()
    apart_now: int = 0
    apart_run: int = 0
    evidence: Mapping[str, int] = field(default_factory=dict)
    evidence_texts: tuple[ToldReason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHour:
    """The last hour of a store's rounds.

    Attributes:
        target: its name.
        newest: the newest round; None before the first.
        sealed, lost: how many.
        lost_why: why, the newest first.
        attempts: that all of them took.
        sealed_late: when they were sealed, from the round's start.
        members: of the newest round, by report address.
    """

    target: str
    newest: TalliedRound | None = None
    sealed: int = 0
    lost: int = 0
    lost_why: tuple[ToldReason, ...] = ()
    attempts: int = 0
    sealed_late: Percentiles = Percentiles()
    members: Mapping[bytes, MemberHour] = field(default_factory=dict)


class Tally:
    """The last hour of every store.

    Attributes:
        totals: since the start, by target: rounds "sealed" and "lost", and "attempts".
        names: of members, by address.
    """

    def __init__(self) -> None:
        self.totals: dict[str, Counter[str]] = {}
        self.names: dict[bytes, str] = {}
        self._rounds: dict[str, dict[int, TalliedRound]] = {}
        self._hours: dict[str, StoreHour] = {}
        """Summed up since the last change: an hour of 31 members takes milliseconds."""

    def note(self, outcome: RoundOutcome) -> None:
        """What became of a round; said again once more is known of it."""
        for member in outcome.members:
            if member.address not in self.names or member.name != f"0x{member.address.hex()}":
                self.names[member.address] = member.name
        tallied = tallied_round(outcome)
        known = self._rounds.get(tallied.target, {}).get(tallied.round_time_s)
        if known is None and tallied.watched:
            totals = self.totals.setdefault(tallied.target, Counter())
            totals.update({"sealed" if tallied.sealed else "lost": 1, "attempts": tallied.attempts})
        self.put(tallied if known is None else _merged(known, tallied))

    def put(self, tallied: TalliedRound) -> None:
        """Keep a round, and forget what is older than an hour."""
        rounds = self._rounds.setdefault(tallied.target, {})
        rounds[tallied.round_time_s] = tallied
        self._hours.pop(tallied.target, None)
        newest_s = max(rounds)
        for old in [r for r in rounds if r <= newest_s - WINDOW_S]:
            del rounds[old]

    def hour(self, target: str) -> StoreHour:
        """A store's last hour, by the members of its newest round."""
        if target not in self._hours:
            self._hours[target] = self._summed(target)
        return self._hours[target]

    def _summed(self, target: str) -> StoreHour:
        rounds = [r for _, r in sorted(self._rounds.get(target, {}).items(), reverse=True)]
        if not rounds:
            return StoreHour(target=target)
        lost = [r for r in rounds if not r.sealed]
        return StoreHour(
            target=target,
            newest=rounds[0],
            sealed=len(rounds) - len(lost),
            lost=len(lost),
            lost_why=_reasons((r.why, r.round_time_s) for r in lost),
            attempts=sum(r.attempts for r in rounds),
            sealed_late=_percentiles(r.sealed_ms for r in rounds),
            members={a: _member_hour(a, rounds) for a in rounds[0].signers.members},
        )


def tallied_round(outcome: RoundOutcome) -> TalliedRound:
    """What is kept of an outcome. One of a round that was learned from others has who signed and no times."""
    terms, sealed = outcome.terms, outcome.sealed
    watched = sealed is None or outcome.sealed_ms is not None or bool(outcome.values)
    attempts = outcome.attempts if sealed is None else sealed.attempt
    return TalliedRound(
        target=terms.target,
        round_time_s=terms.round_time_s,
        signers=terms.signers,
        parts={m.address: _part(m, outcome.apart(m), watched=watched) for m in outcome.members},
        sealed=sealed is not None,
        sealed_ms=outcome.sealed_ms,
        attempts=attempts,
        led=tuple(terms.leader(2 * n) for n in range(attempts)),
        why=outcome.why,
        evidence=tuple((e.address, e.kind.value, e.text) for e in outcome.evidence),
        watched=watched,
    )


def _part(member: Attendance, apart: tuple[tuple[str, str], ...], *, watched: bool) -> Part:
    if not watched:
        return Part(signed=member.signed_ms is not None, why="" if member.signed_ms is not None else member.why)
    return Part(
        values_ms=member.values_ms,
        ready_ms=member.ready_ms,
        signed_ms=member.signed_ms,
        signed=member.signed_ms is not None,
        why=member.why,
        apart=apart,
    )


def apart_text(apart: Iterable[tuple[str, str]]) -> str:
    """Feeds with the reason why they were not vouched for, as a sentence."""
    by_reason: dict[str, list[str]] = {}
    for feed, why in apart:
        by_reason.setdefault(why, []).append(feed)
    return "; ".join(f"{', '.join(sorted(feeds))}: {why}" for why, feeds in by_reason.items())


def _merged(known: TalliedRound, newer: TalliedRound) -> TalliedRound:
    """Both words about a round: what was seen once was there, and what came first is when it came."""
    parts = {a: _merged_part(known.parts.get(a, Part()), p) for a, p in newer.parts.items()}
    first, seen = (known, newer) if known.sealed or not newer.sealed else (newer, known)
    return replace(
        first,
        parts=parts,
        evidence=tuple(dict.fromkeys((*known.evidence, *newer.evidence))),
        watched=known.watched or newer.watched,
        sealed_ms=first.sealed_ms if first.sealed_ms is not None else seen.sealed_ms,
    )


def _merged_part(known: Part, newer: Part) -> Part:
    signed = known.signed or newer.signed
    return Part(
        values_ms=_earlier(known.values_ms, newer.values_ms),
        ready_ms=_earlier(known.ready_ms, newer.ready_ms),
        signed_ms=_earlier(known.signed_ms, newer.signed_ms),
        signed=signed,
        why="" if signed else newer.why or known.why,
        apart=newer.apart or known.apart,
    )


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((ms for ms in (one, other) if ms is not None), default=None)


def _member_hour(address: bytes, rounds: Sequence[TalliedRound]) -> MemberHour:
    """``rounds``: the newest first."""
    took_part = [r for r in rounds if address in r.parts]
    watched = [(r, r.parts[address]) for r in took_part if r.watched]
    ours = [r.parts[address] for r in took_part]
    missing = Counter(m for _, p in watched if (m := p.missing) is not None)
    sealed = [p for r, p in watched if r.sealed]
    evidence = [(kind, text, r.round_time_s) for r in rounds for a, kind, text in r.evidence if a == address]
    led = [(r.sealed and n == len(r.led) - 1) for r in rounds for n, a in enumerate(r.led) if a == address]
    return MemberHour(
        rounds=len(took_part),
        watched=len(watched),
        values=sum(p.values_ms is not None for _, p in watched),
        ready=sum(p.ready_ms is not None for _, p in watched),
        signed=sum(p.signed for p in ours),
        values_late=_percentiles(p.values_ms for p in ours),
        signed_late=_percentiles(p.signed_ms for p in ours),
        led=len(led),
        led_sealed=sum(led),
        missing=dict(missing),
        reasons=_reasons((p.why, r.round_time_s) for r in took_part if not (p := r.parts[address]).signed),
        why=watched[0][1].why if watched else "",
        run=_run(p.signed for p in sealed),
        apart=_reasons((apart_text(p.apart), r.round_time_s) for r, p in watched if p.apart),
        apart_now=len(sealed[0].apart) if sealed else 0,
        apart_run=_run(not p.apart for p in sealed),
        evidence=dict(Counter(kind for kind, _, _ in evidence)),
        evidence_texts=_reasons((f"{kind}: {text}", at) for kind, text, at in evidence),
    )


def _run(well: Iterable[bool]) -> int:
    """How many of the newest are not as they should be, in a row."""
    count = 0
    for one in well:
        if one:
            break
        count += 1
    return count


def _reasons(told: Iterable[tuple[str, int]]) -> tuple[ToldReason, ...]:
    """Each sentence once, the newest first, with how often it was told."""
    counts: Counter[str] = Counter()
    newest: dict[str, int] = {}
    for text, round_s in told:
        counts[text] += 1
        newest.setdefault(text, round_s)
    return tuple(ToldReason(text=t, count=counts[t], round_time_s=s) for t, s in list(newest.items())[:_MOST_REASONS])


def _percentiles(times: Iterable[int | None]) -> Percentiles:
    """By nearest rank."""
    ranked = sorted(t for t in times if t is not None)
    if not ranked:
        return Percentiles()
    p50, p99 = (ranked[-(-len(ranked) * percent // 100) - 1] for percent in (50, 99))
    return Percentiles(p50_ms=p50, p99_ms=p99)
