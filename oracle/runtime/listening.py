"""Why a port cannot be opened, as a sentence: where in the config it is written, what is wrong, and what to do."""

from __future__ import annotations

import errno
import socket

from oracle.runtime.schedule import Fatal

_LAST_PRIVILEGED = 1_023


class CannotListen(Fatal):
    """A port of the config cannot be opened: the process ends, as nobody would reach it there."""


def cannot_listen(key: str, host: str, port: int, error: OSError) -> CannotListen:
    """What to tell of an error of ``create_server``.

    Args:
        key: of the config that names host and port.
        host: where to listen.
        port: and at which port.
        error: what the system said.
    """
    at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return CannotListen(f"{key}: {_why(at, host, port, error)}")


def _why(at: str, host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"{host!r} is no address of this machine and no name that it knows: write 0.0.0.0 for all its addresses"
    match _number(error):
        case errno.EADDRINUSE:
            return f"another program listens at {at} already, an oracle that still runs perhaps: stop it, or choose another port"
        case errno.EADDRNOTAVAIL:
            return f"{host} is no address of this machine: write one that it has, or 0.0.0.0 for all of them"
        case errno.EACCES if port <= _LAST_PRIVILEGED:
            return f"this user may not listen at {at}: choose a port above {_LAST_PRIVILEGED}"
        case _:
            return f"cannot listen at {at}: {error.strerror or error}"


def _number(error: OSError) -> int | None:
    """Asyncio of Python 3.13 and later tells addresses that are not of this machine by its words alone."""
    if error.errno is None and "could not bind on any address" in str(error):
        return errno.EADDRNOTAVAIL
    return error.errno
