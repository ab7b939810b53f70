"""Messages of an instance are verified once, where they come in. From then on their type says so. Pure.

A network key speaks for the member whose announcement names it; of a member's keys the newest few are known, so that a
change of key costs no message on its way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import msgspec

from feeds.errors import LrtOracleError
from oracle.agree.content import is_prepared
from oracle.agree.messages import (
    ADDRESS_BYTES,
    HASH_BYTES,
    NO_CERTIFICATE,
    SIGNATURE_BYTES,
    Advance,
    Advancing,
    Certificate,
    Commit,
    Content,
    FeedRefusal,
    Heard,
    Message,
    Propose,
    Ready,
    SealedRound,
    advance_digest,
    propose_digest,
    ready_digest,
)
from oracle.agree.terms import Terms
from oracle.report.wire import ITEM_BYTES, split_items
from oracle.sign.eip712 import BadSignature, recover, sealed_digest
from oracle.sign.messages import SignedValues
from oracle.sign.verified_values import UnsoundValues, VerifiedValues, verify_values

NetworkKeys = Mapping[bytes, Sequence[bytes]]
"""Addresses of the network keys of each member, by report address; the newest first."""
_recover = lru_cache(maxsize=1 << 12)(recover)


class Unsound(LrtOracleError, ValueError):
    """A message counts for nothing, and why: it is refused at the door and mentioned to its sender's account."""


def hear_values_of(terms: Terms, values: SignedValues) -> VerifiedValues:
    """Values on the terms of this instance.

    Raises:
        Unsound: they are not of this round, on other terms, not signed by a member, or hold feeds that the store does not.
    """
    if values.terms != terms.binding:
        raise Unsound("values on other terms: another version, other rules, or another signer set")
    if values.address not in terms.signers.signers:
        raise Unsound("they are not signed by a signer of the set")
    if values.address not in terms.members:
        raise Unsound("values of a member without weight")
    if len(values.items) > ITEM_BYTES * len(terms.indexes):  # before they are decoded, and kept so
        raise Unsound("values of more feeds than the store has")
    verified = verify_values(values, terms.signers, terms.round_time_s)
    if isinstance(verified, UnsoundValues):
        raise Unsound(verified.fault)
    if not verified.reports.keys() <= set(terms.indexes.values()):
        raise Unsound("values of feeds that the store does not have")
    return verified


def verify(terms: Terms, keys: NetworkKeys, said: Message) -> Heard:
    """Check all signatures of a message, those inside of it too.

    Raises:
        Unsound: what is wrong with it.
    """
    match said:
        case Propose():
            _check_propose(terms, keys, said)
        case Ready():
            _check_ready(terms, keys, said)
        case Advancing():
            _check_advancing(terms, keys, said)
        case Commit():
            _check_commit(terms, keys, said)
        case SealedRound():
            check_sealed(terms, said)
            said = proven(terms, keys, said)
    return Heard(said)


def check_sealed(terms: Terms, said: SealedRound) -> None:
    """A sealed round proves its items: signatures of weight T are over them, and over nothing else in it, see `proven`.

    Raises:
        Unsound: it does not.
    """
    if (said.epoch, said.round_time_s) != (terms.signers.epoch, terms.round_time_s):
        raise Unsound("a sealed round of another round or epoch")
    _check_step(terms, said.step)
    _check_content(terms, said.content)
    addresses = [a for a, _ in said.signatures]
    if addresses != sorted(set(addresses)) or terms.weight(addresses) < terms.threshold:
        raise Unsound("its signatures do not weigh the threshold")
    for address, seal in said.signatures:
        _check_seal(terms, address, said.step, said.content, seal)


def proven(terms: Terms, keys: NetworkKeys, said: SealedRound) -> SealedRound:
    """A sealed round, whose signatures are checked, with what is proven of it.

    The list of values, what was dropped and who vouched are under no signature of it. They are proven by readies of weight T;
    where these are not there, or not to be checked any more, whoever hands it on could write there what they like.
    """
    try:
        _check_certificate(terms, keys, Certificate(said.step, said.content, said.readies))
    except Unsound:
        return items_alone(said)
    return said


def items_alone(said: SealedRound) -> SealedRound:
    """A sealed round without all that its signatures do not prove."""
    return msgspec.structs.replace(said, content=Content(values=(), items=said.content.items), readies=())


def is_signed(terms: Terms, said: Commit) -> bool:
    """Whether a commit, sound or not, bears its member's report key's signature over items of feeds of this store."""
    content = said.certificate.content
    try:
        _check_step(terms, said.certificate.step)
        _check_content(terms, content)
        _check_seal(terms, said.address, said.certificate.step, content, said.seal)
    except Unsound:
        return False
    return True


def _check_propose(terms: Terms, keys: NetworkKeys, said: Propose) -> None:
    _check_step(terms, said.step)
    if said.address != terms.leader(said.step):
        raise Unsound(f"0x{said.address.hex()} does not lead step {said.step}")
    _check_content(terms, said.content)
    _check_by(terms, keys, said.address, propose_digest(terms.binding, terms.round_time_s, said), said.signature)
    _check_members(terms, [a.address for a in said.advances])
    for advance in said.advances:
        _check_advance(terms, keys, advance)
    _check_members(terms, [r.address for r in said.readies])
    for ready in said.readies:
        _check_ready(terms, keys, ready)
    if said.certificate is not None:
        _check_certificate(terms, keys, said.certificate)
        if said.certificate.step >= said.step:
            raise Unsound("a certificate of this step or a later one justifies nothing")


def _check_advancing(terms: Terms, keys: NetworkKeys, said: Advancing) -> None:
    _check_advance(terms, keys, said.advance)
    certificate = said.certificate
    if certificate is None:
        if said.advance.certified != NO_CERTIFICATE:
            raise Unsound("an advance that names a certificate comes with it")
        return
    _check_certificate(terms, keys, certificate)
    if (certificate.step, certificate.content.hash()) != (said.advance.certified, said.advance.content):
        raise Unsound("an advance with another certificate than it names")


def _check_advance(terms: Terms, keys: NetworkKeys, said: Advance) -> None:
    _check_step(terms, said.step)
    if not NO_CERTIFICATE <= said.certified < said.step:
        raise Unsound("an advance names a certificate of an earlier step, or none")
    if len(said.content) != (0 if said.certified == NO_CERTIFICATE else HASH_BYTES):
        raise Unsound("an advance names its certificate's content")
    _check_by(terms, keys, said.address, advance_digest(terms.binding, terms.round_time_s, said), said.signature)


def _check_ready(terms: Terms, keys: NetworkKeys, said: Ready) -> None:
    _check_step(terms, said.step)
    if len(said.content) != HASH_BYTES:
        raise Unsound("a ready names the content of its proposal")
    feeds = [i for i, _ in said.refused]
    if feeds != sorted(set(feeds)) or not set(feeds) <= set(terms.indexes.values()):
        raise Unsound("refused feeds are in order, each once, and the store has them")
    if any(code not in FeedRefusal.__members__.values() for _, code in said.refused):
        raise Unsound("an unknown reason of a refusal")
    _check_by(terms, keys, said.address, ready_digest(terms.binding, terms.round_time_s, said), said.signature)


def _check_certificate(terms: Terms, keys: NetworkKeys, said: Certificate) -> None:
    _check_step(terms, said.step)
    _check_content(terms, said.content)
    _check_members(terms, [r.address for r in said.readies])
    wanted = (said.step, said.content.hash())
    for ready in said.readies:
        if (ready.step, ready.content) != wanted:
            raise Unsound("a certificate with readies of another proposal")
        _check_ready(terms, keys, ready)
    if not is_prepared(terms, said.content, said.readies):
        raise Unsound("a certificate without weight T behind each feed")


def _check_commit(terms: Terms, keys: NetworkKeys, said: Commit) -> None:
    _check_certificate(terms, keys, said.certificate)
    _check_seal(terms, said.address, said.certificate.step, said.certificate.content, said.seal)


def _check_content(terms: Terms, said: Content) -> None:
    """Its form; whether it is what the values give is judged where they are."""
    if len(said.values) > len(terms.members) or any(
        len(a) != ADDRESS_BYTES or len(h) != HASH_BYTES for a, h in said.values
    ):
        raise Unsound("a proposal names the values of members")
    try:
        items = split_items(said.items)
    except ValueError as e:
        raise Unsound(str(e)) from None
    if not items or list(items) != sorted(items) or not items.keys() <= set(terms.indexes.values()):
        raise Unsound("items are in order, of feeds that the store has")
    dropped = set(said.dropped)
    if any(a >= b for a, b in pairwise(said.dropped)) or not dropped <= set(terms.indexes.values()) - items.keys():
        raise Unsound("dropped feeds are in order, of the store, and not proposed")


def _check_members(terms: Terms, addresses: Sequence[bytes]) -> None:
    if list(addresses) != sorted(set(addresses)) or not set(addresses) <= terms.members.keys():
        raise Unsound("words of members, each once, in order")


def _check_step(terms: Terms, step: int) -> None:
    if not 0 <= step < 2 * terms.timing.attempts:
        raise Unsound("no such step")


def _check_by(terms: Terms, keys: NetworkKeys, address: bytes, digest: bytes, signature: bytes) -> None:
    """Signed by a member of weight: the word of another one would spoil the certificates and quorums that it got into."""
    if address not in terms.members:
        raise Unsound("a word of nobody with weight")
    try:
        signer = _recover(digest, signature)
    except BadSignature as e:
        raise Unsound(str(e)) from None
    if signer not in keys.get(address, ()):
        raise Unsound(f"not signed by a network key of 0x{address.hex()}")


def _check_seal(terms: Terms, address: bytes, step: int, content: Content, seal: bytes) -> None:
    at = (terms.signers.domain, terms.signers.epoch, terms.round_time_s)
    _check_key(terms, address, sealed_digest(*at, step, content.items), seal)


def _check_key(terms: Terms, address: bytes, digest: bytes, signature: bytes) -> None:
    if address not in terms.members or len(signature) != SIGNATURE_BYTES:
        raise Unsound("a signature of a member has 64 bytes")
    try:
        signer = _recover(digest, signature)
    except BadSignature as e:
        raise Unsound(str(e)) from None
    if signer != address:
        raise Unsound(f"not signed by the report key 0x{address.hex()}")
