"""Whether a feed's gate on the cost of its price (``tuning.min_cost_100bps``) has real depth behind it."""

from __future__ import annotations

from collections.abc import Iterator

from feeds.registry import EXCHANGES, POOLS
from feeds.types import Kind
from feeds.units import BPS
from oracle.combine.methods.registry import METHODS
from oracle.config.sections import Config
from oracle.config.tables.feed_sections import FeedSection, SourceSection
from oracle.config.tables.schema import Problem
from oracle.model.spec import FeedSpec, SourceSpec


def gate_problems(config: Config, where: str, feed: FeedSection, spec: FeedSpec) -> Iterator[Problem]:
    """A gate that can never open, because groups without any depth could move the price for nothing."""
    if not spec.tuning.min_cost_100bps:
        return
    key = f"{where}.tuning.min_cost_100bps"
    if feed.share_of or feed.legs:
        other = feed.share_of or " and ".join(feed.legs)
        yield Problem(key, f"does nothing here, the price is made of {other}: write the gate there")
        return
    method = METHODS.get(spec.method)
    if method is None or len(feed.sources) != len(spec.sources):
        return
    without: dict[str, str] = {}
    groups: set[str] = set()
    for section, source in zip(feed.sources, spec.sources, strict=True):
        if source.kind is Kind.MARKET:
            group = source.name if source.average_s else source.group
            groups.add(group)
            if (why := _no_depth(config, section, source)) is not None:
                without.setdefault(group, why)
    shares = dict(spec.tuning.shares) if spec.method == "weighted_median" else {}
    free = sum(shares.get(g, 1) for g in without)
    if without and free * BPS >= method.breakdown_bps * sum(shares.get(g, 1) for g in groups):
        text = (
            f"no depth is ever read of {', '.join(f'{g} ({why})' for g, why in without.items())}: of {len(groups)} groups these"
            f" are enough to move a {spec.method}, so the gate would never open; leave them out, add exchanges or pools, or"
            " leave the gate out"
        )
        yield Problem(key, text)


def _no_depth(config: Config, section: SourceSection, source: SourceSpec) -> str | None:
    """Why no depth can be read of a source, None where it can."""
    if section.type in POOLS:
        return None
    if section.type not in EXCHANGES:
        return f"{source.name}: {section.type} states none"
    venue = config.venues.get(section.type)
    return f"venues.{section.type}.depth_ms = 0" if venue is not None and not venue.depth_ms else None
