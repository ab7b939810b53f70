"""Frames of every kind, sound and broken, drawn from a seed; and what a parser may answer to any bytes."""

from __future__ import annotations

import random

from oracle.network.mesh.faults import LinkFault
from oracle.network.mesh.frames import (
    Announcements,
    Data,
    End,
    Forward,
    Frame,
    FrameKind,
    Ping,
    Pong,
    Reachable,
    announcement_bodies,
    parse_frame,
    ping_body,
    pong_body,
    reachable_body,
)
from oracle.network.mesh.limits import MAX_FRAME, MAX_MEMBERS, MAX_PAYLOAD
from tests.oracle.network.mesh.mesh_world import refusal_of

_ADDRESS, _HEAD = 20, 112


def sound(rng: random.Random) -> tuple[FrameKind, bytes]:
    """A frame that a member may send: kind and body."""
    kind = rng.choice(list(FrameKind))
    return kind, _BODIES[kind](rng)


def broken(rng: random.Random) -> bytes:
    """A frame with bytes changed, cut, added or doubled; or no frame at all."""
    kind, body = sound(rng)
    raw = bytearray(bytes((kind,)) + body)
    for _ in range(rng.randrange(1, 4)):
        how = rng.randrange(6)
        if how == 0 and raw:
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        elif how == 1:
            del raw[rng.randrange(len(raw) + 1) :]
        elif how == 2:
            raw += rng.randbytes(rng.randrange(1, 40))
        elif how == 3 and raw:
            raw[0] = rng.randrange(256)
        elif how == 4:
            raw = bytearray(rng.randbytes(rng.randrange(60)))
        else:
            at = rng.randrange(len(raw) + 1)
            raw[at:at] = raw[:at]
    return bytes(raw)


def assert_sane(raw: bytes) -> LinkFault | None:
    """Parse any bytes: a frame whose bytes are these again, or a typed refusal that holds nothing of them."""
    refused = refusal_of(lambda: parse_frame(raw))
    if refused is not None:
        assert refused.fault in {LinkFault.MALFORMED, LinkFault.UNKNOWN_KIND, LinkFault.OVERSIZE}
        assert len(str(refused)) < 120
        return refused.fault
    frame = parse_frame(raw)
    again = as_sent(frame)
    assert again == raw or isinstance(frame, Reachable)
    return None


def as_sent(frame: Frame) -> bytes:
    """The bytes of a frame."""
    match frame:
        case Data(payload):
            return bytes((FrameKind.DATA,)) + payload
        case Ping(token):
            return bytes((FrameKind.PING,)) + ping_body(token)
        case Pong(token, time_ms):
            return bytes((FrameKind.PONG,)) + pong_body(token, time_ms)
        case Reachable(members):
            assert len(members) <= MAX_MEMBERS
            assert all(len(m) == _ADDRESS for m in members)
            return bytes((FrameKind.REACHABLE,)) + reachable_body(members)
        case Announcements(raws):
            assert len(raws) <= MAX_MEMBERS
            return bytes((FrameKind.ANNOUNCEMENTS,)) + b"".join(announcement_bodies(raws))
        case Forward():
            assert len(frame.to) == len(frame.sender) == _ADDRESS
            assert len(frame.payload) <= MAX_PAYLOAD
            return bytes((FrameKind.CARRIED if frame.carried else FrameKind.FORWARD,)) + frame.body()
        case End():
            return bytes((FrameKind.END,))


def _data(rng: random.Random) -> bytes:
    size = rng.choice([0, 1, 30, 1_300, MAX_FRAME - 1 if rng.random() < 0.001 else 7])
    return rng.randbytes(size)


def _carry(rng: random.Random) -> bytes:
    return rng.randbytes(_HEAD + rng.choice([0, 1, 200]))


_BODIES = {
    FrameKind.DATA: _data,
    FrameKind.PING: lambda rng: rng.randbytes(8),
    FrameKind.PONG: lambda rng: rng.randbytes(16),
    FrameKind.REACHABLE: lambda rng: rng.randbytes(_ADDRESS * rng.choice([0, 1, 30])),
    FrameKind.ANNOUNCEMENTS: lambda rng: b"".join(
        announcement_bodies([rng.randbytes(rng.choice([0, 90, 300])) for _ in range(rng.randrange(5))])
    ),
    FrameKind.FORWARD: _carry,
    FrameKind.CARRIED: _carry,
    FrameKind.END: lambda _: b"",
}
