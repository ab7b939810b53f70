"""From nothing to a first price, by the program as it was installed, from local exchanges and a local chain.

`python -m tests.packaging.first_price lrt-oracle` from the root of a checkout says how long each step took: whichever program is named.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from demo.venues.server import Venue
from oracle.config.resolve import resolve
from oracle.config.sections import load
from tests.e2e.mainnet_stand_in import ETHER_USD, MainnetStandIn

ROOT = Path(__file__).resolve().parents[2]
FEED = "ETH/USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command: what it answered, and how long it took."""

    command: str
    status: int
    took_s: float
    stdout: str
    stderr: str

    def document(self) -> Any:
        """What it printed with ``--json``."""
        return json.loads(self.stdout)


@contextlib.asynccontextmanager
async def stand_ins() -> AsyncIterator[tuple[list[str], dict[str, Venue]]]:
    """Two endpoints of a chain and the exchanges that the shipped feeds name, quoting all the time."""
    resolved = resolve(load(ROOT / "config.toml"))
    plans = [p for p in resolved.sources if p.venue is not None and p.symbol is not None]
    venues = {name: Venue(name, beat_s=0.2) for name in sorted({p.venue or "" for p in plans})}
    chains = [MainnetStandIn(resolved) for _ in range(2)]
    async with contextlib.AsyncExitStack() as stack:
        servers: list[MainnetStandIn | Venue] = [*chains, *venues.values()]
        for each in servers:
            await each.start()
            stack.push_async_callback(each.stop)
        quoting = asyncio.create_task(_quote(venues, {(p.venue or "", p.symbol or "") for p in plans}))
        try:
            yield [chain.url for chain in chains], venues
        finally:
            quoting.cancel()
            await asyncio.gather(quoting, return_exceptions=True)


async def _quote(venues: Mapping[str, Venue], listed: set[tuple[str, str]]) -> None:
    while True:
        for venue, symbol in listed:
            mid = Decimal(1 if symbol.startswith("USDT") else ETHER_USD if "USD" in symbol else 1)
            venues[venue].set_quote(symbol, mid * Decimal("0.9999"), mid * Decimal("1.0001"), mid, Decimal(100_000))
        await asyncio.sleep(0.5)


async def run(program: Sequence[str], *args: str, environ: Mapping[str, str], folder: Path) -> Step:
    """Run a command of the program to its end."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *program, *args, cwd=folder, env=dict(environ), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return Step(
        command=" ".join(args), status=process.returncode or 0, took_s=time.monotonic() - began, stdout=out.decode(), stderr=err.decode()
    )  # fmt: skip


async def first_price(
    program: Sequence[str], folder: Path, environ: Mapping[str, str], feeds: Sequence[str] = (FEED,)
) -> list[Step]:
    """Make a config and a key, check it without and with a network, and make one round."""
    environ = {**environ, "LRT_ORACLE_PASSPHRASE": "of the stand-ins", "XDG_STATE_HOME": str(folder / "state")}
    named = [part for feed in feeds for part in ("--feed", feed)]
    async with stand_ins() as (endpoints, venues):
        given = [part for url in endpoints for part in ("--endpoint", url)]
        steps = [
            await run(program, "init", "new", "--operator", "--json", *given, *named, environ=environ, folder=folder)
        ]
        config = folder / "new" / "config.toml"
        local = (f'[venues.{n}]\nws_url = "{v.ws_url}"\nrest_url = "{v.rest_url}"\n' for n, v in venues.items())
        config.write_text(config.read_text(encoding="utf-8") + "\n" + "\n".join(local), encoding="utf-8")
        then = ("check", "--offline", "--json"), ("check", "--json"), ("once", "--wait", "90", "--json")
        on = [*program, "--config", str(config)]
        steps += [await run(on, *args, environ=environ, folder=folder) for args in then]
    return [replace(step, command=step.command.split(" --")[0]) for step in steps]


async def _main(program: Sequence[str], feeds: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        steps = await first_price(program, Path(folder), os.environ, feeds or (FEED,))
    for step in steps:
        print(f"{step.command:<8} status {step.status}, {step.took_s:.1f} s")  # noqa: T201 - a command of a person
        if step.status:
            print(step.stdout[-2000:], step.stderr[-2000:])  # noqa: T201 - the same
    for record in steps[-1].document()["prices"]:
        print(record["feed"], record["price"], record["status"])  # noqa: T201 - the same
    return max(step.status for step in steps)


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1:2], sys.argv[2:])))
