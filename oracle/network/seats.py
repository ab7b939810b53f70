"""Operators of this process as members of a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from oracle.agree.messages import (
    Advance,
    Advancing,
    Certificate,
    Commit,
    Propose,
    Ready,
    advance_digest,
    propose_digest,
    ready_digest,
)
from oracle.agree.terms import Terms
from oracle.sign import curve
from oracle.sign.eip712 import address_of, sign_compact
from oracle.sign.messages import SignedValues
from oracle.sign.operator import Operator

Utterance: TypeAlias = SignedValues | Propose | Ready | Advancing | Commit


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMember:
    """An operator with its key here, and the network key that speaks for it.

    Args:
        operator: the signer.
        network_key: of this process; one made on the spot will do where all operators are here.
    """

    operator: Operator
    network_key: curve.PrivateKey = field(default_factory=curve.PrivateKey, repr=False)

    @property
    def address(self) -> bytes:
        """Of its report key."""
        return self.operator.address

    @property
    def network_address(self) -> bytes:
        """Of its network key."""
        return address_of(self.network_key)

    def utter(self, terms: Terms, said: Utterance) -> Sequence[tuple[Utterance, frozenset[bytes] | None]]:
        """What it says and to whom, None for all: an honest member says one thing to everybody. The first it hears itself."""
        del terms
        return [(said, None)]

    def signed(
        self, terms: Terms, said: Propose | Ready | Advance, certificate: Certificate | None
    ) -> Propose | Ready | Advancing:
        """A word with the network key's signature; an advance with the certificate that it names."""
        at = (terms.binding, terms.round_time_s)
        match said:
            case Propose():
                digest = propose_digest(*at, said)
            case Ready():
                digest = ready_digest(*at, said)
            case Advance():
                digest = advance_digest(*at, said)
        fields = {f: getattr(said, f) for f in said.__struct_fields__}
        signed = type(said)(**{**fields, "signature": sign_compact(self.network_key, digest)})
        if isinstance(signed, Advance):
            return Advancing(signed, certificate if signed.certified >= 0 else None)
        return signed
