"""The nearest known name to one that is not known: what every error about a name ends with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED = 600
"""The most characters that a hint lists: what is longer hides the error that it belongs to."""
_SOME = 5


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the nearest known name, whatever its case; where none is near all of them, of many the nearest few."""
    names = sorted(known)
    close = _close(name, names, number=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    listed = ", ".join(names) or "none"
    if len(listed) <= _LISTED:
        return f"known: {listed}"
    return f"known are {len(names)}, the nearest {', '.join(_close(name, names, number=_SOME, cutoff=0.0))}"


def _close(name: str, names: list[str], *, number: int, cutoff: float) -> list[str]:
    plain: dict[str, list[str]] = {}
    for each in names:
        plain.setdefault(each.lower(), []).append(each)
    found = difflib.get_close_matches(name.lower(), list(plain), n=number, cutoff=cutoff)
    return [each for text in found for each in plain[text]][:number]
