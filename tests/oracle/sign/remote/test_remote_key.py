"""Whatever a signer answers: what comes out is the key's own signature in the one form that chains take, or nothing."""

from __future__ import annotations

import coincurve
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from oracle.sign.eip712 import address_of
from oracle.sign.remote.remote_key import address_of_point, checked_signature, compact_of, signer_of

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
keys = st.integers(1, ORDER - 1).map(lambda n: coincurve.PrivateKey(n.to_bytes(32, "big")))
digests = st.binary(min_size=1, max_size=40).map(keccak)


def parts(key: coincurve.PrivateKey, digest: bytes) -> tuple[bytes, int, int]:
    raw = key.sign_recoverable(digest, hasher=None)
    return raw[:32], int.from_bytes(raw[32:64], "big"), raw[64]


@given(keys, digests, st.booleans(), st.sampled_from(["none", "0", "27"]))
def test_law_a_signature_of_any_form_becomes_the_one_form(
    key: coincurve.PrivateKey, digest: bytes, high: bool, parity: str
) -> None:
    r, s, y = parts(key, digest)
    wanted = r + s.to_bytes(32, "big") + bytes([y])
    s, y = (ORDER - s, y ^ 1) if high else (s, y)
    raw = r + s.to_bytes(32, "big") + (b"" if parity == "none" else bytes([y + int(parity)]))
    made = checked_signature(raw, digest, address_of(key))
    assert made == wanted
    assert int.from_bytes(made[32:64], "big") <= ORDER // 2
    assert compact_of(made)[32] >> 7 == made[64]


@given(keys, digests, digests, st.integers(0, 64), st.integers(1, 255))
def test_law_nothing_else_becomes_a_signature(
    key: coincurve.PrivateKey, digest: bytes, other: bytes, at: int, bits: int
) -> None:
    r, s, y = parts(key, digest)
    raw = r + s.to_bytes(32, "big") + bytes([y])
    if digest != other:
        assert checked_signature(raw, other, address_of(key)) is None
        assert checked_signature(raw[:64], other, address_of(key)) is None
    broken = bytearray(raw)
    broken[at] ^= bits
    made = checked_signature(bytes(broken), digest, address_of(key))
    assert made in {None, raw}, "27 and 28 are 0 and 1"


@given(st.binary(max_size=80))
def test_law_bytes_of_any_kind_are_no_error(raw: bytes) -> None:
    assert checked_signature(raw, b"\x11" * 32, b"\x22" * 20) is None
    assert address_of_point(raw) is None or len(raw) in {64, 65}
    assert signer_of(b"\xff" * 65, b"\x11" * 32) is None


def test_zero_is_no_signature() -> None:
    assert checked_signature(bytes(64), b"\x11" * 32, b"\x22" * 20) is None
    assert checked_signature(b"\x01" * 32 + ORDER.to_bytes(32, "big"), b"\x11" * 32, b"\x22" * 20) is None
