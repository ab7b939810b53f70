"""Sealed rounds from a NATS server with JetStream: nothing there is believed, so that it needs no trust, only to be up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import structlog

from feeds.secret_refs import host_and_port
from feeds.secret_values import filled
from oracle.follow.sources import BROKE, Hear, SourceState
from oracle.nats.link import ROUND_HEADER, TIMEOUT_S, NatsAccess, NatsFault, ServerWords, closed, connected, subject_of
from oracle.runtime.log_limit import LogBudget
from oracle.sign.eip712 import Domain

_FIRST_S, _LONGEST_S = 0.25, 30.0
_AT_ONCE, _WAIT_S, _UNUSED_S = 32, 5.0, 60.0
_ROUND_DIGITS = 10
_log = structlog.get_logger("oracle.follow.jetstream")


class JetStreamSource:
    """One NATS server or cluster.

    Args:
        access: where the servers are, and who this is there.
        stream: name of the stream.
        domain: whose rounds.
        rank: its place among the sources.
    """

    def __init__(self, access: NatsAccess, stream: str, domain: Domain, rank: int) -> None:
        first = access.servers[0]
        name = f"nats {host_and_port(first, filled(first).text)}"
        self.state = SourceState(name=name, rank=rank, is_operator=False)
        self._access, self._stream, self._subject = access, stream, subject_of(domain)
        self._sequence = 0
        self._made_at: datetime | None = None
        self._words, self._told = ServerWords(), LogBudget()

    async def run(self, hear: Hear, after_s: int) -> None:
        """Read it for ever."""
        pause_s = _FIRST_S
        while True:
            before = self.state.good
            try:
                await self._read(hear, after_s)
            except Exception as e:  # noqa: BLE001 - whatever is wrong there is told, and tried again
                self._fail(e)
            finally:
                self.state.connected = False
            pause_s = _FIRST_S if self.state.good > before else min(_LONGEST_S, 2 * pause_s)
            await asyncio.sleep(pause_s)

    def _fail(self, error: Exception) -> None:
        self.state.breaks += 1
        self.state.error = self._words.fault(error)
        if (more := self._told.more(type(error).__name__)) is not None:
            _log.warning(BROKE, source=self.state.name, why=self.state.error,
                         more_since_the_last_line=more)  # fmt: skip

    async def _read(self, hear: Hear, after_s: int) -> None:
        client = await connected(self._access, self._words.hear)
        try:
            pull = await self._pull(client.jetstream(timeout=TIMEOUT_S), after_s)
            if self.state.error:
                _log.warning("a source of rounds is open again", source=self.state.name, ends=BROKE)
            self.state.connected, self.state.error = True, ""
            while not client.is_closed:
                await self._fetch(pull, hear)
            raise NatsFault("the connection is closed")
        finally:
            await closed(client)

    async def _pull(self, stream: Any, after_s: int) -> Any:
        """A consumer that the server forgets: how far this one has come is kept here."""
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy  # noqa: PLC0415 - an optional part

        there = await stream.stream_info(self._stream)
        if there.state.last_seq < self._sequence or there.created != self._made_at:
            self._sequence = 0  # it was made anew, and counts anew
        self._made_at = there.created
        begin: dict[str, Any] = {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": self._sequence + 1}
        if not self._sequence:
            since = datetime.fromtimestamp(after_s, UTC)
            begin = {"deliver_policy": DeliverPolicy.BY_START_TIME, "opt_start_time": since}
        config = ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=_UNUSED_S, **begin)
        return await stream.pull_subscribe(self._subject, stream=self._stream, config=config)

    async def _fetch(self, pull: Any, hear: Hear) -> None:
        from nats.errors import TimeoutError as NothingCame  # noqa: PLC0415 - an optional part

        try:
            messages = await pull.fetch(_AT_ONCE, timeout=_WAIT_S)
        except NothingCame:
            await pull.consumer_info()  # a stream that was deleted is as silent as one without news
            return
        for message in messages:
            text = (message.headers or {}).get(ROUND_HEADER, "")
            is_number = text.isascii() and text.isdigit() and len(text) <= _ROUND_DIGITS
            await hear(self.state, int(text) if is_number else 0, message.data)
            self._sequence = message.metadata.sequence.stream
