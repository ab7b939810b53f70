"""Packs: bodies of older rows, compressed together. A row then holds where its own is; what is read back is the same to the byte.

Rounds of one feed are much alike: sixty of them together need a twentieth of the room that they need one by one. A round is
written as it is, so that nothing is waited for; it is packed some rounds later, see :mod:`oracle.storage.packer`.
"""

from __future__ import annotations

import lzma
import sqlite3
import struct
from collections import OrderedDict
from collections.abc import Sequence

from oracle.storage.errors import DatabaseError

MARK = b"\1"
"""The first byte of a place in a pack; canonical JSON begins with none of the kind."""
_PLACE = struct.Struct(">cQH")
_NEWLINE = b"\n"
_FILTERS = ({"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 20},)
"""A dictionary as large as a pack: more would only take memory."""
_OPEN_PACKS = 4


def compressed(bodies: Sequence[bytes]) -> bytes:
    """The body of a pack, with a checksum. Each body is one line, as canonical JSON is; another process's interpreter may go on meanwhile."""
    if any(_NEWLINE in body for body in bodies):
        raise ValueError("a body with a line break cannot be packed")
    return lzma.compress(_NEWLINE.join(bodies), lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=_FILTERS)


def place(pack: int, line: int) -> bytes:
    """What a row holds instead of its body."""
    return _PLACE.pack(MARK, pack, line)


def is_packed(body: bytes) -> bool:
    """Whether a row holds a place in a pack."""
    return bytes(body[:1]) == MARK


class Packs:
    """The packs of a database, as one connection reads them; the newest few stay open.

    Args:
        conn: the database.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._open: OrderedDict[int, list[bytes]] = OrderedDict()

    def plain(self, body: bytes) -> bytes:
        """The body of a row as it was written.

        Raises:
            DatabaseError: its pack is missing or damaged.
        """
        return self.lines(body, 1)[0] if is_packed(body) else bytes(body)

    def lines(self, body: bytes, count: int) -> list[bytes]:
        """So many bodies from the place that a row holds; raises as :meth:`plain` does."""
        _, pack, line = _PLACE.unpack(body)
        found = self._bodies(pack)[line : line + count]
        if len(found) != count:
            raise DatabaseError(f"pack {pack} has no body {line}: the database is damaged, put back a backup")
        return found

    def _bodies(self, pack: int) -> list[bytes]:
        bodies = self._open.get(pack)
        if bodies is None:
            row = self._conn.execute("SELECT body FROM packs WHERE id = ?", (pack,)).fetchone()
            if row is None:
                raise DatabaseError(f"pack {pack} is missing: the database is incomplete, put back a backup")
            try:
                bodies = lzma.decompress(row[0]).split(_NEWLINE)
            except lzma.LZMAError as e:
                raise DatabaseError(f"pack {pack} cannot be read ({e}): put back a backup") from e
            self._open[pack] = bodies
            while len(self._open) > _OPEN_PACKS:
                self._open.popitem(last=False)
        self._open.move_to_end(pack)
        return bodies
