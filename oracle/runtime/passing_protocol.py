"""A protocol between a connection and the server's own: it counts and refuses, and passes everything else on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class PassingProtocol(asyncio.Protocol):
    """One connection. Until the server's own protocol is made nothing is passed on.

    Args:
        make_inner: makes the server's own.

    Attributes:
        inner: the server's own; None before it is made.
        transport: of the connection; None before there is one.
    """

    def __init__(self, make_inner: Callable[[], asyncio.Protocol]) -> None:
        self._make_inner = make_inner
        self.inner: asyncio.Protocol | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection is there; TypeError where it is no stream."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{type(transport).__name__} is not a stream transport")
        self.transport = transport

    def pass_on_to(self, transport: asyncio.Transport) -> None:
        """Make the server's own protocol, on this transport."""
        self.inner = self._make_inner()
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self.inner is not None:
            self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The other side sends no more."""
        return self.inner.eof_received() if self.inner is not None else None

    def pause_writing(self) -> None:
        """What is sent is not taken."""
        if self.inner is not None:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        """It is taken again."""
        if self.inner is not None:
            self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self.inner is not None:
            self.inner.connection_lost(exc)
