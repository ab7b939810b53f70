"""Which files this process has open."""

from __future__ import annotations

from pathlib import Path


def left_open(folder: Path) -> list[str]:
    """Files in a folder that this process has open."""
    links = []
    for handle in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(handle.readlink()))
        except FileNotFoundError:  # the handle of this very listing
            continue
    return [link for link in links if link.startswith(str(folder))]
