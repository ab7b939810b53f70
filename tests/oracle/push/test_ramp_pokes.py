"""When views are poked: once for every change of direction, whoever pushed it; and where nobody knows what they know."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from feeds.units import Bps, Wad
from oracle.chain.multicall_push import wrap
from oracle.chain.rpc_answers import Receipt
from oracle.chain.transaction import Fees, Unsigned
from oracle.model.publication import PushRow, PushState
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.push.ramp_pokes import RampPokes
from oracle.report.wire import encode_item
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignedBatch

STORE, ONE, TWO = b"\1" * 20, b"\2" * 20, b"\3" * 20
DOMAIN = Domain(chain_id=1, store=STORE)
DIRECTIONS = {Status.OK: "down", Status.WATCH: "down", Status.DEPEG: "up", Status.HALT: "hold"}


def report(status: Status, round_s: int = 100) -> Report:
    return Report(
        market_wad=Wad(10**18), redemption_wad=Wad(10**18), spread_bps=Bps(1), status=status, why=Why.NONE,
        round_time_s=round_s, market_age_s=0, redemption_age_h=0,
    )  # fmt: skip


def batch(statuses: dict[int, Status], round_s: int = 100) -> SignedBatch:
    items = b"".join(encode_item(i, report(s, round_s)) for i, s in statuses.items())
    return SignedBatch(
        domain=DOMAIN, epoch=1, round_time_s=round_s, items=items, signatures=b"", signers=(), addresses=()
    )


def row(of: SignedBatch, views: tuple[bytes, ...]) -> PushRow:
    data = wrap(STORE, b"push", views) if views else b"push"
    fees = Fees(tip_wei=1, max_wei=2)
    signed = Unsigned(chain_id=1, nonce=0, fees=fees, gas=1, to=STORE, data=data).signed(b"\1" * 65)
    return PushRow(
        id=1, target="t", chain_id=1, round_s=of.round_time_s, items=of.items, nonce=0, tx_hash=signed.tx_hash,
        raw=signed.raw, state=PushState.LANDED, made_ms=0,
    )  # fmt: skip


def landed(*poked: bytes, ok: bool = True) -> Receipt:
    return Receipt(block=1, block_hash="0x", ok=ok, gas_used=1, poked=frozenset(poked))


def play(pokes: RampPokes, statuses: dict[int, Status], stored: dict[int, Status]) -> bool:
    """A batch is pushed and lands; whether it poked."""
    made = batch(statuses)
    views = pokes.due_with({i: report(s) for i, s in stored.items()}, made)
    pokes.note_outcome(row(made, views), landed(*views))
    return bool(views)


@pytest.mark.parametrize(("before", "after"), list(product(DIRECTIONS, DIRECTIONS)))
def test_a_poke_goes_with_each_change_of_direction_and_with_no_other(before: Status, after: Status) -> None:
    pokes = RampPokes("t", [ONE])
    assert play(pokes, {0: before}, {}), "the first: nobody knows what the views know"
    assert play(pokes, {0: after}, {0: before}) is (DIRECTIONS[before] != DIRECTIONS[after])
    assert not play(pokes, {0: after}, {0: after})


def test_every_change_of_any_feed_is_poked_once() -> None:
    pokes = RampPokes("t", [ONE])
    story = [Status.OK, Status.DEPEG, Status.DEPEG, Status.HALT, Status.DEPEG, Status.OK, Status.WATCH]
    assert play(pokes, {0: Status.OK, 7: story[0]}, {})
    poked = [play(pokes, {7: after}, {0: Status.OK, 7: before}) for before, after in pairwise(story)]
    assert poked == [True, False, True, True, True, False]


def test_what_others_changed_is_poked_with_the_next_push_of_whatever_feed() -> None:
    pokes = RampPokes("t", [ONE])
    play(pokes, {0: Status.OK, 1: Status.OK}, {})
    assert play(pokes, {1: Status.OK}, {0: Status.HALT, 1: Status.OK}), "the guardian paused 0"
    assert not play(pokes, {1: Status.OK}, {0: Status.HALT, 1: Status.OK})


def test_what_the_store_did_not_take_is_poked_again() -> None:
    pokes = RampPokes("t", [ONE])
    play(pokes, {0: Status.OK}, {})
    assert play(pokes, {0: Status.DEPEG}, {0: Status.OK}), "paused in the same block, so the views saw a halt"
    assert play(pokes, {0: Status.DEPEG}, {0: Status.HALT})


def test_without_views_nothing_is_ever_due() -> None:
    assert not play(RampPokes("t"), {0: Status.DEPEG}, {})


def test_a_view_that_was_not_poked_is_reported_and_not_tried_again() -> None:
    missed: list[str] = []
    pokes = RampPokes("t", [ONE, TWO], on_failed=missed.append)
    made = batch({0: Status.DEPEG})
    assert pokes.due_with({}, made) == (ONE, TWO)
    pokes.note_outcome(row(made, (ONE,)), landed(ONE))
    assert missed == ["0x" + TWO.hex()]
    assert not play(pokes, {0: Status.DEPEG}, {0: Status.DEPEG})


def test_after_one_that_failed_as_a_whole_the_next_goes_alone_and_the_one_after_pokes() -> None:
    pokes = RampPokes("t", [ONE])
    made = batch({0: Status.OK})
    pokes.note_outcome(row(made, pokes.due_with({}, made)), landed(ok=False))
    assert [play(pokes, {0: Status.OK}, {0: Status.OK}) for _ in range(3)] == [False, True, False]


def test_a_reorganisation_and_an_older_push_leave_it_unknown() -> None:
    pokes = RampPokes("t", [ONE])
    play(pokes, {0: Status.OK}, {})
    pokes.forget()
    older, newer = batch({0: Status.OK}, 100), batch({0: Status.DEPEG}, 110)
    views = pokes.due_with({}, older)
    assert pokes.due_with({}, newer), "over the older one, which lands all the same"
    pokes.note_outcome(row(older, views), landed(*views))
    assert play(pokes, {0: Status.OK}, {0: Status.OK})
