"""A member tried from outside: how it is reached, graded with the reason, and the running process undisturbed."""

from __future__ import annotations

import pytest

from oracle.network.mesh.faults import LinkFault
from oracle.network.mesh.frames import FrameKind
from oracle.network.mesh.limits import MeshLimits
from oracle.network.mesh.probe import Grade, graded, probe
from oracle.runtime.clock import now_ms
from tests.oracle.network.mesh.mesh_world import Member, free_port, know, linked, member, running, until
from tests.oracle.network.mesh.raw_client import identity, meet, raw_client

pytestmark = pytest.mark.loopback


def pair(**more: object) -> tuple[Member, Member]:
    a, b = member("a"), member("b", listens=False)
    a.make(**more)
    b.make()
    know([a, b])
    return a, b


async def test_a_probe_says_how_a_member_is_reached_and_disturbs_nobody() -> None:
    a, b = pair()
    async with running(a, b):
        await until(lambda: linked(a, b))
        since, ups = a.sees(b).since_ms, list(a.ups)
        found = await probe(a.peer(), identity(b), a.signed())
        assert (found.fault, found.url, found.build, found.versions) == (None, f"127.0.0.1:{a.port}", "1.2.3", (1,))
        assert found.round_trip_ms is not None
        assert found.clock_offset_ms is not None
        assert abs(found.clock_offset_ms) <= found.round_trip_ms + 2
        assert (a.sees(b).since_ms, a.ups) == (since, ups), "the link of the running process goes on"
        b.mesh.send(a.address, b"on")
        await until(lambda: a.payloads(b) == [b"on"])


async def test_a_clock_that_is_off_is_graded_poor_and_shown_by_links_too() -> None:
    a, b = pair(now_ms=lambda: now_ms() + 350)
    async with running(a, b):
        found = await probe(a.peer(), identity(b), a.signed())
        assert found.grade is Grade.POOR
        assert "ahead" in found.reason or "round trip" in found.reason
        assert found.clock_offset_ms == pytest.approx(350, abs=100)
        await until(lambda: b.sees(a).clock_offset_ms is not None)
        assert b.sees(a).clock_offset_ms == pytest.approx(350, abs=100)
        await until(lambda: "set them (NTP)" in b.sees(a).last_error)


async def test_what_keeps_a_probe_out_is_told() -> None:
    a, b = pair()
    eve = member("eve", listens=False)
    nobody = a.signed(urls=(f"wss://127.0.0.1:{free_port()}",))
    async with running(a):
        refused = await probe(a.peer(), identity(eve), a.signed())
        assert (refused.grade, refused.fault) == (Grade.POOR, LinkFault.STRANGER)
        assert "member of the set" in refused.reason
        away = await probe(a.peer(), identity(b), nobody)
        assert (away.grade, away.fault) == (Grade.POOR, LinkFault.UNREACHABLE)
        assert "cannot be reached" in away.reason
        wrong = await probe(a.peer(), identity(b), a.signed(certificate=b"\x01" * 32, counter=9))
        assert (wrong.grade, wrong.fault) == (Grade.POOR, LinkFault.CERTIFICATE)


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    a, b = pair()
    two = a.signed(urls=(f"wss://127.0.0.1:{free_port()}", a.url))
    async with running(a):
        found = await probe(a.peer(), identity(b), two)
        assert found.fault is None
        assert found.url == f"127.0.0.1:{a.port}"


async def test_a_member_of_the_config_is_tried_without_an_announcement() -> None:
    a, b = pair()
    async with running(a):
        assert (await probe(a.peer(urls=(a.url,)), identity(b))).fault is None


async def test_who_never_listens_cannot_be_tried() -> None:
    a, b = pair()
    found = await probe(b.peer(), identity(a), b.signed())
    assert (found.grade, found.round_trip_ms) == (Grade.FAIR, None)
    assert "dials others" in found.reason
    assert "not announced itself" in (await probe(b.peer(), identity(a))).reason
    assert "operator itself" in (await probe(a.peer(), identity(a))).reason


async def test_a_probe_only_pings_and_two_at_a_time_are_enough() -> None:
    a, b = pair()
    async with running(a), raw_client(a) as one, raw_client(a) as two, raw_client(a) as three:
        for raw in (one, two, three):
            await meet(raw, b, a, is_probe=True)
        assert await three.ended() is LinkFault.TOO_MANY
        await one.send(FrameKind.PING, bytes(8))
        await one.frame(FrameKind.PONG)
        await one.send(FrameKind.DATA, b"a message")
        assert await one.ended() is LinkFault.UNKNOWN_KIND
        assert not a.got
        assert a.sees(b).path == "none"


async def test_a_member_that_stops_waits_for_no_probe_that_it_answers() -> None:
    a, b = pair(limits=MeshLimits(handshake_s=60.0))
    async with running(a), raw_client(a) as raw:
        await meet(raw, b, a, is_probe=True)
        await a.mesh.close()
        assert await raw.ended() is None
        assert raw.socket.closed


@pytest.mark.parametrize(
    ("trip_ms", "offset_ms", "grade", "why"),
    [
        (10.0, 5, Grade.GOOD, ""),
        (120.0, -100, Grade.GOOD, ""),
        (121.0, 0, Grade.FAIR, "round trip 121 ms"),
        (10.0, -101, Grade.FAIR, "behind"),
        (240.0, 200, Grade.FAIR, "round trip"),
        (240.5, 0, Grade.POOR, "above 240"),
        (1.0, 201, Grade.POOR, "201 ms ahead"),
        (1.0, -201, Grade.POOR, "201 ms behind"),
    ],
)
def test_grades_and_their_reasons(trip_ms: float, offset_ms: int, grade: Grade, why: str) -> None:
    found, reason = graded(trip_ms, offset_ms)
    assert found is grade
    assert why in reason
    assert bool(reason) is (grade is not Grade.GOOD)
