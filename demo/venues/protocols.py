"""An exchange's wire protocol, seen from the venue's side: pure text building, one small file a venue.

They are written from the venues' public documentation, independently of the adapters in ``feeds.exchanges``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

_RAW = "\0"
_RAW_TEXT = re.compile(r'"\\u0000([^"]*)"')
_MS = 1_000
HTTP_OK, HTTP_BAD, HTTP_MISSING = 200, 400, 404
Frame = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the venue shows of one symbol: texts, because a misbehaving venue shows what is no number.

    ``time_ms`` is Unix ms, None for null; ``seconds`` writes it as a number of seconds where the format wants other.
    """

    symbol: str
    bid: str
    ask: str
    last: str
    volume: str
    sequence: int
    time_ms: int | None
    seconds: bool = False

    def iso(self) -> Any:
        """Time as RFC 3339 text with microseconds."""
        if self.time_ms is None or self.seconds:
            return None if self.time_ms is None else self.time_ms // _MS
        return iso(self.time_ms)

    def ms(self) -> int | None:
        """Time as Unix ms."""
        return self.time_ms // _MS if self.seconds and self.time_ms is not None else self.time_ms

    def ms_text(self) -> str | None:
        """Time as Unix ms, written as text."""
        at = self.ms()
        return None if at is None else str(at)


@dataclass(slots=True)
class Caller:
    """What a venue remembers of one connection.

    Attributes:
        first_number: of the numbers that this connection's subscriptions get; other connections get others.
        numbers: of its subscriptions, by symbol.
        pinged: what the venue's last ping carried.
        quiet_beats: heartbeats since the client last showed that it lives.
    """

    first_number: int = 1
    numbers: dict[str, int] = field(default_factory=dict)
    pinged: int = 0
    quiet_beats: int = 0

    def number(self, symbol: str) -> int:
        """Return the number of the subscription to a symbol; a new one gets the next."""
        return self.numbers.setdefault(symbol, self.first_number + len(self.numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRequest:
    """A REST request.

    ``body``: the JSON of a POST, None for a GET. ``home``: address of this venue's stream. ``token``: a fresh one, which
    opens one connection.
    """

    path: str
    query: Mapping[str, str]
    body: Any
    post: bool
    home: str
    token: str


Show = Callable[[str], Shown | None]
"""Symbol -> what is shown of it; None if the venue does not list it."""


class WireProtocol(Protocol):
    """One venue's side of the conversation. :class:`PlainWire` has what most venues share."""

    @property
    def name(self) -> str:
        """The venue's name."""

    @property
    def ws_path(self) -> str:
        """Path of the stream."""

    @property
    def beats_with_data(self) -> bool:
        """The venue repeats the ticker instead of sending heartbeat messages."""

    @property
    def wants_token(self) -> bool:
        """The stream opens only with a token in its query, got by REST."""

    def encode(self, frame: Frame) -> Frame:
        """How a frame travels."""

    def greeting(self) -> list[str]:
        """Frames right after the connection is open."""

    def hear(self, text: str, listed: Collection[str], caller: Caller) -> tuple[list[Frame], tuple[str, ...]]:
        """Frames that answer a client's message, and the symbols it has subscribed by it."""

    def frames(self, shown: Shown, caller: Caller, *, first: bool) -> list[Frame]:
        """Frames that say what is shown; `first` marks the snapshot after a subscription."""

    def pulse(self, caller: Caller, now_ms: int) -> list[Frame]:
        """Heartbeat frames."""

    def reply(self, asked: RestRequest, show: Show) -> tuple[int, Any]:
        """Status and JSON value of a REST request."""


class PlainWire:
    """The common case, to inherit from: JSON objects as text, one frame an update, GET only.

    A wire then writes ``answer(message, listed)``, ``ticker(shown, first=)``, ``beat(symbols, now_ms)`` and
    ``rest(path, query, show)``; or overrides what its venue does otherwise.
    """

    __slots__ = ()
    wants_token: bool = False

    def encode(self, frame: Frame) -> Frame:
        """As it is."""
        return frame

    def greeting(self) -> list[str]:
        """Say nothing before the first subscription."""
        return []

    def hear(self, text: str, listed: Collection[str], caller: Caller) -> tuple[list[Frame], tuple[str, ...]]:
        """Answer a JSON object; anything else is answered as an empty one. Every message is a sign of life."""
        caller.quiet_beats = 0
        return self.answer(json_object(text), listed)  # type: ignore[attr-defined, no-any-return]

    def frames(self, shown: Shown, caller: Caller, *, first: bool) -> list[Frame]:
        """One ticker."""
        del caller
        return [self.ticker(shown, first=first)]  # type: ignore[attr-defined]

    def pulse(self, caller: Caller, now_ms: int) -> list[Frame]:
        """Whatever ``beat`` says."""
        return list(self.beat(tuple(caller.numbers), now_ms))

    def beat(self, symbols: Sequence[str], now_ms: int) -> Sequence[Frame]:
        """Send no heartbeats."""
        del symbols, now_ms
        return []

    def reply(self, asked: RestRequest, show: Show) -> tuple[int, Any]:
        """GET only."""
        if asked.post:
            return HTTP_MISSING, {"error": "not found"}
        return self.rest(asked.path, asked.query, show)  # type: ignore[attr-defined, no-any-return]


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object; an empty one for anything else."""
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {}


def iso(time_ms: int) -> str:
    """RFC 3339 text in UTC with microseconds."""
    return datetime.fromtimestamp(time_ms / _MS, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def dumps(value: Any) -> str:
    """JSON text; strings made by :func:`raw` become bare numbers with exactly those digits."""
    return _RAW_TEXT.sub(r"\1", json.dumps(value, separators=(",", ":")))


def raw(text: str) -> str:
    """Mark a text as a bare JSON number, if it looks like one."""
    return _RAW + text if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?|NaN", text) else text
