"""What is known of a peer and its link, as plain values for pages, metrics and `lrt-oracle peers`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class LinkPath(StrEnum):
    """How a member is reached. ``DIRECT``: we dialled it. ``INBOUND``: it dialled us. ``VIA``: others carry."""

    DIRECT = "direct"
    INBOUND = "inbound"
    VIA = "via"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """A peer as it is now. Counters are since the start of the mesh.

    Attributes:
        address: of its report key.
        name: for people.
        path: how it is reached.
        via: names of the members that carry for it; () where it is linked or not reached.
        remote: host and port of the other end of the link; "" without one.
        round_trip_ms: the shortest of the last pings; None before the first, and where it is reached by others.
        clock_offset_ms: how far its clock is ahead of ours, wrong by half of that round trip at most.
        build: version of its software; "" before it was met.
        versions: of the agreement that it announces.
        since_ms: Unix ms, of the link, or of the moment since when there is none.
        connected: how often a link with it came up.
        messages_in, messages_out, bytes_in, bytes_out: payloads of its own, and frames of its link.
        carried: messages that we carried for it, from it or to it.
        repeated: messages of it that came once more by another way.
        queued_bytes: that wait for it.
        dropped: messages that gave way to newer ones, since it reads too slowly or is away.
        expired: messages that waited too long for it.
        refused: what of it was refused, by reason.
        last_error: the last thing that went wrong with it, in words; "" for nothing.
        last_error_ms: when, Unix ms; 0 for never.
        banned_s: for how long it is not taken back yet.
    """

    address: bytes
    name: str
    path: LinkPath
    via: tuple[str, ...] = ()
    remote: str = ""
    round_trip_ms: float | None = None
    clock_offset_ms: int | None = None
    build: str = ""
    versions: tuple[int, ...] = ()
    since_ms: int = 0
    connected: int = 0
    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    carried: int = 0
    repeated: int = 0
    queued_bytes: int = 0
    dropped: int = 0
    expired: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    last_error: str = ""
    last_error_ms: int = 0
    banned_s: float = 0.0


@dataclass(slots=True)
class Traffic:
    """Counters of a peer."""

    connected: int = 0
    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    carried: int = 0
    repeated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
