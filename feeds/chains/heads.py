"""New heads as a node announces them (``eth_subscribe``), so that a block is read when it comes and not at the next poll.

An announcement is only a reason to poll: what is read, and whether it may be believed, is the chain reader's business. A
node that dies, restarts or falls silent costs nothing but the wait for the poll, and is subscribed again.

Source: geth's JSON-RPC pub/sub (``newHeads``), which the other clients follow.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import aiohttp
import orjson
import structlog

from feeds.secret_refs import hide
from feeds.secret_values import SecretMissing, filled
from feeds.units import MS

_log = structlog.get_logger(__name__)
_SUBSCRIBE = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}).decode()
_MAX_FRAME = 1 << 18
_SHOWN = 90


class Heads:
    """A subscription to the new heads of one chain, over one endpoint after the other.

    Args:
        chain: its name, for the log.
        urls: WebSocket addresses as the config has them: their secrets are filled in here, and no error shows an address.
        session: the HTTP session of the process.
        on_head: is called at each announcement.
        stall_ms: a subscription without news for longer than this is given up.
        backoff_ms: the longest pause before the next endpoint is tried.
    """

    def __init__(
        self,
        chain: str,
        urls: tuple[str, ...],
        *,
        session: aiohttp.ClientSession,
        on_head: Callable[[], None],
        stall_ms: int,
        backoff_ms: int = 10_000,
    ) -> None:
        self._chain, self._urls, self._session, self._on_head = chain, urls, session, on_head
        self._stall_ms, self._backoff_ms = stall_ms, backoff_ms
        self._rng = random.Random()  # noqa: S311 - jitter is no secret
        self.connects = 0
        self.announced = 0

    async def run(self) -> None:
        """Subscribe, listen, subscribe again, without end."""
        failures = 0
        while True:
            url = self._urls[self.connects % len(self._urls)]
            self.connects += 1
            before = self.announced
            try:
                why = await self._listen(url)
            except (aiohttp.ClientError, OSError, TimeoutError) as e:
                why = type(e).__name__
            except SecretMissing as e:
                why = str(e)
            failures = 0 if self.announced > before else failures + 1
            pause_ms = int(self._rng.uniform(0, min(self._backoff_ms, 250 << min(failures, 10))))
            _log.info("subscription to heads lost; it is renewed", chain=self._chain, why=why, retry_ms=pause_ms)
            await asyncio.sleep(pause_ms / MS)

    async def _listen(self, url: str) -> str:
        """One subscription's life; returns why it ended."""
        timeout = aiohttp.ClientWSTimeout(ws_close=1.0)
        address = filled(url)
        async with self._session.ws_connect(
            address.text, max_msg_size=_MAX_FRAME, heartbeat=20.0, timeout=timeout
        ) as socket:
            await socket.send_str(_SUBSCRIBE)
            while True:
                message = await asyncio.wait_for(socket.receive(), self._stall_ms / MS)
                if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    return f"closed ({message.type.name})"
                refusal = self._take_frame(message.data)
                if refusal is not None:
                    return hide(refusal, address.hidden)[:_SHOWN]

    def _take_frame(self, frame: str | bytes) -> str | None:
        """Count an announcement; returns the text of a refusal."""
        try:
            message = orjson.loads(frame)
        except ValueError:
            return "not JSON"
        if not isinstance(message, dict):
            return "not JSON-RPC"
        if message.get("error") is not None:
            return f"refused: {message['error']}"
        if message.get("method") == "eth_subscription":
            self.announced += 1
            self._on_head()
        return None
