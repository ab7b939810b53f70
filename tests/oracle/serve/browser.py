"""Drive Debian's chromium over its own debugging protocol: enough to load a page, look at it and hear its requests."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--no-first-run", "--disable-extensions", "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip
_WAIT_S = 60.0
_CODES = {"Tab": 9, "Enter": 13, "Escape": 27}


class Tab:
    """One page. ``requests``: every address it asked for; ``complaints``: errors and violations it logged."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._last = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.complaints: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        self._answers[self._last] = asyncio.get_running_loop().create_future()
        await self._ws.send_json({"id": self._last, "method": method, "params": params})
        return await asyncio.wait_for(self._answers[self._last], _WAIT_S)

    async def listen(self) -> None:
        async for message in self._ws:
            said = message.json()
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said.get("result", {}))
            elif said["method"] == "Network.requestWillBeSent":
                self.requests.append(said["params"]["request"]["url"])
            elif said["method"] == "Log.entryAdded":
                self.complaints.append(said["params"]["entry"]["text"])
            elif said["method"] == "Runtime.exceptionThrown":
                self.complaints.append(str(said["params"]["exceptionDetails"]))

    async def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        for domain in ("Network", "Log", "Runtime", "Page"):
            await self.call(f"{domain}.enable")
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=scheme)
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        await self.call("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    async def until(self, script: str) -> Any:
        """The script's value once it is true; the last one when time is over."""
        found = None
        for _ in range(int(_WAIT_S / 0.1)):
            found = await self.value(script)
            if found:
                break
            await asyncio.sleep(0.1)
        return found

    async def text(self) -> str:
        return str(await self.value("document.body.innerText"))

    async def key(self, key: str) -> None:
        """Press one key."""
        text = {"text": key} if len(key) == 1 else {"windowsVirtualKeyCode": _CODES[key]}
        for kind in ("keyDown" if len(key) == 1 else "rawKeyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **text)

    async def shoot(self, *, width: int, height: int) -> bytes:
        """The top of the page as PNG."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def tab(profile: Path) -> AsyncIterator[Tab]:
    """A fresh browser with one empty tab."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [t for t in await answer.json() if t["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as ws:
                one = Tab(ws)
                listening = asyncio.create_task(one.listen())
                yield one
                listening.cancel()
    finally:
        process.terminate()
        await process.wait()


async def _port(file: Path) -> int:
    for _ in range(int(_WAIT_S / 0.05)):
        if port := _written(file):
            return port
        await asyncio.sleep(0.05)
    raise TimeoutError("chromium did not open its debugging port")


def _written(file: Path) -> int:
    lines = file.read_text().split() if file.exists() else []
    return int(lines[0]) if lines else 0
