"""The ways of a token over bridges: a lock box at home, and what was minted for it on other chains. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from feeds.catalog.checks import exact

_NAME = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rail:
    """A way over a bridge: ``lock`` holds the token on ``chain``, and what exists of it on the chains ``beyond`` was minted for that.

    ``bridge``: what it is, in words. ``partial``: it leads to further chains that are not recorded, so that what is counted
    beyond is less than there is.
    """

    name: str
    bridge: str
    chain: str
    lock: str
    beyond: tuple[str, ...]
    partial: bool = False
    unconfirmed: str | None = None
    source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"rail {self.name!r}: write 1 to 32 lower-case letters, digits or -")
        exact(self.lock)
        if not self.beyond or self.chain in self.beyond:
            raise ValueError(f"rail {self.name}: write in beyond the chains that it leads to from {self.chain}")


def check_rails(symbol: str, rails: Sequence[Rail]) -> None:
    """ValueError where two rails of a token have one name."""
    names = [r.name for r in rails]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ValueError(f"token {symbol}: two rails are called {twice[0]!r}, give one of them another name")
