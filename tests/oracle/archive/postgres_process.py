"""A real PostgreSQL server in a folder of its own, which can be killed and started again."""

from __future__ import annotations

import asyncio
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

_OLDEST = 15
_NAMES = itertools.count()
_UNSAFE = ("-c", "fsync=off", "-c", "full_page_writes=off")
"""A process that is killed loses nothing that it has written; what a machine loses without power is not tested here."""


def server_folder() -> Path | None:
    """Where the programs of the newest server are."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    found = versions[-1].parent if versions else None
    on_path = shutil.which("postgres")
    if found is None and on_path is not None:
        found = Path(on_path).parent
    return found if found is not None and find_spec("asyncpg") is not None else None


def _stat(pid: int) -> list[str]:
    """State and parent of a process, as `proc(5)` has them after its name; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return []


def _children(parent: int) -> list[int]:
    pids = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdecimal()]
    return [pid for pid in pids if _stat(pid)[1:] == [str(parent)]]


def _runs(pid: int) -> bool:
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


needs_postgres = pytest.mark.skipif(
    server_folder() is None, reason=f"PostgreSQL {_OLDEST} or later, or asyncpg, is not installed"
)


class PostgresProcess:
    """The server. It does not run as root, so that it runs as nobody where the tests do."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lrt-postgres-"))
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = int(found.getsockname()[1])
        self._as_user: dict[str, object] = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", str(self._data), "-U", "lrt", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://lrt@127.0.0.1:{self._port}/{database}"

    def _run(self, program: str, *args: str) -> None:
        folder = server_folder()
        assert folder is not None
        done = subprocess.run(
            [str(folder / program), *args], cwd=self._folder, capture_output=True, check=False, text=True,
            **self._as_user,  # type: ignore[call-overload]
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def _spawn(self) -> None:
        folder = server_folder()
        assert folder is not None
        self._process = subprocess.Popen(
            [str(folder / "postgres"), "-D", str(self._data), "-p", str(self._port), "-k", str(self._folder), *_UNSAFE],
            cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as_user,  # type: ignore[call-overload]
        )  # fmt: skip

    async def start(self) -> None:
        """Start it, also after a kill: what was left of it may be there for a moment."""
        for _ in range(600):
            if self._process is None or self._process.poll() is not None:
                self._spawn()
            try:
                connection = await asyncpg.connect(self.dsn(), timeout=30)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
                continue
            await connection.close()
            return
        raise TimeoutError("PostgreSQL does not start")

    async def new_database(self) -> str:
        """The DSN of one that is empty."""
        name = f"archive{next(_NAMES)}"
        connection = await asyncpg.connect(self.dsn())
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        await connection.close()
        return self.dsn(name)

    async def kill(self) -> None:
        """Without a word, as a machine that loses its power: its children with it, which would answer on for a moment."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGSTOP)  # no child more
        children = _children(self._process.pid)
        for pid in (self._process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(self._process.wait)
        for _ in range(600):
            if not any(map(_runs, children)):
                return
            await asyncio.sleep(0.05)
        raise TimeoutError("children of PostgreSQL do not end")

    async def end(self) -> None:
        """For good."""
        await self.kill()
        for _ in range(600):  # its children see it, and then end
            try:
                shutil.rmtree(self._folder)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
