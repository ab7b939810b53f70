"""`make soak`: the shipped config with a round a second against stand-ins of all that it names, for an hour or as long as is said.

An hour of it stands for ten at the shipped interval. The process is `lrt-oracle run` itself, in a process of its own; venues, two
endpoints of Ethereum and the chain that is pushed to run beside it. Each look goes to a JSON file at once, so that
``python -m tests.soak.run --ask FILE`` tells how it stands at any time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from oracle.config.retention import retention_of
from tests.soak import sampling
from tests.soak.figures import summary
from tests.soak.world import SoakWorld, running_world

_BEGIN_S, _END_S = 240.0, 60.0
_HEAP_S = 30.0
_MOST_TYPES = 20
_LOOKS = 30
_ROLLED = ("records by minutes", "records by hours")


class SoakFailed(RuntimeError):
    """The process under test ended, or made no round."""


async def soak(seconds: float, every_s: float, warm_up_s: float, folder: Path, file: Path) -> dict[str, Any]:
    """Run it; returns the document that is in the file too.

    Args:
        seconds: from the round on from which every feed has a price.
        every_s: between two looks.
        warm_up_s: at the beginning, which does not count.
        folder: for the database, keys and logs.
        file: for samples and figures.
    """
    document: dict[str, Any] = {"interval_s": 1, "warm_up_s": warm_up_s, "samples": [], "heap": {}}
    async with running_world(folder) as world, _process(world, folder) as process, aiohttp.ClientSession() as session:
        await _all_feeds(session, world, process)
        begun = sampling.now_s()
        while (at_s := sampling.now_s() - begun) <= seconds + every_s / 2:
            if process.returncode is not None:
                raise SoakFailed(f"the process ended with {process.returncode}: see {folder}/log.txt")
            if at_s >= warm_up_s and "first" not in document["heap"]:
                document["heap"]["first"] = await _heap(process, folder)
                at_s = sampling.now_s() - begun
            sample, settled = await _sample(session, world, process.pid, at_s)
            document["samples"].append(sample)
            document["figures"] = summary(document["samples"], warm_up_s, settled)
            document["log_lines"] = len((folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines())
            _write(file, document)
            _say(_short(document))
            await asyncio.sleep(max(0.0, begun + len(document["samples"]) * every_s - sampling.now_s()))
        document["heap"]["last"] = await _heap(process, folder)
    document["heap_growth"] = _growth(document["heap"])
    document["exit_status"] = process.returncode
    _write(file, document)
    return document


@asynccontextmanager
async def _process(world: SoakWorld, folder: Path) -> AsyncIterator[Process]:
    environ = {**os.environ, **world.environ, "LRT_ORACLE_HEAP": str(folder / "heap.json")}
    with (folder / "log.txt").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.soak.process", "--config", str(world.config), "run",
            env=environ, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), _END_S)
                except TimeoutError:
                    process.kill()
                    await process.wait()


async def _all_feeds(session: aiohttp.ClientSession, world: SoakWorld, process: Process) -> None:
    """Wait until every feed has had a price: pools are averaged over a minute first."""
    until = sampling.now_s() + _BEGIN_S
    said = "nothing was answered"
    while sampling.now_s() < until:
        if process.returncode is not None:
            raise SoakFailed(
                f"the process ended with {process.returncode} at its start: see {world.config.parent}/log.txt"
            )
        try:
            async with session.get(f"{world.url}/readyz") as answer:
                ready = await answer.json()
            said = str(ready["reasons"][:3])
            if ready["ready"]:
                return
        except (aiohttp.ClientError, OSError, ValueError):
            pass
        await asyncio.sleep(1.0)
    raise SoakFailed(f"not ready within {_BEGIN_S:g} s: {said}")


async def _sample(
    session: aiohttp.ClientSession, world: SoakWorld, pid: int, at_s: float
) -> tuple[dict[str, Any], dict[str, int]]:
    async with session.get(f"{world.url}/metrics") as answer:
        metrics = sampling.metric_numbers(await answer.text())
    files = sampling.file_numbers(world.database, world.database.with_name("alpha.journal.db"))
    size = await asyncio.to_thread(sampling.database_kinds, world.database, retention_of(world.resolved.config))
    settled = {k.name: k.settles_at or 0 for k in size.kinds if k.name in _ROLLED}
    numbers = {**sampling.process_numbers(pid), **metrics, **files}
    return sampling.Sample(at_s=at_s, kinds=sampling.kind_numbers(size), **numbers).plain(), settled


async def _heap(process: Process, folder: Path) -> list[list[Any]]:
    """How many objects of which type the process has; it stands still for some tenths of a second."""
    target = folder / "heap.json"
    target.unlink(missing_ok=True)
    process.send_signal(signal.SIGUSR1)
    until = sampling.now_s() + _HEAP_S
    while not target.exists() and sampling.now_s() < until:  # noqa: ASYNC110 - a file has no events
        await asyncio.sleep(0.1)
    found: list[list[Any]] = json.loads(target.read_text(encoding="utf-8")) if target.exists() else []
    await asyncio.sleep(2.0)
    return found


def _growth(heap: dict[str, list[list[Any]]]) -> dict[str, Any]:
    """Types of which there are more at the end, the most first."""
    first, last = (dict(map(tuple, heap.get(k) or [])) for k in ("first", "last"))
    more = {t: count - first.get(t, 0) for t, count in last.items() if count > first.get(t, 0)}
    ranked = sorted(more.items(), key=lambda item: -item[1])[:_MOST_TYPES]
    return {"objects": [sum(first.values()), sum(last.values())], "more": dict(ranked)}


def _say(*text: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in text))
    sys.stdout.flush()


def _write(file: Path, document: dict[str, Any]) -> None:
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(document), encoding="utf-8")
    part.rename(file)


def _short(document: dict[str, Any]) -> str:
    sample, figures = document["samples"][-1], document["figures"]
    return (
        f"{sample['at_s']:7.0f} s  rss {sample['rss'] / 1e6:6.1f} MB  files {sample['files']}  rounds {sample['rounds']}"
        f"  lost {figures['rounds_lost']}  feeds {sample['feeds']}  pushes {sample['pushes']['landed']}"
        f"  database {sample['database'] / 1e6:.1f} MB  p99 {figures['late_ms']['p99']} ms"
    )


def lines(document: dict[str, Any]) -> list[str]:
    """What a person reads of a run, finished or not."""
    figures = dict(document.get("figures") or {})
    text = [f"{key:24} {json.dumps(value)}" for key, value in figures.items()]
    if "heap_growth" in document:
        text.append(f"{'heap':24} {json.dumps(document['heap_growth'])}")
    return [*text, f"{'log lines':24} {document.get('log_lines')}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.run", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3_600.0)
    parser.add_argument(
        "--warm-up", type=float, help="seconds at the beginning that do not count; a quarter by default"
    )
    parser.add_argument("--every", type=float, help="seconds between two looks; a minute at most")
    parser.add_argument("--folder", type=Path, help="for database and log, empty or new; a temporary one by default")
    parser.add_argument("--json", type=Path, default=Path("var/soak.json"), help="samples and figures")
    parser.add_argument("--ask", type=Path, metavar="FILE", help="print how the run that writes this file stands")
    given = parser.parse_args(arguments)
    if given.ask is not None:
        _say(*lines(json.loads(given.ask.read_text(encoding="utf-8"))))
        return
    given.json.parent.mkdir(parents=True, exist_ok=True)
    every_s = given.every or min(60.0, given.seconds / _LOOKS)
    warm_up_s = given.seconds / 4 if given.warm_up is None else given.warm_up
    with tempfile.TemporaryDirectory(prefix="lrt-oracle-soak-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            parser.error(f"{folder} is not empty")
        begun = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        _say(f"begun {begun} UTC, {given.seconds:g} s, a look each {every_s:g} s, figures in {given.json}")
        document = asyncio.run(soak(given.seconds, every_s, warm_up_s, folder, given.json))
    _say(*lines(document))


if __name__ == "__main__":
    main()
