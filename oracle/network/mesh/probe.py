"""How a member is reached from outside: dialled, met, pinged a few times, left. It is no link and disturbs none."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from oracle.network.mesh.dialler import Dialled, Dialler, NeedsAuthority, NoAuthority, client_session, host_and_port
from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.frames import FrameKind, Pong, parse_frame, ping_body
from oracle.network.mesh.handshake import Identity, receive, say_goodbye
from oracle.network.mesh.limits import OFFSET_WARN_MS
from oracle.network.mesh.roster import Peer, Roster
from oracle.network.mesh.round_trips import RoundTrip, RoundTrips, measured
from oracle.runtime.clock import monotonic_us
from oracle.sign.announcement import SignedAnnouncement

POOR_TRIP_MS, FAIR_TRIP_MS = 240, 120
POOR_OFFSET_MS, FAIR_OFFSET_MS = OFFSET_WARN_MS, 100
_PINGS = 5
_DEADLINE_S = 10.0
"""For each address."""
_MS_US = 1_000


class Grade(StrEnum):
    """How well a member is reached."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a probe found.

    Attributes:
        address: of the member's report key.
        name: for people.
        grade: of it all.
        reason: why it is not better; "" for a good one.
        url: host and port that answered, or were tried last; "" where none is known.
        fault: what kept it from being met; None where it was.
        round_trip_ms: the shortest of the pings; None where it was not met.
        clock_offset_ms: how far its clock is ahead of ours.
        build: version of its software.
        versions: of the agreement that it speaks.
    """

    address: bytes
    name: str
    grade: Grade
    reason: str = ""
    url: str = ""
    fault: LinkFault | None = None
    round_trip_ms: float | None = None
    clock_offset_ms: int | None = None
    build: str = ""
    versions: tuple[int, ...] = ()


async def probe(
    peer: Peer,
    me: Identity,
    known: SignedAnnouncement | None = None,
    *,
    now_us: Callable[[], int] = monotonic_us,
) -> ProbeResult:
    """Dial a member at each of its addresses until one answers, and say how it is reached.

    Args:
        peer: whom.
        me: a member's identity: its announcement names its network key. The same as a running process's is fine.
        known: the member's newest announcement, for its addresses and certificate.
        now_us: microseconds of a clock that nobody sets.
    """
    roster = Roster(me.announced().address)
    roster.set_peers([peer])
    if known is not None:
        roster.learn(known)
    urls = roster.urls(peer.address) if peer.address in roster.peers else ()
    found = ProbeResult(address=peer.address, name=str(peer), grade=Grade.FAIR, reason=_no_address(peer, roster))
    async with client_session() as session:
        dialler = Dialler(session, replace(me, is_probe=True), roster)
        for url in urls:
            try:
                async with asyncio.timeout(_DEADLINE_S):
                    return await _measured(dialler, peer, url, roster, me, now_us)
            except TimeoutError:
                refused = LinkRefused(LinkFault.DEADLINE, f"{host_and_port(url)}: no answer within {_DEADLINE_S:g} s")
            except LinkRefused as e:
                refused = e
            except (OSError, RuntimeError) as e:  # a connection that breaks while it is pinged
                refused = LinkRefused(LinkFault.CLOSED, f"the connection ended ({type(e).__name__})")
            found = replace(found, grade=Grade.POOR, reason=str(refused), url=host_and_port(url), fault=refused.fault)
    return found


def graded(trip_ms: float, offset_ms: int) -> tuple[Grade, str]:
    """A grade and why it is not better, from a round trip and a clock offset."""
    slow, off = (
        f"round trip {trip_ms:g} ms",
        f"its clock is {abs(offset_ms)} ms {'ahead' if offset_ms > 0 else 'behind'}",
    )
    if trip_ms > POOR_TRIP_MS:
        return Grade.POOR, f"{slow}, above {POOR_TRIP_MS}"
    if abs(offset_ms) > POOR_OFFSET_MS:
        return Grade.POOR, f"{off}, above {POOR_OFFSET_MS}: set either clock right (NTP)"
    if trip_ms > FAIR_TRIP_MS:
        return Grade.FAIR, f"{slow}, above {FAIR_TRIP_MS}"
    if abs(offset_ms) > FAIR_OFFSET_MS:
        return Grade.FAIR, f"{off}, above {FAIR_OFFSET_MS}"
    return Grade.GOOD, ""


def _no_address(peer: Peer, roster: Roster) -> str:
    if peer.address == roster.own:
        return "this is the operator itself"
    if roster.announced(peer.address) is None:
        return "it has not announced itself, and the config has no url for it"
    return "it announces no address: it dials others, and cannot be tried from outside"


async def _measured(
    dialler: Dialler, peer: Peer, url: str, roster: Roster, me: Identity, now_us: Callable[[], int]
) -> ProbeResult:
    dialled = await _dial(dialler, peer, url, roster)
    try:
        best = await _pinged(dialled, me, now_us)
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            await say_goodbye(dialled.socket, LinkRefused(LinkFault.CLOSED, "a probe ends"))
    trip_ms, offset_ms = round(best.trip_us / _MS_US, 2), round(best.offset_us / _MS_US)
    grade, reason = graded(trip_ms, offset_ms)
    heard = dialled.met.heard
    return ProbeResult(
        address=peer.address,
        name=str(peer),
        grade=grade,
        reason=reason,
        url=dialled.remote,
        round_trip_ms=trip_ms,
        clock_offset_ms=offset_ms,
        build=heard.build,
        versions=heard.announced.said.versions,
    )


async def _dial(dialler: Dialler, peer: Peer, url: str, roster: Roster) -> Dialled:
    known = roster.announced(peer.address)
    authority = known is not None and not known.said.certificate and not peer.certificate
    try:
        return await dialler.dial(peer.address, url, authority=authority)
    except (NeedsAuthority, NoAuthority):  # what we knew was out of date: the other way round, once
        return await dialler.dial(peer.address, url, authority=not authority)


async def _pinged(dialled: Dialled, me: Identity, now_us: Callable[[], int]) -> RoundTrip:
    trips, socket, met = RoundTrips(), dialled.socket, dialled.met
    for _ in range(_PINGS):
        token, sent_us = secrets.randbits(64), now_us()
        await socket.send_bytes(met.sealing.sealed(FrameKind.PING, ping_body(token)))
        frame = parse_frame(met.opening.opened(await receive(socket)))
        if not isinstance(frame, Pong) or frame.token != token:
            raise LinkRefused(LinkFault.MALFORMED, "it answers a ping with something else")
        trips.add(measured(sent_us, now_us(), frame.time_ms, me.now_ms()))
    best = trips.best
    if best is None:
        raise LinkRefused(LinkFault.SILENT, "no ping was answered")
    return best
