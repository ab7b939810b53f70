"""This machine: time, room on disks, memory, open files, versions. Read from the system; nothing is asked over a network."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median_low

from oracle.doctor.findings import HealthFinding, critical, info, ok, warning
from oracle.runtime.clock import BLOCK_LATE_MS, REFUSE_MS, WARN_MS

_KIB, _MIB = 1 << 10, 1 << 20
_LEAST_FREE, _LITTLE_FREE = 64 * _MIB, 512 * _MIB
_WEEK_DAYS, _DAY = 7, 1
_LEAST_MEMORY, _LITTLE_MEMORY = 64 * _MIB, 256 * _MIB
_NO_LIMIT = 1 << 60
"""What the first kind of control groups states instead of none."""
_GROUP_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Of the second kind of control groups, and of the first: limit, use, and what of it are pages of files."""
_FILES, _PART = 1_024, 0.8
_PYTHON, _SQLITE = (3, 11), (3, 35, 0)
_ON_TIME = "set it, and keep it right: `timedatectl set-ntp true`, or chrony (`chronyc makestep`)"


def clock_findings(ahead_ms: Mapping[str, int], heads_ms: Mapping[str, int]) -> Iterator[HealthFinding]:
    """This machine's clock beside others'.

    Args:
        ahead_ms: how far the clocks of others (venues, servers, operators) are ahead of this one, by name.
        heads_ms: how far the time of the newest block of each chain is ahead; it comes late, and never early.
    """
    votes = {**ahead_ms, **{f"chain {c}": ms for c, ms in heads_ms.items() if ms > WARN_MS}}
    if not votes:
        late = [ms for ms in heads_ms.values() if ms < -BLOCK_LATE_MS]
        if late and len(late) == len(heads_ms):
            text = f"the newest block of every chain is {-max(late) // 1_000} s old by this machine's clock"
            yield warning("clock", text, f"compare it with another clock; if it is ahead, {_ON_TIME}")
        else:
            yield info("clock", "nobody states a time but blocks, which fit")
        return
    middle_ms = median_low(votes.values())
    text = f"{len(votes)} others ({', '.join(sorted(votes)[:4])}) are {abs(middle_ms) / 1_000:g} s"
    text += " ahead of this machine's clock" if middle_ms >= 0 else " behind this machine's clock"
    if abs(middle_ms) > REFUSE_MS:
        yield critical("clock", f"{text}: nothing is signed", _ON_TIME)
    elif abs(middle_ms) > WARN_MS:
        yield warning("clock", f"{text}: above {REFUSE_MS // 1_000} s nothing is signed", _ON_TIME)
    else:
        yield ok("clock", text)


def disk_findings(paths: Sequence[Path], bytes_a_day: float = 0.0) -> Iterator[HealthFinding]:
    """Room where database, journals and keys are.

    Args:
        paths: files whose disks are looked at; the first is the one that grows.
        bytes_a_day: by how much it does.
    """
    seen: set[int] = set()
    for number, path in enumerate(paths):
        folder = next((p for p in (path, *path.absolute().parents) if p.is_dir()), Path("/"))
        device = folder.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(folder).free
        days = free / bytes_a_day if bytes_a_day and not number else None
        lasts = "" if days is None else f", {days:.0f} days at {bytes_a_day / _MIB:.0f} MiB a day"
        text = f"{free // _MIB} MiB are free at {folder}{lasts}"
        advice = "make room or move oracle.database to a larger disk; `lrt-oracle db size` says what takes how much"
        if free < _LEAST_FREE or (days is not None and days < _DAY):
            yield critical("disk", f"{text}: rounds and signing stop when it is full", advice)
        elif free < _LITTLE_FREE or (days is not None and days < _WEEK_DAYS):
            yield warning("disk", text, advice)
        else:
            yield ok("disk", text)
        if not os.access(folder, os.W_OK):
            yield critical(
                "disk", f"{folder} cannot be written to by this user", f"give it to this user: `chown` {folder}"
            )


def memory_findings(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> Iterator[HealthFinding]:
    """Memory that this process may still take: what the machine has free, and what limits on it leave, where the system tells.

    Args:
        proc: what the system says of itself and of this process.
        groups: the control groups.
    """
    rooms = [*_machine_room(proc), *_group_rooms(proc, groups), *_own_room(proc)]
    if not rooms:
        yield info("memory", "this system does not say how much memory is free")
        return
    free, bound = min(rooms)
    text = f"{max(0, free) // _MIB} MiB of memory are free" + (f", {bound} leaves no more" if bound else "")
    advice = f"raise {bound}" if bound else "stop other programs, or give the machine more"
    advice = f"{advice}: the process takes some 200 MiB"
    if free < _LEAST_MEMORY:
        yield critical("memory", text, advice)
    elif free < _LITTLE_MEMORY:
        yield warning("memory", text, advice)
    else:
        yield ok("memory", text)


def _machine_room(proc: Path) -> Iterator[tuple[int, str]]:
    said = _numbers(proc / "meminfo")
    if "MemAvailable" in said:
        yield said["MemAvailable"] * _KIB, ""


def _own_room(proc: Path) -> Iterator[tuple[int, str]]:
    most, used = resource.getrlimit(resource.RLIMIT_AS)[0], _numbers(proc / "self" / "status").get("VmSize")
    if most != resource.RLIM_INFINITY and used is not None:
        yield most - used * _KIB, "the limit of address space (`ulimit -v`, LimitAS)"


def _group_rooms(proc: Path, groups: Path) -> Iterator[tuple[int, str]]:
    """What each control group leaves that this process is in, those around it too; pages of files can be given up."""
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds not in {"", "memory"}:
            continue
        root, limit, usage, of_files = (groups / kinds, *_GROUP_FILES[kinds])
        for folder in (part := root / path.lstrip("/"), *part.parents):
            most, used = _text(folder / limit).strip(), _text(folder / usage).strip()
            if most.isdigit() and used.isdigit() and int(most) < _NO_LIMIT:
                given_up = _numbers(folder / "memory.stat").get(of_files, 0)
                yield int(most) - int(used) + given_up, f"the memory limit of {path} (MemoryMax of the unit, --memory)"
            if folder == root:
                break


def _numbers(file: Path) -> dict[str, int]:
    """Names and their numbers, a pair each line; the unit behind them is left out."""
    rows = (line.replace(":", " ").split() for line in _text(file).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def file_findings(limit: int | None = None, in_use: int | None = None) -> Iterator[HealthFinding]:
    """How many files a process may open. ``in_use``: how many this one has, where it is the one that runs."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    advice = "raise it: `ulimit -n 8192` before the start, or LimitNOFILE=8192 in the unit"
    if in_use is not None and in_use > _PART * most:
        yield critical("files", f"{in_use} of {most} files are open", advice)
    elif most < _FILES:
        yield warning("files", f"a process may open {most} files: readers of the endpoint take half of them", advice)
    else:
        yield ok("files", f"a process may open {most} files" + ("" if in_use is None else f", {in_use} are"))


def open_files() -> int | None:
    """How many this process has open, where the system tells."""
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return None


def version_findings() -> Iterator[HealthFinding]:
    """Python and SQLite."""
    text = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    if sys.version_info[:2] < _PYTHON or sqlite3.sqlite_version_info < _SQLITE:
        yield critical("versions", text, "install Python 3.11 or later, with SQLite 3.35 or later")
    else:
        yield ok("versions", text)
