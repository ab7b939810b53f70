"""What a feed is made of or converted by: feeds that are there, that have a price, and whose price no single group decides.

The law: a quorum of a feed holds for all that its price is made of. A leg that one group decides would carry every source that
is converted by it, and a feed of a share token has no more groups than its share.
"""

from __future__ import annotations

from collections.abc import Iterator

from feeds.types import Kind
from oracle.config.sections import Config
from oracle.config.tables.feed_sections import FeedSection, SourceSection
from oracle.config.tables.schema import Problem
from oracle.model.suggest import nearest

_QUORUM = 2


def leg_problems(config: Config, where: str, feed: FeedSection, source: SourceSection) -> Iterator[Problem]:
    """What is wrong with the feed that a source is converted by; its units are looked at elsewhere.

    Args:
        config: the whole config, which has that feed.
        where: the source's place in the config.
        feed: the one that has the source.
        source: as written; it names a leg.
    """
    name = str(source.convert)
    leg = config.feeds[name]
    if leg.off:
        text = f"{name} is off: turn it on (reference_only = true keeps it off chain), or leave this source out"
        yield Problem(f"{where}.convert", text)
    elif not _has_market(leg):
        yield Problem(
            f"{where}.convert", f"{name} has no market source, so it has no price to convert by: add some there"
        )
    elif source.kind is Kind.MARKET and feed.min_groups >= _QUORUM and (alone := _decided_alone(config, name)):
        text = (
            f"{alone} needs one group only, which would decide every price that is converted by it: write min_groups = 2"
            " there, or min_groups = 1 and accept_single_group = true here"
        )
        yield Problem(f"{where}.convert", text)


def made_of_problems(config: Config, where: str, feed: FeedSection) -> Iterator[Problem]:
    """The feeds that this one is computed from are there, on, and no weaker than it."""
    for other in (*feed.legs, *((feed.share_of,) if feed.share_of else ())):
        if other not in config.feeds:
            yield Problem(where, f"{other!r} is not a feed of the config; {nearest(other, config.feeds)}")
        elif config.feeds[other].off:
            yield Problem(where, f"{other} is off: turn this feed off too, or that one on")
    if feed.share_of in config.feeds and not (feed.accept_single_group or feed.reference_only):
        alone = _decided_alone(config, str(feed.share_of))
        if alone:
            text = (
                f"{alone} needs one group only, and this feed has no more than its share: write min_groups = 2 there, or"
                " reference_only = true or accept_single_group = true here too"
            )
            yield Problem(f"{where}.share_of", text)


def _has_market(feed: FeedSection) -> bool:
    return bool(feed.share_of or feed.legs) or any(s.kind is Kind.MARKET for s in feed.sources)


def _decided_alone(config: Config, name: str, above: frozenset[str] = frozenset()) -> str | None:
    """The feed behind this one, or itself, whose market one group may decide; None where none is."""
    feed = config.feeds.get(name)
    if feed is None or name in above:
        return None
    below = (*feed.legs, *((feed.share_of,) if feed.share_of else ()))
    if below:
        return next((a for b in below if (a := _decided_alone(config, b, above | {name}))), None)
    return name if feed.min_groups < _QUORUM and _has_market(feed) else None
