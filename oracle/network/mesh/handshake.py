"""The handshake over a WebSocket, from either side: who is there, by which way, and the keys of the link's frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import WSMsgType, web

from oracle.network.mesh.faults import CLOSE_CODES, FAULT_OF_CODE, WORDS, LinkFault, LinkRefused
from oracle.network.mesh.hello import (
    LINK_VERSIONS,
    MAGIC,
    HeardHello,
    Hello,
    check_proof,
    hello_bytes,
    proof,
    read_hello,
    transcript_hash,
)
from oracle.network.mesh.roster import Roster
from oracle.network.mesh.session import FrameCheck, frame_keys
from oracle.sign import curve
from oracle.sign.announcement import SignedAnnouncement
from oracle.sign.eip712 import Domain, separator

Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse
_TOO_BIG = 1009
"""RFC 6455, 7.4.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What we show.

    Attributes:
        domain: chain and store.
        network_key: the secret that speaks for us here.
        announced: our announcement, the newest.
        build: version of the software.
        instance: drawn at the start of the process, 8 bytes.
        now_ms: our time, Unix ms.
        is_probe: we only look, and leave.
    """

    domain: Domain
    network_key: curve.PrivateKey
    announced: Callable[[], SignedAnnouncement]
    build: str
    instance: bytes
    now_ms: Callable[[], int]
    is_probe: bool = False

    def hello(self, point: bytes, certificate: bytes) -> Hello:
        """What we say first."""
        return Hello(
            magic=MAGIC,
            versions=LINK_VERSIONS,
            domain=separator(self.domain),
            point=point,
            announcement=self.announced().raw,
            build=self.build[:64],
            time_ms=self.now_ms(),
            instance=self.instance,
            certificate=certificate,
            is_probe=self.is_probe,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A member that proved itself.

    Attributes:
        heard: its hello.
        we_dialled: else it did.
        sealing, opening: checks of the frames that we send, and of those that come.
    """

    heard: HeardHello
    we_dialled: bool
    sealing: FrameCheck
    opening: FrameCheck

    @property
    def address(self) -> bytes:
        """Of its report key."""
        return self.heard.announced.address


async def meet_as_dialler(
    socket: Socket,
    me: Identity,
    roster: Roster,
    expected: bytes,
    seen: bytes,
    check_certificate: Callable[[HeardHello], None],
) -> Met:
    """Have a member that we dialled prove itself, and prove ourselves.

    Args:
        socket: open.
        me: what we show.
        roster: members.
        expected: address of the member that was dialled.
        seen: SHA-256 of the certificate that it showed; b"" without TLS.
        check_certificate: raises LinkRefused where that is not the one it announces.

    Raises:
        LinkRefused: something is not as it must be.
    """
    secret = curve.PrivateKey()
    ours = hello_bytes(me.hello(secret.public_key.format(), seen))
    await socket.send_bytes(ours)
    heard = read_hello(await receive(socket), me.domain)
    key = roster.admit(heard.announced)
    if heard.announced.address != expected:
        raise LinkRefused(LinkFault.WRONG_MEMBER, "another member answers at this address: correct the url")
    _check_shown(heard.hello.certificate, seen)
    check_certificate(heard)
    transcript = transcript_hash(ours, heard.raw, me.domain)
    theirs, mine = frame_keys(secret, heard.hello.point, transcript)[::-1]
    await socket.send_bytes(proof(me.network_key, transcript, dials=True))
    check_proof(key, transcript, await receive(socket), dials=False)
    return Met(heard=heard, we_dialled=True, sealing=FrameCheck(mine), opening=FrameCheck(theirs))


async def meet_as_listener(
    socket: Socket, me: Identity, roster: Roster, shown: bytes, admit: Callable[[HeardHello, bool], None]
) -> Met:
    """Have a member that dialled us prove itself, and prove ourselves.

    Args:
        socket: open.
        me: what we show.
        roster: members.
        shown: SHA-256 of our own certificate; b"" where something in front of us shows another.
        admit: raises LinkRefused where a member is not taken now. Called at its hello, which anybody can play back, and
            again once it is proved, which the second argument says.

    Raises:
        LinkRefused: something is not as it must be.
    """
    heard = read_hello(await receive(socket), me.domain)
    try:
        return await _meet(socket, me, roster, shown, admit, heard)
    except LinkRefused as e:
        e.claimed = heard.announced.address
        raise


async def _meet(
    socket: Socket,
    me: Identity,
    roster: Roster,
    shown: bytes,
    admit: Callable[[HeardHello, bool], None],
    heard: HeardHello,
) -> Met:
    secret = curve.PrivateKey()
    key = roster.admit(heard.announced)
    _check_shown(shown, heard.hello.certificate)
    admit(heard, False)  # noqa: FBT003 - its one use
    ours = hello_bytes(me.hello(secret.public_key.format(), shown))
    await socket.send_bytes(ours)
    transcript = transcript_hash(heard.raw, ours, me.domain)
    theirs, mine = frame_keys(secret, heard.hello.point, transcript)
    check_proof(key, transcript, await receive(socket), dials=True)
    admit(heard, True)  # noqa: FBT003 - its one use
    await socket.send_bytes(proof(me.network_key, transcript, dials=False))
    return Met(heard=heard, we_dialled=False, sealing=FrameCheck(mine), opening=FrameCheck(theirs))


def _check_shown(shown: bytes, seen: bytes) -> None:
    """Who is dialled says which certificate it shows itself; b"": a proxy in front of it shows one."""
    if shown and shown != seen:
        raise LinkRefused(
            LinkFault.CERTIFICATE, "between the two somebody else's certificate is shown: a proxy on the way"
        )


def _no_control(size: int) -> bool:
    raise LinkRefused(LinkFault.MALFORMED, f"a ping of the WebSocket ({size} bytes) before it is said who is there")


async def receive(socket: Socket, charge: Callable[[int], bool] = _no_control) -> bytes:
    """The next binary message.

    Args:
        socket: open. It answers no ping by itself: those would be on nobody's account.
        charge: called with the size of each ping and pong of the WebSocket; whether it is answered. May raise LinkRefused.

    Raises:
        LinkRefused: it is none, or the other side ended the connection, with what it said of why.
    """
    message = await socket.receive()
    while message.type in {WSMsgType.PING, WSMsgType.PONG}:
        if charge(len(message.data)) and message.type is WSMsgType.PING:
            await socket.pong(message.data)
        message = await socket.receive()
    if message.type is WSMsgType.BINARY:
        return bytes(message.data)
    if message.type is WSMsgType.TEXT:
        raise LinkRefused(LinkFault.TEXT_FRAME, "a text frame: frames are binary here")
    if message.type is WSMsgType.ERROR:
        if getattr(message.data, "code", None) == _TOO_BIG:
            raise LinkRefused(LinkFault.OVERSIZE, "a frame beyond the limit")
        raise LinkRefused(LinkFault.MALFORMED, f"no frame of a WebSocket ({type(message.data).__name__})")
    # the socket forgets the code where its answer to the close finds nobody
    raise refused_by_peer(message.data if message.type is WSMsgType.CLOSE else socket.close_code)


def refused_by_peer(code: int | None) -> LinkRefused:
    """What a close of the other side says."""
    fault = FAULT_OF_CODE.get(code or 0)
    if fault is None:
        return LinkRefused(LinkFault.CLOSED, "the connection ended" + (f" (code {code})" if code else ""))
    return LinkRefused(fault, f"it says: {WORDS.get(fault, fault.value)}", by_peer=True)


async def say_goodbye(socket: Socket, refused: LinkRefused) -> None:
    """Close with the reason; whether the other side hears it is not waited for long."""
    if not refused.by_peer and refused.fault is not LinkFault.CLOSED:
        await socket.close(code=CLOSE_CODES[refused.fault], message=refused.fault.value.encode())
    else:
        await socket.close()
