"""A connection to NATS, and how sealed rounds are named there."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from feeds.errors import LrtOracleError
from feeds.secret_values import SecretMissing, filled
from oracle.config.tables.node_sections import NatsSection
from oracle.sign.eip712 import Domain

ROUND_HEADER = "Lrt-Round"
"""Header with the round_time of a message."""
SUBJECTS = "lrt.>"
"""All subjects of a stream of rounds."""
TIMEOUT_S = 10
_TRIES, _PAUSE_S, _CLOSE_S = 1, 0, 2.0
_WILD = ".*> %"
OnError = Callable[[Exception], Awaitable[None]]


class NatsFault(LrtOracleError, RuntimeError):
    """NATS does not do what it is asked to: what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsAccess:
    """Where the servers are, and who one is there.

    Attributes:
        servers: of one cluster; user, password or token in them as ${NAME}.
        credentials: file with a user's JWT and seed.
        nkey: file with a user's seed.
        authority: file with the certificates that a server's is held against.
        certificate, private_key: files of this client's own.
    """

    servers: tuple[str, ...]
    credentials: str | None = None
    nkey: str | None = None
    authority: str | None = None
    certificate: str | None = None
    private_key: str | None = None


def nats_access(section: NatsSection) -> NatsAccess:
    """Where [nats] says that the servers are, and who this process is there."""
    return NatsAccess(**{f.name: getattr(section, f.name) for f in fields(NatsAccess)})


def is_installed() -> bool:
    """Whether the library is there: it is an optional part."""
    return find_spec("nats") is not None


def can_sign() -> bool:
    """Whether the library of nkeys is there, which files of credentials and of seeds need."""
    return find_spec("nkeys") is not None


def subject_of(domain: Domain) -> str:
    """Where the sealed rounds of a store are published."""
    return f"{_place(domain)}.rounds"


def feed_subject(domain: Domain, feed: str) -> str:
    """Where a feed of it is published by itself: what a subject gives another meaning is written as %XX there."""
    return f"{_place(domain)}.feeds.{''.join(f'%{ord(c):02X}' if c in _WILD else c for c in feed)}"


def _place(domain: Domain) -> str:
    return f"lrt.{domain.chain_id}.0x{domain.store.hex()}"


def message_id(domain: Domain, round_time_s: int, feed: str = "") -> str:
    """By which the server tells a round, or a feed of a round, that comes twice."""
    return f"{domain.chain_id}-0x{domain.store.hex()}-{round_time_s}{'-' if feed else ''}{feed}"


async def _told_where_it_was_asked(_: Exception) -> None:
    """The library would write it to a log of its own."""


async def connected(access: NatsAccess, on_error: OnError = _told_where_it_was_asked) -> Any:
    """A connection to one of the servers. It does not mend itself: whoever uses it makes another one.

    Args:
        access: where they are, and who one is there.
        on_error: gets what the server says against what is asked: that a right is missing.

    Raises:
        NatsFault: none of them answers, or a file that access needs cannot be used.
    """
    from nats.aio.client import Client  # noqa: PLC0415 - an optional part

    urls, who = _who(access.servers)
    files: dict[str, Any] = {"user_credentials": access.credentials, "nkeys_seed": access.nkey}
    client = Client()
    connecting = client.connect(
        urls, connect_timeout=TIMEOUT_S, allow_reconnect=False, max_reconnect_attempts=_TRIES, reconnect_time_wait=_PAUSE_S,
        error_cb=on_error, name="lrt-oracle", tls=_tls(access), **who,
        **{k: v for k, v in files.items() if v is not None},
    )  # fmt: skip
    try:
        await asyncio.wait_for(connecting, TIMEOUT_S * (len(urls) + 1))
    except Exception as e:  # noqa: BLE001 - the library lets through what sockets, TLS and its own protocol raise
        await closed(client)
        raise NatsFault(f"no server answers: {fault_text(e)}") from None
    return client


async def closed(client: Any) -> None:
    """Close a connection. After TLS that came to nothing the library would wait for ever for an end that has been."""
    with suppress(Exception):
        await asyncio.wait_for(client.close(), _CLOSE_S)


def _who(servers: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Addresses without anybody in them, and who one is there: a secret is taken as it is, whatever signs it has."""
    urls, who = list[str](), dict[str, Any]()
    try:
        for server in servers:
            scheme, _, rest = server.partition("://")
            person, at, place = rest.rpartition("@")
            urls.append(filled(f"{scheme}://{place}" if at else server).text)
            if at and not who:
                user, colon, password = (
                    unquote(filled(p).text) if "${" not in p else filled(p).text for p in _parts(person)
                )
                who = {"user": user, "password": password} if colon else {"token": user}
    except SecretMissing as e:
        raise NatsFault(str(e)) from None
    return urls, who


def _parts(person: str) -> tuple[str, str, str]:
    """User, colon and password; a colon in the name of a file parts nothing."""
    depth = 0
    for i, sign in enumerate(person):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == ":" and not depth:
            return person[:i], sign, person[i + 1 :]
    return person, "", ""


def _tls(access: NatsAccess) -> ssl.SSLContext | None:
    """What a server's certificate is held against; None where none of the servers has one."""
    if not any(s.startswith("tls://") for s in access.servers) and access.authority is None:
        return None
    try:
        context = ssl.create_default_context(cafile=access.authority)
        if access.certificate is not None:
            context.load_cert_chain(access.certificate, access.private_key)
    except (OSError, ValueError) as e:
        files = ", ".join(str(Path(f)) for f in (access.authority, access.certificate, access.private_key) if f)
        raise NatsFault(f"{files}: no certificate that can be used: {fault_text(e)}") from None
    return context


class ServerWords:
    """What a server says against what is asked of it: the library then waits until its patience is over, and tells only that."""

    def __init__(self) -> None:
        self._last = ""

    async def hear(self, error: Exception) -> None:
        """The server said something."""
        self._last = fault_text(error)

    def fault(self, error: BaseException) -> str:
        """What went wrong, with what the server said of it; that is forgotten then."""
        said, self._last = self._last, ""
        return f"{fault_text(error)}; the server says: {said}" if said else fault_text(error)


def fault_text(error: BaseException) -> str:
    """What went wrong, short."""
    return f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")
