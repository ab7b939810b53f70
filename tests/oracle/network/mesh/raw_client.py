"""A client that says what it likes: bytes of its own, or a whole handshake and then any frame."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from aiohttp import WSMsgType

from oracle.network.mesh.certificates import seen_certificate, unverified
from oracle.network.mesh.faults import FAULT_OF_CODE, LinkFault
from oracle.network.mesh.frames import Frame, FrameKind, parse_frame
from oracle.network.mesh.handshake import Identity, Met, meet_as_dialler
from oracle.network.mesh.hello import HeardHello
from oracle.network.mesh.roster import Roster
from oracle.runtime.clock import now_ms
from tests.oracle.network.mesh.mesh_world import LONG_S, Member


@dataclass
class Raw:
    """An open WebSocket, and after a handshake the keys of its frames."""

    socket: aiohttp.ClientWebSocketResponse
    met: Met | None = None

    @property
    def seen(self) -> bytes:
        return seen_certificate(self.socket.get_extra_info("ssl_object"))

    async def ended(self) -> LinkFault | None:
        """Read until the other side ends it; its reason, None for none."""
        async with asyncio.timeout(LONG_S):
            while True:
                message = await self.socket.receive()
                if message.type not in {WSMsgType.BINARY, WSMsgType.TEXT}:
                    code = message.data if message.type is WSMsgType.CLOSE else self.socket.close_code
                    return FAULT_OF_CODE.get(code or 0)

    async def send(self, kind: int, body: bytes) -> None:
        assert self.met is not None
        await self.socket.send_bytes(self.met.sealing.sealed(kind, body))

    async def frame(self, kind: FrameKind) -> Frame:
        """The next frame of a kind; others are left out."""
        assert self.met is not None
        async with asyncio.timeout(LONG_S):
            while True:
                raw = self.met.opening.opened((await self.socket.receive()).data)
                if raw[0] == kind:
                    return parse_frame(raw)


@contextlib.asynccontextmanager
async def raw_client(target: Member) -> AsyncIterator[Raw]:
    """Nothing said yet."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(target.url, ssl=unverified(), max_msg_size=0, compress=0) as socket,
    ):
        yield Raw(socket)


def identity(member: Member, *, instance: bytes | None = None, is_probe: bool = False) -> Identity:
    announced = member.signed()
    return Identity(
        domain=member.domain, network_key=member.network, announced=lambda: announced, build="raw",
        instance=instance or secrets.token_bytes(8), now_ms=now_ms, is_probe=is_probe,
    )  # fmt: skip


async def meet(raw: Raw, member: Member, target: Member, *, is_probe: bool = False) -> None:
    """Shake hands as a member."""
    roster = Roster(member.address)
    roster.set_peers([target.peer()])
    raw.met = await meet_as_dialler(
        raw.socket, identity(member, is_probe=is_probe), roster, target.address, raw.seen, _no_check
    )


@contextlib.asynccontextmanager
async def linked_client(member: Member, target: Member) -> AsyncIterator[Raw]:
    """A link of a member that will misbehave."""
    async with raw_client(target) as raw:
        await meet(raw, member, target)
        yield raw


def _no_check(heard: HeardHello) -> None:
    del heard
