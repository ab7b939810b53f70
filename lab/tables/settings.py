"""The feed that judges one's own data: the defaults of the config or another feed's keys, and what was set beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from feeds.types import Kind, Pair
from lab.tables.times import TableError
from oracle.config.sections import feed_section
from oracle.config.spec_builder import spec_of
from oracle.model.spec import FeedSpec, SourceSpec

_PARTS = ("bands", "rules", "tuning")


def setting(text: str) -> tuple[str, Any]:
    """Read ``bands.watch_dwell_s=60``; a value is as in the config, words need no quotes.

    Raises:
        TableError: it is not of this form.
    """
    name, sign, value = (part.strip() for part in text.partition("="))
    if not sign or not name or not value:
        raise TableError(f"{text!r}: write --set KEY=VALUE, as bands.watch_dwell_s=60 or mode=min")
    try:
        return name, tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return name, value


def with_settings(
    feed: str, pair: Pair, sources: Sequence[SourceSpec], like: FeedSpec | None, settings: Mapping[str, Any]
) -> FeedSpec:
    """The feed.

    Args:
        feed: its name.
        pair: its pair.
        sources: one for each column; a market's ``max_age_s`` of 0 is the feed's.
        like: a feed whose keys are taken; None: the defaults.
        settings: keys by their dotted names.

    Raises:
        ConfigError: a key or a value that a feed does not have.
    """
    table: dict[str, Any] = {}
    if like is not None:
        table["bands"] = asdict(like.bands)
    for name, value in settings.items():
        *parts, key = name.split(".")
        place = table
        for part in parts:
            place = place.setdefault(part, {})
        place[key] = value
    section = feed_section(table)
    own = [replace(s, max_age_s=section.max_age_s) if not s.max_age_s else s for s in sources]
    plain = spec_of(feed, pair, section, own)
    if like is None:
        return plain
    kept: dict[str, Any] = {}
    for name in settings:
        part, _, key = name.partition(".")
        if part in _PARTS:
            kept[part] = replace(kept.get(part, getattr(like, part)), **{key: getattr(getattr(section, part), key)})
        else:
            kept[part] = getattr(plain, part)
    age_s = kept.get("max_age_s", like.max_age_s)
    markets = sum(s.kind is Kind.MARKET for s in sources)
    mine = replace(like, share_of=None, legs=(), accept_single_group=False, **kept)
    return replace(
        mine,
        feed=feed,
        pair=pair,
        sources=tuple(replace(s, max_age_s=age_s) if s.kind is Kind.MARKET else s for s in own),
        min_groups=min(mine.min_groups, markets),
        has_market=True,
        has_redemption=plain.has_redemption,
    )
