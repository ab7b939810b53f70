"""What can be wrong with a database as a whole."""

from __future__ import annotations

from feeds.errors import LrtOracleError
from oracle.runtime.schedule import Fatal


class DatabaseError(LrtOracleError, RuntimeError):
    """The database cannot be used as it is."""


class OtherRules(DatabaseError):
    """The database was written by a version with other rules."""


class AnotherWriter(DatabaseError, Fatal):
    """A round is stored that this process did not make."""
