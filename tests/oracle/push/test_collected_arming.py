"""What arms the next set as others hand it on: signatures that prove themselves, one of each, and one sender at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from oracle.agree.wire import ArmingWord
from oracle.chain.next_signers import NextSignerSet
from oracle.push.arming.collected import CollectedArming
from oracle.push.stages import arming_order
from oracle.sign.eip712 import arm_digest, sign_compact
from oracle.sign.messages import Signature
from tests.oracle.sign.sign_world import DOMAIN, KEYS, SIGNERS

COMING = NextSignerSet(signers=SIGNERS, strong=3, from_s=2_000_000_000, set_hash=b"\x0a" * 32, armed=False)
ALPHA, BETA, GAMMA = SIGNERS.signers
DIGEST = arm_digest(DOMAIN, SIGNERS.epoch, COMING.set_hash)


@dataclass
class Told:
    """Everybody pays; what is told is kept."""

    words: list[ArmingWord] = field(default_factory=list)

    def payers(self) -> frozenset[bytes]:
        return frozenset(SIGNERS.signers)

    def tell(self, _round_time_s: int, word: ArmingWord) -> None:
        self.words.append(word)


def word(number: int, *, set_hash: bytes = COMING.set_hash, by: int | None = None) -> ArmingWord:
    """The signature of a member, or of another one in its name."""
    return ArmingWord(SIGNERS.signers[number], set_hash, sign_compact(KEYS[number if by is None else by], DIGEST))


def test_what_was_signed_here_is_told_and_what_was_heard_counts_once_for_each() -> None:
    told = Told()
    collected = CollectedArming(ALPHA, told)
    own = word(0)
    collected.tell(COMING, [Signature(operator="alpha", address=ALPHA, compact=own.signature)])
    assert told.words == [own]
    collected.hear(BETA, word(1))
    collected.hear(BETA, word(1))
    assert dict(collected.signed(COMING)) == {ALPHA: own.signature, BETA: word(1).signature}


def test_one_speaks_for_itself_only_and_a_forgery_counts_for_nothing() -> None:
    collected = CollectedArming(ALPHA, Told())
    collected.hear(GAMMA, word(1))
    collected.hear(BETA, word(1, by=2))
    collected.hear(GAMMA, word(2, set_hash=b"\x0b" * 32))
    assert collected.signed(COMING) == {}
    collected.hear(BETA, ArmingWord(BETA, COMING.set_hash, b"\xff" * 64))
    collected.hear(GAMMA, ArmingWord(GAMMA, COMING.set_hash, b"\x01" * 63))
    assert collected.signed(COMING) == {}


def test_the_first_sends_at_once_and_each_other_a_minute_later_if_it_is_still_not_armed() -> None:
    order = arming_order(COMING.set_hash, SIGNERS.signers)
    turns = [CollectedArming(a, Told()).is_our_turn for a in order]
    assert [t(COMING, 0, fresh=False) for t in turns] == [True, False, False]
    assert [t(COMING, 60_000, fresh=True) for t in turns] == [True, True, False]
    assert [t(COMING, 10**6, fresh=False) for t in turns] == [True, False, False], "only after a look at the chain"
