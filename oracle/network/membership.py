"""Who takes part in a round and in which order they lead: a function of the round's time and of the chain alone. Pure.

A round is of the sets as they were on chain ``lag_s`` before its round_time, whoever reads them and whenever. That is the least
lag with which a change is certain: PriceStore takes no signature that arms a set, and takes back no end of one, in the last
MAX_AHEAD_S before it takes over. So a member knows the members of a round once it has seen a block of that time or later, and
members that have looked at different times have the same answer. A signer that is removed at once by the store is a member of
the rounds for so long; the store counts its signature for nothing from its block on. A set that expires has no rounds from
then on, and no other has them before it takes over.

The randomness of an epoch is the hash of the first block that is not older than activeAt - MAX_AHEAD_S: keys and weights were
fixed before it was made. It counts for rounds from MAX_AHEAD_S after that block's own time on; before that, and in the first
epoch of a store, there is none, and the order is drawn with zeros. ADR 0016 says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feeds.errors import LrtOracleError
from oracle.agree.leaders import NO_RANDOMNESS, leader_order
from oracle.chain.store_rules import MAX_AHEAD_S
from oracle.sign.messages import SignerSet
from oracle.sign.stored_sets import SetState, StoredSet


class MembersUnknown(LrtOracleError, RuntimeError):
    """It cannot be said whose round that is: why, and what to do."""


class EpochExpired(MembersUnknown):
    """A round is nobody's: its signer set had expired by then, and no other had taken over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundMembers:
    """Who agrees on a round.

    Attributes:
        signers: the set whose round it is, with the weights that count in it.
        randomness: that the order was drawn with, 32 bytes; zeros where there is none.
        order: addresses in the order in which they lead.
        certain: whether the chain was seen to be as far as it takes to know; if not, it is the newest that is known.
    """

    signers: SignerSet
    randomness: bytes
    order: tuple[bytes, ...]
    certain: bool


@dataclass(frozen=True, slots=True)
class Seed:
    """The block that gives an epoch its randomness: its time (Unix s) and its hash (32 bytes)."""

    time_s: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class SetChange:
    """From a block of this time on (Unix s), the sets were these."""

    time_s: int
    state: SetState


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainOfSets:
    """What is known of a store's sets.

    Attributes:
        changes: by time, the first one from where on anything is known.
        head_s: time of the newest block that was looked at, Unix s.
        lag_s: see `lag_of`.
        seeds: by the activeAt of a set, the block whose hash is its randomness; none where there is none yet.
    """

    changes: Sequence[SetChange]
    head_s: int
    lag_s: int
    seeds: Mapping[int, Seed]

    def at(self, round_time_s: int) -> RoundMembers:
        """Who agrees on a round.

        Raises:
            MembersUnknown: it is older than all that is known.
            EpochExpired: it is nobody's.
        """
        stored = self.stored_at(round_time_s)
        if stored.signers.has_expired(round_time_s):
            raise EpochExpired(f"round {round_time_s} is nobody's: {stored.signers.expired_text}")
        randomness = randomness_of(stored, self.seeds.get(stored.from_s), round_time_s)
        return RoundMembers(
            signers=stored.signers,
            randomness=randomness,
            order=leader_order(stored.signers, randomness, round_time_s),
            certain=self.head_s >= round_time_s - self.lag_s,
        )

    def stored_at(self, round_time_s: int) -> StoredSet:
        """The set whose round that is; MembersUnknown where it is older than all that is known."""
        as_of_s = round_time_s - self.lag_s
        for change in reversed(self.changes):
            if change.time_s <= as_of_s:
                return change.state.at(round_time_s)
        since = f"from {self.changes[0].time_s} on" if self.changes else "nothing"
        raise MembersUnknown(
            f"whose round {round_time_s} is, is said by the chain as of {as_of_s}, and known is {since}:"
            " wait for the next rounds"
        )

    def newest_at(self, time_s: int) -> SignerSet:
        """The set of a moment (Unix s) as the newest block has it: for who looks, not for who agrees, which waits for the lag.

        Raises:
            MembersUnknown: the store has no set yet.
        """
        if not self.changes:
            raise MembersUnknown("the store has no signer set yet: wait until its deployment is in a block")
        return self.changes[-1].state.at(time_s).signers

    def sets_to_seed(self) -> tuple[StoredSet, ...]:
        """Sets that are in force or certain to follow, and whose randomness may be on chain by now."""
        if not self.changes:
            return ()
        newest = self.changes[-1].state
        sure = [newest.present] if newest.coming is None or newest.ends_s is None else [newest.present, newest.coming]
        return tuple(s for s in sure if s.from_s and self.head_s >= seed_time_s(s))


def lag_of(rotation_delay_s: int) -> int:
    """How long before its round_time the sets of a round are looked at, s: a store without a delay changes them at once."""
    return min(MAX_AHEAD_S, rotation_delay_s)


def seed_time_s(stored: StoredSet) -> int:
    """The first block that is not older gives the randomness of a set's epoch, Unix s."""
    return stored.from_s - MAX_AHEAD_S


def is_settled(seed: Seed, head_s: int) -> bool:
    """Whether a block is old enough to be kept as what it is."""
    return head_s - seed.time_s >= MAX_AHEAD_S


def randomness_of(stored: StoredSet, seed: Seed | None, round_time_s: int) -> bytes:
    """What the order of a round is drawn with, 32 bytes.

    Args:
        stored: the set whose round it is.
        seed: the block that gives its epoch's randomness; None where none has yet been made.
        round_time_s: of the round.
    """
    if not stored.from_s or seed is None or round_time_s < seed.time_s + MAX_AHEAD_S:
        return NO_RANDOMNESS
    return seed.hash
