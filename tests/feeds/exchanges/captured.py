"""Captured exchange traffic: how its files are written. See PROVENANCE.md beside them."""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any


def server_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(receive time in ms, frame) of each line that the server sent."""
    for line in path.read_text().splitlines():
        stamp, colon, frame = line.partition(": ")
        if colon and stamp.replace(".", "").isdigit():
            yield int(float(stamp) * 1_000), frame


def unpacked(line: str) -> str | bytes:
    """The frame of a line: packed ones stand there as Python bytes literals."""
    return bytes(ast.literal_eval(line)) if line[:2] in ("b'", 'b"') else line


def rest_bodies(path: Path) -> Iterator[tuple[str, str]]:
    """(url, body) of each REST reply."""
    for line in path.read_text().splitlines():
        url, arrow, rest = line.partition(" -> ")
        stamp, colon, body = rest.partition(": ")
        if arrow and colon and stamp.replace(".", "").isdigit():
            yield url, body


def plain(frame: str | bytes) -> Any:
    """JSON as the standard library reads it, unpacked first, fractions exact; None for what is no JSON."""
    try:
        return json.loads(gzip.decompress(frame) if isinstance(frame, bytes) else frame, parse_float=Decimal)
    except ValueError:
        return None
