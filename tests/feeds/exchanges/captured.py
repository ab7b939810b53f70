"""Captured traffic as it was written down: one line a message."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def server_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(receive time in ms, frame) of each line that the server sent."""
    for line in path.read_text().splitlines():
        stamp, colon, frame = line.partition(": ")
        if colon and stamp.replace(".", "").isdigit():
            yield int(float(stamp) * 1_000), frame


def server_frames(folder: Path, venue: str) -> Iterator[tuple[int, str | bytes]]:
    """The same of all of a venue's streams; packed frames, which stand as Python bytes literals, as the bytes that came."""
    for path in sorted((folder / venue).glob("*.ws.*")):
        for at_ms, frame in server_lines(path):
            yield at_ms, ast.literal_eval(frame) if frame.startswith(("b'", 'b"')) else frame


def replies(folder: Path, venue: str) -> Iterator[tuple[str, bytes]]:
    """(address that was asked, body) of each REST reply."""
    for path in sorted((folder / venue).glob("*.http.*")):
        for line in path.read_text().splitlines():
            url, arrow, rest = line.partition(" -> ")
            if arrow:
                yield url, rest.partition(": ")[2].encode()
