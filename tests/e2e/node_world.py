"""Real processes around one store: an oracle, NATS, nodes, and a balancer; each can be killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from demo import settings
from demo.testbed import Testbed
from demo.world.anvil import free_port
from tests.e2e.e2e_tools import PATIENCE_S, stand_with_market
from tests.oracle.nats.nats_process import NatsProcess, server_path

STREAM = "LRT_TEST"
_NGINX = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream nodes {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://nodes; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
"""


@dataclass
class Lasting:
    """A process of the product that is started, killed and started again on the same port."""

    name: str
    command: str
    config: Path
    port: int
    environ: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    ended: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.config.with_suffix(".log").read_text(encoding="utf-8")

    async def start(self) -> None:
        arguments = [sys.executable, "-m", "oracle", "--log", "json", "--config", str(self.config), self.command]
        with self.config.with_suffix(".log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*arguments, env=self.environ, stdout=log, stderr=log)

    async def end(self, how: signal.Signals) -> int:
        """Its exit code."""
        if self.process is None:
            return 0
        if self.process.returncode is None:
            self.process.send_signal(how)
        code = await asyncio.wait_for(self.process.wait(), PATIENCE_S)
        self.process = None
        self.ended.append(code)
        return code


@dataclass
class NodeWorld:
    """The processes. ``nodes``: those that follow."""

    stand: Testbed
    oracle: Lasting
    nats: NatsProcess | None
    session: aiohttp.ClientSession
    nodes: list[Lasting] = field(default_factory=list)

    async def node(self, name: str, operators: Sequence[str] = (), **keys: Any) -> Lasting:
        """One more node, started. ``operators``: whom it follows; with NATS that too."""
        config, port = self.stand.folder / f"{name}.toml", free_port()
        text = settings.config_text(
            self.stand.world, rpc_urls=(self.stand.node.url,), store=self.stand.deployment.store, port=port,
            venues={n: (v.ws_url, v.rest_url) for n, v in self.stand.venues.items()}, folder=self.stand.folder,
            operators={}, pays=False,
        )  # fmt: skip
        keys = {"operators": list(operators), **keys}
        lines = [f"{k} = {json.dumps(v)}" for k, v in keys.items()]
        config.write_text("\n".join([text, "[node]", *lines, self.nats_section()]), encoding="utf-8")
        made = Lasting(name, "serve", config, port, dict(os.environ))
        self.nodes.append(made)
        await made.start()
        return made

    def nats_section(self) -> str:
        return "" if self.nats is None else f'\n[nats]\nservers = ["{self.nats.url}"]\nstream = "{STREAM}"\n'

    async def get(self, url: str, **headers: str) -> tuple[int, Any, aiohttp.ClientResponse]:
        async with self.session.get(url, headers=headers) as answer:
            body = await answer.read()
            is_json = answer.content_type == "application/json" and body
            return answer.status, json.loads(body) if is_json else body, answer

    async def until(self, url: str, true: Callable[[int, Any], object], what: str) -> Any:
        """Ask until the answer is as it should be; the answer."""
        last: Any = None
        for _ in range(int(PATIENCE_S / 0.1)):
            try:
                status, last, _ = await self.get(url)
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.1)
                continue
            if true(status, last):
                return last
            await asyncio.sleep(0.1)
        raise AssertionError(f"{what}: {str(last)[:600]}")

    async def until_serving(self, one: Lasting, after_s: int = 0) -> int:
        """Until it has a round that is newer; the round."""
        said = await self.until(
            f"{one.url}/v1/prices", lambda s, b: s == 200 and (b["round"] or 0) > after_s, f"{one.name} serves"
        )
        return int(said["round"])


@asynccontextmanager
async def node_world(folder: Path, *, nats: bool = False, start: bool = True) -> AsyncIterator[NodeWorld]:
    """An oracle that runs; with NATS where it is installed."""
    folder.mkdir(exist_ok=True, parents=True)  # noqa: ASYNC240 - once, before anything runs
    async with stand_with_market(folder) as (stand, _), aiohttp.ClientSession() as session:
        server = NatsProcess(folder / "nats") if nats and server_path() else None
        port = int(next(x for x in stand.config.read_text().splitlines() if x.startswith("port = ")).split()[2])
        oracle = Lasting("oracle", "run", stand.config, port, {**os.environ, **stand.environ})
        made = NodeWorld(stand, oracle, server, session)
        with stand.config.open("a") as config:
            config.write(made.nats_section())
        try:
            if server is not None:
                await server.start()
            if start:
                await oracle.start()
            yield made
        finally:
            for each in (*made.nodes, oracle):
                await each.end(signal.SIGKILL)
            if server is not None:
                await server.kill()


@asynccontextmanager
async def balancer(folder: Path, ports: Sequence[int]) -> AsyncIterator[str]:
    """Nginx in front of nodes; its address."""
    path = shutil.which("nginx")
    assert path is not None
    folder.mkdir()  # noqa: ASYNC240 - once
    port, servers = free_port(), " ".join(f"server 127.0.0.1:{p} max_fails=1 fail_timeout=1s;" for p in ports)
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, servers=servers, port=port), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(path, "-c", str(config), "-g", "daemon off;", "-p", str(folder))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
