"""Light operators: so many processes with real sockets, keys, journals and agreement, and made-up prices; what they cost."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from demo.fleet.fleet import free_ports
from demo.fleet.ledger import percentiles
from demo.fleet.light_process import LightPlan
from feeds.units import MS
from oracle.runtime.clock import now_ms

_EACH_STARTS_S = 2.0
"""CPU of a start, and of its links with all others: so long before the first round for each two processes."""
_LEAST_START_S = 10.0
_WARM_ROUNDS = 3
_WHAT = (
    "light processes: report keys with journals on disk, TLS WebSocket mesh over loopback, the whole agreement;"
    " no venues, no chain, no fold: prices are made up"
)


async def measure_light(
    folder: Path, *, operators: int, feeds: int, rounds: int, interval_s: int, seed: int, conditions: Mapping[str, Any]
) -> dict[str, Any]:
    """Run so many for so many rounds; what became of the rounds, and bytes, CPU and memory of one operator a round."""
    start_s = int(now_ms() / MS + max(_LEAST_START_S, operators * _EACH_STARTS_S))
    plan = LightPlan(
        folder=str(folder), keys=tuple(secrets.token_hex(32) for _ in range(operators)),
        ports=tuple(free_ports(operators)), interval_s=interval_s, feeds=feeds, threshold=2 * operators // 3 + 1,
        seed=seed, conditions=conditions, linked_s=-(-start_s // interval_s) * interval_s,
    )  # fmt: skip
    path = folder / "plan.json"
    path.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    processes = [await _started(folder, path, number) for number in range(operators)]
    last_s = plan.linked_s + (rounds + _WARM_ROUNDS) * interval_s
    try:
        await asyncio.sleep(max(0.0, last_s + interval_s - now_ms() / MS))
        dead = [n for n, p in enumerate(processes) if p.returncode is not None]
    finally:
        for process in processes:
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(p.wait() for p in processes))
    due = range(plan.linked_s + _WARM_ROUNDS * interval_s, last_s, interval_s)
    return {"what": _WHAT, "operators": operators, "feeds": feeds, "threshold": plan.threshold, "interval_s": interval_s,
            "seed": seed, "conditions": dict(conditions), "died": dead,
            **_figures(folder, operators, list(due))}  # fmt: skip


async def _started(folder: Path, plan: Path, number: int) -> asyncio.subprocess.Process:
    with (folder / f"light{number}.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "demo.fleet.light_process", str(plan), str(number), stdout=log, stderr=log
        )


def _figures(folder: Path, operators: int, due: Sequence[int]) -> dict[str, Any]:
    books = [_book(folder / f"light{n}" / "light.db", due) for n in range(operators)]
    sealed = {r for book in books for r, row in book.items() if row["items"] is not None}
    items = {r: {book[r]["items"] for book in books if r in book and book[r]["items"] is not None} for r in sealed}
    times = sorted(row["sealed_ms"] for b in books for row in b.values() if row["sealed_ms"] is not None)
    steps = Counter(min(b[r]["step"] for b in books if r in b and b[r]["step"] is not None) // 2 + 1 for r in sealed)
    lost = {r: next((b[r]["why"] for b in books if r in b), "no process made it") for r in due if r not in sealed}
    return {
        "rounds_due": len(due),
        "rounds_sealed": len(sealed),
        "rounds_lost": [{"round": r, "why": why} for r, why in lost.items()],
        "attempts": {str(n): count for n, count in sorted(steps.items())},
        "forks": [r for r, found in items.items() if len(found) > 1],
        "sealed_ms": percentiles(times),
        "a_round_of_one_operator": _usage(books),
    }


def _usage(books: Sequence[Mapping[int, Mapping[str, Any]]]) -> dict[str, Any]:
    """Mean over operators: bytes and CPU a round, memory at the first and the last round."""
    spans = [(b[min(b)], b[max(b)], len(b) - 1) for b in books if len(b) > 1]
    if not spans:
        return {}

    def mean(name: str) -> int:
        return sum(int(last[name] - first[name]) // count for first, last, count in spans) // len(spans)

    return {
        "bytes_in": mean("bytes_in"),
        "bytes_out": mean("bytes_out"),
        "cpu_ms": mean("cpu_ms"),
        "rss_kb_first": sum(first["rss_kb"] for first, _, _ in spans) // len(spans),
        "rss_kb_last": sum(last["rss_kb"] for _, last, _ in spans) // len(spans),
    }


def _book(path: Path, due: Sequence[int]) -> dict[int, dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM rounds ORDER BY round_s").fetchall()
    return {row["round_s"]: dict(row) for row in rows if row["round_s"] in set(due)}
