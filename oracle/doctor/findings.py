"""What a look at something found: how bad it is, in words, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """How bad it is: nothing, good to know, soon a fault, a fault."""

    OK = 0
    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """As it is shown."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFinding:
    """One thing that was found.

    Attributes:
        check: which look found it, one of `oracle.doctor.examine.CHECKS`.
        severity: how bad it is.
        text: what is so.
        advice: what to do; "" where there is nothing to do.
    """

    check: str
    severity: Severity
    text: str
    advice: str = ""

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {"check": self.check, "severity": self.severity.word, "text": self.text, "advice": self.advice or None}

    def line(self) -> str:
        """For people."""
        return f"{self.severity.word:<8} {self.check:<11} {self.text}" + (f": {self.advice}" if self.advice else "")


def worst(findings: Iterable[HealthFinding]) -> Severity:
    """The worst of them."""
    return max((f.severity for f in findings), default=Severity.OK)


def ok(check: str, text: str) -> HealthFinding:
    """Nothing is wrong there."""
    return HealthFinding(check=check, severity=Severity.OK, text=text)


def info(check: str, text: str, advice: str = "") -> HealthFinding:
    """Good to know."""
    return HealthFinding(check=check, severity=Severity.INFO, text=text, advice=advice)


def warning(check: str, text: str, advice: str) -> HealthFinding:
    """It will be a fault if nobody does anything."""
    return HealthFinding(check=check, severity=Severity.WARNING, text=text, advice=advice)


def critical(check: str, text: str, advice: str) -> HealthFinding:
    """It is a fault."""
    return HealthFinding(check=check, severity=Severity.CRITICAL, text=text, advice=advice)


def split_advice(text: str) -> tuple[str, str]:
    """A problem's own words: what is so, and what to do, after the last colon or semicolon of a sentence."""
    for mark in (": ", "; "):
        said, found, advice = text.rpartition(mark)
        if found:
            return said, advice
    return text, "look at docs/config.md, and run `lrt-oracle check`"


def finding_lines(findings: Sequence[HealthFinding]) -> list[str]:
    """All for people, the worst first, each kind in the order of the looks; at the end how many."""
    rows = [f.line() for f in sorted(findings, key=lambda f: -f.severity)]
    counts = {s: sum(f.severity is s for f in findings) for s in Severity}
    return [*rows, f"{counts[Severity.CRITICAL]} critical, {counts[Severity.WARNING]} warnings"]
