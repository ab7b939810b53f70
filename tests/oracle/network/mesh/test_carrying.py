"""One hop over a third: what a carrier and a sender can do wrong, and who pays for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.network.mesh.carry_account import CarryAccount
from oracle.network.mesh.faults import LinkFault
from oracle.network.mesh.frames import Forward, FrameKind, signed_forward
from oracle.network.mesh.limits import MeshLimits
from oracle.network.mesh.peer_state import PeerState
from tests.oracle.network.mesh.mesh_world import DOMAIN, Member, know, member, running, until
from tests.oracle.network.mesh.raw_client import linked_client

pytestmark = pytest.mark.loopback
CALM = MeshLimits(ping_s=60.0, first_retry_s=0.02, keep_s=600.0, patience=20)


def members(*names: str, limits: MeshLimits = CALM) -> list[Member]:
    """The first listens, the others do not."""
    made = [member(n, listens=n == names[0]) for n in names]
    for one in made:
        one.make(limits)
    know(made)
    return made


def payload_of(sender: Member, to: Member, number: int, payload: bytes = b"p", **changes: object) -> Forward:
    frame = signed_forward(DOMAIN, sender.network, to=to.address, sender=sender.address, number=number, payload=payload)
    return replace(frame, **changes)  # type: ignore[arg-type]


async def test_a_carrier_hands_on_what_the_sender_signed_and_nothing_else() -> None:
    a, b, carrier = members("a", "b", "carrier")
    async with running(a), linked_client(carrier, a) as raw:
        forged = [
            payload_of(b, a, 1, signature=bytes(64)),
            payload_of(b, a, 2, payload=b"a lie", signature=payload_of(b, a, 2).signature),
            replace(payload_of(b, a, 3), number=4),
            replace(payload_of(carrier, a, 5), sender=b.address),
            payload_of(member("eve", listens=False), a, 6),
        ]
        for frame in forged:
            await raw.send(FrameKind.CARRIED, frame.body())
        await raw.send(FrameKind.CARRIED, payload_of(b, a, 7, b"true").body())
        await until(lambda: a.payloads(b) == [b"true"])
        assert a.sees(carrier).refused == {"bad_proof": 4, "stranger": 1}
        assert not a.sees(b).refused, "b has done nothing"
        assert len(a.got) == 1


async def test_a_carried_payload_counts_once_however_often_it_is_played() -> None:
    a, b, carrier = members("a", "b", "carrier")
    async with running(a), linked_client(carrier, a) as raw:
        for _ in range(5):
            await raw.send(FrameKind.CARRIED, payload_of(b, a, 7).body())
        await raw.send(FrameKind.CARRIED, payload_of(b, a, 8, b"next").body())
        await until(lambda: a.payloads(b) == [b"p", b"next"])
        assert a.sees(b).repeated == 4


async def test_a_payload_makes_one_hop_and_no_more() -> None:
    a, b, carrier = members("a", "b", "carrier")
    async with running(a, b), linked_client(carrier, a) as raw:
        await until(lambda: a.sees(b).path == "inbound")
        wrong = [
            (FrameKind.CARRIED, payload_of(carrier, b, 1)),  # carried once, and not for a
            (FrameKind.CARRIED, payload_of(carrier, a, 2)),  # carried by its own sender
            (FrameKind.FORWARD, payload_of(b, b, 3)),  # somebody else's, to be carried on
            (FrameKind.FORWARD, payload_of(carrier, a, 4)),  # for the carrier itself
        ]
        for kind, frame in wrong:
            await raw.send(kind, frame.body())
        await raw.send(FrameKind.DATA, b"done")
        await until(lambda: a.payloads(carrier))
        assert a.sees(carrier).refused == {"not_for_me": 4}
        assert not b.got


async def test_only_members_are_carried_to_and_only_what_is_signed() -> None:
    a, b, c = members("a", "b", "c")
    gone = member("gone", listens=False)
    a.mesh.set_peers([m.peer() for m in (b, c, gone)], [b.signed(), c.signed()])
    async with running(a), linked_client(c, a) as raw:
        await raw.send(FrameKind.FORWARD, payload_of(c, member("eve", listens=False), 1).body())
        await raw.send(FrameKind.FORWARD, payload_of(c, b, 2, signature=bytes(64)).body())
        await raw.send(FrameKind.FORWARD, payload_of(c, gone, 3).body())
        await raw.send(FrameKind.DATA, b"done")
        await until(lambda: a.payloads(c))
        assert a.sees(c).refused == {"stranger": 1, "bad_proof": 1, "no_route": 1}


async def test_carrying_is_on_the_account_of_both() -> None:
    limits = replace(CALM, carried_per_s=1, burst_carried=5)
    a, b, c, d = members("a", "b", "c", "d", limits=limits)
    async with running(a, b), linked_client(c, a) as one, linked_client(d, a) as two:
        await until(lambda: a.sees(b).path == "inbound")
        for n in range(12):
            await one.send(FrameKind.FORWARD, payload_of(c, b, n).body())
        await until(lambda: a.sees(c).refused.get("over_limit", 0) >= 6)
        await two.send(FrameKind.FORWARD, payload_of(d, b, 1).body())
        await two.send(FrameKind.DATA, b"done")
        await until(lambda: a.payloads(d))
        await until(lambda: b.payloads(d))
        assert a.sees(d).refused == {}, "what c asked for too much is on no account of d"
        assert len(b.payloads(c)) <= 6


def test_what_is_carried_to_a_member_is_bounded_and_each_other_has_a_little_of_its_own() -> None:
    few = replace(CALM, burst_carried=5, burst_pair=2)
    small = replace(CALM, burst_carried_bytes=500, burst_pair_bytes=200)
    for limits in (few, small):
        to = CarryAccount(limits, 0)
        taken = {s: [to.may_carry_to(s, 100, 0) for _ in range(9)] for s in (b"x", b"y", b"z")}
        assert {s: sum(n) for s, n in taken.items()} == {b"x": 7, b"y": 2, b"z": 2}
        assert all(n == sorted(n, reverse=True) for n in taken.values())


def test_carrying_takes_a_part_of_what_may_be_sent_and_leaves_most_of_it() -> None:
    """With ten that have all carried to one that they may, more than half of what we may send to it is still ours."""
    limits, account, size = MeshLimits(), CarryAccount(MeshLimits(), 0), 8 << 10
    sent = 0
    for second in range(600):
        for sender in range(10):
            while account.may_carry_to(bytes([sender]), size, second * 1_000_000):
                sent += size
    ours = 600 * limits.bytes_per_s * limits.send_share_percent // 100
    assert sent < ours // 2


def _swallow(sender: PeerState, frame: Forward) -> None:
    """What a carrier does that takes a payload and hands it to nobody."""
    del sender, frame


async def test_one_carrier_that_swallows_loses_nothing_while_another_carries() -> None:
    a, x, y, thief = member("a"), member("x", listens=False), member("y", listens=False), member("thief")
    for one in (a, x, y):
        one.make(CALM)
    know_all = [m.peer() for m in (a, x, y, thief)]
    for one in (a, x, y):
        one.mesh.set_peers(know_all, [m.signed() for m in (a, x, y)])
    thief.make(CALM)
    thief.mesh.set_peers([m.peer() for m in (a, x, y)], [m.signed() for m in (a, x, y)])
    thief.mesh._router._carry = _swallow  # type: ignore[method-assign]
    for one in (x, y):
        one.mesh.set_peers(know_all, [thief.signed()])
    async with running(a, x, y, thief):
        await until(lambda: len(x.sees(y).via) == 2)
        for n in range(30):
            x.mesh.send(y.address, b"%d" % n)
        await until(lambda: len(y.payloads(x)) == 30)


async def test_what_waits_takes_the_way_over_others_once_there_is_one() -> None:
    a, x, y = member("a"), member("x", listens=False), member("y", listens=False)
    for one in (a, x, y):
        one.make(CALM)
    know([a, x, y])
    async with running(x):
        x.mesh.send(y.address, b"early")
        async with running(a, y):
            await until(lambda: y.payloads(x) == [b"early"])
            assert x.sees(y).path == "via"
            assert x.sees(y).via == ("a",)


async def test_a_network_key_that_was_replaced_signs_nothing_more_that_is_carried() -> None:
    a, b, carrier = members("a", "b", "carrier")
    a.mesh.set_peers([b.peer(), carrier.peer()], [b.signed(counter=9, network_key=b"\x0e" * 20)])
    async with running(a), linked_client(carrier, a) as raw:
        await raw.send(FrameKind.CARRIED, payload_of(b, a, 1).body())
        await raw.send(FrameKind.DATA, b"done")
        await until(lambda: a.payloads(carrier))
        assert a.sees(carrier).refused == {LinkFault.BAD_PROOF.value: 1}
        assert not a.payloads(b)
