"""What an audit finds: one thing that was recomputed, and whether it is what is stored."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was recomputed, and whether it is what is stored."""

    what: str
    ok: bool
    detail: str
