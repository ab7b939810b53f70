"""What a rule looks at, built by hand: evidence at a price, and a round around it."""

from __future__ import annotations

from dataclasses import replace

from feeds.units import MS
from oracle.judge.evidence import Evidence, RuleInput
from oracle.model.spec import FeedSpec, Rules
from oracle.model.state import Memory
from oracle.model.status import Status
from tests.oracle.oracle_build import T0, spec, wad

FEED = spec()
HOUR = 3_600_000
DAY = 24 * HOUR
ALL_ON = Rules(
    moved_bps=100, drift_slack_bps=20, drift_bps_hours=1_000, disagree_bps=100, growth_bps_year=968, cadence_s=2 * DAY // MS,
)  # fmt: skip
RULED = replace(FEED, rules=ALL_ON)


def evidence(price: str = "1.00", **more: object) -> Evidence:
    """Evidence of a market at this price, three groups and a redemption rate of one; ``more`` overrides any field."""
    known = {"market_wad": wad(price), "redemption_wad": wad("1.00"), "groups": 3, "rate": None}
    return Evidence(**(known | more))  # type: ignore[arg-type]


def rule_input(
    seen: Evidence, memory: Memory | None = None, *, feed: FeedSpec = FEED, at_ms: int = T0, status: Status = Status.OK
) -> RuleInput:
    """A round with this evidence."""
    return RuleInput(spec=feed, memory=memory or Memory(), status=status, evidence=seen, now_ms=at_ms)


def ruled_input(
    seen: Evidence, memory: Memory | None = None, *, feed: FeedSpec = RULED, at_ms: int = T0, status: Status = Status.OK
) -> RuleInput:
    """The same for a feed with every rule on."""
    return rule_input(seen, memory, feed=feed, at_ms=at_ms, status=status)
