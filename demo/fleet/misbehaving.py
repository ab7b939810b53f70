"""Members that say something else than an honest one. Each is the real operator, with its keys, but for what it utters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_hash.auto import keccak

from demo.liar import shifted
from oracle.agree.content import content_of
from oracle.agree.messages import Certificate, Commit, Content, Propose, Ready
from oracle.agree.terms import Terms
from oracle.agree.verify import Unsound, hear_values_of
from oracle.agree.wire import BadPayload, ValuesWord, decode, signed_values
from oracle.network.seats import LocalMember, Utterance
from oracle.report.wire import decode_items
from oracle.sign.eip712 import sealed_digest, sign_compact
from oracle.sign.messages import SignedValues
from oracle.sign.verified_values import VerifiedValues

Uttered = Sequence[tuple[Utterance, frozenset[bytes] | None]]
_KEPT = 8
_LIE_BPS = 300
_GARBAGE = b"\x01" * 64


@dataclass(slots=True)
class Ear:
    """Values that a member heard, by round: what it needs to propose something else that is right in its form."""

    heard: dict[int, dict[bytes, SignedValues]] = field(default_factory=dict)

    def listen(self, payload: bytes) -> None:
        """A payload of another member came in."""
        try:
            envelope = decode(payload)
        except BadPayload:
            return
        if isinstance(envelope.word, ValuesWord):
            self.keep(signed_values(envelope.word, envelope.binding, envelope.round_time_s, ""))

    def keep(self, values: SignedValues) -> None:
        """Values of this member or another one."""
        self.heard.setdefault(values.round_time_s, {})[values.address] = values
        for old in sorted(self.heard)[:-_KEPT]:
            del self.heard[old]

    def values(self, terms: Terms) -> list[VerifiedValues]:
        """Those of a round that count."""
        found = []
        for values in self.heard.get(terms.round_time_s, {}).values():
            try:
                found.append(hear_values_of(terms, values))
            except Unsound:
                continue
        return sorted(found, key=lambda v: v.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening(LocalMember):
    """A member that keeps what it hears. ``ear``: filled by its process."""

    ear: Ear = field(default_factory=Ear)

    def utter(self, terms: Terms, said: Utterance) -> Uttered:
        """As it is, or as a child says it."""
        if isinstance(said, SignedValues):
            self.ear.keep(said)
        return LocalMember.utter(self, terms, said)

    def proposed(self, terms: Terms, said: Propose, content: Content) -> Propose:
        """The same proposal of something else, correctly signed."""
        other = Propose(said.address, said.step, content, said.advances, said.certificate, said.readies)
        signed = self.signed(terms, other, None)
        assert isinstance(signed, Propose)  # noqa: S101 - what goes in comes out
        return signed

    def fewer(self, terms: Terms, content: Content) -> Content | None:
        """A content that is right in its form, and leaves out the values of one member: not its own."""
        values = [v for v in self.ear.values(terms) if v.address in {a for a, _ in content.values}]
        for left_out in values:
            rest = [v for v in values if v is not left_out]
            if left_out.address != self.address and terms.weight(v.address for v in rest) >= terms.threshold:
                return content_of(terms, rest)
        return None


class Splitter(Listening):
    """A leader that proposes one thing to one half and another to the other: both right in their form, both signed."""

    def utter(self, terms: Terms, said: Utterance) -> Uttered:
        """Two proposals."""
        if not isinstance(said, Propose):
            return Listening.utter(self, terms, said)
        content = self.fewer(terms, said.content)
        if content is None:
            content = Content(
                said.content.values, shifted(said.content.items, terms.round_time_s), said.content.dropped
            )
        others = sorted(set(terms.members) - {self.address})
        half = len(others) // 2
        second = self.proposed(terms, said, content)
        return [(said, frozenset(others[:half])), (second, frozenset(others[half:]))]


class Omitter(Listening):
    """A leader that leaves out the values of one member, always."""

    def utter(self, terms: Terms, said: Utterance) -> Uttered:
        """A proposal without them."""
        if isinstance(said, Propose) and (content := self.fewer(terms, said.content)) is not None:
            return [(self.proposed(terms, said, content), None)]
        return Listening.utter(self, terms, said)


class Inventor(Listening):
    """A leader that proposes values which nobody has sent."""

    def utter(self, terms: Terms, said: Utterance) -> Uttered:
        """A hash that stands for nothing."""
        if not isinstance(said, Propose):
            return Listening.utter(self, terms, said)
        (first, _), *rest = said.content.values
        values = ((first, keccak(b"nothing" + first)), *rest)
        return [(self.proposed(terms, said, Content(values, said.content.items, said.content.dropped)), None)]


class SilentLeader(Listening):
    """A leader that proposes nothing."""

    def utter(self, terms: Terms, said: Utterance) -> Uttered:
        """All but proposals."""
        return [] if isinstance(said, Propose) else Listening.utter(self, terms, said)


class AllButTheLeader(Listening):
    """A member whose values reach everybody but the first leader."""

    def utter(self, terms: Terms, said: Utterance) -> Uttered:
        """Values to the others."""
        if not isinstance(said, SignedValues):
            return Listening.utter(self, terms, said)
        return [(said, frozenset(terms.members) - {self.address, terms.leader(0)})]


class TwoValues(Listening):
    """A member that signs other values for one half than for the other."""

    def utter(self, terms: Terms, said: Utterance) -> Uttered:
        """Values, and others 3 % higher."""
        if not isinstance(said, SignedValues):
            return Listening.utter(self, terms, said)
        reports = decode_items(shifted(said.items, terms.round_time_s, _LIE_BPS), terms.round_time_s)
        second = self.operator.sign_values(terms.signers, terms.round_time_s, reports, terms.binding)
        others = sorted(set(terms.members) - {self.address})
        half = len(others) // 2
        return [(said, frozenset(others[:half])), (second, frozenset(others[half:]))]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoSignatures(Listening):
    """A member that signs the round's items, and with the same key, past its journal, others 3 % higher.

    ``from_epoch``: in rounds of earlier ones it is honest.
    """

    from_epoch: int = 0

    def utter(self, terms: Terms, said: Utterance) -> Uttered:
        """A commit, and one over other items."""
        if not isinstance(said, Commit) or terms.signers.epoch < self.from_epoch:
            return Listening.utter(self, terms, said)
        content = said.certificate.content
        other = Content(content.values, shifted(content.items, terms.round_time_s, _LIE_BPS), content.dropped)
        step = said.certificate.step
        digest = sealed_digest(terms.signers.domain, terms.signers.epoch, terms.round_time_s, step, other.items)
        certificate = Certificate(step, other, said.certificate.readies)
        second = Commit(self.address, certificate, sign_compact(_key_of(self), digest))
        others = frozenset(terms.members) - {self.address}
        return [(said, frozenset()), (second, others), (said, None)]


class GarbageCertificates(Listening):
    """A member whose certificates are signed by nobody."""

    def utter(self, terms: Terms, said: Utterance) -> Uttered:
        """Commits with readies that nobody said."""
        if not isinstance(said, Commit):
            return Listening.utter(self, terms, said)
        certificate = said.certificate
        readies = tuple(_unsigned(r) for r in certificate.readies)
        bad = Commit(said.address, Certificate(certificate.step, certificate.content, readies), said.seal)
        return [(said, frozenset()), (bad, frozenset(terms.members) - {self.address})]


class FarValues(Listening):
    """A member whose own values are 3 % too high, always, the same to all: what a lying endpoint does to an honest one."""

    def utter(self, terms: Terms, said: Utterance) -> Uttered:
        """Other values than it saw."""
        if not isinstance(said, SignedValues):
            return Listening.utter(self, terms, said)
        reports = decode_items(shifted(said.items, terms.round_time_s, _LIE_BPS), terms.round_time_s)
        values = self.operator.sign_values(terms.signers, terms.round_time_s, reports, terms.binding)
        return [(values, None)]


def _unsigned(ready: Ready) -> Ready:
    return Ready(ready.address, ready.step, ready.content, ready.refused, _GARBAGE)


def _key_of(member: LocalMember) -> Any:
    """The report key itself: an honest operator never hands it out, so this one takes it."""
    return member.operator._key  # noqa: SLF001 - a thief asks nobody
