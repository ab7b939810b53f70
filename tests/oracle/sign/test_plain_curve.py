"""Where libsecp256k1 is not installed: the same signatures, addresses, shared secrets and refusals."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.sign import plain_curve

coincurve = pytest.importorskip(
    "coincurve", reason="libsecp256k1 has no wheel for this Python: nothing to compare with"
)
ORDER = plain_curve.ORDER
ROOT = Path(__file__).resolve().parents[3]
NUMBERS = st.integers(1, ORDER - 1) | st.sampled_from([1, 2, 3, ORDER // 2, ORDER - 2, ORDER - 1])
DIGESTS = st.binary(min_size=32, max_size=32) | st.sampled_from([bytes(32), b"\xff" * 32, ORDER.to_bytes(32)])


@given(NUMBERS, DIGESTS)
def test_the_same_signature_and_the_same_signer(number: int, digest: bytes) -> None:
    secret = number.to_bytes(32)
    ours, theirs = plain_curve.PrivateKey(secret), coincurve.PrivateKey(secret)
    assert ours.public_key.format() == theirs.public_key.format()
    assert ours.public_key.format(compressed=False) == theirs.public_key.format(compressed=False)
    signature = ours.sign_recoverable(digest)
    if int.from_bytes(digest) < ORDER:  # above it libsecp256k1 draws another nonce than RFC 6979 has
        assert signature == theirs.sign_recoverable(digest, hasher=None)
    assert plain_curve.PublicKey.from_signature_and_message(signature, digest).format() == theirs.public_key.format()
    assert int.from_bytes(signature[32:64]) <= ORDER // 2


@given(NUMBERS, NUMBERS)
def test_both_sides_share_what_libsecp256k1_shares(a: int, b: int) -> None:
    ours, theirs = plain_curve.PrivateKey.from_int(a), coincurve.PrivateKey.from_int(b)
    expected = theirs.ecdh(ours.public_key.format())
    assert ours.ecdh(theirs.public_key.format()) == expected
    assert ours.ecdh(theirs.public_key.format(compressed=False)) == expected


SCALARS = st.integers(0, (1 << 256) - 1) | st.sampled_from(
    [0, 1, ORDER - 1, ORDER, ORDER + 1, plain_curve.FIELD - ORDER]
)


@given(SCALARS, SCALARS, st.integers(0, 4), DIGESTS)
def test_foreign_bytes_recover_to_the_same_key_or_to_none(r: int, s: int, y: int, digest: bytes) -> None:
    signature = r.to_bytes(32) + s.to_bytes(32) + bytes([y])
    assert _recovered(plain_curve, signature, digest) == _recovered(coincurve, signature, digest)


def test_a_nonce_beyond_the_order_recovers_too() -> None:
    found = 0
    for r in range(1, 12):
        signature = r.to_bytes(32) + (7).to_bytes(32) + bytes([2])
        ours, theirs = (_recovered(m, signature, b"\x05" * 32) for m in (plain_curve, coincurve))
        assert ours == theirs
        found += ours is not None
    assert found


@pytest.mark.parametrize(
    "raw", [b"", bytes(33), b"\x02" + bytes(32), b"\x04" + bytes(64), b"\x05" + b"\x01" * 32, b"\x02" * 32]
)
def test_no_point_is_refused_by_both(raw: bytes) -> None:
    key = secrets.token_bytes(32)
    for module in (plain_curve, coincurve):
        with pytest.raises(ValueError):  # noqa: PT011 - each library has its words
            module.PublicKey(raw)
        with pytest.raises(ValueError):  # noqa: PT011 - the same
            module.PrivateKey(key).ecdh(raw)


@pytest.mark.parametrize("secret", [bytes(32), ORDER.to_bytes(32), b"\xff" * 32])
def test_no_secret_key_is_refused_by_both(secret: bytes) -> None:
    for module in (plain_curve, coincurve):
        with pytest.raises(ValueError):  # noqa: PT011 - the same
            module.PrivateKey(secret)


def test_a_secret_is_in_no_representation() -> None:
    key = plain_curve.PrivateKey()
    assert key.secret.hex() not in repr(key)
    assert str(key.to_int()) not in repr(key)


def test_everything_that_signs_loads_without_libsecp256k1() -> None:
    code = (
        "import sys; sys.modules['coincurve'] = None\n"
        "from oracle.sign import curve, plain_curve\n"
        "import oracle.app, oracle.deploy.deployment, oracle.network.mesh.mesh, demo.testbed\n"
        "assert curve.PrivateKey is plain_curve.PrivateKey\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _recovered(module: object, signature: bytes, digest: bytes) -> bytes | None:
    try:
        key = module.PublicKey.from_signature_and_message(signature, digest, hasher=None)  # type: ignore[attr-defined]
    except ValueError:
        return None
    return bytes(key.format())
