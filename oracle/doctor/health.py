"""The looks that go on for ever inside a process: they ask nobody, and read a few numbers of the system every few minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from feeds.units import MS
from oracle.config.sections import Config
from oracle.doctor.files import room_findings
from oracle.doctor.findings import HealthFinding, Severity, critical, info, ok, warning, worst
from oracle.doctor.machine import clock_findings, file_findings, memory_findings, open_files
from oracle.model.target_status import TargetStatus
from oracle.runtime.schedule import Failed, every
from oracle.serve.health_gauges import HealthShown
from oracle.sign.operator import Operator

PERIOD_S = 300
_FEW_PUSHES = 100


class TimeTold(Protocol):
    """The clock of the process."""

    def offset_ms(self) -> int:
        """How far others' clocks are ahead."""

    def heard(self) -> bool:
        """Whether anybody stated a time."""

    def now_ms(self) -> int:
        """Unix ms."""


class HealthWatch:
    """Looks at this machine and process again and again.

    Args:
        config: of the process.
        clock: its time.
        operators: that have a key here.
        targets: their status.

    Attributes:
        findings: of the newest look.
    """

    def __init__(
        self,
        config: Config,
        clock: TimeTold,
        operators: Sequence[Operator],
        targets: Callable[[], Iterable[TargetStatus]],
    ) -> None:
        self._config, self._clock, self._operators, self._targets = config, clock, operators, targets
        self.findings: tuple[HealthFinding, ...] = ()

    async def run(self, failed: Failed) -> None:
        """Look at once, then every few minutes, without end."""
        at_once = asyncio.Event()
        at_once.set()
        await every(PERIOD_S, self.look, failed, at_once)

    async def look(self) -> None:
        """One look. What reads the disk does so in a thread: rounds go on."""
        found = [*self._told(), *await asyncio.to_thread(lambda: list(self._read()))]
        self.findings = tuple(found)

    def warnings(self) -> tuple[str, ...]:
        """For /readyz: all that is worse than good to know, with what to do."""
        return tuple(f"{f.check}: {f.text}: {f.advice}" for f in self.findings if f.severity >= Severity.WARNING)

    def shown(self) -> Iterator[HealthShown]:
        """For /metrics: each look, and how bad its worst finding is."""
        for name in dict.fromkeys(f.check for f in self.findings):
            yield HealthShown(name, worst(f for f in self.findings if f.check == name).word)

    def _told(self) -> Iterator[HealthFinding]:
        if self._clock.heard():
            yield from clock_findings({"those who state a time": self._clock.offset_ms()}, {})
        else:
            yield info("clock", "nobody has stated a time in the last minute", "are venues and endpoints reached?")
        for operator in self._operators:
            rest_ms = operator.journal.mute_for_ms(self._clock.now_ms())
            if rest_ms:
                text = f"operator {operator.name} is mute for {rest_ms // MS} s more"
                yield warning("journals", text, "wait; its journal was missing or restored (docs/push.md, A backup)")
            else:
                yield ok("journals", f"operator {operator.name} may sign")
        for status in self._targets():
            left = status.pushes_left
            if left is None:
                continue
            text = f"target {status.target}: the gas key pays for {left} pushes"
            advice = "send it ether (its address: `lrt-oracle doctor --only gas`)"
            if not left:
                yield critical("gas", text, advice)
            else:
                yield warning("gas", text, advice) if left < _FEW_PUSHES else ok("gas", text)

    def _read(self) -> Iterator[HealthFinding]:
        yield from room_findings(self._config, growth=False)
        yield from memory_findings()
        yield from file_findings(in_use=open_files())
