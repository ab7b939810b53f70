"""A probe is answered and nothing else: it is no link, takes no messages, and leaves soon."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.frames import FrameKind, Ping, parse_frame, pong_body
from oracle.network.mesh.handshake import Met, Socket, receive, say_goodbye
from oracle.network.mesh.peer_state import PeerState

_LIFE_S = 10.0
_MOST_PROBES = 2


async def serve_probe(
    state: PeerState, socket: Socket, met: Met, now_us: Callable[[], int], now_ms: Callable[[], int]
) -> None:
    """Answer the pings of a member that only looks, until it leaves, or for ten seconds; two at a time."""
    refused = LinkRefused(LinkFault.CLOSED, "a probe ends")
    if state.probes >= _MOST_PROBES:
        refused = LinkRefused(LinkFault.TOO_MANY, "two probes of it are under way")
    else:
        state.probes += 1
        try:
            async with asyncio.timeout(_LIFE_S):
                await _answer(state, socket, met, now_us, now_ms)
        except TimeoutError:
            refused = LinkRefused(LinkFault.DEADLINE, "a probe that stayed too long")
        except LinkRefused as e:
            refused = e
        finally:
            state.probes -= 1
    with contextlib.suppress(OSError, TimeoutError):
        await say_goodbye(socket, refused)


async def _answer(
    state: PeerState, socket: Socket, met: Met, now_us: Callable[[], int], now_ms: Callable[[], int]
) -> None:
    while True:
        raw = await receive(socket)
        if not state.may_send(len(raw), now_us()):
            raise LinkRefused(LinkFault.OVER_LIMIT, "more messages or bytes than a member may send")
        frame = parse_frame(met.opening.opened(raw))
        if not isinstance(frame, Ping):
            raise LinkRefused(LinkFault.UNKNOWN_KIND, "a probe only pings")
        await socket.send_bytes(met.sealing.sealed(FrameKind.PONG, pong_body(frame.token, now_ms())))
