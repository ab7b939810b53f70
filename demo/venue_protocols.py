"""An exchange's wire protocol, seen from the venue's side: pure text building, one small file a venue.

They are written from the venues' public documentation, independently of the adapters in ``feeds.exchanges``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

_RAW = "\0"
_RAW_TEXT = re.compile(r'"\\u0000([^"]*)"')
_MS = 1_000
HTTP_OK, HTTP_BAD, HTTP_MISSING = 200, 400, 404


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


Show = Callable[[str], Shown | None]
"""Symbol -> what is shown of it; None if the venue does not list it."""


class WireProtocol(Protocol):
    """One venue's side of the conversation."""

    @property
    def name(self) -> str:
        """The venue's name."""

    @property
    def ws_path(self) -> str:
        """Path of the stream."""

    @property
    def beats_with_data(self) -> bool:
        """The venue repeats the ticker instead of sending heartbeat messages."""

    def greeting(self) -> list[str]:
        """Frames right after the connection is open."""

    def answer(self, message: Mapping[str, Any], listed: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
        """Frames that answer a client's message, and the symbols it has subscribed by it."""

    def ticker(self, shown: Shown, *, first: bool) -> str:
        """A ticker frame; `first` marks the snapshot after a subscription."""

    def beat(self, symbols: Sequence[str], now_ms: int) -> list[str]:
        """Heartbeat frames."""

    def rest(self, path: str, query: Mapping[str, str], show: Show) -> tuple[int, Any]:
        """Status and JSON value of a REST request."""


def iso(time_ms: int) -> str:
    """RFC 3339 text in UTC with microseconds."""
    return datetime.fromtimestamp(time_ms / _MS, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def dumps(value: Any) -> str:
    """JSON text; strings made by :func:`raw` become bare numbers with exactly those digits."""
    return _RAW_TEXT.sub(r"\1", json.dumps(value, separators=(",", ":")))


def raw(text: str) -> str:
    """Mark a text as a bare JSON number, if it looks like one."""
    return _RAW + text if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?|NaN", text) else text
