"""Connections to the PostgreSQL of an archive, and what goes wrong with them."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import Any

from feeds.errors import LrtOracleError
from feeds.secret_values import filled

SCHEMA = "lrt_oracle"
"""All of an archive is in this schema of its database."""
_TIMEOUT_S, _STATEMENT_S, _LOCK_S = 10.0, 120, 10


class ArchiveFault(LrtOracleError, RuntimeError):
    """The archive cannot be used: why, and what to do."""


def is_installed() -> bool:
    """Whether the library is there: it is an optional part."""
    return find_spec("asyncpg") is not None


def check_archive_installed() -> None:
    """ArchiveFault where the library is not there."""
    if not is_installed():
        raise ArchiveFault("the library of PostgreSQL is not installed: pip install 'lrt-oracle[archive]'")


def settings(statement_s: int, *, read_only: bool) -> dict[str, str]:
    """What a session says of itself: bounded in time, planned for the days that are asked for, and its times in UTC."""
    return {
        "application_name": "lrt-oracle",
        "search_path": SCHEMA,
        "timezone": "UTC",
        "statement_timeout": f"{statement_s}s",
        "lock_timeout": f"{_LOCK_S}s",
        "idle_in_transaction_session_timeout": "60s",
        "plan_cache_mode": "force_custom_plan",
        "default_transaction_read_only": "on" if read_only else "off",
    }


async def connected(dsn: str, *, read_only: bool = False, statement_s: int = _STATEMENT_S) -> Any:
    """A connection; it does not mend itself: whoever uses it makes another one.

    Raises:
        ArchiveFault: the server does not answer, or refuses.
    """
    check_archive_installed()
    import asyncpg  # noqa: PLC0415 - an optional part

    try:
        return await asyncpg.connect(
            filled(dsn).text, timeout=_TIMEOUT_S, command_timeout=statement_s + _TIMEOUT_S,
            server_settings=settings(statement_s, read_only=read_only),
        )  # fmt: skip
    except faults() as e:
        raise ArchiveFault(f"PostgreSQL does not answer: {fault_text(e)}") from None


def faults() -> tuple[type[BaseException], ...]:
    """What a server that is gone, restarts or refuses makes this raise."""
    import asyncpg  # noqa: PLC0415 - an optional part

    return (
        ArchiveFault,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # a server that ends while a connection is being given back
        OSError,
        TimeoutError,
        asyncio.IncompleteReadError,
    )


def fault_text(error: BaseException) -> str:
    """What went wrong, short and on one line."""
    if isinstance(error, ArchiveFault):
        return str(error)
    return " ".join(f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ").split())
