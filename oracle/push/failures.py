"""What a look at a target may end with, and the word by which it is counted."""

from __future__ import annotations

import sqlite3

from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import StoreRefuses
from oracle.sign.remote.remote_key import SignerError

TROUBLE = (ChainError, SignerError, OSError, TimeoutError, sqlite3.Error)
"""What a tick may end with; the next one tries again. SQLite's: the database is locked, or its disk is full."""


def failure_word(error: Exception) -> str:
    """What went wrong, in one of a small set of words: they label a metric."""
    if isinstance(error, StoreRefuses):
        return error.name
    return "database" if isinstance(error, sqlite3.Error) else type(error).__name__
