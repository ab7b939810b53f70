"""What the commands about other operators, and the doctor, ask: the seat of a config, who asks, who answers."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from oracle.agree.terms import PROTOCOL_VERSION
from oracle.assemble.network import configured_peers, home_store
from oracle.chain.quorum_rpc import ChainError
from oracle.check.reaching import PeerFinding, try_peers
from oracle.check.seat_reading import SeatPlace, SeatReading, read_seat, seat_place
from oracle.config.resolve import ResolvedConfig
from oracle.network.mesh.handshake import Identity
from oracle.network.mesh.network_key import load_or_draw
from oracle.runtime.clock import now_ms
from oracle.sign import curve
from oracle.sign.announcement import (
    Announcement,
    BadAnnouncement,
    SignedAnnouncement,
    announcement_preimage,
    read_announcement,
    signed_announcement,
)
from oracle.sign.eip712 import address_of
from oracle.sign.remote.open_key import key_in_use
from oracle.sign.remote.remote_key import compact_of
from oracle.storage.reading import DatabaseReader


def place_of(resolved: ResolvedConfig) -> SeatPlace:
    """The seat that a config is about.

    Raises:
        NoSeat: it is about none.
    """
    home, section = home_store(resolved), resolved.config.network
    known = configured_peers(section) if section is not None else {}
    return seat_place(resolved.config, None if home is None else home.target, known)


async def tried_peers(
    resolved: ResolvedConfig, environ: Mapping[str, str] = os.environ
) -> tuple[list[PeerFinding], SeatReading | None, str]:
    """What was found of each, what the chain says of the set, and why it was not asked who they are; "" where it was.

    Raises:
        NoSeat: as of `place_of`.
    """
    place = place_of(resolved)
    me, reading, unread = await identity(place, environ), None, ""
    try:
        reading = await read_seat(place, me.announced().address)
    except ChainError as e:
        unread = str(e)
    return await try_peers(place, reading, me, _stored(place)), reading, unread


async def identity(place: SeatPlace, environ: Mapping[str, str] = os.environ) -> Identity:
    """Who asks: the operator itself, by an announcement older than any of its process, so that nobody keeps it for the newer."""
    network_key = load_or_draw(Path(place.network.keyfile))
    announced = await _signed(place, network_key, environ)
    return Identity(
        domain=place.domain, network_key=network_key, announced=lambda: announced,
        build=version("lrt-oracle"), instance=secrets.token_bytes(8), now_ms=now_ms,
    )  # fmt: skip


async def _signed(place: SeatPlace, network_key: curve.PrivateKey, environ: Mapping[str, str]) -> SignedAnnouncement:
    """An announcement of this operator that is older than any other, signed by its report key wherever that is."""
    said = Announcement(
        counter=0,
        network_key=address_of(network_key),
        versions=(PROTOCOL_VERSION,),
    )
    section = place.operator
    async with key_in_use(section, section.keyfile, environ, only_looks=True) as key:
        raw = await key.sign(announcement_preimage(place.domain, said))
        return signed_announcement(key.address, said, compact_of(raw))


def _stored(place: SeatPlace) -> dict[bytes, SignedAnnouncement]:
    """What the process of this config has heard of the others."""
    path = Path(place.config.oracle.database)
    if not path.is_file():
        return {}
    known = {}
    with closing(DatabaseReader(path)) as database:
        for raw in database.announcements():
            try:
                signed = read_announcement(place.domain, raw)
            except BadAnnouncement:
                continue
            known[signed.address] = signed
    return known
