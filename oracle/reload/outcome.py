"""What became of a reload: what was changed, what waits, what needs a restart, or why nothing was changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from feeds.errors import LrtOracleError
from oracle.config.tables.schema import Problem


class ReloadRefused(LrtOracleError, RuntimeError):
    """The config cannot be taken over now: nothing was changed."""


class ReloadResult(StrEnum):
    """In a word."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"
    """A fault of this program: what was begun was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """One key of the config, and what is different about it."""

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadOutcome:
    """What became of it.

    Attributes:
        result: in a word.
        changed: what holds from the next round on.
        restart: what does not hold before a restart.
        waits: the config that is to follow at an announced round; "" for none.
        rules: digests of the rules before and after, hex; the same where they stay.
        problems: why nothing was changed.
        dry: it was only asked what would be changed.
    """

    result: ReloadResult
    changed: Sequence[ConfigChange] = ()
    restart: Sequence[ConfigChange] = ()
    waits: str = ""
    rules: tuple[str, str] = ("", "")
    problems: Sequence[Problem] = ()
    dry: bool = False

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "result": self.result.value,
            "dry": self.dry,
            "changed": [{"key": c.key, "text": c.text} for c in self.changed],
            "restart": [{"key": c.key, "text": c.text} for c in self.restart],
            "waits": self.waits or None,
            "rules": {"before": self.rules[0], "after": self.rules[1]},
            "errors": [{"key": p.key, "text": p.text} for p in self.problems],
        }


def lines_of(document: dict[str, Any]) -> list[str]:
    """The same for people, of its document."""
    dry, before, after = document["dry"], document["rules"]["before"], document["rules"]["after"]
    lines = list(_lines("would change" if dry else "changed", document["changed"]))
    if before != after:
        lines.append(f"rules: {before} {'would become' if dry else 'became'} {after}")
    lines += _lines("needs a restart", document["restart"])
    if document["waits"]:
        lines.append(f"waits: {document['waits']}")
    lines += _lines("error", document["errors"])
    if document["errors"]:
        return [*lines, "nothing is changed: the process goes on with the config that it has"]
    return lines or ["nothing is different from what the process runs with"]


def _lines(word: str, rows: Iterable[dict[str, str]]) -> Iterable[str]:
    return (f"{word}: {row['key']}: {row['text']}" for row in rows)
