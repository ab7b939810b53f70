"""A liar that would have honest members throw each other out: what it makes them say stays within what they take of each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.network.mesh.faults import LinkFault
from oracle.network.mesh.frames import FrameKind, announcement_bodies, signed_forward
from oracle.network.mesh.limits import MAX_MEMBERS, MeshLimits
from oracle.network.mesh.link import Link
from tests.oracle.network.mesh.mesh_world import QUICK, Member, know, linked, member, running, until
from tests.oracle.network.mesh.raw_client import linked_client

pytestmark = pytest.mark.loopback
STRICT = MeshLimits(
    ping_s=0.05, first_retry_s=0.02, keep_s=30.0, yield_s=0.02, patience=5, carried_per_s=1, burst_carried=40,
    announcements_per_s=1, burst_announcements=30,
)  # fmt: skip
"""Little is taken, so that little is enough to go over it."""


def refusals(members: list[Member]) -> dict[tuple[str, str], dict[str, int]]:
    """What each refused of each other, but for ends of links."""
    found = {(a.name, b.name): dict(a.sees(b).refused) for a in members for b in members if a is not b}
    return {pair: {f: n for f, n in of.items() if f != "closed"} for pair, of in found.items()}


async def test_what_one_member_is_asked_for_never_takes_it_over_the_limits_of_those_that_carry() -> None:
    """The asker has no link with it: answers go over others, who disconnect a member that asks them to carry too much."""
    a, b, v, asker = member("a"), member("b"), member("v", listens=False), member("asker", listens=False)
    for one in (a, b, v, asker):
        one.make(STRICT)
    know([a, b, v, asker])
    async with running(a, b, v, asker):
        await until(lambda: len(v.sees(asker).via) == 2)
        for _ in range(500):
            v.mesh.send(asker.address, b"an answer")
        v.mesh.broadcast(b"its own word")
        await until(lambda: b"its own word" in a.payloads(v) and b"its own word" in b.payloads(v))
        assert a.sees(v).banned_s == b.sees(v).banned_s == 0
        assert (a.sees(v).refused, b.sees(v).refused) == ({}, {})
        assert v.sees(asker).dropped >= 400, "and what goes beyond is left out and counted"
        assert linked(a, b)


async def test_nobody_uses_up_what_others_may_have_carried_to_a_member() -> None:
    a, x, y, flood = member("a"), member("x", listens=False), member("y", listens=False), member("flood", listens=False)
    for one in (a, x, y):
        one.make(replace(STRICT, carried_per_s=1, burst_carried=10, pair_per_s=1, burst_pair=5, patience=1_000))
    know([a, x, y], told=[a, x, y, flood])
    for one in (a, x, y):
        one.mesh.set_peers([m.peer() for m in (a, x, y, flood)], [flood.signed()])
    async with running(a, x, y), linked_client(flood, a) as raw:
        await until(lambda: x.sees(y).path == "via" and a.sees(flood).path == "inbound")
        flood_to_y = [carried(flood, y, n) for n in range(60)]
        for body in flood_to_y:
            await raw.send(FrameKind.FORWARD, body)
        await raw.send(FrameKind.DATA, b"done")
        await until(lambda: a.payloads(flood))
        for n in range(4):
            x.mesh.send(y.address, b"%d" % n)
        await until(lambda: len(y.payloads(x)) == 4)
        assert "over_limit" not in a.sees(x).refused


def carried(sender: Member, to: Member, number: int, payload: bytes = b"x") -> bytes:
    frame = signed_forward(
        sender.domain, sender.network, to=to.address, sender=sender.address, number=number, payload=payload
    )
    return frame.body()


async def test_what_one_has_carried_to_a_member_does_not_hold_up_our_own_words_to_it() -> None:
    """As much as it may send us, all of it for one other: the allowance of that link would be gone, and our words wait for it."""
    still = replace(QUICK, bytes_per_s=1, carried_bytes_per_s=1, pair_bytes_per_s=1, ping_s=60.0, messages_per_s=10_000)
    a, b, liar = member("a"), member("b", listens=False), member("liar", listens=False)
    for one in (a, b):
        one.make(still)
    for one in (a, b):
        one.mesh.set_peers([m.peer() for m in (a, b, liar)], [m.signed() for m in (a, b, liar)])
    async with running(a, b), linked_client(liar, a) as raw:
        await until(lambda: a.sees(b).path == "inbound")
        for n in range(38):
            await raw.send(FrameKind.FORWARD, carried(liar, b, n, b"x" * 100_000))
        await raw.send(FrameKind.DATA, b"done")
        await until(lambda: a.payloads(liar))
        a.mesh.send(b.address, b"y" * 200_000)
        await until(lambda: b.payloads(a))
        assert a.sees(liar).refused["over_limit"] > 20, "counted, and left out"


async def test_one_that_announces_itself_without_end_has_nobody_thrown_out() -> None:
    """Each of the others hears other news of it and passes them on to all: within what all take of one that passes on."""
    honest = [member(n) for n in "abcd"]
    liar = member("liar", listens=False)
    for one in honest:
        one.make(STRICT)
        one.mesh.set_peers([m.peer() for m in (*honest, liar)], [m.signed() for m in (*honest, liar)])
    async with running(*honest):
        await until(lambda: linked(*honest))
        counter = 10
        for _ in range(3):
            for one in honest:
                async with linked_client(liar, one) as raw:
                    await until(lambda one=one: one.sees(liar).path == "inbound")
                    raws = [liar.signed(counter=counter + n).raw for n in range(25)]
                    counter += 25
                    for body in announcement_bodies(raws):
                        await raw.send(FrameKind.ANNOUNCEMENTS, body)
                    await raw.send(FrameKind.DATA, b"%d" % counter)
                    await until(lambda one=one, c=counter: b"%d" % c in one.payloads(liar))
        for one in honest:
            one.mesh.broadcast(b"still here")
        await until(lambda: all(b"still here" in one.payloads(o) for one in honest for o in honest if one is not o))
        assert all(one.sees(o).banned_s == 0 for one in honest for o in honest if one is not o)
        assert {p: r for p, r in refusals(honest).items() if "over_limit" in r} == {}
        assert linked(*honest)
        assert all(len(one.heard) <= len(honest) + 1 + QUICK.burst_renewals + 12 for one in honest)


async def test_one_on_the_way_that_repeats_frames_has_nobody_thrown_out() -> None:
    """It repeats as many as the peer may send, again and again: the link ends, and the peer is taken back at once."""
    few = replace(QUICK, messages_per_s=1, burst_messages=50, patience=5, ping_s=60.0)
    a, b = member("a"), member("b", listens=False)
    a.make(few)
    a.mesh.set_peers([b.peer()], [b.signed()])
    async with running(a):
        for n in range(3):
            async with linked_client(b, a) as raw:
                assert raw.met is not None
                one = raw.met.sealing.sealed(FrameKind.DATA, b"%d" % n)
                for _ in range(40):
                    await raw.socket.send_bytes(one)
                await raw.send(FrameKind.DATA, b"after %d" % n)
                await until(lambda n=n: b"after %d" % n in a.payloads(b))
        async with linked_client(b, a) as raw:
            assert raw.met is not None
            one = raw.met.sealing.sealed(FrameKind.DATA, b"x")
            for _ in range(500):
                await raw.socket.send_bytes(one)
            assert await raw.ended() is LinkFault.REPLAYED
        assert a.sees(b).banned_s == 0
        assert set(a.sees(b).refused) <= {"replayed", "closed"}
        async with linked_client(b, a) as raw:
            await raw.send(FrameKind.DATA, b"back")
            await until(lambda: b"back" in a.payloads(b))


async def test_a_carrier_that_plays_what_it_has_kept_costs_the_sender_nothing_of_its_own_link() -> None:
    few = replace(QUICK, messages_per_s=1, burst_messages=60, patience=200, ping_s=60.0)
    a, b, carrier = member("a"), member("b", listens=False), member("carrier", listens=False)
    a.make(few)
    a.mesh.set_peers([m.peer() for m in (b, carrier)], [m.signed() for m in (b, carrier)])
    async with running(a), linked_client(b, a) as own, linked_client(carrier, a) as raw:
        for n in range(58):
            await raw.send(FrameKind.CARRIED, carried(b, a, n))
        await until(lambda: len(a.payloads(b)) == 58)
        for n in range(40):
            await own.send(FrameKind.DATA, b"own %d" % n)
        await until(lambda: b"own 39" in a.payloads(b))
        assert not a.sees(b).refused


async def test_one_that_says_and_takes_back_whom_it_reaches_has_little_said_again() -> None:
    a, gone, liar = member("a"), member("gone", listens=False), member("liar", listens=False)
    a.make(QUICK)
    a.mesh.set_peers([m.peer() for m in (gone, liar)], [m.signed() for m in (gone, liar)])
    async with running(a), linked_client(liar, a) as raw:
        for n in range(200):
            await raw.send(FrameKind.REACHABLE, gone.address if n % 2 else b"")
        await raw.send(FrameKind.DATA, b"done")
        await until(lambda: a.payloads(liar))
        assert 1 <= a.ups.count(gone.address) < 50


async def test_announcements_do_not_pile_up_for_a_peer_that_does_not_read() -> None:
    a, lazy = member("a"), member("lazy", listens=False)
    a.make(QUICK)
    a.mesh.set_peers([lazy.peer()], [lazy.signed()])
    async with running(a), linked_client(lazy, a):
        await until(lambda: a.sees(lazy).path == "inbound")
        link = a.mesh._states[lazy.address].link
        assert isinstance(link, Link)
        for n in range(2_000):
            link.control(FrameKind.ANNOUNCEMENTS, b"%d" % n)
            link.control(FrameKind.PING, b"8 bytes.")
        waiting = [body for kind, body in link._controls.values() if kind == FrameKind.ANNOUNCEMENTS]
        assert len(link._controls) <= 2 * MAX_MEMBERS
        assert waiting[-1] == b"1999", "the newest are kept"
        assert any(kind == FrameKind.PING for kind, _ in link._controls.values())
