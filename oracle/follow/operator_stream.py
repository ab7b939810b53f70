"""The stream of sealed rounds of one operator, or of another node: read for ever, from where it was left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import structlog
from aiohttp import hdrs
from yarl import URL

from feeds.secret_refs import hide, host_and_port
from feeds.secret_values import filled
from oracle.follow.sources import BROKE, Hear, SourceFault, SourceState
from oracle.follow.store_sets import SetUnknown
from oracle.follow.told_round import MOST_BYTES
from oracle.runtime.log_limit import LogBudget

_OK = 200
_FIRST_S, _LONGEST_S = 0.25, 30.0
_SILENT_S, _CONNECT_S = 60.0, 10.0
"""A stream has a comment every quarter of a minute."""
_ASKED_BEYOND_S = 600
"""Rounds come in the order of storing: one that was learned late comes after later ones, but hardly after so much later ones."""
_MOST_BAD = 20
"""Rounds of one connection in a row that count for nothing, or come again: then it is left alone for a while."""
_MOST_COMMENTS, _MOST_ROUNDS = 10_000, 50_000
"""Of one connection: an operator says a comment four times a minute, and ends a stream of ten thousand rounds itself."""
_log = structlog.get_logger("oracle.follow.operator_stream")


class OperatorStream:
    """One operator's endpoint.

    Args:
        url: of it, with ?target=NAME where the store is not its first; secrets as ${NAME}.
        rank: its place in the config.
        session: to connect with.
    """

    def __init__(self, url: str, rank: int, session: aiohttp.ClientSession) -> None:
        address = filled(url)
        self.state = SourceState(name=host_and_port(url, address.text), rank=rank)
        self._url, self._hidden, self._session = URL(address.text), address.hidden, session
        self._last_s: int | None = None
        self._told = LogBudget()

    async def run(self, hear: Hear, after_s: int) -> None:
        """Read it for ever."""
        pause_s = _FIRST_S
        while True:
            before = self.state.good
            try:
                await self._read(hear, after_s)
                self.state.error = ""
            except (aiohttp.ClientError, OSError, TimeoutError, SourceFault, SetUnknown) as e:
                self._fail(e)
            finally:
                self.state.connected = False
            pause_s = _FIRST_S if self.state.good > before else min(_LONGEST_S, 2 * pause_s)
            await asyncio.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311 - so that not all come at once

    def _fail(self, error: Exception) -> None:
        self.state.breaks += 1
        self.state.error = f"{type(error).__name__}: {hide(str(error), self._hidden)[:200]}"
        if (more := self._told.more(type(error).__name__)) is not None:
            _log.warning(BROKE, source=self.state.name, why=self.state.error,
                         more_since_the_last_line=more)  # fmt: skip

    async def ask(self, hear: Hear, first_s: int, last_s: int) -> None:
        """Ask once for the rounds of a time, beside what is read for ever.

        Raises:
            SourceFault, SetUnknown, aiohttp.ClientError, OSError, TimeoutError: it was not answered to the end.
        """
        async with self._reply(first_s - 1, {}) as reply:
            async for event_id, data in _events(reply.content):
                if event_id > last_s + _ASKED_BEYOND_S or not data:
                    return
                if first_s <= event_id <= last_s:
                    await hear(self.state, event_id, data)

    @asynccontextmanager
    async def _reply(self, after_s: int, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The stream from a round on."""
        url = self._url / "v1" / "rounds" / "stream"
        url = url.with_query({**self._url.query, "after": str(after_s)})
        headers = {hdrs.ACCEPT_ENCODING: "identity", **headers}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
        async with self._session.get(url, headers=headers, timeout=timeout, allow_redirects=False) as reply:
            kind = reply.headers.get(hdrs.CONTENT_TYPE, "")
            if reply.status != _OK or not kind.startswith("text/event-stream"):
                raise SourceFault(
                    f"it answers with status {reply.status} and {kind[:60] or 'no type'}: is it an operator?"
                )
            if hdrs.CONTENT_ENCODING in reply.headers:
                raise SourceFault("it packs what nobody asked it to pack")
            yield reply

    async def _read(self, hear: Hear, after_s: int) -> None:
        headers = {} if self._last_s is None else {"Last-Event-ID": str(self._last_s)}
        bad, heard = 0, set[int]()
        async with self._reply(after_s, headers) as reply:
            self.state.connected = True
            if self.state.error:
                _log.warning("a source of rounds is open again", source=self.state.name, ends=BROKE)
            async for event_id, data in _events(reply.content):
                if not data:
                    continue
                is_new = event_id not in heard and await hear(self.state, event_id, data)
                heard.add(event_id)
                bad = 0 if is_new else bad + 1
                self._last_s = event_id
                if len(heard) > _MOST_ROUNDS:
                    raise SourceFault(f"more than {_MOST_ROUNDS} rounds without an end")
                if bad >= _MOST_BAD:
                    raise SourceFault(f"{bad} rounds in a row count for nothing")


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """Id and data of each event; of a comment, which says that nothing more is there now, no data."""
    rest, comments = bytearray(), 0
    async for part in content.iter_any():
        rest += part
        *blocks, rest = rest.split(b"\n\n")  # all at once: a part may hold ten thousand of them
        if len(rest) > MOST_BYTES:
            raise SourceFault(f"an event of more than {MOST_BYTES} bytes")
        for block in blocks:
            if not block.startswith(b":"):
                yield _event(bytes(block))
                comments = 0
            elif (comments := comments + 1) > _MOST_COMMENTS:
                raise SourceFault(f"{_MOST_COMMENTS} comments and no round")
            else:
                yield 0, b""


def _event(block: bytes) -> tuple[int, bytes]:
    fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
    number, data = fields.get(b"id", b""), fields.get(b"data")
    if fields.get(b"event") != b"round" or data is None or not number.isdigit() or len(number) > 10:  # noqa: PLR2004
        raise SourceFault("an event that is no sealed round")
    return int(number), data
