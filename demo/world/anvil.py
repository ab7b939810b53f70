"""Start and stop anvil, the local Ethereum node of the demo and of the tests.

The binary comes from npm (``@foundry-rs/anvil-*`` of this machine, put into ``node_modules`` by ``make setup``); elsewhere the one on PATH is
used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from demo.world import npm
from feeds.errors import LrtOracleError

MNEMONIC = "test test test test test test test test test test test junk"
_START_TIMEOUT_S = 120.0
"""A busy machine takes its time; a node that cannot start exits and is reported at once."""


class AnvilError(LrtOracleError, RuntimeError):
    """Anvil is missing or did not start."""


@dataclass(frozen=True, slots=True)
class Anvil:
    """A running node: ``url`` for HTTP, ``ws_url`` for subscriptions."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        """HTTP endpoint."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """WebSocket endpoint."""
        return f"ws://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End the node at once, as a crash would."""
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on at this moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def binary() -> str:
    """Path of anvil: the project's own ``node_modules`` first, then PATH; AnvilError if neither has it."""
    own = sorted((npm.node_modules() / "@foundry-rs").glob("anvil-*/bin/anvil*"))
    path = str(own[0]) if own else shutil.which("anvil")
    if path is None:
        raise AnvilError(f"anvil is missing: {npm.how_to_install()}; or install Foundry's anvil 1.7 on PATH")
    return path


def start(*, port: int | None = None, block_time_s: float | None = None, extra: Sequence[str] = ()) -> Anvil:
    """Start anvil and wait until it answers.

    Args:
        port: TCP port on 127.0.0.1; None takes a free one.
        block_time_s: seconds between blocks; None mines a block for each transaction.
        extra: further command-line arguments.
    """
    with reserved_port(port) as reserved:
        return _start(reserved, block_time_s, extra)


@contextlib.contextmanager
def reserved_port(port: int | None = None) -> Iterator[int]:
    """Keep a TCP port of the loopback (a free one without ``port``) from other processes until a server listens on it.

    The socket is bound and never listens; a server that sets SO_REUSEADDR, as anvil does, can bind beside it.
    """
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port or 0))
        except OSError as exc:
            raise AnvilError(f"port {port} of 127.0.0.1 is in use: end what listens there, or choose another") from exc
        yield s.getsockname()[1]


def _start(port: int, block_time_s: float | None, extra: Sequence[str]) -> Anvil:
    args = [binary(), "--port", str(port), "--host", "127.0.0.1", "--mnemonic", MNEMONIC, "--silent", *extra]
    if block_time_s is not None:
        args += ["--block-time", f"{block_time_s:g}"]
    env = {**os.environ, "NO_COLOR": "1"}
    process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    node = Anvil(process, port)
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not _answers(node.url):
        if process.poll() is not None or time.monotonic() > deadline:
            node.kill()
            raise AnvilError(f"anvil did not answer on port {port} within {_START_TIMEOUT_S:g} s")
        time.sleep(0.02)
    if process.poll() is not None:
        raise AnvilError(f"anvil ended at once, and another process answers on port {port}: choose another port")
    return node


@contextlib.contextmanager
def running(
    *, port: int | None = None, block_time_s: float | None = None, extra: Sequence[str] = ()
) -> Iterator[Anvil]:
    """Context manager over :func:`start`; the node is killed at the end."""
    node = start(port=port, block_time_s=block_time_s, extra=extra)
    try:
        yield node
    finally:
        node.kill()


def _answers(url: str) -> bool:
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - our own loopback URL
    try:
        with urllib.request.urlopen(request, timeout=1) as reply:  # noqa: S310 - our own loopback URL
            return bool(reply.status == 200)  # noqa: PLR2004 - HTTP OK
    except (urllib.error.URLError, OSError):
        return False
