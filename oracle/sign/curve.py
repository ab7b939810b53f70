"""Keys on secp256k1: by libsecp256k1 (coincurve) where it is installed, else by OpenSSL and plain arithmetic.

coincurve has no wheel for the newest Python for some time after its release. What stands in for it makes the same bytes, more slowly.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING or find_spec("coincurve") is not None:
    from coincurve import PrivateKey, PublicKey
else:
    from oracle.sign.plain_curve import PrivateKey, PublicKey

__all__ = ("PrivateKey", "PublicKey")
