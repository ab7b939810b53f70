"""What a peer may cost: sizes, rates, queues and times of the mesh, with the load that they were made for.

The load (31 members, 40 feeds, a round in 10 s): of one peer, a round brings its values (1.4 KB), a ready (0.2 KB) and a
commit with its certificate (6 to 7 KB); of the leader a proposal too (3 KB, at most 15 KB in a later step with all that
justifies it), and of anybody the sealed round (8 to 10 KB) where it was missed. That is some four messages and 8 KB; with nine
attempts, and all of them said again each second, at most 400 messages and 1.5 MB. A member that carries for others may bring
that of several of them.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_FRAME = 256 << 10
"""Bytes of a frame on the wire. The largest message is the proposal of a second step, with refusals of all feeds: 15 KB at 31
members and 40 feeds, and 256 KiB hold that of 100 members and 200 feeds. One frame of each of 30 peers is only 8 MB of memory."""
FRAME_OVERHEAD = 512
"""What the mesh adds to a payload at most: kind, two addresses, number, signature, check."""
MAX_PAYLOAD = MAX_FRAME - FRAME_OVERHEAD
MAX_HELLO = 4 << 10
"""Bytes of a hello. The largest announcement has 1.2 KB."""
MAX_UNPROVED = 128 << 10
"""Bytes of a connection until who is there has proved to be a member: all that a stranger can make us read, in whatever form."""
OFFSET_WARN_MS = 200
"""Two clocks further apart than this are told of, long before either stops to sign."""
MAX_MEMBERS = 255
"""As many as a store has signers at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshLimits:
    """Limits of one peer, unless it says otherwise. All members should have the same: who sends more is disconnected.

    Attributes:
        messages_per_s, burst_messages: that are taken of a peer.
        bytes_per_s, burst_bytes: the same for bytes.
        carried_per_s, burst_carried: messages that are carried for a peer, and that are carried to it from all others.
        carried_bytes_per_s, burst_carried_bytes: the same for bytes: a sixth of what we may send to it ourselves.
        pair_per_s, burst_pair: that are carried from one peer to another one, whatever others have carried to it.
        pair_bytes_per_s, burst_pair_bytes: the same for bytes; a round has 24 KB, and with nine attempts 500 KB.
        announcements_per_s, burst_announcements: that are read of a peer beyond those that are known; each costs a recovery.
        renewal_s, burst_renewals: a peer may announce itself anew so often, by whatever way that comes. It is passed on to
            all, on the account of who passes it on: with 85 peers that say something new whenever they may, 340 at once and
            1.4 a second, which is less than all take of one that passes on what it hears.
        returns_per_s, burst_returns: how often a peer that others say they reach again is sent what counts now.
        connects_per_s, burst_connects: handshakes of a peer, probes among them.
        patience: frames of a peer that may be refused before it is disconnected; it grows back by one a second.
        strike: what a break of the WebSocket's own rules costs of it: a text frame, one beyond the limit, none at all.
        ban_s: for how long a peer is not taken back that went over its limits or broke the protocol.
        queue_bytes: that wait for a peer; the oldest give way. With 30 peers that do not read, 60 MB.
        keep_s: for how long a payload waits for a peer that cannot be reached.
        ping_s: between two pings.
        silent_s: a link is dead when as many pings as fit in there went out and nothing came.
        handshake_s: from a connection to a proof.
        half_open_per_ip, half_open: handshakes under way, of one address and of all.
        dials: that are under way at once; the others wait their turn, so that a start of all at once is no storm.
        yield_s: how long a member that listens leaves it to one with a lower address to dial it, so that not both do.
        first_retry_s: the pause after a first failed dial; each later one is twice as long, up to the mesh's longest.
        copies: over how many members a payload goes to one that is not linked: so many less one may swallow it.
        send_share_percent: of its limits that a member uses itself, so that a stall on the way is no flood.
    """

    messages_per_s: int = 200
    burst_messages: int = 2_000
    bytes_per_s: int = 512 << 10
    burst_bytes: int = 4 << 20
    carried_per_s: int = 50
    burst_carried: int = 500
    carried_bytes_per_s: int = 64 << 10
    burst_carried_bytes: int = 1 << 20
    pair_per_s: int = 2
    burst_pair: int = 20
    pair_bytes_per_s: int = 4 << 10
    burst_pair_bytes: int = 64 << 10
    announcements_per_s: int = 1
    burst_announcements: int = 2 * MAX_MEMBERS
    renewal_s: int = 60
    burst_renewals: int = 4
    returns_per_s: int = 1
    burst_returns: int = 5
    connects_per_s: int = 1
    burst_connects: int = 30
    patience: int = 100
    strike: int = 25
    ban_s: float = 30.0
    queue_bytes: int = 2 << 20
    keep_s: float = 5.0
    ping_s: float = 3.0
    silent_s: float = 10.0
    handshake_s: float = 5.0
    half_open_per_ip: int = 32
    half_open: int = 256
    dials: int = 12
    yield_s: float = 1.0
    first_retry_s: float = 0.1
    copies: int = 2
    send_share_percent: int = 75
