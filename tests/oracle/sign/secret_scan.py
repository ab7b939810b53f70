"""Where a secret could show: every form of it, and everything that a running process writes and answers."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from demo.testbed import Testbed


def written_forms(secret: bytes) -> Iterator[bytes]:
    """Every way in which a secret may be written."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield str(int.from_bytes(secret, "big")).encode()
    yield base64.b64encode(secret).rstrip(b"=")[:-1]
    yield repr(secret)[2:-1].encode()


def secrets_in(text: bytes, secrets: dict[str, list[bytes]]) -> list[str]:
    return [name for name, written in secrets.items() if any(form in text for form in written)]


def files_in(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def key_accounts(stand: Testbed) -> list[object]:
    return [*stand.world.accounts.operators, stand.world.accounts.pusher]


async def start_oracle(stand: Testbed, log: Path) -> tuple[asyncio.subprocess.Process, Path]:
    args = [sys.executable, "-m", "oracle", "--config", str(stand.config), "--verbose", "run"]
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *args, env={**os.environ, **stand.environ}, stdout=file, stderr=file
        )
    return process, log


LANDED = re.compile(rb"^lrt_oracle_pushes_landed_total\{[^}]*\} [1-9]", re.MULTILINE)
"""A push landed."""


async def all_answers(stand: Testbed) -> dict[str, bytes]:
    """Ask everything that the process answers, once a push has landed."""
    port = next(line for line in stand.config.read_text().splitlines() if line.startswith("port = ")).split()[-1]
    base = f"http://127.0.0.1:{port}"
    paths = {"metrics": "/metrics", "prices": "/v1/prices", "feeds": "/v1/feeds", "ready": "/readyz", "page": "/"}
    async with aiohttp.ClientSession() as session:

        async def get(path: str) -> bytes:
            async with session.get(base + path) as reply:
                return await reply.read()

        for _ in range(3_000):
            try:
                if LANDED.search(await get("/metrics")):
                    break
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("no push landed")
        return {name: await get(path) for name, path in paths.items()}
