"""Why each feed of a batch is pushed, as one text and back: the journal keeps it, logs and the API show it."""

from __future__ import annotations

from collections.abc import Mapping

_BETWEEN_FEEDS, _AFTER_FEED = "; ", ": "


def reasons_text(reasons: Mapping[str, str]) -> str:
    """The text of `PushRow.why`: ``FEED: reason; FEED: reason``."""
    return _BETWEEN_FEEDS.join(f"{feed}{_AFTER_FEED}{reason}" for feed, reason in reasons.items())


def reasons_of(why: str) -> dict[str, str]:
    """The reason of each feed in such a text; none in what was written for pokes or an arming, which are of no feed."""
    return dict(part.split(_AFTER_FEED, 1) for part in why.split(_BETWEEN_FEEDS) if _AFTER_FEED in part)
