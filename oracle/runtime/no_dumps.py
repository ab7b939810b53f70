"""No picture of this process's memory: it holds keys. Neither a core file when it crashes, nor another process of its user that reads it."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def forbid_dumps() -> None:
    """No core files and, on Linux, no reading of its memory from outside; a program that it starts decides for itself."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
