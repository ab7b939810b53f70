"""How long a key is mute because its journal was missing or restored: part of the journal's file, by a confirmed time."""

from __future__ import annotations

import sqlite3

from feeds.units import MS


class MutePeriod:
    """The mute period of one journal.

    It lasts ``length_ms`` of a time that somebody has confirmed. Until then each opening begins it anew, so a wrong clock
    cannot end it; and once it is over nothing is signed for a round from before it (``floor_s``).

    Args:
        db: the journal's, with its tables ``owner`` and ``silence``.
        length_ms: of a whole period.
        time_confirmed: whether somebody has confirmed our time; if not, `set_time` says when it is.
    """

    def __init__(self, db: sqlite3.Connection, length_ms: int, *, time_confirmed: bool) -> None:
        self._db = db
        self._length_ms = length_ms
        self._time_confirmed = time_confirmed
        self._begins_when_asked = False
        self.until_ms = 0
        """Unix ms until which the key is mute, by the time that the process had when it was set."""

    def load(self, until_ms: int) -> None:
        """Go on from what the file says."""
        self.until_ms = until_ms

    @property
    def floor_s(self) -> int:
        """Up to which round_time nothing is signed any more."""
        return int(self._db.execute("SELECT floor_s FROM silence").fetchone()[0])

    @property
    def is_confirmed(self) -> bool:
        """Whether the period is counted by a time that somebody confirmed."""
        return bool(self._db.execute("SELECT sure FROM silence").fetchone()[0])

    def rest_ms(self, now_ms: int) -> int:
        """How long it still lasts, at least; 0 if it is over."""
        if self._begins_when_asked:
            self.begin(now_ms)
        rest_ms = max(self.until_ms - now_ms, 0)
        return rest_ms if self.is_confirmed else max(rest_ms, 1)

    def begin(self, now_ms: int, signed_s: int = 0) -> None:
        """Be mute for the full time from now: the key has signed what is not in the journal.

        Args:
            now_ms: present time.
            signed_s: the newest round_time that it is known to have signed.
        """
        self._begins_when_asked = False
        until_ms = now_ms + self._length_ms
        if self._time_confirmed:
            self._set(max(self.until_ms, until_ms), max(signed_s, now_ms // MS), confirmed=True)
        else:
            self._set(until_ms, signed_s, confirmed=False)

    def begin_when_asked(self, signed_s: int) -> None:
        """Be mute at once, and for the full time from when `rest_ms` is asked for."""
        self._begins_when_asked = True
        self._db.execute("UPDATE silence SET floor_s = max(floor_s, ?), sure = 0", (signed_s,))

    def extend(self, until_ms: int) -> None:
        """Be mute until then, if not for longer."""
        self.until_ms = max(self.until_ms, until_ms)
        self._db.execute("UPDATE owner SET mute_until_ms = ?", (self.until_ms,))

    def set_time(self, now_ms: int, by_ms: int = 0) -> None:
        """Our time is now known, or was set by so much: what is left of the period moves with it.

        It never lasts longer than from now: a journal that was opened while a clock was days ahead is not mute for days. A
        period by a confirmed time lasts no less because our time was ahead of it.
        """
        self._time_confirmed = True
        if self._begins_when_asked:
            self.begin(now_ms)
        elif not self.is_confirmed:
            until_ms = min(self.until_ms + by_ms, now_ms + self._length_ms)
            self._set(until_ms, (until_ms - self._length_ms) // MS, confirmed=True)
        elif self.until_ms > now_ms - by_ms:
            until_ms = min(self.until_ms + max(by_ms, 0), now_ms + self._length_ms)
            self._set(until_ms, 0, confirmed=True)

    def _set(self, until_ms: int, floor_s: int, *, confirmed: bool) -> None:
        self.until_ms = until_ms
        self._db.execute("UPDATE owner SET mute_until_ms = ?", (self.until_ms,))
        self._db.execute("UPDATE silence SET floor_s = max(floor_s, ?), sure = ?", (floor_s, confirmed))
