"""Announcements on the move: the newest counts, is kept, passed on once, and ends what an older one allowed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.network.mesh.frames import FrameKind, announcement_bodies
from oracle.network.mesh.limits import MeshLimits
from oracle.sign.eip712 import address_of
from tests.oracle.network.mesh.mesh_world import QUICK, Member, key_of, know, linked, member, running, until
from tests.oracle.network.mesh.raw_client import linked_client

pytestmark = pytest.mark.loopback


def members(*names: str, limits: MeshLimits = QUICK) -> list[Member]:
    made = [member(n) for n in names]
    for one in made:
        one.make(limits)
    return made


async def test_addresses_come_from_whoever_knows_them() -> None:
    a, b, c = made = members("a", "b", "c")
    know(made, told=[a])  # b and c know where a is, and nobody knows where they are
    async with running(*made):
        await until(lambda: linked(a, b, c))
        assert {s.address for s in a.heard} == {b.address, c.address}
        assert {s.address for s in b.mesh.announcements()} == {a.address, c.address}


async def test_a_newer_announcement_goes_round_once() -> None:
    a, b, c = made = members("a", "b", "c")
    know(made)
    async with running(*made):
        await until(lambda: linked(*made))
        before = {one.name: len(one.heard) for one in (b, c)}
        newer = a.signed(counter=2, versions=(1, 2))
        a.mesh.announce(newer)
        await until(lambda: b.sees(a).versions == c.sees(a).versions == (1, 2))
        for one in (b, c):
            assert one.heard[before[one.name] :] == [newer]
        await until(
            lambda: all(
                one.sees(other).round_trip_ms is not None for one in (b, c) for other in made if one is not other
            )
        )
        assert {len(b.heard) - before["b"], len(c.heard) - before["c"]} == {1}, "and not again"


async def test_a_member_that_moved_is_found_where_it_says_it_is_now() -> None:
    a, b = made = members("a", "b")
    know(made)
    async with running(a):
        async with running(b):
            await until(lambda: linked(a, b))
        moved = member("b")
        moved.counter = 2
        moved.make(QUICK)
        moved.mesh.set_peers([a.peer()])  # it does not know where a is: a must find it
        a.mesh.set_peers([b.peer()], [moved.signed()])
        async with running(moved):
            await until(lambda: a.sees(b).path == "direct")
            assert a.sees(b).remote == f"127.0.0.1:{moved.port}"


async def test_a_link_of_a_network_key_that_was_replaced_ends() -> None:
    a, b, c = members("a", "b", "c")
    for one in (a, b, c):
        one.mesh.set_peers([m.peer() for m in (a, b, c)], [m.signed() for m in (a, b, c)])
    async with running(a, b, c):
        await until(lambda: linked(a, b, c))
        rotated = b.signed(counter=5, network_key=address_of(key_of("new key of b")))
        a.mesh.set_peers([b.peer(), c.peer()], [rotated])
        await until(lambda: c.sees(b).path != "direct" and c.sees(b).path != "inbound" and a.sees(b).path == "none")
        await until(lambda: "replaced" in a.sees(b).last_error or "newer announcement" in a.sees(b).last_error)
        assert a.sees(c).path in {"direct", "inbound"}, "and no other"


async def test_a_newer_one_of_ourselves_is_told_to_us() -> None:
    a, b = made = members("a", "b")
    know(made)
    newer = a.signed(counter=7)
    async with running(a), linked_client(b, a) as raw:
        for body in announcement_bodies([newer.raw, newer.raw]):
            await raw.send(FrameKind.ANNOUNCEMENTS, body)
        await until(lambda: newer in a.heard)


async def test_announcements_of_strangers_are_not_kept() -> None:
    a, b = made = members("a", "b")
    know(made)
    eve = member("eve")
    async with running(a), linked_client(b, a) as raw:
        for body in announcement_bodies([eve.signed().raw]):
            await raw.send(FrameKind.ANNOUNCEMENTS, body)
        await raw.send(FrameKind.DATA, b"done")
        await until(lambda: a.payloads(b))
        assert {s.address for s in a.mesh.announcements()} == {b.address}
        assert eve.signed() not in a.heard


async def test_a_flood_of_announcements_is_read_as_far_as_the_limit() -> None:
    a, b = made = members("a", "b", limits=replace(QUICK, announcements_per_s=1, burst_announcements=20))
    know(made)
    async with running(a), linked_client(b, a) as raw:
        raws = [b.signed(counter=n).raw for n in range(2, 250)]
        for body in announcement_bodies(raws):
            await raw.send(FrameKind.ANNOUNCEMENTS, body)
        await raw.send(FrameKind.DATA, b"done")
        await until(lambda: a.payloads(b))
        assert len(a.heard) <= 25
        assert a.sees(b).refused["over_limit"] >= 1


async def test_an_announcement_of_another_key_needs_another_mesh() -> None:
    a, b = members("a", "b")
    with pytest.raises(ValueError, match="start again with that key"):
        a.mesh.announce(a.signed(network_key=b"\x01" * 20))
    with pytest.raises(ValueError, match="another report"):
        a.mesh.announce(b.signed())
