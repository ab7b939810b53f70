"""Two lines of the log for each time that a feed has no price: one when it begins, with why, one when it is over, with for how long."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from feeds.units import MS
from oracle.serve.documents import Abstaining

_log = structlog.get_logger("oracle.serve.silences")


class Silences:
    """Which feeds were without a price when it was looked last."""

    def __init__(self) -> None:
        self._now: dict[str, Abstaining] = {}

    def note(self, abstaining: Mapping[str, Abstaining | None], now_ms: int) -> None:
        """How each feed is now: why it has no price; None where it has one."""
        for feed, why in abstaining.items():
            before = self._now.pop(feed, None)
            if why is not None:
                self._now[feed] = before or why
            if why is not None and before is None:
                _log.warning("a feed has no price", feed=feed, reason=why.why.name.lower(), why=why.text, news=True)
            elif why is None and before is not None:
                silent_s = (now_ms - before.since_ms) / MS
                _log.warning(
                    "a feed has a price again", feed=feed, after=before.why.name.lower(), silent_s=silent_s, news=True
                )
