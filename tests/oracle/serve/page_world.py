"""A page in a real browser over a service in memory. Whatever a test does there, the page asks nobody but its own endpoint."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from oracle.serve.server import Server, serve
from tests.oracle.serve.browser import Tab, tab
from tests.oracle.serve.memory_service import MemoryService


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def shown(service: MemoryService, profile: Path, **view: object) -> AsyncIterator[tuple[Server, Tab]]:
    server = await serve(service, host="127.0.0.1", port=0, now_ms=now_ms, metrics=bytes)
    async with tab(profile) as page:
        await page.open(f"{server.url}/", **view)  # type: ignore[arg-type]
        yield server, page
        assert {u.split("/")[2] for u in page.requests if not u.startswith(("data:", "about:"))} == {
            server.url.removeprefix("http://")
        }
    await server.close()


async def has(page: Tab, text: str) -> str:
    await page.until(f"document.body.innerText.includes({text!r})")
    shown_text = await page.text()
    assert text in shown_text
    return shown_text
