"""One JSON-RPC client: a request in, a result or a typed error out.

Source: Ethereum JSON-RPC (execution-apis), JSON-RPC 2.0, EIP-1474 for the error codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from feeds.errors import FeedError, Malformed, RateLimited, Refused, Reverted, TimedOut, TooLarge, Unreachable
from feeds.secret_refs import hide, host_and_port
from feeds.secret_values import filled

_HEADERS = {"Content-Type": "application/json"}
_OK = 200
_TOO_MANY = 429
_TOO_BIG = 413
_SERVER_FAULT = 500
_MISSING = ("header not found", "header for hash", "unknown block", "block not found", "missing trie node")
_MISSING_TOO = ("not currently canonical", "resource not found", "blockoutofrange", "state not available", "pruned")
_TOO_MUCH = ("out of gas", "outofgas", "gas required", "too large", "response size", "size limit", "size exceed")
_PACE = (
    "rate limit",
    "rate-limit",
    "ratelimit",
    "too many requests",
    "request limit",
    "requests per second",
    "rps limit",
)
_PACE_TOO = ("request rate", "request count", "compute unit", "capacity limit", "usage limit", "network traffic limit")
_PAID = ("capacity exceeded", "throughput", "credits", "quota", "upgrade your", "slow down")
_LIMITED = ("limit exceeded",)
_LIMIT_CODES = frozenset({-32005, -32029, _TOO_MANY})
_SHOWN = 200


class BlockMissing(Refused):
    """The endpoint does not have the pinned block, or no longer its state."""


class TooMuch(Refused):
    """The call needs more gas or bytes than the endpoint gives: ask for less at once."""


class JsonRpc:
    """Requests to one address over a shared session.

    Args:
        url: address of the JSON-RPC server, as the config has it: its secrets are filled in here. Errors name only its
            host, for the rest may hold a key, and hide what an answer repeats of a secret.
        session: the HTTP session of the process.
        timeout_ms: how long one request may take.
        max_body: bytes of an answer that are read at most.
    """

    __slots__ = ("_max_body", "_secrets", "_session", "_timeout", "_url", "name")

    def __init__(self, url: str, *, session: aiohttp.ClientSession, timeout_ms: int, max_body: int) -> None:
        address = filled(url)
        parts = urlsplit(address.text)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            shown = f"{parts.scheme}://{parts.hostname or ''}"
            raise ValueError(f"{shown} is not an endpoint: write http:// or https:// and a host")
        self.name = host_and_port(url, address.text)
        self._url, self._secrets = address.text, address.hidden
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout_ms / 1_000)
        self._max_body = max_body

    async def request(self, method: str, params: tuple[Any, ...]) -> Any:
        """Return the result of one request; every failure is a FeedError that names the endpoint's host."""
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            async with self._session.post(
                self._url, data=body, headers=_HEADERS, timeout=self._timeout, allow_redirects=False
            ) as reply:
                return self.parse_answer(reply.status, await self._capped(reply))
        except TimeoutError:
            raise TimedOut(endpoint=self.name, method=method) from None
        except (aiohttp.ClientError, OSError) as e:
            raise Unreachable(type(e).__name__, endpoint=self.name, method=method) from None

    async def _capped(self, reply: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async for part in reply.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > self._max_body:
                reply.close()
                raise TooLarge(endpoint=self.name, max_body=self._max_body)
        return b"".join(parts)

    def parse_answer(self, status: int, body: bytes) -> Any:
        """Return the result in an HTTP answer; every other answer is a FeedError."""
        try:
            answer = orjson.loads(body)
        except ValueError:
            answer = None
        if isinstance(answer, dict) and answer.get("error") is not None:
            raise self._refusal(status, answer["error"])
        if status != _OK:
            raise self._status(status)
        if answer is None and _paced(page := self._shown(body).lower()):
            raise RateLimited(page, endpoint=self.name)
        if not isinstance(answer, dict) or "result" not in answer or answer.get("id") != 1:
            raise Malformed("not a JSON-RPC answer", endpoint=self.name, starts=repr(self._shown(body)[:40]))
        return answer["result"]

    def _shown(self, text: str | bytes) -> str:
        """What an answer begins with, without the secrets of the address."""
        whole = text if isinstance(text, str) else text.decode("utf-8", "replace")
        return hide(whole, self._secrets)[:_SHOWN]

    def _status(self, status: int) -> FeedError:
        if status == _TOO_MANY:
            return RateLimited(endpoint=self.name)
        if status == _TOO_BIG:
            return TooMuch("request too large", endpoint=self.name)
        kind = Unreachable if status >= _SERVER_FAULT else Refused
        return kind("HTTP", endpoint=self.name, status=status)

    def _refusal(self, status: int, error: Any) -> FeedError:
        fields = error if isinstance(error, Mapping) else {}
        code = fields.get("code") if isinstance(fields.get("code"), int) else 0
        message = self._shown(str(fields.get("message", error)))
        low = message.lower()
        kind: type[FeedError] = Refused
        if status == _TOO_MANY or _paced(low):  # before codes: -32001, -32007 and others mean this here and that there
            kind = RateLimited
        elif any(text in low for text in _MISSING + _MISSING_TOO) or code == -32001:  # noqa: PLR2004 - EIP-1474
            kind = BlockMissing
        elif any(text in low for text in _TOO_MUCH) or status == _TOO_BIG:
            kind = TooMuch
        elif "revert" in low:
            kind = Reverted
        elif code in _LIMIT_CODES or any(text in low for text in _LIMITED):
            kind = RateLimited
        return kind(message, endpoint=self.name, rpc_code=code or 0)


def _paced(low: str) -> bool:
    """Whether a gateway's words ask for fewer requests, whatever the status and the code they come with."""
    return "revert" not in low and any(text in low for text in (*_PACE, *_PACE_TOO, *_PAID))


def quantity(value: Any) -> int:
    """Return the integer of a JSON-RPC quantity such as 0x1a; Malformed for anything else."""
    if not isinstance(value, str) or not value.startswith("0x") or not 3 <= len(value) <= 66:  # noqa: PLR2004 - one word
        raise Malformed("not a quantity", got=repr(value)[:40])
    try:
        return int(value, 16)
    except ValueError:
        raise Malformed("not a quantity", got=repr(value)[:40]) from None
