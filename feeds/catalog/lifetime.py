"""Whether a thing of the catalogue may still be used: when and why it died, and what is doubtful. One form for every record. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from feeds.catalog.checks import check_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """The state of a pool, token, reference or symbol.

    Attributes:
        dead_why: why it must not be read any more; None while nobody published its end.
        dead_since: the day of its end, and dead_block: the block on its own chain; either is None where it was not published.
        dead_source: where the end was published.
        instead: what to read in its place, each as the config names it.
        doubtful: why it may be dead or was never proven: an operator may name it, the default config does not.
    """

    dead_why: str | None = None
    dead_since: str | None = None
    dead_block: int | None = None
    dead_source: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    doubtful: str | None = None

    @property
    def is_dead(self) -> bool:
        """Whether its end was published."""
        return self.dead_why is not None

    @property
    def is_usable(self) -> bool:
        """Whether it is neither dead nor doubtful: what a shipped config may name."""
        return self.dead_why is None and self.doubtful is None

    @property
    def end(self) -> str:
        """When and why it died, and what to use instead: a sentence for whoever names it; empty while it lives."""
        if self.dead_why is None:
            return ""
        day = f" since {self.dead_since}" if self.dead_since else ""
        block = f" (block {self.dead_block:,})" if self.dead_block is not None else ""
        instead = (
            f"use {', '.join(map(repr, self.instead))} instead" if self.instead else "remove it, nothing replaces it"
        )
        return f"is dead{day}{block}: {self.dead_why}; {instead}"

    def check_lifetime(self) -> None:
        """ValueError for an end that is stated by halves."""
        if self.dead_why is None and (self.dead_since or self.dead_block is not None or self.dead_source):
            raise ValueError('dead_since, dead_block and dead_source need dead_why = "...": write why it ended')
        if self.dead_why is not None and not self.dead_source:
            raise ValueError('dead_why needs dead_source = ["..."]: write where its end was published')
        if self.dead_why is not None and self.doubtful is not None:
            raise ValueError("write dead_why or doubtful: what is known to be dead is not in doubt")
        if self.dead_since is not None:
            check_date("dead_since", self.dead_since)
