"""What the doctor says of a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.doctor.examine import Examination
from oracle.doctor.findings import HealthFinding, Severity
from tests.oracle.check.push_site import ALL_SET

FAULTS = {Severity.WARNING, Severity.CRITICAL}


async def found(table: dict[str, Any], *only: str, environ: Mapping[str, str] = ALL_SET) -> list[HealthFinding]:
    """All findings of some looks."""
    return await Examination(resolve(parse(table)), environ).run(only)


async def faults(table: dict[str, Any], *only: str, environ: Mapping[str, str] = ALL_SET) -> list[HealthFinding]:
    """What is worse than good to know; each says what to do."""
    bad = [f for f in await found(table, *only, environ=environ) if f.severity in FAULTS]
    assert all(f.advice for f in bad)
    return bad
