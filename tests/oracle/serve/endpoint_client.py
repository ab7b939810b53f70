"""A service in memory behind a real server on loopback, and a client of it that checks answers against their schemas."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
from yarl import URL

from feeds.units import MS
from oracle.serve.metrics import Metrics
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.server import Server, serve
from tests.oracle.serve.memory_service import ROUND_S, MemoryService

OWN = "/v1/prices/wdivETH/ETH"
NOW_MS = (ROUND_S + 5) * MS
TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "null": type(None)}


class Client:
    """A service with its server and a client of it."""

    def __init__(self, service: MemoryService, server: Server, session: aiohttp.ClientSession) -> None:
        self.service, self.server, self.session = service, server, session

    async def get(self, path: str, method: str = "GET", **more: Any) -> tuple[int, Any, aiohttp.ClientResponse]:
        url = URL(self.server.url + path, encoded=True)
        async with self.session.request(method, url, **more) as answer:
            body = await answer.read()
            json = answer.content_type == "application/json" and body
            return answer.status, orjson.loads(body) if json else body, answer

    async def error(self, path: str, method: str = "GET", **more: Any) -> tuple[int, str, str]:
        status, body, answer = await self.get(path, method, **more)
        assert not faults(body, SCHEMAS["Error"])
        assert answer.headers["Cache-Control"] == "no-store"
        return status, body["error"]["code"], body["error"]["hint"]


async def served(service: MemoryService, **options: Any) -> AsyncIterator[Client]:
    metrics = Metrics(lambda: NOW_MS)
    server = await serve(service, host="127.0.0.1", port=0, now_ms=lambda: NOW_MS, metrics=metrics.render, **options)
    async with aiohttp.ClientSession() as session:
        yield Client(service, server, session)
    await server.close()


def faults(value: Any, schema: dict[str, Any], place: str = "") -> list[str]:
    """Where a value does not fit its description."""
    if "$ref" in schema:
        return faults(value, SCHEMAS[schema["$ref"].rsplit("/", 1)[1]], place)
    if "oneOf" in schema:
        return [] if value is None else faults(value, schema["oneOf"][0], place)
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if type(value) not in {TYPES[k] for k in kinds}:
        return [f"{place}: {value!r} is not {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{place}: {value!r} is not in {schema['enum']}"]
    if isinstance(value, list):
        return [f for i, v in enumerate(value) for f in faults(v, schema["items"], f"{place}[{i}]")]
    if not isinstance(value, dict):
        return []
    fields = schema["properties"]
    wrong = [f"{place}.{k} is not described" for k in value.keys() - fields.keys()]
    wrong += [f"{place}.{k} is missing" for k in schema["required"] if k not in value]
    return wrong + [f for k, v in value.items() if k in fields for f in faults(v, fields[k], f"{place}.{k}")]
