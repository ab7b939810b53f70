"""The mesh over a way that loses, repeats, delays, reorders and cuts: what arrives is true, and what is lost costs no link."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.world.frame_pump import DirectionCounts
from demo.world.hostile_link import LinkName
from demo.world.hostile_network import HostileNetwork
from demo.world.link_conditions import CALM, Conditions
from tests.oracle.network.mesh.mesh_world import QUICK, Member, linked, member, running, until

pytestmark = pytest.mark.loopback


async def ends(net: HostileNetwork) -> tuple[Member, Member]:
    """One that listens without TLS, and one that dials it through the network."""
    a, b = member("a", tls=False), member("b", listens=False)
    a.make(replace(QUICK, ping_s=0.5))
    b.make(replace(QUICK, ping_s=0.5))
    a.mesh.set_peers([b.peer()])
    b.mesh.set_peers([a.peer(urls=(await net.add_link("b", "a", a.url),))])
    return a, b


def _sent_by_b(net: HostileNetwork) -> DirectionCounts:
    return net.stats()[LinkName("b", "a")].sent_by["b"]


async def test_lost_repeated_and_overtaken_frames_cost_themselves_and_nothing_else() -> None:
    async with HostileNetwork(seed=7) as net:
        a, b = await ends(net)
        async with running(a, b):
            await until(lambda: linked(a, b))
            net.plan(Conditions(drop=0.05, duplicate=0.2, reorder=0.2, overtaken_ms=5.0))
            before = _sent_by_b(net).frames_in
            for n in range(400):
                b.mesh.send(a.address, b"%d" % n)
            await until(lambda: _sent_by_b(net).frames_in - before >= 400 and _sent_by_b(net).waiting == 0)
            net.plan(CALM)
            b.mesh.send(a.address, b"400")
            await until(lambda: b"400" in a.payloads(b))
            got = [int(p) for p in a.payloads(b)]
            assert len(got) == len(set(got)), "each once"
            assert 330 <= len(got) < 401, "some are lost, for this is what the way does"
            assert got != sorted(got)
            assert a.sees(b).connected == b.sees(a).connected == 1, "and no link is"
            assert set(a.sees(b).refused) == {"replayed"}
            assert a.sees(b).banned_s == 0.0


async def test_a_way_that_is_cut_again_and_again_is_taken_again() -> None:
    async with HostileNetwork(seed=3) as net:
        a, b = await ends(net)
        async with running(a, b):
            for n in range(4):
                await until(lambda n=n: a.sees(b).connected == n + 1 and linked(a, b))
                b.mesh.send(a.address, b"%d" % n)
                await until(lambda n=n: b"%d" % n in a.payloads(b))
                net.break_once()
                await until(lambda: a.sees(b).path == "none" or a.sees(b).connected > 1)
            assert len(a.ups) >= 4
            assert not a.sees(b).banned_s


async def test_a_slow_way_is_measured() -> None:
    async with HostileNetwork(seed=1) as net:
        a, b = await ends(net)
        net.plan(Conditions(delay_ms=60.0))
        async with running(a, b):
            await until(lambda: b.sees(a).round_trip_ms is not None and a.sees(b).round_trip_ms is not None)
            assert min(a.sees(b).round_trip_ms, b.sees(a).round_trip_ms) >= 115.0
            assert abs(b.sees(a).clock_offset_ms) <= b.sees(a).round_trip_ms / 2 + 2
