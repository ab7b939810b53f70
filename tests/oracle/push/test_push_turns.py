"""Whose turn it is at a store: several operators that pay, what they announce, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from feeds.units import WAD, Bps, Wad
from oracle.agree.wire import PushingWord
from oracle.chain.rpc_answers import BlockHead
from oracle.model.publication import PushRow, PushState
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.push.due import Cause, Decision, PushReason
from oracle.push.push_turns import PushTurns
from oracle.push.stages import Episode, push_order
from oracle.report.wire import encode_items
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet

PAYERS = tuple(bytes([i]) * 20 for i in (1, 2, 3))
POOR = b"\x09" * 20
SIGNERS = SignerSet(domain=Domain(1, b"\x11" * 20), epoch=1, signers=(*PAYERS, POOR), weights=(1, 1, 1, 1), threshold=3)
ROUND_S, BLOCK_S = 10, 12
STAGE_MS = 18_000
T0_MS = 1_900_000_000_000


def report(round_s: int, status: Status = Status.OK) -> Report:
    return Report(
        market_wad=Wad(WAD), redemption_wad=Wad(0), spread_bps=Bps(5), status=status, why=Why.NONE, round_time_s=round_s,
        market_age_s=1, redemption_age_h=0,
    )  # fmt: skip


def due(*indexes: int, severe: tuple[int, ...] = (), early: tuple[int, ...] = ()) -> Decision:
    reasons = {i: PushReason(cause=Cause.WORSE if i in severe else Cause.DEVIATION, text="moved") for i in indexes}
    reasons |= {i: PushReason(cause=Cause.EARLY, text="goes along") for i in early}
    return Decision(push=reasons, due=reasons, severe=frozenset(severe))


@dataclass
class Payers:
    """Operators at one store whose words reach all others at once, as far as they are not silent."""

    now_ms: int = T0_MS
    turns: dict[bytes, PushTurns] = field(default_factory=dict)
    stages: list[int] = field(default_factory=list)
    said: list[tuple[bytes, str]] = field(default_factory=list)
    stored: Mapping[int, Report] = field(default_factory=lambda: {0: report(100), 1: report(90), 2: report(100)})

    def __post_init__(self) -> None:
        for me in PAYERS:
            self.turns[me] = PushTurns(
                me, _Peers(self, me), indexes=lambda: frozenset({0, 1, 2}), now_ms=lambda: self.now_ms, stage_s=0,
                round_s=ROUND_S, on_stage=self.stages.append, on_announced=lambda what, me=me: self.said.append((me, what)),
            )  # fmt: skip
            for n in range(3):
                self.turns[me].note_block(BlockHead(number=n, time_s=n * BLOCK_S))

    def may(self, decision: Decision) -> list[bytes]:
        """Who may push something of it now."""
        return [a for a, t in self.turns.items() if t.turn(decision, self.stored, SIGNERS).decision.push]

    def push(self, by: bytes, decision: Decision, round_s: int = 110, *, tx: int = 7) -> Decision:
        """An operator pushes what is its turn, and announces it; returns what it pushed."""
        going = self.turns[by].turn(decision, self.stored, SIGNERS).decision
        items = encode_items({i: report(round_s) for i in going.push})
        row = PushRow(
            id=1, target="t", chain_id=1, round_s=round_s, items=items, nonce=0, tx_hash="0x" + bytes([tx] * 32).hex(),
            raw=b"", state=PushState.SENT, made_ms=self.now_ms,
        )  # fmt: skip
        self.turns[by].announce(row, going, self.stored)
        return going


@dataclass
class _Peers:
    world: Payers
    me: bytes

    def payers(self) -> frozenset[bytes]:
        return frozenset(PAYERS)

    def tell(self, round_time_s: int, word: PushingWord) -> None:
        for address, turns in self.world.turns.items():
            if address != self.me:
                turns.hear(self.me, round_time_s, word)


def order_of(feed: int, replaced_s: int, *, urgent: bool = False) -> tuple[bytes, ...]:
    return push_order(SIGNERS, PAYERS, Episode(feed=feed, replaced_s=replaced_s, urgent=urgent).place())


def test_one_pushes_all_that_is_due_and_the_others_wait_for_it() -> None:
    world, decision = Payers(), due(0, 1, early=(2,))
    first, *_ = order_of(1, 90)
    assert world.may(decision) == [first], "the feed whose stored round is the oldest leads"
    world.now_ms += STAGE_MS // 2
    assert set(world.push(first, decision).push) == {0, 1, 2}
    assert world.may(decision) == [], "it is announced"
    world.now_ms += STAGE_MS - 1
    for turns in world.turns.values():
        for feed in (0, 1):
            assert turns.turn(due(feed), world.stored, SIGNERS).decision.push == {}, "each feed of it is waited for"
    assert world.stages == [0]
    world.stored = {i: report(110) for i in range(3)}
    assert world.may(due(0)) == [order_of(0, 110)[0]], "what was announced of the round before says nothing of the next"


def test_a_dead_one_and_one_that_announces_what_never_lands_cost_a_stage_each() -> None:
    world, decision = Payers(), due(1)
    dead, liar, honest = order_of(1, 90)
    world.may(decision)
    world.now_ms += STAGE_MS
    assert world.may(decision) == [liar]
    world.push(liar, decision)
    world.now_ms += STAGE_MS
    assert world.may(decision) == [honest]
    assert (honest, "late") in world.said
    turns = world.turns[honest]
    for n in range(5):
        turns.hear(liar, 120 + n, PushingWord(((1, 90),), False, bytes([n]) * 32))
    assert world.may(decision) == [honest], "it is believed once in an episode"
    assert world.push(honest, decision).push
    assert world.stages == [1, 2]
    assert dead != liar


def test_a_round_that_says_nothing_of_a_feed_does_not_give_a_dead_one_its_turn_again() -> None:
    """Feed 1 is in every other round, feed 2 in the others: the places of each go on where they were."""
    world = Payers()
    lead = Episode(feed=1, replaced_s=90)
    first, second, _ = push_order(SIGNERS, PAYERS, lead.place())
    del world.turns[first]
    waited_ms = 0
    while second not in world.may(due(1)):
        world.now_ms += ROUND_S * 1_000
        waited_ms += 2 * ROUND_S * 1_000
        world.may(replace(due(2), unsaid=frozenset({1})))
        world.now_ms += ROUND_S * 1_000
        assert waited_ms <= 2 * STAGE_MS, "the first one is dead, its stage is over"
    world.may(due(2))
    assert second not in world.may(due(1)), "the control: one that says that it is not due ends it"


def test_what_another_pushes_is_left_out_and_the_rest_goes() -> None:
    world = Payers()
    first, *_ = order_of(1, 90)
    world.may(due(1))
    world.push(first, due(1))
    both = due(0, 1)
    (other,) = world.may(both)
    assert other == order_of(0, 100)[0]
    assert set(world.push(other, both, 120).push) == {0} if other != first else {0, 1}


def test_a_depeg_does_not_wait_for_a_calm_push_and_its_order_is_its_own() -> None:
    world = Payers()
    first, *_ = order_of(1, 90)
    world.may(due(1))
    world.push(first, due(1))
    urgent = due(1, severe=(1,))
    ahead, second, _ = order_of(1, 90, urgent=True)
    assert world.may(urgent) == [ahead]
    world.now_ms += STAGE_MS // 3
    assert world.may(urgent) == [second], "silence is waited for a third as long"
    world.push(second, urgent)
    assert world.may(urgent) == []
    assert world.may(due(1)) == [], "whatever brings the depeg brings the price"


def test_only_those_that_pay_are_heard_and_only_of_feeds_that_are_there() -> None:
    world = Payers()
    me = order_of(1, 90)[0]
    turns = world.turns[me]
    for sender, feeds, tx in (
        (POOR, ((1, 90),), b"\x01" * 32),
        (PAYERS[0], ((9, 90),), b"\x01" * 32),
        (PAYERS[0], ((1, 90),), b"\x01" * 31),
        (PAYERS[0], ((1, 200),), b"\x01" * 32),
        (PAYERS[0], tuple((1, n) for n in range(4)), b"\x01" * 32),
    ):
        turns.hear(sender, 110, PushingWord(feeds, False, tx))
    assert world.said == []
    assert world.may(due(1)) == [me]


def test_the_next_look_is_when_the_turn_comes() -> None:
    world, decision = Payers(), due(1)
    _, second, third = order_of(1, 90)
    assert world.turns[third].turn(decision, world.stored, SIGNERS).at_ms == T0_MS + 2 * STAGE_MS
    assert world.turns[second].turn(decision, world.stored, SIGNERS).at_ms == T0_MS + STAGE_MS


def test_who_announced_a_round_and_in_which_transaction() -> None:
    world = Payers()
    first, other, _ = order_of(1, 90)
    world.may(due(1))
    world.push(first, due(1), 110, tx=5)
    assert world.turns[other].announced_by(1, 110) == (first, b"\x05" * 32)
    assert world.turns[other].announced_by(1, 100) is None
