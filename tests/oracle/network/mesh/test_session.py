"""Laws of the check on frames: what passes is what was sent, in its place, in its direction, in this link."""

from __future__ import annotations

import random

import coincurve
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.session import CHECK, FrameCheck, frame_keys
from tests.oracle.network.mesh.mesh_world import key_of, refusal_of

KEY = bytes(range(32))
bodies = st.lists(st.binary(max_size=200), min_size=1, max_size=8)


def refuses(check: FrameCheck, raw: bytes, why: LinkFault = LinkFault.FORGED) -> bool:
    refused = refusal_of(lambda: check.opened(raw))
    assert refused is None or refused.fault is why
    return refused is not None


@given(bodies)
def test_law_frames_pass_in_order(sent: list[bytes]) -> None:
    out, back = FrameCheck(KEY), FrameCheck(KEY)
    for n, body in enumerate(sent):
        assert back.opened(out.sealed(n, body)) == bytes((n,)) + body


@given(bodies, st.data())
def test_law_a_changed_frame_is_refused(sent: list[bytes], data: st.DataObject) -> None:
    out, back = FrameCheck(KEY), FrameCheck(KEY)
    raws = [out.sealed(1, body) for body in sent]
    for raw in raws[:-1]:
        back.opened(raw)
    changed = bytearray(raws[-1])
    how = data.draw(st.sampled_from(["flip", "cut", "add"]))
    if how == "flip":
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del changed[data.draw(st.integers(0, len(changed) - 1)) :]
    else:
        changed += data.draw(st.binary(min_size=1, max_size=20))
    assert refuses(back, bytes(changed))


@given(bodies, st.randoms(use_true_random=False), st.integers(0, 255))
def test_law_frames_may_be_missing_and_out_of_order_and_count_once(
    sent: list[bytes], rng: random.Random, lost: int
) -> None:
    out, back = FrameCheck(KEY), FrameCheck(KEY)
    raws = [out.sealed(n, body) for n, body in enumerate(sent) if not lost >> n & 1]
    rng.shuffle(raws)
    for raw in raws:
        assert back.opened(raw) == raw[:-CHECK]
    for raw in raws:
        assert refuses(back, raw, LinkFault.REPLAYED)


def test_a_frame_is_worth_nothing_under_another_number_or_key() -> None:
    first, second = (out := FrameCheck(KEY)).sealed(1, b"a"), out.sealed(1, b"a")
    assert first != second
    assert refuses(FrameCheck(KEY), first[:-CHECK] + second[-CHECK:-16] + first[-16:])
    assert refuses(FrameCheck(bytes(32)), first)


def test_both_derive_the_same_keys_and_a_third_or_another_handshake_does_not() -> None:
    a, b, eve = (key_of(n) for n in ("a", "b", "eve"))
    keys = frame_keys(a, b.public_key.format(), b"t")
    assert keys == frame_keys(b, a.public_key.format(), b"t")
    assert len({*keys, *frame_keys(eve, b.public_key.format(), b"t"), *frame_keys(a, b.public_key.format(), b"u")}) == 6


@pytest.mark.parametrize("point", [b"\x02" + b"\xff" * 32, bytes(33), b"\x05" + b"\x01" * 32])
def test_what_is_no_point_of_the_curve_is_refused(point: bytes) -> None:
    with pytest.raises(LinkRefused) as caught:
        frame_keys(coincurve.PrivateKey(), point, b"t")
    assert caught.value.fault is LinkFault.MALFORMED
