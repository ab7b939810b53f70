"""The mesh over real sockets: who is reached how, what arrives, and what changes while it runs."""

from __future__ import annotations

import pytest

from tests.oracle.network.mesh_world import know, linked, member, running, until

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
