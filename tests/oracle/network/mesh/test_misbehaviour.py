"""A member that floods, reads nothing, or breaks the protocol: counted by reason, bounded, and nobody else's trouble."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.frames import FrameKind
from oracle.network.mesh.limits import MAX_FRAME, MAX_PAYLOAD, MAX_UNPROVED, MeshLimits
from tests.oracle.network.mesh.mesh_world import LONG_S, Member, know, member, running, until
from tests.oracle.network.mesh.raw_client import linked_client, meet, raw_client

pytestmark = pytest.mark.loopback
FEW = MeshLimits(messages_per_s=1, burst_messages=50, patience=10, ping_s=60.0, first_retry_s=0.02, keep_s=600.0)
MIB = 1 << 20


def members(*names: str, limits: MeshLimits = FEW) -> list[Member]:
    """The first listens, the others do not."""
    made = [member(n, listens=n == names[0]) for n in names]
    for one in made:
        one.make(limits)
    know(made)
    return made


async def test_over_the_limit_messages_are_left_unread_then_the_peer_is_disconnected_for_a_while() -> None:
    a, b, c = members("a", "b", "c")
    async with running(a, c), linked_client(b, a) as raw:
        await until(lambda: a.sees(b).path == "inbound")
        for n in range(200):
            await raw.send(FrameKind.DATA, b"%d" % n)
        assert await raw.ended() is LinkFault.BANNED
        assert a.payloads(b) == [b"%d" % n for n in range(len(a.payloads(b)))], "in order, as far as the limit"
        assert len(a.payloads(b)) <= 55
        assert a.sees(b).refused["over_limit"] >= 10
        assert a.sees(b).banned_s > 0
        assert "limits" in a.sees(b).last_error
        async with raw_client(a) as again:
            with pytest.raises(LinkRefused) as caught:
                await meet(again, b, a)
            assert caught.value.fault is LinkFault.BANNED
        c.mesh.send(a.address, b"undisturbed")
        await until(lambda: a.payloads(c))


async def test_a_new_link_is_no_new_allowance() -> None:
    a, b = members("a", "b")
    async with running(a):
        for _ in range(3):
            async with linked_client(b, a) as raw:
                for _ in range(20):
                    await raw.send(FrameKind.DATA, b"x")
                await raw.socket.close()
            await until(lambda: a.sees(b).path == "none")
        assert len(a.payloads(b)) <= 55
        assert a.sees(b).connected == 3


async def test_bytes_are_bounded_as_messages_are() -> None:
    limits = MeshLimits(bytes_per_s=1, burst_bytes=MIB, patience=10, ping_s=60.0)
    a, b = members("a", "b", limits=limits)
    async with running(a), linked_client(b, a) as raw:
        for _ in range(20):
            await raw.send(FrameKind.DATA, bytes(200_000))
        assert await raw.ended() is LinkFault.BANNED
        assert len(a.payloads(b)) <= 5


@pytest.mark.parametrize(
    ("kind", "body", "fault"),
    [
        (0, b"", LinkFault.UNKNOWN_KIND),
        (99, b"from a later version", LinkFault.UNKNOWN_KIND),
        (FrameKind.PING, b"half", LinkFault.MALFORMED),
        (FrameKind.REACHABLE, bytes(21), LinkFault.MALFORMED),
        (FrameKind.ANNOUNCEMENTS, b"\x00\x03abc", LinkFault.BAD_ANNOUNCEMENT),
        (FrameKind.FORWARD, b"half", LinkFault.MALFORMED),
    ],
)
async def test_a_frame_that_makes_no_sense_is_counted_and_the_link_goes_on(
    kind: int, body: bytes, fault: LinkFault
) -> None:
    a, b = members("a", "b")
    async with running(a), linked_client(b, a) as raw:
        await raw.send(kind, body)
        await raw.send(FrameKind.DATA, b"after it")
        await until(lambda: a.payloads(b) == [b"after it"])
        assert a.sees(b).refused == {fault.value: 1}


async def test_what_breaks_the_websocket_ends_the_link_and_after_four_times_the_patience() -> None:
    limits = MeshLimits(patience=100, strike=25, ping_s=60.0)
    a, b = members("a", "b", limits=limits)
    ways = [LinkFault.TEXT_FRAME, LinkFault.OVERSIZE, LinkFault.TEXT_FRAME, LinkFault.OVERSIZE, LinkFault.TEXT_FRAME]
    async with running(a):
        for fault in ways:
            async with linked_client(b, a) as raw:
                if fault is LinkFault.TEXT_FRAME:
                    await raw.socket.send_str("text")
                else:
                    await raw.socket.send_bytes(bytes(MAX_FRAME + 1_000))
                await raw.ended()
            await until(lambda: a.sees(b).path == "none")
        assert a.sees(b).refused == {"text_frame": 3, "oversize": 2}
        assert a.sees(b).banned_s > 0


async def test_a_frame_that_the_peer_did_not_send_so_ends_the_link() -> None:
    a, b = members("a", "b")
    async with running(a), linked_client(b, a) as raw:
        assert raw.met is not None
        sealed = bytearray(raw.met.sealing.sealed(FrameKind.DATA, b"pay 1"))
        sealed[5] ^= 1
        await raw.socket.send_bytes(bytes(sealed))
        assert await raw.ended() is LinkFault.FORGED
        assert not a.got
        assert a.sees(b).refused == {"forged": 1}


async def test_frames_that_are_lost_repeated_or_out_of_order_on_the_way_cost_no_link() -> None:
    a, b = members("a", "b", limits=replace(FEW, patience=1))
    async with running(a), linked_client(b, a) as raw:
        assert raw.met is not None
        one, lost, two, three = (raw.met.sealing.sealed(FrameKind.DATA, b"%d" % n) for n in range(4))
        assert lost
        for sent in (one, one, one, three, two, three, one):
            await raw.socket.send_bytes(sent)
        await until(lambda: len(a.payloads(b)) == 3 and a.sees(b).refused == {"replayed": 4})
        assert a.payloads(b) == [b"0", b"3", b"2"]
        assert (a.sees(b).path, a.sees(b).banned_s) == ("inbound", 0.0), "none of it was the peer's doing"


async def test_a_peer_that_reads_nothing_loses_its_oldest_and_holds_up_nobody() -> None:
    limits = MeshLimits(queue_bytes=MIB, ping_s=60.0, first_retry_s=0.02, keep_s=600.0, burst_bytes=1 << 30)
    a, b, c = members("a", "b", "c", limits=limits)
    async with running(a, c), linked_client(b, a):  # and it never reads again
        await until(lambda: a.sees(b).path == "inbound" and a.sees(c).path == "inbound")
        for n in range(200):
            a.mesh.broadcast(n.to_bytes(2, "big") + bytes(100_000))
            assert a.sees(b).queued_bytes <= MIB
            await until(lambda n=n: len(c.payloads(a)) == n + 1)
        assert a.sees(b).dropped > 100
        assert (a.sees(c).dropped, len(c.payloads(a))) == (0, 200)


async def test_a_ping_is_answered_while_much_waits() -> None:
    limits = MeshLimits(ping_s=60.0, first_retry_s=0.02, keep_s=600.0)
    a, b = members("a", "b", limits=limits)
    async with running(a), linked_client(b, a) as raw:
        await until(lambda: a.sees(b).path == "inbound")
        for _ in range(10):
            a.mesh.send(b.address, bytes(100_000))
        await raw.send(FrameKind.PING, bytes(8))
        await raw.frame(FrameKind.PONG)
        left = a.sees(b).messages_out
        assert left <= 10
        await until(lambda: a.sees(b).messages_out == 10 or a.sees(b).queued_bytes == 0)


async def test_an_honest_member_never_goes_over_the_limits_however_much_it_has_to_say() -> None:
    limits = MeshLimits(
        messages_per_s=400, burst_messages=40, patience=1, ping_s=0.05, first_retry_s=0.02, keep_s=600.0
    )
    a, b = members("a", "b", limits=limits)
    async with running(a, b):
        await until(lambda: a.sees(b).path == "inbound")
        for n in range(300):
            b.mesh.send(a.address, b"%d" % n)
        await until(lambda: len(a.payloads(b)) == 300)
        assert not a.sees(b).refused
        assert a.payloads(b) == [b"%d" % n for n in range(300)]


async def test_a_peer_that_falls_silent_is_let_go() -> None:
    a, b = members("a", "b", limits=MeshLimits(ping_s=0.02, silent_s=0.1))
    async with running(a), linked_client(b, a) as raw:
        await until(lambda: a.sees(b).refused.get("silent") == 1)
        assert await raw.ended() is LinkFault.SILENT


async def test_a_callback_that_fails_costs_nothing_but_a_line_in_the_log() -> None:
    a, b = member("a"), member("b", listens=False)

    def fail(sender: bytes, payload: bytes) -> None:
        a.got.append((sender, payload))
        raise RuntimeError("a bug of the driver")

    a.make(FEW, on_message=fail)
    b.make(FEW)
    know([a, b])
    async with running(a, b):
        await until(lambda: b.sees(a).path == "direct")
        b.mesh.send(a.address, b"one")
        b.mesh.send(a.address, b"two")
        await until(lambda: a.payloads(b) == [b"one", b"two"])
        assert not a.sees(b).refused


async def test_pongs_that_nobody_asked_for_say_nothing_about_the_clock() -> None:
    a, b = members("a", "b")
    async with running(a), linked_client(b, a) as raw:
        for n in range(5):
            await raw.send(FrameKind.PONG, n.to_bytes(8, "big") + bytes(8))
        await raw.send(FrameKind.DATA, b"done")
        await until(lambda: a.payloads(b))
        assert a.sees(b).round_trip_ms is None


async def test_a_payload_that_no_frame_can_carry_and_a_stranger_are_told_to_the_caller() -> None:
    a, b = members("a", "b")
    with pytest.raises(ValueError, match="at most"):
        a.mesh.send(b.address, bytes(MAX_PAYLOAD + 1))
    with pytest.raises(ValueError, match="at most"):
        a.mesh.broadcast(bytes(MAX_PAYLOAD + 1))
    for nobody in (bytes(20), a.address):
        with pytest.raises(LookupError, match="no other member"):
            a.mesh.send(nobody, b"")


async def test_the_largest_payload_arrives() -> None:
    a, b = members("a", "b")
    async with running(a, b):
        a.mesh.send(b.address, bytes(MAX_PAYLOAD))
        async with asyncio.timeout(LONG_S):
            await until(lambda: b.payloads(a) == [bytes(MAX_PAYLOAD)])


async def test_pings_of_the_websocket_are_on_the_peers_account() -> None:
    a, b = members("a", "b")
    async with running(a), linked_client(b, a) as raw:
        await raw.socket.ping(b"some")
        await raw.send(FrameKind.DATA, b"after it")
        await until(lambda: a.payloads(b) == [b"after it"])
        for _ in range(200):
            await raw.socket.ping(b"x" * 125)
        assert await raw.ended() is LinkFault.BANNED
        assert a.sees(b).refused["over_limit"] >= 10


async def test_a_ping_of_the_websocket_before_the_handshake_ends_it() -> None:
    a, _ = members("a", "b")
    async with running(a), raw_client(a) as raw:
        await raw.socket.ping()
        assert await raw.ended() is LinkFault.MALFORMED
        assert a.mesh.refused["malformed"] == 1


@pytest.mark.parametrize("piece", [b"\x00\x80\x00\x00\x00\x00", b"\x02\xfe\xff\xff\x00\x00\x00\x00" + bytes(0xFFFF)])
async def test_a_stranger_makes_us_read_128_kib_in_whatever_form(piece: bytes) -> None:
    """Empty parts of a message that never ends, or a whole one of 256 KiB in parts: before a hello could be refused for its size."""
    a, b = members("a", "b")
    async with running(a):
        async with raw_client(a) as raw:
            wire = raw.socket._writer.transport
            wire.write(b"\x02\x81\x00\x00\x00\x00x" if len(piece) < 10 else b"")
            for _ in range(MAX_UNPROVED // len(piece) + 2):
                wire.write(piece)
            await until(lambda: "oversize" in a.mesh.refused)
            assert set(a.mesh.refused) <= {"oversize", "closed"}
            await until(lambda: a.mesh.half_open == 0)
        async with linked_client(b, a) as raw:
            for n in range(3):
                await raw.send(FrameKind.DATA, b"%d" % n * MAX_UNPROVED)
            await until(lambda: len(a.payloads(b)) == 3)
