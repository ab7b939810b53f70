"""Frames: every kind round, everything else a typed refusal; a carried payload is its sender's own."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.network.mesh.faults import CLOSE_CODES, LinkFault, LinkRefused
from oracle.network.mesh.frames import (
    Announcements,
    Forward,
    FrameKind,
    Reachable,
    announcement_bodies,
    forward_signer,
    parse_frame,
    reachable_body,
    signed_forward,
)
from oracle.network.mesh.limits import FRAME_OVERHEAD, MAX_FRAME, MAX_MEMBERS, MAX_PAYLOAD
from oracle.network.mesh.session import CHECK
from oracle.sign.eip712 import Domain, address_of
from tests.oracle.network.mesh.frame_samples import as_sent, assert_sane, sound
from tests.oracle.network.mesh.mesh_world import DOMAIN, key_of

A, B = b"\x0a" * 20, b"\x0b" * 20
KEY = key_of("network a")


def carried(**changes: object) -> Forward:
    frame = signed_forward(DOMAIN, KEY, to=B, sender=A, number=7, payload=b"values")
    return replace(frame, **changes)  # type: ignore[arg-type]


def fault(raw: bytes) -> LinkFault:
    with pytest.raises(LinkRefused) as caught:
        parse_frame(raw)
    return caught.value.fault


@given(st.integers(0, 1 << 32))
def test_law_a_sound_frame_is_read_as_it_was_sent(seed: int) -> None:
    kind, body = sound(random.Random(seed))
    raw = bytes((kind,)) + body
    frame = parse_frame(raw)
    if not isinstance(frame, Reachable):
        assert as_sent(frame) == raw


@given(st.binary(max_size=300))
def test_law_any_bytes_are_a_frame_or_a_typed_refusal(raw: bytes) -> None:
    assert_sane(raw)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", LinkFault.MALFORMED),
        (b"\x00", LinkFault.UNKNOWN_KIND),
        (b"\x09payload", LinkFault.UNKNOWN_KIND),
        (b"\xff", LinkFault.UNKNOWN_KIND),
        (b"\x02" + bytes(7), LinkFault.MALFORMED),
        (b"\x02" + bytes(9), LinkFault.MALFORMED),
        (b"\x03" + bytes(15), LinkFault.MALFORMED),
        (b"\x04" + bytes(19), LinkFault.MALFORMED),
        (b"\x04" + bytes(20 * (MAX_MEMBERS + 1)), LinkFault.MALFORMED),
        (b"\x05\x00", LinkFault.MALFORMED),
        (b"\x05\x00\x05abcd", LinkFault.MALFORMED),
        (b"\x05" + bytes(2 * (MAX_MEMBERS + 1)), LinkFault.MALFORMED),
        (b"\x06" + bytes(111), LinkFault.MALFORMED),
        (b"\x07" + bytes(111), LinkFault.MALFORMED),
        (b"\x08\x00", LinkFault.MALFORMED),
        (b"\x01" + bytes(MAX_FRAME), LinkFault.OVERSIZE),
    ],
)
def test_what_is_not_whole_is_refused_by_its_kind(raw: bytes, why: LinkFault) -> None:
    assert fault(raw) is why


def test_the_largest_payload_fits_whichever_way_it_takes() -> None:
    frame = carried(payload=bytes(MAX_PAYLOAD))
    assert 1 + len(frame.body()) + CHECK <= MAX_FRAME
    assert parse_frame(as_sent(frame)) == frame
    assert len(carried(payload=b"").body()) + 1 + CHECK <= FRAME_OVERHEAD


def test_announcements_of_all_members_take_as_many_frames_as_they_need() -> None:
    raws = [random.Random(n).randbytes(1_200) for n in range(MAX_MEMBERS)]
    bodies = announcement_bodies(raws)
    assert len(bodies) > 1
    assert all(len(b) <= MAX_PAYLOAD for b in bodies)
    read = [parse_frame(bytes((FrameKind.ANNOUNCEMENTS,)) + b) for b in bodies]
    assert [raw for frame in read if isinstance(frame, Announcements) for raw in frame.raw] == raws
    assert announcement_bodies([]) == []


def test_a_list_of_members_is_read_as_it_was_sent() -> None:
    for members in (frozenset(), frozenset({A}), frozenset({A, B})):
        assert parse_frame(b"\x04" + reachable_body(members)) == Reachable(members)


def test_a_carried_payload_is_signed_by_its_sender_for_one_member_of_one_store() -> None:
    assert forward_signer(DOMAIN, carried()) == address_of(KEY)
    assert forward_signer(DOMAIN, carried(carried=True)) == address_of(KEY), "the same after its hop"
    for changed in (
        carried(payload=b"other"), carried(to=A), carried(sender=B), carried(number=8), carried(signature=bytes(64)),
    ):  # fmt: skip
        assert forward_signer(DOMAIN, changed) != address_of(KEY)
    assert forward_signer(Domain(DOMAIN.chain_id + 1, DOMAIN.store), carried()) != address_of(KEY)
    assert forward_signer(Domain(DOMAIN.chain_id, bytes(20)), carried()) != address_of(KEY)


def test_every_refusal_has_a_code_of_its_own_that_applications_may_use() -> None:
    assert set(CLOSE_CODES) == set(LinkFault)
    assert len(set(CLOSE_CODES.values())) == len(LinkFault)
    assert all(4_000 <= code < 5_000 for code in CLOSE_CODES.values())
    names = [f.value for f in LinkFault]
    assert names[:3] == ["unreachable", "deadline", "malformed"], "their order is part of the protocol"
    assert (CLOSE_CODES[LinkFault.STRANGER], CLOSE_CODES[LinkFault.CLOSED]) == (4_008, 4_024)
