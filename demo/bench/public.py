"""`bench api`, its second part: what a public endpoint serves, and whether rounds notice.

``requests``: GET of one feed's price, each case for some seconds in turn, several times over. `ratio` is its rate by that of a
bare aiohttp handler with the same bytes and headers in the same turn, the median of all turns. `ratio_cpu` is the same of the
processor time that an answer takes, less what the process takes at rest: it says more on a machine that others use too, and
behind nginx it is the nodes' alone. ``oracle`` is an oracle by itself, ``operator`` three operators in one process with the venues
and the market of the demo, ``node`` a node, ``node_limited`` one that
counts every request of the address; ``two_nodes`` both at once; ``nginx_...`` through nginx, that hands everything on, or keeps
answers. ``streams``: readers of one node's event stream. ``rounds``: from round_time until the oracle by itself has computed a
round, in turns: nothing asked, itself asked as fast as it answers, a node asked as fast as it answers; `more_p99_ms` is what the
load adds.

Load comes from `wrk` where it is installed, else from a client of our own, with a lower priority than everything else: readers
have machines of their own. It shares the cores with what it asks.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from demo.bench.process import Process, running
from demo.bench.public_world import LIMITED, NODE_NICE, Place, nginx, nginx_path, node, operators, oracle
from demo.bench.tools import at_percent
from demo.world import anvil
from feeds.units import MS

_AT_ONCE = 2
"""So many nodes are asked at the same time."""
_PATH = "/v1/prices/wdivETH/ETH"
_CONNECTIONS, _LOAD_NICE = 32, 10
_NOT_OF_THE_ANSWER = {"Content-Length", "Date", "Connection"}
_RATE, _COUNT = re.compile(r"Requests/sec:\s+([0-9.]+)"), re.compile(r"([0-9]+) requests in ")
_SETTLE_S, _US = 3.0, 1_000_000
_OWN = "bare_of_the_oracle"
"""The bare handler at the priority of an oracle and operators."""


async def public(
    seconds: float = 3.0, turns: int = 5, readers: int = 2_000, stream_s: float = 20.0, rounds_s: float = 20.0
) -> dict[str, Any]:
    """Measure all three parts.

    Args:
        seconds: of each case in each turn.
        turns: how often.
        readers: of the node's event stream.
        stream_s: how long they read.
        rounds_s: how long rounds are watched in each state in each turn.
    """
    with tempfile.TemporaryDirectory(prefix="lrt-oracle-bench-") as text:
        folder = Path(text)
        async with AsyncExitStack() as opened:
            operator = await opened.enter_async_context(operators(folder))
            alone = await opened.enter_async_context(oracle(folder))
            plain = await opened.enter_async_context(node(folder, operator.url))
            limited = await opened.enter_async_context(node(folder, operator.url, LIMITED))
            load = _Load([await opened.enter_async_context(running("demo.bench.crowd")) for _ in range(_AT_ONCE)])
            bare, own = await _bare(opened, plain.url, NODE_NICE), await _bare(opened, plain.url, 0)
            cases = {
                "bare": _Case((bare,)), _OWN: _Case((own,)), "oracle": _Case((alone,)), "operator": _Case((operator,)), "node": _Case((plain,)),
                "node_limited": _Case((limited,)), "two_nodes": _Case((plain, limited)),
            }  # fmt: skip
            if (program := nginx_path()) is not None:
                for name, nodes, keep in (
                    ("nginx_one_node", (plain,), False), ("nginx_two_nodes", (plain, limited), False),
                    ("nginx_keeps", (plain, limited), True),
                ):  # fmt: skip
                    proxy = await opened.enter_async_context(nginx(folder, program, nodes, keep=keep))
                    cases[name] = _Case(nodes, proxy)
            crowd = await opened.enter_async_context(running("demo.bench.stream_crowd"))
            return {
                "load": load.name,
                "requests": await _requests(load, cases, seconds, turns),
                "streams": await _streams(crowd, alone.url, plain.url, readers, stream_s),
                "rounds": await _rounds(load, alone.url, {"oracle": alone.url, "node": plain.url}, rounds_s, turns),
            }


@dataclass(frozen=True, slots=True)
class _Case:
    """Who does the work, and who is asked where that is somebody before them."""

    working: tuple[Place, ...]
    proxy: Place | None = None

    @property
    def asked(self) -> tuple[Place, ...]:
        return self.working if self.proxy is None else (self.proxy,)

    def cpu_s(self) -> float:
        return sum(p.cpu_s() for p in self.working)


class _Load:
    """Requests as fast as they are answered."""

    def __init__(self, crowds: Sequence[Process]) -> None:
        self._idle, self._wrk = asyncio.Queue[Process](), shutil.which("wrk")
        for crowd in crowds:
            self._idle.put_nowait(crowd)
        self.name = "wrk" if self._wrk else "own client"

    async def served(self, url: str, seconds: float) -> tuple[float, int]:
        """Answers a second, and how many they were."""
        if self._wrk is None:
            crowd = await self._idle.get()
            await crowd.send({"url": url, "readers": _CONNECTIONS, "seconds": seconds})
            count: int = (await crowd.receive()).get("200", 0)
            self._idle.put_nowait(crowd)
            return count / seconds, count
        command = (
            "nice",
            "-n",
            str(_LOAD_NICE),
            self._wrk,
            "-t1",
            f"-c{_CONNECTIONS}",
            f"-d{max(1, round(seconds))}s",
            url,
        )
        started = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        text = (await started.communicate())[0].decode()
        rate, count_text = _RATE.search(text), _COUNT.search(text)
        if rate is None or count_text is None or "Non-2xx" in text:
            raise RuntimeError(f"wrk did not get its answers from {url}: {text}")
        return float(rate[1]), int(count_text[1])


async def _bare(opened: AsyncExitStack, url: str, nice: int) -> Place:
    """The bare handler, with the bytes and headers that a node answers now, at the priority of what is compared with it."""
    async with aiohttp.ClientSession() as session, session.get(url + _PATH) as answer:
        body = await answer.text()
        headers = {k: v for k, v in answer.headers.items() if k not in _NOT_OF_THE_ANSWER}
    port = anvil.free_port()
    bare = await opened.enter_async_context(running("demo.bench.bare_http"))
    await bare.send({"port": port, "nice": nice, "path": _PATH, "headers": headers, "body": body})
    return Place(f"http://127.0.0.1:{port}", (await bare.receive())["pid"])


async def _requests(load: _Load, cases: Mapping[str, _Case], seconds: float, turns: int) -> dict[str, dict[str, Any]]:
    rates: dict[str, list[float]] = {name: [] for name in cases}
    cpu_us: dict[str, list[float]] = {name: [] for name in cases}
    resting = await _resting({p for case in cases.values() for p in case.working}, seconds)
    for _ in range(turns):
        for name, case in cases.items():
            started_s = time.monotonic()
            before_s = case.cpu_s()
            found = await asyncio.gather(*(load.served(p.url + _PATH, seconds) for p in case.asked))
            rates[name].append(sum(rate for rate, _ in found))
            other_s = sum(resting[p] for p in case.working) * (time.monotonic() - started_s)
            answers = max(1, sum(n for _, n in found))
            cpu_us[name].append(max(0.0, case.cpu_s() - before_s - other_s) * _US / answers)
    against = {name: _OWN if name in {_OWN, "oracle", "operator"} else "bare" for name in rates}
    return {
        name: {
            "per_s": round(statistics.median(of)), "cpu_us": round(statistics.median(cpu_us[name]), 1),
            **_ratios("ratio", of, rates[against[name]]),
            **_ratios("ratio_cpu", cpu_us[against[name]], cpu_us[name]),
        }
        for name, of in rates.items()
    }  # fmt: skip


async def _resting(places: Iterable[Place], seconds: float) -> dict[Place, float]:
    """Which share of a processor each process takes while nobody asks: rounds, and what else it does."""
    before = {place: (time.monotonic(), place.cpu_s()) for place in places}
    await asyncio.sleep(3 * seconds)
    return {p: (p.cpu_s() - cpu_s) / (time.monotonic() - at_s) for p, (at_s, cpu_s) in before.items()}


def _ratios(name: str, ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    each = [a / b if b else 0.0 for a, b in zip(ours, theirs, strict=True)]
    return {name: round(statistics.median(each), 2), f"{name}_each": [round(r, 2) for r in each]}


async def _streams(crowd: Process, oracle_url: str, url: str, readers: int, seconds: float) -> dict[str, Any]:
    """One node's readers, and the oracle's rounds meanwhile."""
    at = urlsplit(url)
    before_ms = await _now_ms(oracle_url)
    await crowd.send({"host": at.hostname, "port": at.port, "readers": readers, "seconds": seconds})
    found: dict[str, Any] = await crowd.receive()
    taken = await _taken_ms(oracle_url, before_ms)
    return {**found, "rounds_ms": {f"p{p}": at_percent(taken, p) for p in (50, 99)}}


async def _rounds(
    load: _Load, operator: str, loaded: Mapping[str, str], seconds: float, turns: int
) -> dict[str, dict[str, Any]]:
    """Delays of rounds alone and under each load, in turns."""
    taken: dict[str, list[int]] = {"alone": [], **{name: [] for name in loaded}}
    for _ in range(turns):
        for name in taken:
            since_ms = await _now_ms(operator)
            if name in loaded:
                await load.served(loaded[name] + _PATH, seconds)
            else:
                await asyncio.sleep(seconds)
            taken[name] += await _taken_ms(operator, since_ms)
            await asyncio.sleep(_SETTLE_S)
    for found in taken.values():
        found.sort()
    alone = {p: at_percent(taken["alone"], p) for p in (50, 99)}
    return {
        name: {
            "rounds": len(found), **{f"p{p}_ms": at_percent(found, p) for p in (50, 99)},
            "more_p50_ms": at_percent(found, 50) - alone[50], "more_p99_ms": at_percent(found, 99) - alone[99],
        }
        for name, found in taken.items()
    }  # fmt: skip


async def _now_ms(operator: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{operator}{_PATH}") as answer:
        newest: int = (await answer.json())["round"]
        return (newest + 1) * MS


async def _taken_ms(operator: str, since_ms: int) -> list[int]:
    """From round_time until each round since then was computed and signed."""
    url = f"{operator}{_PATH}/history?since_ms={since_ms}&limit=10000"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        rounds = (await answer.json())["rounds"]
    return sorted((r["signed_at_ms"] or r["computed_at_ms"]) - r["round"] * MS for r in rounds)
