"""The rule of suspicion: laws over random histories, against a reference that was written from its text."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import MS
from lab.seeded.suspicion import FAMILIES, HEALTHY, SPIKE, delay_ms, harmless_rounds, longest_ms, random_history
from lab.seeded.suspicion import statuses as lab_statuses
from oracle.judge.suspicion import advance, entered
from oracle.model.spec import Bands
from oracle.model.state import JudgeState
from oracle.model.status import Status
from tests.oracle.judge.reference_judge import statuses

T0 = 1_700_000_000_000
BANDS = Bands(watch_bps=50, watch_leave_bps=25, depeg_bps=200, depeg_leave_bps=100,
              watch_dwell_s=30, depeg_dwell_s=60, leave_dwell_s=300)  # fmt: skip

dwells = st.sampled_from([0, 1, 2_000, 3_001, 30_000, 60_000, 300_000])
bands = st.builds(
    lambda watch, depeg, leave: Bands(
        watch_bps=50, watch_leave_bps=25, depeg_bps=200, depeg_leave_bps=100,
        watch_dwell_s=watch // MS, depeg_dwell_s=depeg // MS, leave_dwell_s=leave // MS,
    ),
    dwells, dwells, dwells,
)  # fmt: skip
gaps = st.sampled_from([1, 1_000, 10_000, 10_000, 10_000, 20_000, 61_000, 3_600_000])
words = st.sampled_from([(None, False), (Status.OK, True), (Status.WATCH, True), (Status.DEPEG, True),
                         (Status.WATCH, False), (Status.DEPEG, False)])  # fmt: skip
rounds = st.lists(st.tuples(gaps, words, st.integers(0, 19)), min_size=1, max_size=80)


@given(bands, rounds)
def test_law_the_reference_judge_agrees(
    found: Bands, history: list[tuple[int, tuple[Status | None, bool], int]]
) -> None:
    at, seen, ours, state = T0, [], [], JudgeState()
    for gap, (said, priced), die in history:
        at += gap
        halted = die == 0
        if halted and state.status is not Status.HALT:
            state = entered(state, Status.HALT, at)
        state = advance(found, state, said, at, priced=priced)
        seen.append((at, None if said is None else int(said), priced, halted))
        ours.append(int(state.status))
    assert ours == statuses(seen, found.watch_dwell_s * MS, found.depeg_dwell_s * MS, found.leave_dwell_s * MS)


@given(rounds)
def test_law_no_round_without_a_price_makes_anything_better(
    history: list[tuple[int, tuple[Status | None, bool], int]],
) -> None:
    at, state = T0, JudgeState()
    for gap, (said, priced), die in history:
        at += gap
        before = entered(state, Status.HALT, at) if die == 0 else state
        state = advance(BANDS, before, said, at, priced=priced)
        assert state.status >= before.status or priced
        assert state.status >= before.status - 1 or before.status is Status.HALT


@pytest.mark.parametrize("to", [Status.WATCH, Status.DEPEG])
@given(seed=st.integers(0, 1 << 32))
def test_law_a_status_comes_within_the_stated_delay(to: Status, seed: int) -> None:
    made = random_history(random.Random(seed))
    came, longest = delay_ms(made, to), longest_ms(made, to)
    assert longest is None or (came is not None and came <= longest), (made, came, longest)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(20))
def test_must_not(family: str, seed: int) -> None:
    assert Status.DEPEG not in lab_statuses(harmless_rounds(family, random.Random(seed)), BANDS)


def path(pattern: str, times: int, state: JudgeState | None = None, step_ms: int = 10_000) -> list[str]:
    """Statuses along a pattern: D says depeg, W watch, O ok, all with a price; d and w without one; . is blind."""
    said = {"D": Status.DEPEG, "W": Status.WATCH, "O": Status.OK, "d": Status.DEPEG, "w": Status.WATCH, ".": None}
    state, out = state or JudgeState(at_ms=T0), []
    for i, letter in enumerate(pattern * times):
        state = advance(BANDS, state, said[letter], T0 + (i + 1) * step_ms, priced=letter.isupper())
        out.append(state.status.word)
    return out


def first(found: Sequence[str], word: str) -> int | None:
    return found.index(word) if word in found else None


@pytest.mark.parametrize(
    ("pattern", "watch", "depeg"),
    [
        ("D", 3, 6),  # a clean step: after its dwells, as ever
        ("DDd", 3, 6),  # two of three at 0.50, the third abstains at 0.50 and 0.40
        ("DDD.", 3, 6),  # one of two venues answers nonsense every fourth round
        ("DD.", 3, 6),
        ("DDO", 4, 16),  # two of three at 0.50, the third priced at 1.00: within 60/(2 * 2/3 - 1) = 180 s
        ("D" + "." * 28, 3, 87),  # 0.50 once in 29 rounds, otherwise nothing
        ("D..", 3, 9),  # a price every third round
        ("DDDDO", 3, 8),  # four of five: within 60/(2 * 4/5 - 1) = 100 s
        ("Dw", 3, 6),  # without a price a slash, a supply or a nearer group says watch: that is no health
        ("Dww", 3, 9),
    ],
)  # fmt: skip
def test_nothing_hides_a_depeg(pattern: str, watch: int, depeg: int) -> None:
    found = path(pattern, 60)
    assert (first(found, "watch"), first(found, "depeg")) == (watch, depeg)


@pytest.mark.parametrize("step_ms", [1_000, 10_000, 60_000, 3_600_000])
def test_a_late_round_fills_nothing_alone(step_ms: int) -> None:
    assert path("D", 1, step_ms=step_ms) == ["ok"]
    assert path("D", 3, step_ms=3_600_000)[1:] == ["watch", "depeg"], "the third in a row, however rare they are"


def test_two_rounds_are_no_depeg_however_much_blind_time_follows() -> None:
    for step_ms in (1_000, 10_000, 60_000, 3_600_000):
        assert "depeg" not in path("DD" + "." * 1_000, 1, step_ms=step_ms)


def test_blind_time_counts_no_longer_than_what_was_seen() -> None:
    assert first(path("DDD" + "." * 100, 1), "depeg") is None, "30 s seen and 30 s blind are not more than 60"
    assert first(path("DDDD" + "." * 100, 1), "depeg") == 6


def test_leaving_is_neither_broken_nor_completed_by_blind_rounds() -> None:
    depegged = JudgeState(status=Status.DEPEG, at_ms=T0, since_ms=T0)
    clean = path("O", 40, depegged)
    assert first(clean, "watch") == 30
    assert first(path("O.", 40, depegged), "watch") == 60, "every second round counts, and each for its own interval"
    assert set(path("O" + "." * 200, 1, depegged)) == {"depeg"}
    assert set(path("O" * 29 + "D", 5, depegged)) == {"depeg"}, "who says so again begins anew"
    assert set(path("O" * 29 + "d", 5, depegged)) == {"depeg"}


def test_out_of_a_halt_into_what_the_evidence_says_with_that_levels_dwell() -> None:
    halted = JudgeState(status=Status.HALT, at_ms=T0, since_ms=T0)
    assert path("D", 8, halted) == ["halt"] * 6 + ["depeg"] * 2
    assert path("O", 32, halted) == ["halt"] * 30 + ["ok"] * 2
    assert path("W", 32, halted) == ["halt"] * 30 + ["watch"] * 2
    assert path("OOOD", 9, halted)[30:32] == ["watch", "watch"], "flicker of depeg leads to watch at most"
    assert set(path("d", 100, halted)) == {"halt"}, "without a price nothing leads out"
    assert path("dddddD", 2, halted)[:7] == ["halt"] * 6 + ["halt"]
    assert first(path("ddddddD", 1, halted), "depeg") == 6


def test_one_level_at_a_time_and_in_a_halt_both_are_kept() -> None:
    for before, after in pairwise(path("D.OdW", 200)):
        order = ["ok", "watch", "depeg"]
        assert abs(order.index(before) - order.index(after)) <= 1


def test_the_letters_of_the_families_are_what_they_claim() -> None:
    one = harmless_rounds("one spike in six priced rounds", random.Random(1))
    said = [word for _, word, _ in one]
    assert said.count(SPIKE) * 5 <= said.count(HEALTHY)
