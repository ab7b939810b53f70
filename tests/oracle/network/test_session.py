"""Laws of the check on frames: what passes is what was sent, in its place, in its direction, in this link."""

from __future__ import annotations

import coincurve
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.network.faults import LinkFault, LinkRefused
from oracle.network.session import FrameCheck, frame_keys
from tests.oracle.network.mesh_world import key_of, refusal_of

KEY = bytes(range(32))
bodies = st.lists(st.binary(max_size=200), min_size=1, max_size=8)


def refuses(check: FrameCheck, raw: bytes) -> bool:
    refused = refusal_of(lambda: check.opened(raw))
    assert refused is None or refused.fault is LinkFault.FORGED
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


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_law_a_frame_left_out_repeated_or_out_of_order_is_refused(one: bytes, two: bytes) -> None:
    out = FrameCheck(KEY)
    first, second = out.sealed(1, one), out.sealed(1, two)
    assert refuses(FrameCheck(KEY), second)
    again = FrameCheck(KEY)
    again.opened(first)
    assert refuses(again, first)


def test_a_frame_that_is_skipped_unread_keeps_the_order() -> None:
    out, back = FrameCheck(KEY), FrameCheck(KEY)
    out.sealed(1, b"over the limit")
    back.skip()
    assert back.opened(out.sealed(1, b"next")) == b"\x01next"


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
