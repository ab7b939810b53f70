"""Strangers and cheats at the port: each is dropped for its own reason, before anything more of it is read."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import aiohttp
import coincurve
import pytest

from oracle.network.mesh.certificates import unverified
from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.handshake import receive
from oracle.network.mesh.hello import Hello, hello_bytes, proof, read_hello, transcript_hash
from oracle.network.mesh.limits import MAX_FRAME, MAX_HELLO, MeshLimits
from oracle.network.mesh.listener import _Entry, host_of
from oracle.sign.eip712 import Domain
from tests.oracle.network.mesh.mesh_world import DOMAIN, LONG_S, Member, key_of, know, member, running, until
from tests.oracle.network.mesh.raw_client import Raw, identity, linked_client, meet, raw_client

pytestmark = pytest.mark.loopback
PATIENT = MeshLimits(handshake_s=60.0)


def pair(limits: MeshLimits = PATIENT) -> tuple[Member, Member]:
    a, b = member("a"), member("b", listens=False)
    for one in (a, b):
        one.make(limits)
    know([a, b])
    return a, b


def hello_of(one: Member, raw: Raw, **changes: object) -> bytes:
    secret = coincurve.PrivateKey()
    said = identity(one).hello(secret.public_key.format(), raw.seen)
    fields = {f: getattr(said, f) for f in said.__struct_fields__}
    return hello_bytes(Hello(**(fields | changes)))


async def said(a: Member, first: bytes | str) -> LinkFault | None:
    """What becomes of a client that says this first."""
    async with raw_client(a) as raw:
        await (raw.socket.send_str(first) if isinstance(first, str) else raw.socket.send_bytes(first))
        return await raw.ended()


async def test_what_is_no_hello_is_refused_by_its_kind() -> None:
    a, _ = pair()
    async with running(a):
        assert await said(a, "hello") is LinkFault.TEXT_FRAME
        assert await said(a, b"\x00garbage") is LinkFault.MALFORMED
        assert await said(a, b"") is LinkFault.MALFORMED
        assert await said(a, bytes(MAX_HELLO + 1)) is LinkFault.OVERSIZE
        assert a.mesh.refused == {"text_frame": 1, "malformed": 2, "oversize": 1}


async def test_a_message_beyond_a_frame_is_cut_off_before_it_is_whole() -> None:
    a, _ = pair()
    async with running(a):
        await said(a, bytes(MAX_FRAME + 1_000))
        assert a.mesh.refused == {"oversize": 1}


async def test_strangers_hear_nothing_but_that_they_are() -> None:
    a, _ = pair()
    async with running(a), raw_client(a) as raw:
        await raw.socket.send_bytes(hello_of(member("eve", listens=False), raw))
        with pytest.raises(LinkRefused) as caught:
            await receive(raw.socket)
        assert (caught.value.fault, caught.value.by_peer) == (LinkFault.STRANGER, True), "no hello came back"


async def test_another_store_another_version_and_ones_own_key_are_told_apart() -> None:
    a, b = pair()
    other = Member("b", domain=Domain(DOMAIN.chain_id, b"\x22" * 20))
    async with running(a):
        for one, changes, fault in (
            (other, {}, LinkFault.OTHER_STORE),
            (b, {"versions": (7,)}, LinkFault.VERSIONS),
            (b, {"announcement": other.signed().raw}, LinkFault.STRANGER),  # as of this store it is of another key
            (b, {"announcement": b"none"}, LinkFault.BAD_ANNOUNCEMENT),
            (Member("a"), {}, LinkFault.ITSELF),
        ):
            async with raw_client(a) as raw:
                await raw.socket.send_bytes(hello_of(one, raw, **changes))
                assert await raw.ended() is fault


async def test_a_key_that_was_replaced_is_refused() -> None:
    a, b = pair()
    newer = b.signed(counter=9, network_key=b"\x0e" * 20)
    a.mesh.set_peers([b.peer()], [newer])
    async with running(a), raw_client(a) as raw:
        await raw.socket.send_bytes(hello_of(b, raw))
        assert await raw.ended() is LinkFault.OLD_KEY
        assert "was refused: its network key was replaced" in a.sees(b).last_error, "the operator sees why b is missing"


async def test_somebody_elses_announcement_is_no_identity() -> None:
    a, b = pair()
    async with running(a), raw_client(a) as raw:
        ours = hello_of(b, raw)  # b's announcement is public; its network key is not
        await raw.socket.send_bytes(ours)
        heard = read_hello(await receive(raw.socket), DOMAIN)
        await raw.socket.send_bytes(proof(key_of("thief"), transcript_hash(ours, heard.raw, DOMAIN), dials=True))
        assert await raw.ended() is LinkFault.BAD_PROOF
        assert a.sees(b).path == "none"


async def test_a_recorded_handshake_and_a_proof_sent_back_open_nothing() -> None:
    a, b = pair()
    async with running(a):
        async with raw_client(a) as raw:
            ours = hello_of(b, raw)
            await raw.socket.send_bytes(ours)
            heard = read_hello(await receive(raw.socket), DOMAIN)
            recorded = proof(b.network, transcript_hash(ours, heard.raw, DOMAIN), dials=True)
        for answer in (recorded, None):
            async with raw_client(a) as raw:
                await raw.socket.send_bytes(ours)
                again = read_hello(await receive(raw.socket), DOMAIN)
                sent_back = proof(b.network, transcript_hash(ours, again.raw, DOMAIN), dials=False)
                await raw.socket.send_bytes(answer or sent_back)
                assert await raw.ended() is LinkFault.BAD_PROOF


async def test_a_proxy_that_shows_another_certificate_is_noticed_by_who_is_dialled() -> None:
    a, b = pair()
    async with running(a), raw_client(a) as raw:
        await raw.socket.send_bytes(hello_of(b, raw, certificate=b"\x0d" * 32))
        assert await raw.ended() is LinkFault.CERTIFICATE


async def test_who_says_nothing_is_dropped_at_the_deadline() -> None:
    a, b = pair(MeshLimits(handshake_s=0.2))
    async with running(a):
        _, writer = await asyncio.open_connection("127.0.0.1", a.port)  # not even TLS
        with contextlib.suppress(aiohttp.ClientError):  # on a busy machine it is too late even for that
            async with raw_client(a) as raw:
                await raw.socket.send_bytes(hello_of(b, raw))  # and never a proof
                await raw.ended()
        await until(lambda: a.mesh.refused.get("deadline", 0) + a.mesh.refused.get("malformed", 0) >= 2)
        writer.close()
        assert a.mesh.half_open == 0


async def test_half_open_handshakes_of_one_address_are_bounded_and_free_their_places() -> None:
    a, b = pair(MeshLimits(handshake_s=60.0, half_open_per_ip=3))
    async with running(a):
        idle = [await asyncio.open_connection("127.0.0.1", a.port) for _ in range(3)]
        await until(lambda: a.mesh.half_open == 3)
        refused = await asyncio.open_connection("127.0.0.1", a.port)
        await until(lambda: a.mesh.refused.get("too_many") == 1)
        for _, writer in (*idle, refused):
            writer.close()
        await until(lambda: a.mesh.half_open == 0)
        async with linked_client(b, a):
            await until(lambda: a.sees(b).path == "inbound")
            assert a.mesh.half_open == 0, "a link takes no place"


async def test_what_is_no_websocket_gets_one_sentence() -> None:
    a, _ = pair()
    async with running(a), aiohttp.ClientSession() as session:
        url = a.url.replace("wss", "https")
        async with session.get(url, ssl=unverified()) as answer:
            assert answer.status == 426
            assert "operators" in await answer.text()
        async with session.post(url, data=b"x" * 100_000, ssl=unverified()) as answer:
            assert answer.status == 426


async def test_who_plays_a_members_hello_back_keeps_that_member_out_of_nothing() -> None:
    a, b = pair(MeshLimits(handshake_s=60.0, burst_connects=4))
    async with running(a):
        for _ in range(12):
            async with raw_client(a) as raw:
                await raw.socket.send_bytes(hello_of(b, raw))
                read_hello(await receive(raw.socket), DOMAIN)
                await raw.socket.send_bytes(bytes(64))
                assert await raw.ended() is LinkFault.BAD_PROOF
        async with linked_client(b, a):
            await until(lambda: a.sees(b).path == "inbound")
            assert not a.sees(b).refused


async def test_a_member_that_connects_again_and_again_is_slowed_down() -> None:
    a, b = pair(MeshLimits(handshake_s=60.0, burst_connects=4))
    async with running(a):
        with pytest.raises(LinkRefused) as caught:  # noqa: PT012 - which of them is refused is not the point
            for _ in range(20):
                async with raw_client(a) as raw:
                    await meet(raw, b, a)
        assert caught.value.fault is LinkFault.TOO_MANY


def test_one_address_is_an_ipv4_or_the_network_of_an_ipv6() -> None:
    assert host_of("192.0.2.1") == host_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert host_of("2001:db8:1:2::1") == host_of("2001:db8:1:2:ffff::9%eth0") != host_of("2001:db8:1:3::1")
    assert host_of("?") == "?"


async def test_a_mesh_that_closes_leaves_nobody_waiting() -> None:
    a, _ = pair()
    await a.mesh.start()
    clients = [socket.create_connection(("127.0.0.1", a.port)) for _ in range(20)]  # in the backlog: nothing ran since
    await asyncio.sleep(0)  # some of them are being accepted now
    await a.mesh.close()
    loop = asyncio.get_running_loop()
    for client in clients:
        client.setblocking(False)
        async with asyncio.timeout(LONG_S):
            with contextlib.suppress(ConnectionResetError):
                assert await loop.sock_recv(client, 1) == b""
        client.close()


async def test_a_connection_that_was_accepted_as_the_mesh_closed_is_dropped() -> None:
    a, _ = pair()
    await a.mesh.start()
    listener = a.mesh._listener
    assert listener is not None
    assert listener._web is not None
    web_server = listener._web
    await a.mesh.close()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: _Entry(listener, web_server), theirs)
    async with asyncio.timeout(LONG_S):
        assert await loop.sock_recv(ours, 1) == b""
    ours.close()
