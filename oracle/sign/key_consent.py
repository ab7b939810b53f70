"""What a report key signs to speak for an operator: a consent, in the key book's own domain. Pure.

The book's domain is not the store's: no word of this type can be taken for a price, and no price for a consent. A signer that is
limited to the store's domain has to be allowed this one too.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_hash.auto import keccak

_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_CONSENT = keccak(b"Consent(address operator,uint64 nonce,uint64 expiry)")
_NAME, _VERSION = keccak(b"lrt-oracle keys"), keccak(b"1")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyConsent:
    """That a report key speaks for an operator.

    Attributes:
        chain_id: of the book.
        book: its address, 20 bytes.
        operator: 20 bytes.
        nonce: the operator's next one in the book.
        expiry_s: last second at which it can be used, Unix s.
    """

    chain_id: int
    book: bytes
    operator: bytes
    nonce: int
    expiry_s: int

    def preimage(self) -> bytes:
        """The 66 bytes whose keccak is signed, as ``KeyBook.consentDigest`` answers it."""
        where = self.chain_id.to_bytes(32, "big") + self.book.rjust(32, b"\0")
        separator = keccak(_DOMAIN + _NAME + _VERSION + where)
        words = self.operator.rjust(32, b"\0") + self.nonce.to_bytes(32, "big") + self.expiry_s.to_bytes(32, "big")
        return b"\x19\x01" + separator + keccak(_CONSENT + words)

    def digest(self) -> bytes:
        """What is signed."""
        return keccak(self.preimage())
