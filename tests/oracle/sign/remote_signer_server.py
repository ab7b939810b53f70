"""A remote signer for tests: Web3Signer's HTTP API on the loopback, spoken as its OpenAPI document has it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import coincurve
import orjson
from aiohttp import web
from eth_hash.auto import keccak

from oracle.sign.eip712 import address_of
from oracle.sign.remote.web3signer import RemoteSigner

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Stand:
    """Web3Signer's eth1 mode, as its OpenAPI document says: it hashes data with keccak by itself."""

    def __init__(self, key: coincurve.PrivateKey) -> None:
        self.keys = {"0x" + key.public_key.format(compressed=False)[1:].hex(): key}
        self.asked: list[tuple[str, Any]] = []
        self.twist = ""
        self.url = ""

    async def sign(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        name = request.match_info["identifier"]
        self.asked.append((name, body))
        if self.twist in {"403", "500"}:
            return web.Response(status=int(self.twist))
        if self.twist == "slow":
            await asyncio.sleep(0.15)
        key = self.keys.get(name)
        if key is None:
            return web.Response(status=404)
        if not isinstance(body.get("data"), str):
            return web.Response(status=400)
        data = bytes.fromhex(body["data"].removeprefix("0x"))
        raw = key.sign_recoverable(keccak(data + (b"!" if self.twist == "other data" else b"")), hasher=None)
        r, s, y = raw[:32], int.from_bytes(raw[32:64], "big"), raw[64]
        if self.twist == "high s":
            s, y = ORDER - s, y ^ 1
        text = "0x" + (r + s.to_bytes(32, "big") + bytes([y + 27])).hex()
        return web.Response(text=text[:-2] if self.twist == "short" else text)

    async def listed(self, request: web.Request) -> web.StreamResponse:
        if self.twist == "endless":
            reply = web.StreamResponse()
            await reply.prepare(request)
            with contextlib.suppress(ConnectionError):
                while self.twist:
                    await reply.write(b" " * (1 << 16))
            return reply
        if self.twist == "slow":
            await asyncio.sleep(0.15)
        return web.json_response(list(self.keys))


@asynccontextmanager
async def served(stand: Stand, context: ssl.SSLContext | None = None) -> AsyncIterator[Stand]:
    """The stand on a port of its own, over TLS where there is a context."""
    app = web.Application()
    app.router.add_post("/api/v1/eth1/sign/{identifier}", stand.sign)
    app.router.add_get("/api/v1/eth1/publicKeys", stand.listed)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    stand.url = f"{'http' if context is None else 'https'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stand
    finally:
        await runner.cleanup()


@asynccontextmanager
async def signing(key: coincurve.PrivateKey) -> AsyncIterator[tuple[Stand, RemoteSigner]]:
    """The stand, and a client of this key."""
    async with served(Stand(key)) as stand:
        remote = RemoteSigner(f"{stand.url}/", address_of(key))
        try:
            yield stand, remote
        finally:
            await remote.close()
