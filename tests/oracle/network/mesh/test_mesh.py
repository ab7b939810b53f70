"""The mesh over real sockets: who is reached how, what arrives, and what changes while it runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.frames import Data, FrameKind
from tests.oracle.network.mesh.mesh_world import QUICK, know, linked, member, running, until
from tests.oracle.network.mesh.raw_client import linked_client

pytestmark = pytest.mark.loopback


async def test_members_that_know_each_other_link_once_and_payloads_arrive() -> None:
    a, b, c = members = [member(n) for n in "abc"]
    for one in members:
        one.make()
    know(members)
    async with running(*members):
        await until(lambda: linked(a, b, c))
        a.mesh.send(b.address, b"to b")
        c.mesh.broadcast(b"to all")
        await until(lambda: b.payloads(a) and b.payloads(c) and a.payloads(c))
        assert b.payloads(a) == [b"to b"]
        assert a.payloads(c) == b.payloads(c) == [b"to all"]
        assert not c.got
        assert {a.sees(b).path, b.sees(a).path} == {"direct", "inbound"}
        await until(lambda: a.sees(b).round_trip_ms is not None)
        assert abs(a.sees(b).clock_offset_ms) < 100
        assert (a.sees(b).build, a.sees(b).versions) == ("1.2.3", (1,))


async def test_a_member_that_never_listens_is_reached_by_those_it_dials() -> None:
    a, hidden = members = [member("a"), member("h", listens=False)]
    for one in members:
        one.make()
    know(members)
    async with running(*members):
        await until(lambda: linked(*members))
        a.mesh.send(hidden.address, b"in")
        hidden.mesh.send(a.address, b"out")
        await until(lambda: hidden.got and a.got)
        assert (hidden.sees(a).path, a.sees(hidden).path) == ("direct", "inbound")


async def test_two_that_never_listen_are_carried_for_by_those_that_do() -> None:
    a, b, x, y = members = [member("a"), member("b"), member("x", listens=False), member("y", listens=False)]
    for one in members:
        one.make()
    know(members)
    async with running(*members):
        await until(lambda: x.sees(y).path == "via" and len(x.sees(y).via) == 2 and y.sees(x).path == "via")
        assert y.address in x.ups, "the driver hears that it can send"
        for n in range(20):
            x.mesh.send(y.address, b"%d" % n)
        await until(lambda: len(y.payloads(x)) == 20)
        await until(lambda: y.sees(x).repeated == 20)
        assert sorted(y.payloads(x), key=int) == [b"%d" % n for n in range(20)], "each once, though it came by two"
        assert a.sees(x).carried == b.sees(x).carried == 20
        assert not a.got
        assert not b.got


async def test_members_come_and_go_while_it_runs() -> None:
    a, b, c = members = [member("a"), member("b"), member("c", listens=False)]
    for one in members:
        one.make()
    know([a, b])
    async with running(*members):
        await until(lambda: linked(a, b))
        know(members)
        await until(lambda: linked(a, b, c))
        since = a.sees(c).since_ms
        know([a, c])
        b.mesh.set_peers([b.peer()])
        await until(lambda: b.address not in a.mesh.links() and b.address not in c.mesh.links())
        a.mesh.send(c.address, b"still")
        await until(lambda: c.payloads(a))
        assert a.sees(c).since_ms == since, "the link of those who stay goes on"


async def test_payloads_wait_for_a_member_that_is_away_for_a_moment() -> None:
    a, b = members = [member("a"), member("b")]
    for one in members:
        one.make()
    know(members)
    async with running(a):
        a.mesh.send(b.address, b"early")
        async with running(b):
            await until(lambda: b.payloads(a) == [b"early"])


async def test_a_link_that_is_lost_comes_back_and_says_so() -> None:
    a, b = members = [member("a"), member("b")]
    for one in members:
        one.make()
    know(members)
    async with running(a):
        async with running(b):
            await until(lambda: linked(a, b))
        await until(lambda: a.sees(b).path == "none")
        ups = len(a.ups)
        b.make()
        b.mesh.set_peers([a.peer()], [a.signed()])
        async with running(b):
            await until(lambda: linked(a, b))
            assert len(a.ups) == ups + 1
            a.mesh.send(b.address, b"again")
            await until(lambda: b.payloads(a) == [b"again"])


async def test_of_two_that_listen_the_lower_address_dials_and_the_other_leaves_it_to_it() -> None:
    low, high = sorted([member("a"), member("b")], key=lambda m: m.address)
    for one in (low, high):
        one.make(replace(QUICK, yield_s=30.0), max_backoff_s=30.0)
    know([low, high])
    async with running(high, low):
        await until(lambda: linked(low, high))
        assert (low.sees(high).path, high.sees(low).path) == ("direct", "inbound")
        assert (low.sees(high).connected, high.sees(low).connected) == (1, 1)


async def test_dials_under_way_are_bounded_and_each_peer_gets_its_turn() -> None:
    me, others = member("me", listens=False), [member(f"o{n}", listens=False) for n in range(8)]
    open_now, most = set[asyncio.StreamWriter](), 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        open_now.add(writer)
        most = max(most, len(open_now))
        await reader.read()
        open_now.discard(writer)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    me.make(replace(QUICK, dials=3, handshake_s=0.2))
    me.mesh.set_peers([o.peer(urls=(f"ws://127.0.0.1:{port}",)) for o in others])
    async with running(me):
        await until(lambda: all("no answer within" in me.sees(o).last_error for o in others))
        assert most == 3
    server.close()
    await until(lambda: not open_now)


async def test_what_is_under_way_on_a_link_that_another_takes_over_still_arrives() -> None:
    a, b = members = [member("a"), member("b", listens=False)]
    a.make(replace(QUICK, ping_s=60.0))
    b.make()
    know(members)
    async with running(a), linked_client(b, a) as old:
        await until(lambda: a.sees(b).connected == 1)
        async with linked_client(b, a) as new:
            await until(lambda: a.sees(b).connected == 2)
            await old.frame(FrameKind.END)  # a says that it goes on elsewhere
            a.mesh.send(b.address, b"by the new one")
            frame = await new.frame(FrameKind.DATA)
            assert frame == Data(b"by the new one")
            for n in range(3):
                await old.send(FrameKind.DATA, b"%d" % n)
            await old.send(FrameKind.END, b"")
            await until(lambda: a.payloads(b) == [b"0", b"1", b"2"])
            assert await old.ended() is LinkFault.DUPLICATE
            await new.send(FrameKind.DATA, b"and on")
            await until(lambda: a.payloads(b)[-1] == b"and on")
            assert not a.sees(b).refused


async def test_nothing_is_lost_where_both_dial_at_once() -> None:
    for _ in range(8):
        a, b = members = [member("a"), member("b")]
        for one in members:
            one.make(replace(QUICK, yield_s=0.0))
        know(members)
        async with running(*members):
            for n in range(30):
                a.mesh.send(b.address, b"%d" % n)
                b.mesh.send(a.address, b"%d" % n)
                await asyncio.sleep(0)
            await until(lambda a=a, b=b: len(b.payloads(a)) >= 30 and len(a.payloads(b)) >= 30)
            assert sorted(b.payloads(a), key=int) == sorted(a.payloads(b), key=int) == [b"%d" % n for n in range(30)]


async def test_a_link_that_ends_at_once_is_dialled_again_after_a_pause() -> None:
    a, b = members = [member("a"), member("b", listens=False)]

    def end(address: bytes) -> None:
        link = a.mesh._states[address].link
        assert link is not None
        link.stop(LinkRefused(LinkFault.CLOSED, "a does not want to"))

    a.make(on_up=end)
    b.make(replace(QUICK, first_retry_s=600.0), max_backoff_s=600.0)
    know(members)
    async with running(*members):
        await until(lambda: b.sees(a).connected == 1 and b.sees(a).path == "none")
        for _ in range(100):
            await asyncio.sleep(0.001)
        assert b.sees(a).connected == 1
