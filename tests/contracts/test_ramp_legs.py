"""A ramp over crosses: what brought a status is dated by the newest leg, however old the others are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from oracle.sign.eip712 import batch_bytes
from tests.contracts.contract_tools import Item
from tests.contracts.evm_process import MAX_AGE_S, OWNER, STRANGER, signature
from tests.contracts.fuzz_world import World
from tests.contracts.set_models import PPM, WAD, way

TOKEN, DOLLAR, WRAPPER = 8_192, 1, 8_193
HAS = {TOKEN: (True, True), DOLLAR: (True, False), WRAPPER: (False, True)}
OK, WATCH, DEPEG, HALT = 1, 2, 3, 4
RAMP_S, HOUR_S = 3_600, 3_600
PLAIN, CROSSED, DEEP = range(3)


@dataclass
class Legs:
    """Ramps over the token alone, over crosses with the dollar, and over crosses of those with a wrapper's rate."""

    world: World = field(default_factory=lambda: World(0))

    def __post_init__(self) -> None:
        self.evm, self.store = self.world.evm, self.world.store
        self.evm.jump(1_000)
        market, redemption = self.feed(TOKEN, 0), self.feed(TOKEN, 1)
        dollar, wrapper = self.feed(DOLLAR, 0), self.feed(WRAPPER, 1)
        crossed = [self.make("CrossView", leg, dollar, 18) for leg in (market, redemption)]
        deep = [self.make("CrossView", wrapper, leg, 18) for leg in crossed]
        pairs = ((market, redemption), crossed, deep)
        self.ramps = [self.make("ModeView", *pair, 4, RAMP_S, 18) for pair in pairs]

    def make(self, name: str, *args: Any) -> str:
        return self.evm.create(contracts.load(name), *args)

    def feed(self, index: int, which: int) -> str:
        return self.make("FeedView", self.store, f"T{index}/ETH".encode().ljust(32, b"\0"), which, 18, 60)

    def push(self, index: int, status: int = OK, *, late_s: int = 0) -> bool:
        """A round of one leg lands in this block, `late_s` after its time; False if it is no news."""
        at, (market, redemption) = self.evm.now - late_s, HAS[index]
        item = Item(index, WAD * market * 9 // 10, WAD * redemption, status=status).packed()
        batch = batch_bytes(1, at, item)
        digest = self.world.digest(batch)
        signed = b"".join(bytes([i]) + signature(i, digest) for i in range(5))
        error, _ = self.evm.call(self.store, "push", batch, signed)
        assert error in {"", "NothingNew"}
        return not error

    def all(self, status: int = OK) -> None:
        """A round of every leg, of now."""
        for index in HAS:
            self.push(index, status)

    def poke(self) -> None:
        """By anybody; no share moves."""
        before = self.shares
        for ramp in self.ramps:
            self.evm.ok(ramp, "poke", sender=STRANGER)
        assert self.shares == before

    @property
    def shares(self) -> list[int]:
        return [int(self.evm.ok(ramp, "rampPpm")) for ramp in self.ramps]

    @property
    def ways(self) -> list[int]:
        return [way(self.evm.ok(ramp, "status")) for ramp in self.ramps]


def ppm(seconds: int) -> int:
    return seconds * PPM // RAMP_S


@pytest.mark.parametrize("late_s", [0, 12, MAX_AGE_S])
@pytest.mark.parametrize("idle_s", [60, HOUR_S, 5 * HOUR_S])
def test_a_quiet_leg_lets_no_ramp_leap(idle_s: int, late_s: int) -> None:
    """The dollar was pushed a heartbeat ago; the depeg comes with the token. What counts is the token's way to the chain."""
    legs = Legs()
    legs.all()
    legs.poke()
    for _ in range(idle_s // 60):
        legs.evm.jump(60)
        assert legs.push(TOKEN)
    legs.evm.jump(61)
    assert legs.shares == [0, 0, 0]
    assert legs.push(TOKEN, DEPEG, late_s=late_s)
    assert legs.shares == [ppm(late_s)] * 3
    legs.poke()
    legs.evm.jump(360)
    assert legs.shares == pytest.approx([ppm(late_s + 360)] * 3, abs=1)
    assert legs.push(TOKEN, OK)
    assert legs.shares == pytest.approx([ppm(late_s + 360)] * 3, abs=1)


def test_a_leg_that_leaves_its_halt_sends_the_ramp_on_from_its_own_round() -> None:
    """The token is in depeg, the dollar halts it: held, and moved on from the round with which the dollar is back."""
    legs = Legs()
    legs.all()
    legs.evm.jump(10)
    legs.push(TOKEN, DEPEG)
    legs.poke()
    legs.evm.jump(360)
    legs.push(DOLLAR, HALT)
    legs.poke()
    held = legs.shares[CROSSED]
    assert held == pytest.approx(ppm(360), abs=1)
    for _ in range(60):
        legs.evm.jump(60)
        legs.push(TOKEN, DEPEG)
    assert legs.shares[CROSSED:] == [held] * 2
    legs.evm.jump(30)
    assert legs.push(DOLLAR, OK, late_s=20)
    assert legs.shares[CROSSED:] == pytest.approx([held + ppm(20)] * 2, abs=1)


@pytest.mark.parametrize("poked", [True, False])
def test_a_pause_of_a_leg_and_its_end_do_not_leap(*, poked: bool) -> None:
    """Nobody sees when a pause began; poked, it holds the ramp; not poked, what was noted goes on. The end is a round."""
    legs = Legs()
    legs.all()
    legs.push(TOKEN, OK)
    legs.evm.jump(10)
    legs.push(TOKEN, DEPEG)
    legs.poke()
    legs.evm.jump(360)
    before = legs.shares
    legs.evm.ok(legs.store, "pause", [DOLLAR], sender=OWNER)
    assert legs.shares == before
    if poked:
        legs.poke()
    legs.evm.jump(720)
    assert legs.shares[CROSSED:] == pytest.approx([ppm(360 if poked else 1_080)] * 2, abs=1)
    legs.evm.ok(legs.store, "resume", [DOLLAR], sender=OWNER)
    before = legs.shares
    assert legs.push(DOLLAR, OK, late_s=MAX_AGE_S)
    most = ppm(MAX_AGE_S) + 1
    assert all(0 <= now - then <= most for then, now in zip(before, legs.shares, strict=True))


def test_the_first_round_of_a_leg_in_a_long_depeg_does_not_leap() -> None:
    """Without the dollar there is no price in dollars and no status: the ramp begins with the dollar's first round."""
    legs = Legs()
    for _ in range(100):
        legs.push(TOKEN, DEPEG)
        legs.push(WRAPPER)
        legs.poke()
        legs.evm.jump(60)
    assert legs.shares[PLAIN] == PPM
    assert legs.shares[CROSSED:] == [0, 0]
    assert legs.push(DOLLAR, OK, late_s=45)
    assert legs.shares[CROSSED:] == [ppm(45)] * 2


ACTS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0, 1, 12, 60, 300, HOUR_S]), st.just(0)),
    st.tuples(
        st.sampled_from([TOKEN, TOKEN, DOLLAR, WRAPPER]),
        st.sampled_from([OK, WATCH, DEPEG, DEPEG, HALT]),
        st.sampled_from([0, 1, 30, MAX_AGE_S - 1, MAX_AGE_S]),
    ),
    st.tuples(st.sampled_from(["pause", "resume"]), st.sampled_from(list(HAS)), st.just(0)),
)


@settings(max_examples=120, deadline=None)
@given(acts=st.lists(ACTS, min_size=8, max_size=40))
def test_a_poked_ramp_moves_by_no_more_than_a_round_s_way_to_the_chain(acts: list[tuple[Any, int, int]]) -> None:
    """Whatever legs, however old, whatever is pushed, paused and resumed: what one act does to a ramp that is poked after each.

    A turn from one way to another (-1 down, 0 held, 1 up) changes the share by the round's way to the chain for each step
    between the two; a turn into a halt, a pause and its end by nothing. And in one block all acts together by no more than
    twice the longest way.
    """
    legs = Legs()
    legs.poke()
    begun = legs.shares
    for act, what, late_s in acts:
        if act == "wait":
            legs.evm.jump(what)
            begun = legs.shares if what else begun
            continue
        before, ways = legs.shares, legs.ways
        if act in {"pause", "resume"}:
            legs.evm.ok(legs.store, act, [what], sender=OWNER)
        else:
            legs.push(act, what, late_s=late_s)
        for old, new, was, to in zip(before, legs.shares, ways, legs.ways, strict=True):
            turn = abs(to - was) if to else 0
            assert abs(new - old) <= turn * ppm(late_s) + 2
        legs.poke()
        assert all(abs(a - b) <= 2 * ppm(MAX_AGE_S) + 2 * len(acts) for a, b in zip(begun, legs.shares, strict=True))
    # and it is no ramp that stands still
    legs.evm.ok(legs.store, "resume", list(HAS), sender=OWNER)
    legs.evm.jump(HOUR_S)
    legs.all(OK)
    legs.evm.jump(61)
    legs.push(TOKEN, DEPEG)
    legs.poke()
    start = legs.shares
    legs.evm.jump(RAMP_S // 2)
    assert legs.shares == [min(PPM, share + PPM // 2) for share in start]
