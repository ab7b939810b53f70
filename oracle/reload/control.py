"""How a running process is asked: by a socket in its data folder, for its own user alone. A line of JSON each way."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from feeds.errors import LrtOracleError

_MOST = 1 << 20
_ASK_S = 10.0
_PRIVATE = 0o177
_log = structlog.get_logger("oracle.reload.control")
Answer = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


class NoProcess(LrtOracleError, RuntimeError):
    """No process answers at a database's socket."""


def socket_path(database: Path) -> Path:
    """Where the process with this database is asked."""
    return database.with_name(f"{database.name}.sock")


class ControlSocket:
    """Answers at a path, from start to close.

    Args:
        path: of the socket; whoever has the database's lock may take it.
        answer: gives a document for a document.
    """

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path, self._answer = path, answer
        self._server: asyncio.Server | None = None
        self._inode = 0

    async def start(self) -> None:
        """Listen. Where that is not possible it is told: a signal does the same without an answer."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.unlink(missing_ok=True)
            before = os.umask(_PRIVATE)
            try:
                listener.bind(str(self._path))
            finally:
                os.umask(before)
            self._inode = self._path.stat().st_ino
        except OSError as e:
            listener.close()
            _log.warning(
                "`lrt-oracle reload` does not reach this process; SIGHUP does", socket=str(self._path), why=str(e)
            )
            return
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_MOST)

    async def close(self) -> None:
        """Answer nobody any more."""
        if self._server is None:
            return
        self._server.close()
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ASK_S):
                asked = json.loads(await reader.readline())
            answer = await self._answer(asked if isinstance(asked, dict) else {})
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError, TimeoutError):
            pass  # who does not ask, or does not wait for the answer, gets none
        finally:
            writer.close()


async def ask(path: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of the process at a socket.

    Raises:
        NoProcess: there is none, or it ended before it answered.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=_MOST)
    except OSError as e:
        raise NoProcess(_nobody(path, e)) from None
    try:
        writer.write(json.dumps(question).encode() + b"\n")
        await writer.drain()
        line = await reader.readline()
    except OSError:
        line = b""
    finally:
        writer.close()
    if not line:
        raise NoProcess(f"the process at {path} ended before it answered")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _nobody(path: Path, error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{path} is another user's: run this as the user that runs the process"
    return f"no process answers at {path}: it is not running, or has another oracle.database; start it with `lrt-oracle run`"
