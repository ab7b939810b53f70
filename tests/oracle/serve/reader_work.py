"""Readers of stored rounds in threads of this process, and work for the workers of other processes."""

from __future__ import annotations

import os
from concurrent.futures import Executor, ThreadPoolExecutor

from oracle.serve.interface import StoredRounds


def process_id(_: StoredRounds) -> int:
    """Of the process that reads."""
    return os.getpid()


def in_threads(workers: int) -> Executor:
    """An executor for ``HistoryReaders`` without other processes."""
    return ThreadPoolExecutor(workers, thread_name_prefix="reader")
