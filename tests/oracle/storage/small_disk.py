"""A disk of a few MiB of its own, which can be filled, and be mounted read only."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_CHUNK = 4_096


class SmallDisk:
    """A mounted file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave not a byte."""
        with contextlib.suppress(OSError), (self.folder / "filler").open("ab", buffering=0) as file:
            while True:
                file.write(bytes(_CHUNK))

    def free(self) -> None:
        """Give it all back."""
        (self.folder / "filler").unlink()

    def remount(self, mode: str) -> None:
        """``ro`` or ``rw``; no file may be open for writing."""
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.folder)], check=True)


@contextlib.contextmanager
def small_disk(folder: Path, mebibytes: int = 4) -> Iterator[SmallDisk]:
    """Mount one there; skips the test where this user may not mount."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
