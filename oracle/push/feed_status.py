"""How one feed stands at one store, for readiness and metrics. Pure."""

from __future__ import annotations

from oracle.model.publication import OnChain
from oracle.model.spec import FeedSpec
from oracle.model.target_status import FeedOnTarget
from oracle.model.types import Report
from oracle.push.due import PushPolicy, has_price_of
from oracle.push.onchain_view import Grace
from oracle.runtime.cron import moment_text, newest_s


def feed_on_target(
    spec: FeedSpec,
    *,
    onchain: OnChain | None,
    stored: Report | None,
    held: str,
    policy: PushPolicy,
    grace: Grace,
    now_s: int,
) -> FeedOnTarget:
    """The status of a feed.

    Args:
        spec: of the feed.
        onchain: what the store holds of it, as it is shown; None for nothing.
        stored: the same as a report.
        held: why it is not pushed, "" for no reason.
        policy: of the target.
        grace: how long it may take.
        now_s: present time, Unix s.
    """
    scheduled_s = newest_s(policy.schedule_of(spec.feed), now_s)
    is_open = scheduled_s is not None and not has_price_of(spec, stored, scheduled_s)
    return FeedOnTarget(
        feed=spec.feed,
        heartbeat_s=spec.heartbeat_s,
        round_time_s=onchain.round_time_s if onchain else None,
        late_at_s=onchain.late_at_s if onchain else None,
        held=held,
        scheduled_s=scheduled_s,
        scheduled="" if scheduled_s is None else moment_text(scheduled_s),
        missed_at_s=scheduled_s + grace.of(spec.heartbeat_s) if scheduled_s is not None and is_open else None,
    )
