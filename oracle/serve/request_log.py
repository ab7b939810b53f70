"""What aiohttp logs of requests, without those that are none: bytes that are not HTTP are their sender's fault, and cheap to send."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError


class RequestLog(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's logger for one server.

    Args:
        malformed: called for each request that cannot be read, in place of a line with a traceback.
    """

    def __init__(self, malformed: Callable[[], None]) -> None:
        super().__init__(logging.getLogger("aiohttp.server"), {})
        self._malformed = malformed

    def log(self, level: int, msg: object, *args: Any, exc_info: Any = None, **kwargs: Any) -> None:
        """Log, or count."""
        if isinstance(exc_info, HttpProcessingError):
            self._malformed()
        else:
            super().log(level, msg, *args, exc_info=exc_info, **kwargs)
