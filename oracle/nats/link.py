"""A connection to NATS, and how sealed rounds are named there."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from feeds.errors import LrtOracleError
from feeds.secret_values import filled
from oracle.sign.eip712 import Domain

ROUND_HEADER = "Lrt-Round"
"""Header with the round_time of a message."""
SUBJECTS = "lrt.>"
"""All subjects of a stream of rounds."""
TIMEOUT_S = 10


class NatsFault(LrtOracleError, RuntimeError):
    """NATS does not do what it is asked to: what is wrong."""


def is_installed() -> bool:
    """Whether the library is there: it is an optional part."""
    return find_spec("nats") is not None


def subject_of(domain: Domain) -> str:
    """Where the sealed rounds of a store are published."""
    return f"lrt.{domain.chain_id}.0x{domain.store.hex()}.rounds"


def message_id(domain: Domain, round_time_s: int) -> str:
    """By which the server tells a round that comes twice."""
    return f"{domain.chain_id}-0x{domain.store.hex()}-{round_time_s}"


async def connected(servers: Sequence[str]) -> Any:
    """A connection to one of these servers. It does not mend itself: whoever uses it makes another one.

    Raises:
        NatsFault: none of them answers.
    """
    import nats  # noqa: PLC0415 - an optional part

    urls = [filled(s).text for s in servers]
    try:
        return await nats.connect(
            urls, connect_timeout=TIMEOUT_S, allow_reconnect=False, error_cb=_told_where_it_was_asked, name="lrt-oracle"
        )
    except Exception as e:  # noqa: BLE001 - the library lets through what sockets, TLS and its own protocol raise
        raise NatsFault(f"no server answers: {fault_text(e)}") from None


async def _told_where_it_was_asked(_: Exception) -> None:
    """The library would write it to a log of its own."""


def fault_text(error: BaseException) -> str:
    """What went wrong, short."""
    return f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")
