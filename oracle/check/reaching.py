"""`lrt-oracle peers`: each other operator, tried from outside, and as the running process sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from feeds.chains.abi import checksummed
from oracle.chain.directory import DirectoryEntry
from oracle.check.seat_reading import SeatPlace, SeatReading
from oracle.config.tables.process_sections import ApiSection
from oracle.network.mesh.handshake import Identity
from oracle.network.mesh.probe import Grade, ProbeResult, probe
from oracle.network.mesh.roster import Peer
from oracle.sign.announcement import SignedAnnouncement

_API_S = 2.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFinding:
    """One other operator.

    Attributes:
        probe: what was found from outside.
        weight: in the present set; 0 for one that is no member now; None where that is not known.
        where: where its address is from: the config, the directory, or what it said when it was met.
        silence: why the directory has nothing of it; "" where it has, or there is none.
        seen: what the running process says of it; None where it says nothing.
    """

    probe: ProbeResult
    weight: int | None
    where: str
    silence: str
    seen: Mapping[str, Any] | None

    @property
    def reached(self) -> str:
        """How: directly from here, as it dials us, over others, or not; as far as is known."""
        if self.probe.round_trip_ms is not None:
            return "direct"
        path = str(self.seen.get("path", "")) if self.seen is not None else ""
        if path == "via" and self.seen is not None:
            return f"via {', '.join(map(str, self.seen.get('via', ())))}"
        return path if path not in {"", "none"} else "not"

    @property
    def grade(self) -> Grade:
        """Of the probe; one that cannot be dialled and is linked all the same is fair, however it was tried."""
        if self.probe.round_trip_ms is None and self.reached != "not":
            return Grade.FAIR
        return Grade.POOR if self.reached == "not" else self.probe.grade

    def document(self) -> dict[str, Any]:
        """For programs."""
        found = self.probe
        return {
            "name": found.name,
            "address": checksummed(found.address),
            "weight": None if self.weight is None else str(self.weight),
            "grade": self.grade.value,
            "reached": self.reached,
            "reason": found.reason,
            "url": found.url or None,
            "address_from": self.where or None,
            "fault": found.fault.value if found.fault is not None else None,
            "round_trip_ms": found.round_trip_ms,
            "clock_offset_ms": found.clock_offset_ms,
            "build": found.build or None,
            "versions": list(found.versions),
            "directory": self.silence or None,
            "seen_by_process": dict(self.seen) if self.seen is not None else None,
        }

    def line(self) -> str:
        """For people."""
        found = self.probe
        trip = "" if found.round_trip_ms is None else f"{found.round_trip_ms:g} ms"
        clock = "" if found.clock_offset_ms is None else f"clock {found.clock_offset_ms:+d} ms"
        said = ", ".join(part for part in (trip, clock, found.build, found.reason, self.silence) if part)
        weight = "?" if self.weight is None else self.weight
        return f"{self.grade.value:<5} {found.name:<14} weight {weight:<4} {self.reached:<8} {said}"


async def try_peers(
    place: SeatPlace, reading: SeatReading | None, me: Identity, stored: Mapping[bytes, SignedAnnouncement]
) -> list[PeerFinding]:
    """Probe all others, some at a time.

    Args:
        place: of the config.
        reading: of the chain; None where it does not answer: then those are tried whom config, process and database know.
        me: who asks.
        stored: what the process's database has of their announcements.
    """
    seen = await own_view(place)
    turns = asyncio.Semaphore(_AT_ONCE)
    others, weights, entries = _known(reading, place, seen, stored)

    async def one(address: bytes) -> PeerFinding:
        peer = place.peers.get(address, Peer(address=address))
        entry = entries.get(address)
        newest = _newest(stored.get(address), None if entry is None else entry.signed)
        async with turns:
            found = await probe(peer, me, newest)
        return PeerFinding(
            probe=found,
            weight=weights.get(address, 0 if reading is not None else None),
            where="config" if peer.urls else _source(newest, None if entry is None else entry.signed),
            silence=entry.text if entry is not None and entry.silence is not None and not peer.urls else "",
            seen=seen.get(address),
        )

    return list(await asyncio.gather(*(one(a) for a in sorted(others - {me.announced().address}))))


def _known(
    reading: SeatReading | None,
    place: SeatPlace,
    seen: Mapping[bytes, Mapping[str, Any]],
    stored: Mapping[bytes, SignedAnnouncement],
) -> tuple[frozenset[bytes], Mapping[bytes, int], Mapping[bytes, DirectoryEntry]]:
    """Who the others are, what they weigh, and what the directory has of them."""
    if reading is not None:
        weights = dict(zip(reading.signers.signers, reading.signers.weights, strict=True))
        return reading.others, weights, reading.entries
    told = {a: int(w) for a, row in seen.items() if (w := row.get("weight")) is not None}
    return frozenset({*place.peers, *stored, *seen}), told, {}


async def own_view(place: SeatPlace) -> Mapping[bytes, Mapping[str, Any]]:
    """What the running process says of the others, by report address; nothing where its endpoint does not answer."""
    document = await told_by_process(place.config.api)
    rows: Sequence[Any] = document.get("operators", ()) if document is not None else ()
    return {bytes.fromhex(str(r["address"])[2:]): r for r in rows if isinstance(r, Mapping) and "address" in r}


async def told_by_process(api: ApiSection) -> dict[str, Any] | None:
    """/v1/operators of the process that runs with this config; None where its endpoint does not answer."""
    host = f"[{api.host}]" if ":" in api.host else api.host
    url = f"http://{host}:{api.port}/v1/operators"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_API_S)) as session,
            session.get(url) as reply,
        ):
            document = await reply.json() if reply.status == HTTPStatus.OK else None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return document if isinstance(document, dict) and {"operators", "warnings"} <= document.keys() else None


def _newest(*known: SignedAnnouncement | None) -> SignedAnnouncement | None:
    there = [k for k in known if k is not None]
    return max(there, key=lambda k: k.said.counter, default=None)


def _source(newest: SignedAnnouncement | None, listed: SignedAnnouncement | None) -> str:
    if newest is None or not newest.said.urls:
        return ""
    return "directory" if newest is listed else "announced to this process"
