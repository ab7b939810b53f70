"""The gauges by feed that alarms compare a price with: whether it has one, its limits, the groups behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import nan

from prometheus_client import CollectorRegistry, Gauge

from oracle.model.spec import FeedSpec
from oracle.model.types import FeedRound, FoldedFeed

_BY = ("feed",)


class FeedGauges:
    """Gauges by feed.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._abstains = self._gauge("feed_abstains", "1: the newest round brought no price")
        self._groups = self._gauge(
            "feed_groups", "independent groups behind the market price of the newest round; NaN: there is none"
        )
        self._least = self._gauge("feed_groups_needed", "groups that the market price needs")
        self._most_spread = self._gauge("feed_max_spread_bps", "spread above which there is no price")
        self._most_age = self._gauge("feed_max_age_seconds", "age of an input above which it does not count")

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

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"lrt_oracle_{name}", text, _BY, registry=self._registry)
