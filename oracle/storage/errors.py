"""What can be wrong with a database as a whole."""

from __future__ import annotations

from feeds.errors import LrtOracleError
from oracle.runtime.schedule import Fatal


class DatabaseError(LrtOracleError, RuntimeError):
    """The database cannot be used as it is."""


class OtherRules(DatabaseError):
    """The database was written by a version with other rules."""


class NewerDatabase(DatabaseError):
    """A later version of this program has brought the file up to a schema that this one does not know."""


class OlderDatabase(DatabaseError):
    """The file has an older schema, and who opens it may not bring it up to date."""


class MigrationBlocked(DatabaseError):
    """The file cannot be brought up to date now: another process has it open, or the disk has no room for a copy."""


class DatabaseDamaged(DatabaseError):
    """The file is not whole: nothing goes on in it."""


class AnotherWriter(DatabaseError, Fatal):
    """A round is stored that this process did not make."""
