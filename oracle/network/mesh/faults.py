"""What can be wrong between two members, each with a word that metrics count and a sentence that people read."""

from __future__ import annotations

from enum import StrEnum

from feeds.errors import LrtOracleError


class LinkFault(StrEnum):
    """Why something of a peer was refused. The order is part of the protocol: a new one is added at the end."""

    UNREACHABLE = "unreachable"
    DEADLINE = "deadline"
    MALFORMED = "malformed"
    TEXT_FRAME = "text_frame"
    UNKNOWN_KIND = "unknown_kind"
    OVERSIZE = "oversize"
    FORGED = "forged"
    OVER_LIMIT = "over_limit"
    STRANGER = "stranger"
    OTHER_STORE = "other_store"
    VERSIONS = "versions"
    BAD_ANNOUNCEMENT = "bad_announcement"
    OLD_KEY = "old_key"
    BAD_PROOF = "bad_proof"
    CERTIFICATE = "certificate"
    WRONG_MEMBER = "wrong_member"
    ITSELF = "itself"
    DUPLICATE = "duplicate"
    BANNED = "banned"
    TOO_MANY = "too_many"
    NOT_FOR_ME = "not_for_me"
    NO_ROUTE = "no_route"
    REPLAYED = "replayed"
    SILENT = "silent"
    CLOSED = "closed"


CLOSE_CODES = {fault: 4_000 + n for n, fault in enumerate(LinkFault)}
"""Codes of the WebSocket's close, of those that are for applications (RFC 6455, 7.4.2: 4000 to 4999)."""
FAULT_OF_CODE = {code: fault for fault, code in CLOSE_CODES.items()}


class LinkRefused(LrtOracleError):
    """A frame, a handshake or a link was refused. It never holds what was refused.

    Args:
        fault: which kind.
        text: what is wrong and what to do, for people.
        by_peer: whether the other side said so.

    Attributes:
        claimed: whom a refused hello claimed to be of; b"" for nobody.
    """

    def __init__(self, fault: LinkFault, text: str, *, by_peer: bool = False) -> None:
        super().__init__(text)
        self.fault, self.by_peer = fault, by_peer
        self.claimed = b""


class PayloadTooLarge(LrtOracleError, ValueError):
    """A payload that no frame can carry."""


class NotAMember(LrtOracleError, LookupError):
    """An address that no other member has."""


WORDS = {
    LinkFault.STRANGER: "it does not know this operator's report key as a member of the set: wait until the store's set has"
    " it, or correct the key",
    LinkFault.OTHER_STORE: "it belongs to another store or chain: compare [targets] and `home`",
    LinkFault.VERSIONS: "it speaks none of our versions of the protocol: the older side needs an update",
    LinkFault.OLD_KEY: "it has a newer announcement of this operator, with another network key: another process announces"
    " itself with this report key, or this clock went back; announce again",
    LinkFault.CERTIFICATE: "it shows another certificate than it announces: a proxy in between, or a restart; it heals with"
    " its next announcement",
    LinkFault.BANNED: "it does not take us back yet, since we went over its limits",
    LinkFault.DUPLICATE: "there is another link already",
    LinkFault.TOO_MANY: "too many handshakes from this address at once",
    LinkFault.DEADLINE: "the handshake took too long",
    LinkFault.ITSELF: "the address leads to this process itself: correct the url",
    LinkFault.WRONG_MEMBER: "another member answers at this address: correct the url",
}
"""What a refusal by the other side means, for those that have more to say than their name."""
