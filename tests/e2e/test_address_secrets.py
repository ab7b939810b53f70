"""Secrets of addresses reach the servers that they are for, and nothing else that a process writes, answers or stores.

Every server here repeats what it was asked with: address, user and headers, as error pages of providers do.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from demo.world.anvil import free_port
from oracle.check.endpoints import relay_findings
from oracle.serve.openapi.document import DOCUMENT
from oracle.sign import keyfiles
from oracle.sign.remote.remote_key import SignerError
from oracle.sign.remote.web3signer import RemoteSigner
from tests.e2e.e2e_tools import PATIENCE_S

pytestmark = [pytest.mark.e2e, pytest.mark.loopback]
SECRETS = {
    "RPC_KEY": "rpc-s3cr3t-a1b2c3d4",
    "WS_KEY": "wss-s3cr3t-e5f6a7b8",
    "RELAY_KEY": "rly-s3cr3t-c9d0e1f2",
    "SIGNER_PASSWORD": "sgn-s3cr3t-a3b4c5d6",
    "JSON_KEY": "jsn-s3cr3t-e7f8a9b0",
    "JSON_TOKEN": "hdr-s3cr3t-c1d2e3f4",
}
FILE_SECRET = "fil-s3cr3t-a5b6c7d8"
FEED = "weETH/ETH"
KEY = "0x" + "11" * 20


class Repeater:
    """A server of everything that repeats what it was asked with."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        whole = f"{request.path_qs} {request.headers.get('Authorization', '')}"
        user = (
            aiohttp.BasicAuth.decode(auth)
            if (auth := request.headers.get("Authorization", "")).startswith("Basic")
            else None
        )
        whole += f" {user.password}" if user else ""
        self.asked.append(whole)
        if request.headers.get("Upgrade"):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_str(json.dumps({"id": 1, "error": {"code": -32000, "message": f"no such key: {whole}"}}))
            await socket.close()
            return socket
        if "/rpc/" in request.path:
            return self._rpc(whole, await request.json())
        if "/good/" in request.path:
            return web.json_response({"self": whole, "price": "1.05"})
        if "/page/" in request.path:
            return web.Response(text=f"{whole} is not known here", content_type="application/json")
        if "/wrong/" in request.path:
            return web.json_response({"self": whole, "price": whole})
        return web.Response(status=403, text=f"forbidden: {whole}")

    @staticmethod
    def _rpc(whole: str, call: dict[str, Any]) -> web.Response:
        if call["method"] == "eth_chainId" and "/once/" in whole:
            return web.json_response({"jsonrpc": "2.0", "id": 1, "result": "0x7a69"})
        return web.json_response(
            {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": f"invalid project id: {whole}"}}
        )


@pytest_asyncio.fixture
async def repeater() -> AsyncIterator[Repeater]:
    server = Repeater()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


def config(folder: Path, port: int, api_port: int) -> str:
    secret_file = folder / "secret"
    secret_file.write_text(FILE_SECRET + "\n", encoding="utf-8")
    here, gas = f"127.0.0.1:{port}", folder / "gas.json"
    keyfiles.new(gas, None, "PASSPHRASE", {"PASSPHRASE": "passphrase"})
    sources = "".join(
        f"""
[[feeds."{FEED}".sources]]
type = "json_http"
name = "{name}"
url = "http://{here}/{name}/${{JSON_KEY}}?token={{symbol}}&apikey=${{file:{secret_file}}}"
symbol = "weETH"
price = "price"
rest_ms = 500
headers = {{ Authorization = "Bearer ${{JSON_TOKEN}}" }}
"""
        for name in ("good", "page", "wrong", "forbidden")
    )
    return f"""
[oracle]
round_interval_s = 1
database = "{folder}/oracle.db"
witness = "{folder}/witness"
scaled_times = true
[api]
port = {api_port}
[chains.local]
chain_id = 31337
endpoints = ["http://{here}/rpc/${{RPC_KEY}}", "http://{here}/rpc/once/${{RPC_KEY}}"]
announcers = ["ws://{here}/ws/${{WS_KEY}}"]
[[operators]]
name = "alpha"
journal = "{folder}/alpha.db"
signer_url = "http://user:${{SIGNER_PASSWORD}}@{here}/signer"
signer_address = "{KEY}"
[targets.local]
chain = "local"
store = "0x{"22" * 20}"
gas_keyfile = "{gas}"
relays = ["http://{here}/relay/rpc/${{RELAY_KEY}}"]
[feeds."{FEED}"]
min_groups = 1
accept_single_group = true
{sources}
[[feeds."{FEED}".sources]]
type = "rate_call"
chain = "local"
contract = "0x{"33" * 20}"
function = "getRate()"
"""


def written_in(folder: Path) -> dict[str, bytes]:
    """Every file that the process has written."""
    given = ("config.toml", "secret", "gas.json")
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name not in given}


async def command(file: Path, *arguments: str) -> str:
    """Everything that a command prints."""
    async with process(file, *arguments) as running:
        out, err = await asyncio.wait_for(running.communicate(), PATIENCE_S)
    return (out + err).decode()


@asynccontextmanager
async def process(file: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environ = {**os.environ, **SECRETS, "LRT_ORACLE_GAS_PASSPHRASE": "passphrase"}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "oracle", "--verbose", "--config", str(file), *arguments, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def served(session: aiohttp.ClientSession, port: int) -> dict[str, str]:
    """Every document of the endpoint but the streams, by path."""
    said: dict[str, str] = {}
    for path in DOCUMENT["paths"]:
        if path.endswith("/stream"):
            continue
        async with session.get(
            f"http://127.0.0.1:{port}{path.format(base='weETH', quote='ETH', round='newest')}"
        ) as reply:
            said[path] = await reply.text()
    return said


async def a_round_is_made(session: aiohttp.ClientSession, port: int) -> bool:
    """Nothing of it is published: whose signatures would seal it is not known while no endpoint answers."""
    try:
        async with session.get(f"http://127.0.0.1:{port}/readyz") as reply:
            return (await reply.json())["round"] is not None
    except aiohttp.ClientError:
        return False


async def test_a_secret_reaches_its_server_and_nothing_else(tmp_path: Path, repeater: Repeater) -> None:
    api_port = free_port()
    file = tmp_path / "config.toml"
    file.write_text(config(tmp_path, repeater.port, api_port), encoding="utf-8")
    outputs: dict[str, str] = {}
    async with process(file, "run") as running, aiohttp.ClientSession() as session:
        for _ in range(int(PATIENCE_S / 0.2)):
            if await a_round_is_made(session, api_port):
                break
            assert running.returncode is None, (await running.communicate())[1].decode()
            await asyncio.sleep(0.2)
        else:
            pytest.fail("no round is made")
        await asyncio.sleep(2)  # some rounds more, and pushes that fail
        outputs |= await served(session, api_port)
        running.terminate()
        out, err = await asyncio.wait_for(running.communicate(), PATIENCE_S)
        outputs["log"] = (out + err).decode()
    for arguments in (("check", "--json"), ("check",), ("once", "--json", "--wait", "3"), ("explain", FEED, "--json")):
        outputs[" ".join(arguments)] = await command(file, *arguments)
    stored = written_in(tmp_path)
    secrets = [*SECRETS.values(), FILE_SECRET]
    asked = "\n".join(repeater.asked)
    unasked = ("RELAY_KEY", "SIGNER_PASSWORD")  # nothing is signed or sent while no endpoint answers
    assert [s for s in secrets if s not in asked and s not in map(SECRETS.get, unasked)] == [], (
        "each reached its server"
    )
    assert [(where, s) for where, text in outputs.items() for s in secrets if s in text] == []
    assert [(where, s) for where, raw in stored.items() for s in secrets if s.encode() in raw] == []
    for name in ("good", "page", "wrong", "forbidden"):
        assert name in outputs["explain weETH/ETH --json"]
    assert "***" in outputs["explain weETH/ETH --json"], "what a server repeated is there, without the secret"
    assert "invalid project id" in outputs["check"]


async def test_a_relay_and_a_signer_get_theirs_and_do_not_show_them(
    repeater: Repeater, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    here = f"127.0.0.1:{repeater.port}"
    relays = [f"http://{here}/rpc/${{RELAY_KEY}}", f"http://{here}/page/${{RELAY_KEY}}"]
    said = str(await relay_findings("local", relays, 31337))
    signer = RemoteSigner(f"http://user:${{SIGNER_PASSWORD}}@{here}/signer", bytes.fromhex(KEY[2:]))
    with pytest.raises(SignerError) as caught:
        await signer.sign(b"x")
    await signer.close()
    said += f"{signer!r} {caught.value!r}"
    asked = "\n".join(repeater.asked)
    assert SECRETS["RELAY_KEY"] in asked
    assert SECRETS["SIGNER_PASSWORD"] in asked
    assert [s for s in SECRETS.values() if s in said] == []
    assert "invalid project id: /rpc/***" in said
    assert here in said


async def test_a_secret_that_is_missing_is_named_by_every_command_that_needs_it(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(config(tmp_path, 1, free_port()).replace("${RPC_KEY}", "${RPC_KEY_NOWHERE}"), encoding="utf-8")
    for arguments in (("run",), ("once",), ("check",), ("check", "--offline")):
        said = await command(file, *arguments)
        assert "chains.local.endpoints[0]: the environment variable RPC_KEY_NOWHERE is not set" in said
        assert "Traceback" not in said
