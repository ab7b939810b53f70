"""What a process has used, from outside: CPU time and resident memory, as the kernel counts them."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

from feeds.units import MS

_KIB = 1_024


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """Since the start of the process. ``cpu_ms``: user and system; ``rss_kb``: now, KiB."""

    cpu_ms: int
    rss_kb: int


def usage_of(pid: int) -> ProcessUsage | None:
    """Of a process; None where it is gone, or the system has no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    ticks = int(stat[11]) + int(stat[12])  # utime and stime, proc(5)
    return ProcessUsage(ticks * MS // os.sysconf("SC_CLK_TCK"), pages * resource.getpagesize() // _KIB)
