"""The gauges by feed that alarms compare a price with: whether it has one, its limits, the groups behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import nan

from prometheus_client import CollectorRegistry

from oracle.model.spec import FeedSpec
from oracle.model.types import FeedRound, FoldedFeed
from oracle.serve.metric_catalog import made_gauge


class FeedGauges:
    """Gauges by feed.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._abstains = made_gauge(registry, "feed_abstains")
        self._groups = made_gauge(registry, "feed_groups")
        self._least = made_gauge(registry, "feed_groups_needed")
        self._most_spread = made_gauge(registry, "feed_max_spread_bps")
        self._most_age = made_gauge(registry, "feed_max_age_seconds")

    def expect(self, specs: Mapping[str, FeedSpec]) -> None:
        """Show the limits of all feeds, and that none has a price yet."""
        self.limits(specs)
        for feed, spec in specs.items():
            self._abstains.labels(feed).set(1)
            if not spec.legs:
                self._groups.labels(feed).set(nan)

    def limits(self, specs: Mapping[str, FeedSpec]) -> None:
        """Show the limits of all feeds."""
        for feed, spec in specs.items():
            if spec.legs:
                continue
            self._least.labels(feed).set(spec.min_groups)
            self._most_spread.labels(feed).set(spec.max_spread_bps)
            self._most_age.labels(feed).set(spec.max_age_s)

    def abstains(self, feed: str, *, now: bool) -> None:
        """Whether a feed has no price in the newest round."""
        self._abstains.labels(feed).set(int(now))

    def folded(self, feeds: Iterable[FoldedFeed]) -> None:
        """What each operator here made of a feed: the fewest groups that one of them has."""
        fewest: dict[str, int] = {}
        for each in feeds:
            market = each.result.market if isinstance(each.result, FeedRound) else None
            if market is not None:
                fewest[each.spec.feed] = min(fewest.get(each.spec.feed, market.groups_behind), market.groups_behind)
            elif not each.spec.legs:
                self._groups.labels(each.spec.feed).set(nan)
        for feed, groups in fewest.items():
            self._groups.labels(feed).set(groups)
