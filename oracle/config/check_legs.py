"""What a feed is made of or converted by: feeds that are there, that have a price, and whose price no single group decides.

The law: a quorum of a feed holds for all that its price is made of. A leg that one group decides would carry every source that
is converted by it, and a feed of a share token has no more groups than its share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from feeds.types import Kind
from oracle.config.sections import Config
from oracle.config.tables.feed_sections import FeedSection, SourceSection
from oracle.config.tables.schema import Problem
from oracle.model.suggest import nearest

_QUORUM = 2
Groups = Mapping[str, int]
"""How many groups each feed's sources can form."""


def leg_problems(config: Config, where: str, source: SourceSection) -> Iterator[Problem]:
    """What is wrong with the feed that a source is converted by; its units are looked at elsewhere.

    Args:
        config: the whole config, which has that feed.
        where: the source's place in the config.
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


def made_of_problems(config: Config, where: str, feed: FeedSection) -> Iterator[Problem]:
    """The feeds that this one is computed from are there, on, and no weaker than it."""
    for other in (*feed.legs, *((feed.share_of,) if feed.share_of else ())):
        if other not in config.feeds:
            yield Problem(where, f"{other!r} is not a feed of the config; {nearest(other, config.feeds)}")
        elif config.feeds[other].off:
            yield Problem(where, f"{other} is off: turn this feed off too, or that one on")


def one_group_problems(config: Config, groups: Groups) -> Iterator[Problem]:
    """Feeds that need a quorum and are made of, or converted by, one that has a single group. ``groups``: of each feed."""
    for name, feed in config.feeds.items():
        where = f'feeds."{name}"'
        if feed.off:
            continue
        if feed.share_of and not (feed.accept_single_group or feed.reference_only):
            for alone in _decided_alone(config, feed.share_of, groups):
                text = (
                    f"{alone} has one group only, and this feed has no more than its share: add a group there, or write"
                    " reference_only = true or accept_single_group = true here too"
                )
                yield Problem(f"{where}.share_of", text)
        for leg in _legs_of(feed) if feed.min_groups >= _QUORUM else ():
            for alone in _decided_alone(config, leg, groups):
                text = (
                    f"{alone} has one group only, which decides every price that is converted by it: add a group there and"
                    " write min_groups = 2, or min_groups = 1 and accept_single_group = true here"
                )
                yield Problem(f"{where}.sources", text)


def one_group_notes(config: Config, groups: Groups) -> Iterator[str]:
    """Feeds that need a quorum and are converted by one that is content with a single group, though it has several."""
    for name, feed in config.feeds.items():
        if feed.off or feed.min_groups < _QUORUM:
            continue
        for leg in _legs_of(feed):
            for weak in _decided_alone(config, leg, dict.fromkeys(groups, 1)):
                yield (
                    f"{name}: {weak} needs one group only: while its others are silent, that one decides every price that is"
                    " converted by it; min_groups = 2 there keeps it a quorum"
                )


def _legs_of(feed: FeedSection) -> list[str]:
    """The feeds that its market sources are converted by, each once."""
    return list(dict.fromkeys(s.convert for s in feed.sources if s.convert and s.kind is Kind.MARKET))


def _has_market(feed: FeedSection) -> bool:
    return bool(feed.share_of or feed.legs) or any(s.kind is Kind.MARKET for s in feed.sources)


def _decided_alone(config: Config, name: str, groups: Groups, above: frozenset[str] = frozenset()) -> list[str]:
    """The feeds behind this one, or itself, that need one group and have no more; those that are not built have enough."""
    feed = config.feeds.get(name)
    if feed is None or name in above:
        return []
    if below := (*feed.legs, *((feed.share_of,) if feed.share_of else ())):
        return list(dict.fromkeys(a for b in below for a in _decided_alone(config, b, groups, above | {name})))
    return [name] if feed.min_groups < _QUORUM and groups.get(name, _QUORUM) < _QUORUM else []
