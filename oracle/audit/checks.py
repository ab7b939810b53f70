"""What an audit finds: one thing that was recomputed, and whether it is what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was recomputed, and whether it is what is stored.

    ``rules``: of what this version cannot recompute, the RULES_VERSION that made it; such a thing is neither right nor wrong.
    """

    what: str
    ok: bool
    detail: str
    rules: int | None = None


def is_good(checks: Sequence[Check]) -> bool:
    """Whether something was recomputed, and nothing of it came out otherwise."""
    recomputed = [c for c in checks if c.rules is None]
    return bool(recomputed) and all(c.ok for c in recomputed)
