"""Hands sealed rounds on to NATS out of the database: each at least once, in the order of storing, and never in a round's way.

How far it has come is kept in the database beside the rounds: what was not acknowledged is sent again after any fault or restart.
A server that is gone costs nothing but time, since nothing waits in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from oracle.nats.link import ROUND_HEADER, SUBJECTS, TIMEOUT_S, NatsFault, connected, fault_text, message_id, subject_of
from oracle.runtime.log_limit import LogBudget
from oracle.serve.interface import StoredRounds
from oracle.serve.round_documents import RoundFrame, frames_after
from oracle.sign.eip712 import Domain

T = TypeVar("T")
_FIRST_S, _LONGEST_S, _LOOK_S = 0.25, 30.0, 0.5
_AT_ONCE = 32
_HOUR_S, _MB = 3_600, 1 << 20
_TWICE_S = 3_600.0
"""So long the server knows a round that comes again."""
_log = structlog.get_logger("oracle.nats.publisher")
_NOT_HANDED_ON = "sealed rounds are not handed on to NATS"
Read = Callable[[Callable[[StoredRounds], list[RoundFrame]]], Awaitable[list[RoundFrame]]]


class Cursors(Protocol):
    """What keeps how far a reader of the outbox has come."""

    def read_up_to(self, name: str) -> int | None:
        """The last number that it has."""

    def move_reader(self, name: str, sequence: int) -> None:
        """It has all up to this number."""

    def count_after(self, target: str, sequence: int) -> int:
        """How many sealed rounds of a target were stored after that number."""


class RoundPublisher:
    """Hands on the rounds of the stores of one process.

    Args:
        servers: of one cluster; secrets as ${NAME}.
        stream: its name, and how much it keeps: hours and megabytes.
        domains: stores by the names of their targets.
        feeds: all feeds, crosses too.
        read: has a function of the stored rounds run away from the event loop.
        cursors: keeps how far this has come.

    Attributes:
        published: rounds that were acknowledged since the start.
        errors: how often handing on ended with a fault since the start.
        is_connected: whether rounds are handed on now.
        error: what is wrong; "" while nothing is.
    """

    def __init__(
        self, servers: Sequence[str], stream: tuple[str, int, int], domains: Mapping[str, Domain], feeds: Sequence[str], *,
        read: Read, cursors: Cursors,
    ) -> None:  # fmt: skip
        self._servers, self._stream, self._domains, self._feeds = tuple(servers), stream, domains, tuple(feeds)
        self._read, self._cursors = read, cursors
        self.published = self.errors = 0
        self.is_connected = False
        self.error = ""
        self._told = LogBudget()

    async def run(self) -> None:
        """Hand on for ever."""
        pause_s = _FIRST_S
        while True:
            before = self.published
            try:
                await self._connected()
            except Exception as e:  # noqa: BLE001 - whatever is wrong there is told, and tried again: rounds go on
                self._fail(e)
            pause_s = _FIRST_S if self.published > before else min(_LONGEST_S, 2 * pause_s)
            await asyncio.sleep(pause_s)

    def _fail(self, error: Exception) -> None:
        self.error = fault_text(error)
        self.errors += 1
        if (more := self._told.more(type(error).__name__)) is not None:
            _log.warning(_NOT_HANDED_ON, why=self.error, more_since_the_last_line=more)

    async def _connected(self) -> None:
        client = await connected(self._servers)
        try:
            stream = client.jetstream(timeout=TIMEOUT_S)
            await self._make(stream)
            if self.error:
                _log.warning("sealed rounds are handed on to NATS again", ends=_NOT_HANDED_ON)
            self.error, self.is_connected = "", True
            while not client.is_closed:
                handed = [await self._hand_on(stream, target) for target in self._domains]
                if not any(handed):
                    await asyncio.sleep(_LOOK_S)
            raise NatsFault("the connection is closed")
        finally:
            self.is_connected = False
            await client.close()

    async def _make(self, stream: Any) -> None:
        """Make the stream where there is none; one that is there stays as it is."""
        from nats.js.api import StreamConfig  # noqa: PLC0415 - an optional part
        from nats.js.errors import NotFoundError  # noqa: PLC0415 - an optional part

        name, hours, megabytes = self._stream
        age_s, size = float(hours * _HOUR_S), megabytes * _MB
        try:
            there = (await stream.stream_info(name)).config
        except NotFoundError:
            await stream.add_stream(
                StreamConfig(name=name, subjects=[SUBJECTS], duplicate_window=_TWICE_S, max_age=age_s, max_bytes=size)
            )
            return
        wanted = {"max_age": age_s, "max_bytes": size}
        differ = {k: getattr(there, k) for k, v in wanted.items() if getattr(there, k) != v}
        if differ:
            _log.warning("the stream of NATS keeps more or less than the config says", stream=name, **differ)

    async def _hand_on(self, stream: Any, target: str) -> int:
        """Publish what follows of a target; how many."""
        name, domain = self._cursor(target), self._domains[target]
        sequence = self._cursors.read_up_to(name) or 0
        frames = await self._read(
            partial(frames_after, target=target, sequence=sequence, limit=_AT_ONCE, feeds=self._feeds)
        )
        for frame in frames:
            headers = {"Nats-Msg-Id": message_id(domain, frame.round_time_s), ROUND_HEADER: str(frame.round_time_s)}
            await stream.publish(subject_of(domain), frame.data, stream=self._stream[0], headers=headers)
            self._cursors.move_reader(name, frame.sequence)
            self.published += 1
        return len(frames)

    def _cursor(self, target: str) -> str:
        return f"nats {self._stream[0]} {target}"

    def behind(self) -> dict[str, int]:
        """Rounds that are stored and not handed on, by target."""
        cursors = self._cursors
        return {t: cursors.count_after(t, cursors.read_up_to(self._cursor(t)) or 0) for t in self._domains}

    def warnings(self) -> tuple[str, ...]:
        """For /readyz: what keeps rounds from being handed on."""
        if self.is_connected or not self.error:
            return ()
        waiting = sum(self.behind().values())
        return (
            f"NATS: {waiting} rounds wait to be handed on: {self.error}: rounds and pushes go on, look at nats.servers",
        )
