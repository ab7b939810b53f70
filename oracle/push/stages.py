"""Who may push when, where several operators could: one at a time, in an order that all draw alike. Pure.

What is due is an *episode*: a feed, the round that the store holds of it and that is to be replaced, and whether it is
urgent. Operators that announced a gas key have places in it, drawn anew for each episode. Place i waits for i stages; after the
last place the first one has its turn again. So at each moment exactly one operator may push, and one that is gone costs a stage.

A push that was announced is waited for, once for each operator and episode: whoever announces what never lands costs a stage
too, and has the last place from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from oracle.agree.leaders import draw, members_hash
from oracle.sign.messages import SignerSet

_TAG = b"lrt-oracle push order 1"
_BLOCK_PERCENT = 150
"""A stage in percent of a block: what is sent early in a block lands in the next one, and has to be seen there."""
_URGENT_PART = 3
_LEAST_STAGE_MS = 1_000
"""So long signing, simulating and announcing a push takes, on a fast chain too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Why something is pushed.

    Attributes:
        feed: index of the feed that leads the batch.
        replaced_s: round that the store holds of it; 0 for none.
        urgent: whether it turned to depeg or halt.
    """

    feed: int
    replaced_s: int
    urgent: bool = False

    def place(self) -> bytes:
        """What of it goes into the draw."""
        return b"push" + self.feed.to_bytes(2, "big") + self.replaced_s.to_bytes(8, "big") + bytes([self.urgent])


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePace:
    """How long others are waited for, ms.

    Attributes:
        silent_ms: one that has its turn and says nothing.
        announced_ms: a transaction that was announced, from then on.
    """

    silent_ms: int
    announced_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An operator has announced a push of an episode. ``heard_ms``: when that was heard here, Unix ms."""

    by: bytes
    heard_ms: int


def pace_of(block_ms: int, round_s: int, *, stage_s: int = 0, urgent: bool = False) -> StagePace:
    """The stages of a chain.

    Args:
        block_ms: how far its blocks lie apart.
        round_s: from one round to the next.
        stage_s: of the config; 0 for one and a half blocks, half of a round's interval at least.
        urgent: something turned to depeg or halt: silence is waited for a third as long.
    """
    stage_ms = stage_s * 1_000 or max(block_ms * _BLOCK_PERCENT // 100, round_s * 500)
    stage_ms = max(stage_ms, _LEAST_STAGE_MS)
    silent_ms = max(_LEAST_STAGE_MS, stage_ms // _URGENT_PART) if urgent else stage_ms
    return StagePace(silent_ms=silent_ms, announced_ms=stage_ms)


def push_order(signers: SignerSet, payers: Collection[bytes], place: bytes) -> tuple[bytes, ...]:
    """Members of a set that pay, in the order of their places. All have the same chance: gas costs each the same.

    Args:
        signers: the set whose rounds are pushed.
        payers: report addresses of all that announced a gas key; strangers to the set have no place.
        place: what the order is drawn for, see `Episode.place`.
    """
    domain = signers.domain
    seed = keccak(_TAG + domain.chain_id.to_bytes(32, "big") + domain.store + members_hash(signers) + place)
    return draw(seed, {address: 1 for address in signers.members if address in payers})


def next_turn_ms(
    order: Sequence[bytes], me: bytes, began_ms: int, claims: Collection[Claim], now_ms: int, pace: StagePace
) -> int | None:
    """The earliest moment from now on at which a member may push, Unix ms; None for one without a place.

    Args:
        order: of the episode.
        me: the member.
        began_ms: since when it is due.
        claims: the announced pushes of this episode, one of a member at most.
        now_ms: the time.
        pace: how long others are waited for.
    """
    if me not in order:
        return None
    if len(order) == 1:
        return now_ms
    start_ms, places = _after(order, began_ms, claims, pace)
    turn = places.index(me)
    gone = max(0, (now_ms - start_ms) // pace.silent_ms)
    ahead = (turn - gone) % len(places)
    return max(now_ms, start_ms + (gone + ahead) * pace.silent_ms)


def _after(
    order: Sequence[bytes], began_ms: int, claims: Collection[Claim], pace: StagePace
) -> tuple[int, list[bytes]]:
    """From when on which places have their turns: what was announced is waited for, and its sender goes to the end."""
    start_ms, places = began_ms, list(order)
    for claim in sorted(claims, key=lambda c: (c.heard_ms, c.by)):
        if claim.by not in places:
            continue
        gone = max(0, (claim.heard_ms - start_ms) // pace.silent_ms) % len(places)
        places = places[gone:] + places[:gone]
        places.remove(claim.by)
        places.append(claim.by)
        start_ms = max(start_ms, claim.heard_ms + pace.announced_ms)
    return start_ms, places


def arming_order(set_hash: bytes, payers: Collection[bytes]) -> tuple[bytes, ...]:
    """Those that pay at a store, in the order in which they arm the set that is to follow."""
    return draw(keccak(_TAG + b"arm" + set_hash), dict.fromkeys(payers, 1))
