"""Hands sealed rounds on to NATS out of the database: each at least once, in the order of storing, and never in a round's way.

How far it has come is kept in the database beside the rounds: what was not acknowledged is sent again after any fault or restart.
A server that is gone costs nothing but time, since nothing waits in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import orjson
import structlog

from oracle.nats.link import (
    ROUND_HEADER,
    SUBJECTS,
    TIMEOUT_S,
    NatsAccess,
    NatsFault,
    ServerWords,
    closed,
    connected,
    feed_subject,
    message_id,
    subject_of,
)
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
Read = Callable[[Callable[[StoredRounds], list[RoundFrame]]], Awaitable[list[RoundFrame]]]


class Cursors(Protocol):
    """What keeps how far a reader of the outbox has come."""

    def read_up_to(self, name: str) -> int | None:
        """The last number that it has."""

    def move_reader(self, name: str, sequence: int) -> None:
        """It has all up to this number."""

    def forget_reader(self, name: str) -> None:
        """It has nothing any more."""

    def waiting_after(self, target: str, sequence: int) -> int:
        """How many rounds of a target come after a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """The stream as the config wants it: its name, how much it keeps, and whether feeds have subjects of their own."""

    name: str
    hours: int
    megabytes: int
    per_feed: bool = False

    @property
    def limits(self) -> Mapping[str, Any]:
        """What it keeps, as the server counts it."""
        return {"max_age": float(self.hours * _HOUR_S), "max_bytes": self.megabytes * _MB}


class RoundPublisher:
    """Hands on the rounds of the stores of one process.

    Args:
        access: where the servers are, and who this is there.
        plan: of the stream.
        domains: stores by the names of their targets.
        feeds: all feeds, crosses too.
        read: has a function of the stored rounds run away from the event loop.
        cursors: keeps how far this has come.

    Attributes:
        published: rounds that were acknowledged since the start.
        breaks: how often the connection broke, or came to nothing.
        newest_s: the newest round that was acknowledged since the start, 0 if none.
        error: what is wrong; "" while nothing is.
    """

    def __init__(
        self, access: NatsAccess, plan: StreamPlan, domains: Mapping[str, Domain], feeds: Sequence[str], *,
        read: Read, cursors: Cursors,
    ) -> None:  # fmt: skip
        self._access, self._plan, self._domains, self._feeds = access, plan, domains, tuple(feeds)
        self._read, self._cursors = read, cursors
        self.published = self.breaks = self.newest_s = 0
        self.error = ""
        self._words, self._told = ServerWords(), LogBudget()

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

    def warnings(self) -> tuple[str, ...]:
        """What is wrong now, a sentence each."""
        text = "sealed rounds are not handed on to NATS, and wait in the database"
        return (f"{text}: {self.error}",) if self.error else ()

    def waiting(self) -> int:
        """Sealed rounds that are not acknowledged yet, of all stores."""
        cursors = self._cursors
        return sum(cursors.waiting_after(t, cursors.read_up_to(self._reader(t)) or 0) for t in self._domains)

    def _reader(self, target: str) -> str:
        return f"nats {self._plan.name} {target}"

    def _fail(self, error: Exception) -> None:
        self.error, self.breaks = self._words.fault(error), self.breaks + 1
        if (more := self._told.more(type(error).__name__)) is not None:
            _log.warning("sealed rounds are not handed on to NATS", why=self.error, more_since_the_last_line=more)

    async def _connected(self) -> None:
        client = await connected(self._access, self._words.hear)
        try:
            stream = client.jetstream(timeout=TIMEOUT_S)
            await self._make(stream)
            self.error = ""
            while not client.is_closed:
                handed = [await self._hand_on(stream, target) for target in self._domains]
                if not any(handed):
                    await asyncio.sleep(_LOOK_S)
            raise NatsFault("the connection is closed")
        finally:
            await closed(client)

    async def _make(self, stream: Any) -> None:
        """Make the stream where there is none; one that is there stays as it is."""
        from nats.js.api import StreamConfig  # noqa: PLC0415 - an optional part
        from nats.js.errors import NotFoundError  # noqa: PLC0415 - an optional part

        name, wanted = self._plan.name, self._plan.limits
        try:
            there = (await stream.stream_info(name)).config
        except NotFoundError:
            await stream.add_stream(StreamConfig(name=name, subjects=[SUBJECTS], duplicate_window=_TWICE_S, **wanted))
            for target in self._domains:  # it is empty, whatever was once in one of this name
                self._cursors.forget_reader(self._reader(target))
            return
        differ = {k: getattr(there, k) for k, v in wanted.items() if getattr(there, k) != v}
        if differ:
            _log.warning("the stream of NATS keeps more or less than the config says", stream=name, **differ)

    async def _hand_on(self, stream: Any, target: str) -> int:
        """Publish what follows of a target; how many."""
        name, domain = self._reader(target), self._domains[target]
        sequence = self._cursors.read_up_to(name) or 0
        frames = await self._read(
            partial(frames_after, target=target, sequence=sequence, limit=_AT_ONCE, feeds=self._feeds)
        )
        try:
            for frame in frames:
                for subject, key, data in self._messages(domain, frame):
                    headers = {"Nats-Msg-Id": key, ROUND_HEADER: str(frame.round_time_s)}
                    await stream.publish(subject, data, stream=self._plan.name, headers=headers)
                sequence = frame.sequence
                self.published += 1
                self.newest_s = max(self.newest_s, frame.round_time_s)
        finally:  # one write to disk for many rounds: it is done where rounds are made
            if frames and sequence >= frames[0].sequence:
                self._cursors.move_reader(name, sequence)
        return len(frames)

    def _messages(self, domain: Domain, frame: RoundFrame) -> Iterator[tuple[str, str, bytes]]:
        """Subject, key and content of all that is handed on of a round."""
        if self._plan.per_feed:
            for feed, data in feed_messages(frame.data):
                yield feed_subject(domain, feed), message_id(domain, frame.round_time_s, feed), data
        yield subject_of(domain), message_id(domain, frame.round_time_s), frame.data


def feed_messages(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each feed of a round with its record alone and all that proves it: the same kind of document, which verifies as the whole does. Pure."""
    told = orjson.loads(data)
    for record in told["records"]:
        wanted = {record["feed"], *record["legs"]}
        sealed = {**told["sealed"], "feeds": [f for f in told["sealed"]["feeds"] if f["feed"] in wanted]}
        abstaining = [s for s in told["abstaining"] if s["feed"] in wanted]
        yield record["feed"], orjson.dumps({"sealed": sealed, "records": [record], "abstaining": abstaining})
