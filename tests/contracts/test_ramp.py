"""`redemption_unless_depeg` on chain beside the oracle's own ramp, and what becomes of it where nobody pokes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from feeds.units import Bps, Wad
from oracle.judge.verdict import ramp_ppm
from oracle.model.spec import Mode, Rules
from oracle.model.state import Memory
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.report.compose import price_of
from oracle.report.wire import decode_slot, encode_item
from oracle.sign.eip712 import batch_bytes
from tests.contracts.evm_process import OWNER, STRANGER, signature
from tests.contracts.fuzz_world import World
from tests.contracts.set_models import PPM, WAD, Peek, Ramp

INDEX, RAMP_S = 8_192, 1_000
OK, WATCH, DEPEG, HALT = Status.OK, Status.WATCH, Status.DEPEG, Status.HALT
DEPEGGED = Report(
    market_wad=Wad(WAD * 8 // 10 + 7), redemption_wad=Wad(WAD * 105 // 100), spread_bps=Bps(7), status=OK, why=Why.NONE,
    round_time_s=0, market_age_s=0, redemption_age_h=1,
)  # fmt: skip


class Rig:
    """One token of a store with wide limits, and a ModeView of mode 4 over its two prices."""

    def __init__(self, ramp_s: int = RAMP_S) -> None:
        self.world = World(0)
        self.evm = self.world.evm
        token = f"T{INDEX}/ETH".encode().ljust(32, b"\0")
        legs = [self.evm.create(contracts.load("FeedView"), self.world.store, token, mode, 18, 60) for mode in (0, 1)]
        self.view = self.evm.create(contracts.load("ModeView"), *legs, 4, ramp_s, 18)

    @property
    def now(self) -> int:
        return self.evm.now

    def round(self, status: Status, *, late_s: int = 0) -> None:
        """A round of that status lands in this block, `late_s` after its time."""
        at = self.now - late_s
        item = encode_item(INDEX, replace(DEPEGGED, status=status, round_time_s=at))
        batch = batch_bytes(1, at, item)
        digest = self.world.digest(batch)
        signed = b"".join(bytes([i]) + signature(i, digest) for i in range(5))
        self.evm.ok(self.world.store, "push", batch, signed)

    def poke(self) -> None:
        """By anybody; the price of the moment stays."""
        before = self.ppm, self.peek
        self.evm.ok(self.view, "poke", sender=STRANGER)
        assert (self.ppm, self.peek) == before

    @property
    def ppm(self) -> int:
        return int(self.evm.ok(self.view, "rampPpm"))

    @property
    def peek(self) -> Peek:
        return Peek(*self.evm.ok(self.view, "peek"))

    def price(self) -> int:
        """The view's price, which is the oracle's of the same report and share."""
        report = decode_slot(int.from_bytes(self.evm.send(self.world.store, INDEX.to_bytes(2, "big"))[1], "big"))
        got = self.peek.wad
        assert got == price_of(report, Mode.REDEMPTION_UNLESS_DEPEG, self.ppm)
        return got


class Ours:
    """The oracle's ramp. It reckons backwards: a round's status is held to have ruled since the round before it."""

    def __init__(self, ramp_s: int, at_s: int) -> None:
        self.rules = Rules(ramp_s=ramp_s)
        self.memory = Memory(at_ms=at_s * 1_000)

    def round(self, ruled: Status, at_s: int) -> int:
        self.memory = replace(
            self.memory, ramp_ppm=ramp_ppm(self.rules, self.memory, ruled, at_s * 1_000), at_ms=at_s * 1_000
        )
        return self.memory.ramp_ppm


def together(ramp_s: int, rounds: list[tuple[int, Status]]) -> list[int]:
    """Rounds of (seconds after the one before, status), each poked as it lands: the shares, which must be equal.

    The view reckons forwards, from the round that says so. So what it has at a round is what the oracle has that takes
    each round's status one round later.
    """
    rig = Rig(ramp_s)
    rig.round(OK)
    rig.poke()
    ours, shares, before = Ours(ramp_s, rig.now), [], OK
    for seconds, status in rounds:
        rig.evm.jump(seconds)
        rig.round(status)
        rig.poke()
        shares.append(rig.ppm)
        assert shares[-1] == ours.round(before, rig.now)
        rig.price()
        before = status
    return shares


FIXED: dict[str, tuple[int, list[tuple[int, Status]], list[int]]] = {
    "all the way up, and no further": (100, [(10, DEPEG), *[(50, DEPEG)] * 3], [0, 500_000, PPM, PPM]),
    "all the way down, and no further": (
        100,
        [(10, DEPEG), (60, DEPEG), (60, OK), (30, OK), (60, OK), (60, OK)],
        [0, 600_000, PPM, 700_000, 100_000, 0],
    ),
    "turned back half way": (
        100,
        [(1, DEPEG), (40, WATCH), (10, WATCH), (10, DEPEG), (20, OK), (60, OK)],
        [0, 400_000, 300_000, 200_000, 400_000, 0],
    ),
    "a halt holds it, on the way up and on the way down": (
        100,
        [(1, DEPEG), (40, HALT), (60, DEPEG), (20, OK), (10, HALT), (60, OK), (50, OK)],
        [0, 400_000, 400_000, 600_000, 500_000, 500_000, 0],
    ),
    "whole seconds that are no whole millionths": (
        7,
        [(1, DEPEG), (1, DEPEG), (1, DEPEG), (1, OK), (1, OK)],
        [0, 142_857, 285_714, 428_571, 285_714],
    ),
    "a halt out of calm": (100, [(9, HALT), (60, HALT), (9, OK), (9, OK)], [0, 0, 0, 0]),
}


@pytest.mark.parametrize("name", FIXED)
def test_fixed_ramps_are_the_oracle_s_and_what_was_worked_out_by_hand(name: str) -> None:
    ramp_s, rounds, expected = FIXED[name]
    assert together(ramp_s, rounds) == expected


STATUSES = st.sampled_from([OK, WATCH, DEPEG, DEPEG, HALT])


@settings(max_examples=60)
@given(
    ramp_s=st.sampled_from([1, 7, 97, 600, 1_800, 86_400]),
    rounds=st.lists(st.tuples(st.integers(1, 60), STATUSES), min_size=1, max_size=25),
)
def test_any_ramp_that_is_poked_at_each_round_is_the_oracle_s(ramp_s: int, rounds: list[tuple[int, Status]]) -> None:
    together(ramp_s, rounds)


def test_a_gap_in_the_rounds_counts_in_full_on_chain_and_for_a_minute_in_the_oracle() -> None:
    rig = Rig()
    rig.round(DEPEG)
    rig.poke()
    ours = Ours(RAMP_S, rig.now)
    rig.evm.jump(500)
    rig.round(DEPEG)
    assert (rig.ppm, ours.round(DEPEG, rig.now)) == (500_000, 60_000)


ACTS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 400)),
    st.tuples(st.sampled_from(["round", "late"]), STATUSES),
    st.tuples(st.sampled_from(["poke", "pause", "resume"]), st.just(OK)),
)


@settings(max_examples=100)
@given(
    first=st.sampled_from([OK, DEPEG]), acts=st.lists(ACTS, min_size=6, max_size=30), ramp_s=st.sampled_from([7, 1_000])
)
def test_a_ramp_that_is_poked_now_and_then_is_the_model_s(
    first: Status, acts: list[tuple[str, Any]], ramp_s: int
) -> None:
    """Pokes, pauses and rounds in any order: the share, and the price that it makes of the report."""
    rig = Rig(ramp_s)
    ramp = Ramp(ramp_s, rig.now)
    rig.round(first)
    for act, what in [("poke", OK), ("wait", 100), *acts]:
        if act == "poke":
            ramp.poke(rig.peek.status, rig.peek.round_time, rig.now)
            rig.poke()
        elif act in {"pause", "resume"}:
            rig.evm.ok(rig.world.store, act, [INDEX])
        else:
            rig.evm.jump(what if act == "wait" else 61)
            if act != "wait" and not rig.evm.ok(rig.world.store, "paused", INDEX):
                rig.round(what, late_s=59 if act == "late" else 0)
        assert rig.ppm == ramp.now(rig.peek.status, rig.peek.round_time, rig.now)
        rig.price()


# ------------------------------------------------------------------------------------------- where nobody pokes


def test_a_ramp_that_nobody_pokes_begins_anew_at_each_round() -> None:
    """What a lender must know: in a depeg of any length it never has more of the market than one gap between rounds."""
    rig = Rig()
    rig.evm.jump(5_000)
    for _ in range(20):
        rig.round(DEPEG)
        assert rig.ppm == 0
        rig.evm.jump(100)
        assert rig.ppm == 100_000
    rig.evm.jump(2 * RAMP_S)
    assert rig.ppm == PPM
    assert rig.price() == DEPEGGED.market_wad
    rig.round(DEPEG)
    assert rig.ppm == 0
    assert rig.price() == DEPEGGED.redemption_wad, "back at the redemption rate in the middle of a depeg"


def test_one_poke_in_the_depeg_makes_the_ramp_lasting() -> None:
    rig = Rig()
    rig.round(DEPEG)
    rig.evm.jump(10)
    rig.poke()
    for turn in range(1, 12):
        rig.evm.jump(100)
        rig.round(DEPEG)
        assert rig.ppm == min(PPM, 10_000 + turn * 100_000)


def test_a_recovery_that_nobody_pokes_is_forgotten_at_each_round() -> None:
    rig = Rig()
    rig.round(DEPEG)
    rig.poke()
    rig.evm.jump(2 * RAMP_S)
    for _ in range(5):
        rig.round(OK)
        assert rig.ppm == PPM
        rig.evm.jump(300)
        assert rig.ppm == 700_000
    rig.poke()
    rig.evm.jump(100)
    rig.round(OK)
    assert rig.ppm == 600_000


# --------------------------------------------------------------------------------------- a ramp does not leap


def test_a_pause_takes_back_nothing_of_a_ramp() -> None:
    """A pause has no round, so nobody sees since when it holds: it must not undo what moved since the last one."""
    rig = Rig()
    rig.round(DEPEG)
    rig.poke()
    rig.evm.jump(2 * RAMP_S)
    before = rig.price()
    rig.evm.ok(rig.world.store, "pause", [INDEX], sender=OWNER)
    assert rig.price() == before == DEPEGGED.market_wad
    rig.poke()
    rig.evm.jump(400)
    assert rig.price() == before


@pytest.mark.parametrize("poked", [True, False])
def test_a_halt_and_its_end_do_not_leap_whether_somebody_poked_or_not(poked: bool) -> None:
    rig = Rig()
    rig.round(DEPEG)
    rig.poke()
    rig.evm.jump(100)
    for status in (HALT, HALT, HALT, DEPEG, DEPEG):
        before = rig.ppm
        rig.round(status)
        assert rig.ppm == before
        if poked:
            rig.poke()
        rig.evm.jump(100)
    assert rig.ppm == (300_000 if poked else 600_000), "until somebody pokes, what was noted goes on"


def test_a_change_leaps_by_no_more_than_its_way_to_the_chain() -> None:
    """A poked ramp reckons from the round's time, and a round is taken for maxPushAgeS: twice that, up and down."""
    rig = Rig()
    rig.round(DEPEG)
    rig.poke()
    rig.evm.jump(500)
    before = rig.ppm
    rig.round(OK, late_s=60)
    assert (before, rig.ppm) == (500_000, 380_000)


@pytest.mark.parametrize(("ramp_s", "lost_ppm"), [(1_000, 0), (1_800, 55), (1_700, 23)])
def test_pokes_slow_a_ramp_by_less_than_a_millionth_each(ramp_s: int, lost_ppm: int) -> None:
    """A step is rounded down: here a hundred of one second each, 555.56 and 588.24 millionths in two of the ramps."""
    rig = Rig(ramp_s)
    rig.round(DEPEG)
    rig.poke()
    for _ in range(100):
        rig.evm.jump(1)
        rig.poke()
    assert 100 * PPM // ramp_s - rig.ppm == lost_ppm


def test_pokes_at_every_second_hold_a_ramp_of_more_than_a_million_seconds() -> None:
    rig = Rig(PPM + 1)
    rig.round(DEPEG)
    rig.poke()
    for _ in range(30):
        rig.evm.jump(1)
        rig.poke()
    assert rig.ppm == 0
    rig.evm.jump(30)
    assert rig.ppm == 29
