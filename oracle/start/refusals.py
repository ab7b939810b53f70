"""Why nothing is made."""

from __future__ import annotations

from feeds.errors import LrtOracleError


class StartRefused(LrtOracleError, ValueError):
    """What was asked of `lrt-oracle init` cannot be made; the text says what to write instead. Nothing was written."""
