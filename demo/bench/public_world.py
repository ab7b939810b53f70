"""Processes of a public endpoint on one machine: operators with their chain and venues, nodes, nginx before them."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from demo.world import anvil

NODE_NICE = 5
_START_S, _PAUSE_S, _OK = 120.0, 0.2, 200
_END_S = 20.0
_OPERATORS = re.compile(r"\[\[operators\]\].*?(?=\n\[)", re.DOTALL)
_API = re.compile(r"\[api\]\nport = \d+\n")
_DATABASE = re.compile(r'database = "[^"]*"')
_ALONE_API = """[api]
port = {port}
"""
_NODE_API = """[api]
port = {port}
max_connections = 8192
max_streams = 4000
{more}

[node]
operators = ["{operator}"]
"""
LIMITED = 'unlimited = []\nrate_per_s = 1000000\nburst = 1000000\nconnections_per_address = 8000\nstreams_per_address = 8000\ntrusted_proxies = ["127.0.0.2"]'
"""Every request is counted, and none is refused."""


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint and the process behind it."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """Processor time that the process has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def answered(url: str) -> None:
    """Wait until a path answers 200."""
    async with asyncio.timeout(_START_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == _OK:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(_PAUSE_S)


@asynccontextmanager
async def process(*command: str, nice: int = 0) -> AsyncIterator[int]:
    """The id of a process that says nothing, until the end of the block. It may have as many files open as this one may allow."""

    def prepare() -> None:
        os.nice(nice)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    nothing = asyncio.subprocess.DEVNULL
    started = await asyncio.create_subprocess_exec(*command, stdout=nothing, stderr=nothing, preexec_fn=prepare)
    try:
        yield started.pid
    finally:
        if started.returncode is None:
            started.terminate()
        try:
            await asyncio.wait_for(started.wait(), _END_S)
        except TimeoutError:
            started.kill()
            await started.wait()


@asynccontextmanager
async def operators(folder: Path) -> AsyncIterator[Place]:
    """Three operators in one process, which also runs the venues and the market of the demo; their endpoint."""
    port = anvil.free_port()
    url = f"http://127.0.0.1:{port}"
    command = (sys.executable, "-m", "oracle", "demo", "--scenario", "calm", "--seconds", "0")
    async with process(*command, "--port", str(port), "--folder", str(folder)) as pid:
        await answered(f"{url}/v1/rounds/newest/sealed")
        yield Place(url, pid)


@asynccontextmanager
async def oracle(folder: Path) -> AsyncIterator[Place]:
    """An oracle by itself, as `run` runs it, with the sources and stores of the operators, a database of its own and no keys; its endpoint."""
    port = anvil.free_port()
    own = folder / f"oracle-{port}"
    own.mkdir()
    text = _OPERATORS.sub("", (folder / "config.toml").read_text(encoding="utf-8"))
    text = _DATABASE.sub(lambda _: f'database = "{own}/oracle.db"', text, count=1)
    path = own / "config.toml"
    path.write_text(_API.sub(lambda _: _ALONE_API.format(port=port), text), encoding="utf-8")
    async with process(sys.executable, "-m", "oracle", "--config", str(path), "run") as pid:
        url = f"http://127.0.0.1:{port}"
        await answered(f"{url}/v1/prices/wdivETH/ETH")
        yield Place(url, pid)


@asynccontextmanager
async def node(folder: Path, operator: str, more: str = "") -> AsyncIterator[Place]:
    """A node that follows these operators, with a lower priority than theirs; its endpoint."""
    port = anvil.free_port()
    text = (folder / "config.toml").read_text(encoding="utf-8")
    text = _API.sub(lambda _: _NODE_API.format(port=port, operator=operator, more=more), _OPERATORS.sub("", text))
    path = folder / f"node-{port}.toml"
    path.write_text(text, encoding="utf-8")
    url = f"http://127.0.0.1:{port}"
    async with process(sys.executable, "-m", "oracle", "--config", str(path), "serve", nice=NODE_NICE) as pid:
        await answered(f"{url}/v1/rounds/newest/sealed")
        yield Place(url, pid)


def nginx_path() -> str | None:
    """Where nginx is; None where it is not."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@asynccontextmanager
async def nginx(folder: Path, program: str, nodes: Sequence[Place], *, keep: bool) -> AsyncIterator[Place]:
    """Nginx before nodes, which keeps their answers or hands every request on; its address."""
    port = anvil.free_port()
    own = folder / f"nginx-{port}"
    own.mkdir()
    servers = " ".join(f"server {n.url.removeprefix('http://')};" for n in nodes)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {own}/{kind};" for kind in kinds)
    cache = "proxy_cache kept; proxy_cache_lock on; proxy_cache_background_update on;" if keep else ""
    (own / "nginx.conf").write_text(
        f"""daemon off; user root; worker_processes 1; pid {own}/pid; error_log {own}/log;
events {{ worker_connections 4096; }}
http {{ access_log off; {temporary} keepalive_requests 1000000;
proxy_cache_path {own}/kept keys_zone=kept:1m;
upstream nodes {{ {servers} keepalive 64; keepalive_requests 1000000; }}
server {{ listen 127.0.0.1:{port} backlog=1024; proxy_http_version 1.1; proxy_set_header Connection "";
location / {{ {cache} proxy_pass http://nodes; }} }} }}
""",
        encoding="utf-8",
    )
    async with process(program, "-p", str(own), "-c", str(own / "nginx.conf"), "-e", str(own / "log")) as pid:
        url = f"http://127.0.0.1:{port}"
        await answered(f"{url}/healthz")
        yield Place(url, pid)
