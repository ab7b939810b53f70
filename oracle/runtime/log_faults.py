"""A fault that lasts is one line when it begins, one now and then with how often it came, and one when it is over."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

_LONGEST_PAUSE_S = 3_600.0
_MOST_OPEN, _MOST_OF_A_KIND = 512, 64
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-fA-F]{16,}\b|\d[\d.,:_]*")
_OWN_NUMBER = re.compile(r"(?:0x)?[0-9a-fA-F]{32,}|[-+]?\d[\d.,:]*")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_NAMES = frozenset({
    "asked", "callback", "chain", "chain_id", "config", "duty", "endpoint", "epoch", "evidence", "feed", "file", "job", "journal", "key",
    "member", "operator", "operators", "peer", "proxy", "source", "store", "stream", "symbol", "target", "task", "venue", "witness",
})  # fmt: skip
"""What a field of these names is told apart from others as it is: 10.0.0.1 is not 10.0.0.2."""
_MORE = "more_since_the_last_line"
"""So many of a kind were left out before the line came here."""
_APART = frozenset({"event", "fingerprint", "level", "part", "advice", "detail", _MORE})
"""What says nothing of which fault it is."""
Line = dict[str, Any]


class FaultIs(StrEnum):
    """What a line says of its fault."""

    NEW = "new"
    LASTS = "lasts"
    OVER = "over"


@dataclass(slots=True)
class _Fault:
    """One that is not over. ``words``: the fields that tell it from others of its event."""

    key: str
    words: Mapping[str, str]
    line: Line
    began_at: str
    began_s: float
    newest_s: float
    next_s: float
    pause_s: float
    count: int
    told: int


class LogFaults:
    """Which lines of faults are written.

    Two lines are of one fault if they come from the same part with the same event, are about the same thing (the fields that name
    a source, a chain, an operator ...), and have the same words in their other fields. Numbers, hashes, and numbers within sentences
    of those tell no faults apart; a field ``fingerprint`` stands for the event and all sentences.

    Args:
        repeat_s: from the first line of a fault to the next; each pause after it is twice as long, an hour at most.
        over_s: a fault that has not come again for so long is over.
        now_s: a clock that does not go back.
    """

    def __init__(
        self, repeat_s: float = 60.0, over_s: float = 150.0, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.repeat_s, self.over_s = repeat_s, over_s
        self._now_s = now_s
        self._open: dict[str, _Fault] = {}
        self._kinds: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def take(self, line: Line) -> Line | None:
        """A fault came: the line to write, None if it is only counted."""
        now_s, more = self._now_s(), int(line.pop(_MORE, 0) or 0)
        words = _words(line)
        key = _key(line, words)
        fault = self._open.get(key)
        if fault is None and self._kinds[_kind(line)] >= _MOST_OF_A_KIND:  # a stranger can make up new ones for ever
            words = {}
            key = _key(line, words)
            fault = self._open.get(key)
        if fault is None:
            self._begin(key, words, line, now_s, 1 + more)
            return {**line, "fault": key, "fault_is": FaultIs.NEW}
        fault.count += 1 + more
        fault.newest_s, fault.line = now_s, line
        return None

    def over(self, line: Line) -> Line | None:
        """Somebody says that faults are over, those of the event in ``ends`` with these words: the line to write, None if there was none."""
        ended, words = line.pop("ends"), _words(line)
        found = [
            f for f in self._open.values()
            if f.line["part"] == line["part"] and f.line["event"] == ended
            and all(words[name] == word for name, word in f.words.items() if name in words)
        ]  # fmt: skip
        for fault in found:
            self._close(fault)
        if not found:
            return None
        began = min(found, key=lambda f: f.began_s)
        lasted_s = round(self._now_s() - began.began_s, 1)
        return {
            **line, "ended": ended, "fault": began.key, "fault_is": FaultIs.OVER, "count": sum(f.count for f in found),
            "since": began.began_at, "lasted_s": lasted_s,
        }  # fmt: skip

    def due(self) -> list[Line]:
        """The lines that are due now: of faults that last, and of those that are over."""
        now_s, lines = self._now_s(), []
        for fault in list(self._open.values()):
            if now_s - fault.newest_s >= self.over_s:
                self._close(fault)
                if fault.count > 1:
                    lines.append(self._line(fault, FaultIs.OVER, lasted_s=round(fault.newest_s - fault.began_s, 1)))
            elif now_s >= fault.next_s and fault.count > fault.told:
                fault.pause_s = min(2 * fault.pause_s, _LONGEST_PAUSE_S)
                fault.next_s = now_s + fault.pause_s
                lines.append(self._line(fault, FaultIs.LASTS))
        return lines

    def last(self) -> list[Line]:
        """At the end of the process: what lasts and was not told whole."""
        lines = [self._line(f, FaultIs.LASTS) for f in self._open.values() if f.count > f.told]
        self._open.clear()
        self._kinds.clear()
        return lines

    def _begin(self, key: str, words: Mapping[str, str], line: Line, now_s: float, count: int) -> None:
        if len(self._open) >= _MOST_OPEN:
            self._close(min(self._open.values(), key=lambda f: f.newest_s))
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._open[key] = _Fault(key, words, line, at, now_s, now_s, now_s + self.repeat_s, self.repeat_s, count, count)
        self._kinds[_kind(line)] += 1

    def _close(self, fault: _Fault) -> None:
        del self._open[fault.key]
        self._kinds[_kind(fault.line)] -= 1
        if not self._kinds[_kind(fault.line)]:
            del self._kinds[_kind(fault.line)]

    @staticmethod
    def _line(fault: _Fault, what: FaultIs, **more: Any) -> Line:
        fault.told = fault.count
        line = {k: v for k, v in fault.line.items() if k != "detail"}
        return {**line, "fault": fault.key, "fault_is": what, "count": fault.count, "since": fault.began_at, **more}


def _kind(line: Line) -> tuple[str, str]:
    return str(line["part"]), str(line.get("fingerprint") or line["event"])


def _words(line: Line) -> dict[str, str]:
    """The fields that tell a fault from others of its event."""
    named = {k: str(v) for k, v in line.items() if k in _NAMES}
    words = {k: _normal(v) for k, v in line.items() if k not in _APART and k not in _NAMES and not _is_number(v)}
    return named | ({k: v for k, v in words.items() if " " not in v} if "fingerprint" in line else words)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _normal(value: Any) -> str:
    text = str(value)
    if any(c.isspace() for c in text):
        return _NUMBER.sub("#", text)
    return "#" if _OWN_NUMBER.fullmatch(text) and not _ADDRESS.fullmatch(text) else text


def _key(line: Line, words: Mapping[str, str]) -> str:
    text = repr((*_kind(line), sorted(words.items())))
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=4).hexdigest()
