"""When to push, as one pure function: the operator's reasons to spend gas, less what the store would refuse; and their text.

Everything follows from the round and from what the store holds, so that two processes with the same settings decide the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from feeds.units import BPS, WAD
from oracle.chain.store_rules import StoreLimits, gap_s, why_refused, why_waiting, write_of
from oracle.model.spec import FeedSpec
from oracle.model.status import Status
from oracle.model.types import Report
from oracle.runtime.cron import moment_text, newest_s

_NEAR_BPS = 500
_PERCENT = 100
_BETWEEN_FEEDS, _AFTER_FEED = "; ", ": "


class Cause(IntEnum):
    """Why a feed is pushed; the order is the urgency."""

    WORSE = 0
    FIRST = 1
    STATUS = 2
    DEVIATION = 3
    PEG = 4
    SPREAD = 5
    CRON = 6
    HEARTBEAT = 7
    EARLY = 8


_ALWAYS = frozenset({Cause.WORSE, Cause.FIRST, Cause.STATUS, Cause.CRON, Cause.HEARTBEAT})
_SEVERE = frozenset({Status.DEPEG, Status.HALT})


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReason:
    """The cause for machines, a sentence with the numbers for people."""

    cause: Cause
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPolicy:
    """What an operator spends gas for, beside each feed's own heartbeat and deviation.

    Attributes:
        spread_bps: a spread wider by this is due; 0 turns it off.
        peg_bps: least change of a price's distance from its peg that is due, see ``_distance``; 0 turns it off.
        peg_percent: and it must be this share of the distance that the store shows.
        early_percent: a feed rides in a batch that is made anyway once it has come this far to any of its thresholds.
        gas_per_day: of one feed in 24 h. Beyond it only a changed status, a first price, cron and the heartbeat go.
        offset_s: of a backup: how long something must have been due before it is pushed.
        cron: cron expressions in UTC: at each of their times a price of that time is due.
        cron_by_feed: the same for single feeds, in place of ``cron``.
        stage_s: how long the operator before in the order of pushers is waited for; 0: see `oracle.push.stages`.
    """

    spread_bps: int = 100
    peg_bps: int = 25
    peg_percent: int = 50
    early_percent: int = 50
    gas_per_day: int = 0
    offset_s: int = 0
    cron: tuple[str, ...] = ()
    cron_by_feed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    stage_s: int = 0

    def schedule_of(self, feed: str) -> tuple[str, ...]:
        """The cron expressions of a feed."""
        return next((own for name, own in self.cron_by_feed if name == feed), self.cron)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One feed before the decision. ``due_for_s``: how long it has been due already; ``gas_spent``: in 24 h."""

    spec: FeedSpec
    stored: Report | None
    fresh: Report
    limits: StoreLimits
    gas_spent: int = 0
    due_for_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What goes now, by feed index, the most urgent first; what was due and does not go, with the reason.

    ``severe``: those that turned to depeg or halt: with one of them the batch must not wait for a calm one that is under way.
    ``unsaid``: feeds of which the round says nothing, for it was not sealed or is without them: what was due of them is due still.
    """

    push: Mapping[int, PushReason] = field(default_factory=dict)
    held: Mapping[int, str] = field(default_factory=dict)
    due: Mapping[int, PushReason] = field(default_factory=dict)
    severe: frozenset[int] = frozenset()
    unsaid: frozenset[int] = frozenset()

    @property
    def urgent(self) -> bool:
        """Whether something that goes now turned to depeg or halt."""
        return not self.severe.isdisjoint(self.push)


def decide(candidates: Mapping[int, Candidate], policy: PushPolicy, *, block_time_s: int) -> Decision:
    """Decide over all feeds of a store.

    Args:
        candidates: by feed index, those with a report in the newest round.
        policy: the operator's.
        block_time_s: the time that a block made now would have: what the store will compare round_time with, or a
            little less. The newest block's alone is too old on a chain that makes blocks on demand.
    """
    due_now: dict[int, PushReason] = {}
    held: dict[int, str] = {}
    for index, candidate in candidates.items():
        reason = due(candidate.spec, candidate.stored, candidate.fresh, policy)
        if reason is None:
            continue
        gain = _gain(candidate, reason, policy)
        due_now[index] = gain or reason
        why_not = _why_held(candidate, due_now[index], policy, block_time_s)
        if gain is None and why_not is None:
            why_not = why_waiting(candidate.stored, candidate.fresh, candidate.limits)
        if why_not is not None:
            held[index] = why_not
    go = {i: r for i, r in due_now.items() if i not in held}
    if go:
        for index, candidate in candidates.items():
            rides = index not in due_now and is_early(candidate.spec, candidate.stored, candidate.fresh, policy)
            if rides and _why_held(candidate, _RIDER, policy, block_time_s) is None:
                go[index] = _RIDER
    return Decision(
        push=dict(sorted(go.items(), key=lambda item: (item[1].cause, item[0]))),
        held=held,
        due=due_now,
        severe=frozenset(i for i, r in go.items() if r.cause is Cause.WORSE and candidates[i].fresh.status in _SEVERE),
    )


_RIDER = PushReason(cause=Cause.EARLY, text="goes along")


def _gain(candidate: Candidate, reason: PushReason, policy: PushPolicy) -> PushReason | None:
    """What a push of a due feed would bring, as the store would then show it or begin to wait; None for nothing."""
    write = write_of(candidate.stored, candidate.fresh, candidate.limits)
    if candidate.stored is None or write.begins:
        return reason
    shown = due(candidate.spec, candidate.stored, write.report, policy)
    return reason if shown is not None and shown.cause is reason.cause else shown


def _why_held(candidate: Candidate, reason: PushReason, policy: PushPolicy, block_time_s: int) -> str | None:
    """Why a due feed does not go now; None if it goes."""
    refused = why_refused(candidate.stored, candidate.fresh, block_time_s=block_time_s, limits=candidate.limits)
    if refused is not None:
        return refused
    if policy.gas_per_day and candidate.gas_spent >= policy.gas_per_day and reason.cause not in _ALWAYS:
        return f"{candidate.gas_spent} gas in 24 h, the budget is {policy.gas_per_day}"
    if reason.cause is not Cause.EARLY and candidate.due_for_s < policy.offset_s:
        return f"backup: due for {candidate.due_for_s} s, the primary has {policy.offset_s}"
    return None


def due(spec: FeedSpec, stored: Report | None, fresh: Report, policy: PushPolicy | None = None) -> PushReason | None:
    """The most urgent reason to push a feed now, None if there is none."""
    policy = policy or PushPolicy()
    if stored is None or not stored.round_time_s:
        return PushReason(cause=Cause.FIRST, text="first")
    if fresh.status is not stored.status:
        cause = Cause.WORSE if fresh.status > stored.status else Cause.STATUS
        return PushReason(cause=cause, text=f"status {stored.status.word} to {fresh.status.word}")
    return next(_reasons(spec, stored, fresh, policy, _PERCENT), None)


def is_early(spec: FeedSpec, stored: Report | None, fresh: Report, policy: PushPolicy) -> bool:
    """Whether a feed has come far enough to any of its thresholds to ride in a batch that is made anyway."""
    if stored is None or not policy.early_percent or fresh.round_time_s <= stored.round_time_s:
        return False
    return next(_reasons(spec, stored, fresh, policy, policy.early_percent), None) is not None


def _reasons(spec: FeedSpec, stored: Report, fresh: Report, policy: PushPolicy, percent: int) -> Iterator[PushReason]:
    """Reasons at this share of the thresholds, the most urgent first. Repeated prices give none, but for a lower rate."""
    for name, new, old in _prices(stored, fresh):
        if old and abs(new - old) * BPS * _PERCENT >= old * spec.push_bps * percent:
            yield PushReason(cause=Cause.DEVIATION, text=f"{name} moved {abs(new - old) * BPS // old} bps")
    if not fresh.repeats_prices:
        if policy.peg_bps:
            yield from _peg(stored, fresh, policy, percent)
        wider = fresh.spread_bps - stored.spread_bps
        if policy.spread_bps and wider * _PERCENT >= policy.spread_bps * percent:
            yield PushReason(cause=Cause.SPREAD, text=f"spread widened by {wider} bps to {fresh.spread_bps}")
        yield from _scheduled(stored, fresh, policy.schedule_of(spec.feed))
    if gap_s(stored, fresh) * _PERCENT >= spec.heartbeat_s * percent:
        yield PushReason(cause=Cause.HEARTBEAT, text="heartbeat")


def _prices(stored: Report, fresh: Report) -> tuple[tuple[str, int, int], ...]:
    """Prices that the store may take, with its own."""
    rate = ("redemption", fresh.redemption_wad, stored.redemption_wad)
    if fresh.repeats_prices:
        return (rate,) if fresh.redemption_wad < stored.redemption_wad else ()
    return (("market", fresh.market_wad, stored.market_wad), rate)


def _scheduled(stored: Report, fresh: Report, schedule: Sequence[str]) -> Iterator[PushReason]:
    """A time of the schedule that no stored round has reached yet and this one has: the newest, however many passed."""
    moment_s = newest_s(schedule, fresh.round_time_s)
    if moment_s is not None and moment_s > stored.round_time_s:
        late_s = fresh.round_time_s - moment_s
        yield PushReason(
            cause=Cause.CRON, text=f"cron {moment_text(moment_s)}" + (f", {late_s} s after it" if late_s else "")
        )


def has_price_of(spec: FeedSpec, stored: Report | None, moment_s: int) -> bool:
    """Whether a store holds a price from a moment or later: a round of that time that did not repeat an older price.

    What was repeated shows by its age, which in a round with prices of its own is never above the feed's limit; of
    a feed without a market only a halt shows it.
    """
    if stored is None or stored.round_time_s < moment_s or stored.status is Status.HALT:
        return False
    return not stored.market_wad or stored.market_age_s <= spec.max_age_s


def _peg(stored: Report, fresh: Report, policy: PushPolicy, percent: int) -> Iterator[PushReason]:
    was, now = _distance(stored), _distance(fresh)
    if was is None or now is None:
        return
    change = abs(now - was)
    enough = change * _PERCENT >= policy.peg_bps * percent and change * _PERCENT * _PERCENT >= (
        abs(was) * policy.peg_percent * percent
    )
    if enough and change:
        yield PushReason(cause=Cause.PEG, text=f"{was} to {now} bps from the peg")


def _distance(report: Report) -> int | None:
    """How far the market lies from its peg, in bps, towards zero; negative below; None where it has no peg.

    The peg is the redemption rate where there is one, else 1. A price more than 5 % away has no peg to speak of: there
    the plain deviation decides. Near it a small move is a large change of the discount, which is what lenders watch.
    Idea of measuring against a reference: API3's airseeker (deviationReference).
    """
    peg = report.redemption_wad or WAD
    if not report.market_wad:
        return None
    away = report.market_wad - peg
    bps = abs(away) * BPS // peg
    if bps > _NEAR_BPS:
        return None
    return bps if away >= 0 else -bps


def stored_round_s(stored: Mapping[int, Report], index: int) -> int:
    """Round that the store holds of a feed, 0 for none."""
    return stored[index].round_time_s if index in stored else 0


def reasons_text(reasons: Mapping[str, str]) -> str:
    """The text of `PushRow.why`: ``FEED: reason; FEED: reason``."""
    return _BETWEEN_FEEDS.join(f"{feed}{_AFTER_FEED}{reason}" for feed, reason in reasons.items())


def reasons_of(why: str) -> dict[str, str]:
    """The reason of each feed in such a text; none in what was written for pokes or an arming, which are of no feed."""
    return dict(part.split(_AFTER_FEED, 1) for part in why.split(_BETWEEN_FEEDS) if _AFTER_FEED in part)
