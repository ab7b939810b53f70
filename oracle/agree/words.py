"""Words of one key that do not go together. Pure."""

from __future__ import annotations

from oracle.agree.messages import Content
from oracle.report.wire import split_items


def contradiction(first: Content, second: Content) -> str | None:
    """Why nobody may sign both: different items of one feed; None where what both hold is the same."""
    a, b = split_items(first.items), split_items(second.items)
    parted = sorted(i for i in a.keys() & b.keys() if a[i] != b[i])
    return f"two items of feeds {parted} for one round" if parted else None
