"""The decision to push, over all feeds of a store: what goes, what rides along, what is held and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from feeds.units import Bps
from oracle.chain.store_rules import HeldPrice, HeldWords, StoreLimits, needs_held_words, opened_by
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.push.due import Candidate, Cause, Decision, PushPolicy, decide, due
from tests.oracle.oracle_build import spec, wad

S = 1_700_000_000
LIMITS = StoreLimits(max_push_age_s=60)
POLICY = PushPolicy()


def report(market: str = "1.05", redemption: str = "1.05", **changes: Any) -> Report:
    base = Report(
        market_wad=wad(market), redemption_wad=wad(redemption), spread_bps=Bps(5), status=Status.OK, why=Why.NONE,
        round_time_s=S, market_age_s=1, redemption_age_h=1,
    )  # fmt: skip
    return replace(base, **changes)


def candidate(stored: Report | None, fresh: Report, **changes: Any) -> Candidate:
    return replace(Candidate(spec=spec(heartbeat_s=100), stored=stored, fresh=fresh, limits=LIMITS), **changes)


def later(before: Report, seconds: int = 10, **changes: Any) -> Report:
    return replace(before, round_time_s=before.round_time_s + seconds, **changes)


def decision(candidates: dict[int, Candidate], policy: PushPolicy = POLICY, at_s: int = S + 10) -> Decision:
    return decide(candidates, policy, block_time_s=at_s)


def test_a_depeg_goes_first_and_is_urgent() -> None:
    moved = candidate(report(), later(report("1.06")))
    fallen = candidate(report(), later(report("1.00"), status=Status.DEPEG))
    made = decision({0: moved, 1: candidate(None, report()), 2: fallen})
    assert [(i, r.cause) for i, r in made.push.items()] == [(2, Cause.WORSE), (1, Cause.FIRST), (0, Cause.DEVIATION)]
    assert made.urgent
    assert not decision({0: moved}).urgent
    watched = candidate(report(), later(report(), status=Status.WATCH))
    assert not decision({0: watched}).urgent, "a watch waits for what is under way"
    better = candidate(report(status=Status.DEPEG), later(report()))
    assert decision({0: better}).push[0].cause is Cause.STATUS


@pytest.mark.parametrize(
    ("stored", "fresh", "text"),
    [
        ("1.0490", "1.0455", "-9 to -42 bps from the peg"),
        ("1.0500", "1.0530", "0 to 28 bps from the peg"),
        ("1.0470", "1.0499", "-28 to 0 bps from the peg"),
        ("1.0490", "1.0475", None),
        ("1.0400", "1.0436", None),
        ("0.9800", "0.9840", None),
    ],
)
def test_near_the_peg_a_changed_discount_is_due(stored: str, fresh: str, text: str | None) -> None:
    reason = due(spec(push_bps=50), report(stored), later(report(fresh)), PushPolicy(peg_bps=25, peg_percent=50))
    assert (None if reason is None else (reason.cause, reason.text)) == (None if text is None else (Cause.PEG, text))


def test_the_peg_is_one_where_there_is_no_redemption_and_far_from_one_there_is_none() -> None:
    usdc, eth = report("0.9990", "0"), report("2000", "0")
    stable = due(spec(push_bps=50), usdc, later(report("0.9960", "0")), PushPolicy(peg_bps=25))
    assert stable is not None
    assert (stable.cause, stable.text) == (Cause.PEG, "-10 to -40 bps from the peg")
    assert due(spec(push_bps=50), eth, later(report("2008", "0")), PushPolicy(peg_bps=25)) is None


def test_a_wider_spread_is_due_and_a_narrower_one_is_not() -> None:
    wide = due(spec(), report(), later(report(), spread_bps=Bps(105)), POLICY)
    assert wide is not None
    assert (wide.cause, wide.text) == (Cause.SPREAD, "spread widened by 100 bps to 105")
    assert due(spec(), report(), later(report(), spread_bps=Bps(104)), POLICY) is None
    assert due(spec(), report(spread_bps=Bps(105)), later(report()), POLICY) is None
    assert due(spec(), report(), later(report(), spread_bps=Bps(900)), PushPolicy(spread_bps=0)) is None


def test_a_halt_repeats_old_prices_so_only_its_heartbeat_is_due() -> None:
    old = report("1.00", status=Status.HALT)
    assert due(spec(), old, later(report("1.05", status=Status.HALT)), POLICY) is None
    reason = due(spec(heartbeat_s=10), old, later(report("1.05", status=Status.HALT)), POLICY)
    assert reason is not None
    assert reason.cause is Cause.HEARTBEAT


def test_who_is_half_way_rides_along_but_starts_no_batch() -> None:
    half, third = candidate(report(), later(report(), 50)), candidate(report(), later(report(), 33))
    near = candidate(report("1.0500"), later(report("1.0520")))
    assert decision({0: half, 1: third, 2: near}, at_s=S + 50).push == {}
    made = decision({0: half, 1: third, 2: near, 3: candidate(None, report())}, at_s=S + 50)
    assert {i: r.cause for i, r in made.push.items()} == {3: Cause.FIRST, 0: Cause.EARLY, 2: Cause.EARLY}
    assert set(decision({0: half, 3: candidate(None, report())}, PushPolicy(early_percent=0), S + 50).push) == {3}


def test_the_budget_holds_back_moves_but_no_status_no_first_price_and_no_heartbeat() -> None:
    policy, spent = PushPolicy(gas_per_day=1_000), {"gas_spent": 1_000}
    made = decision(
        {
            0: candidate(report(), later(report("1.10")), **spent),
            1: candidate(report(), later(report(), status=Status.WATCH), **spent),
            2: candidate(report(round_time_s=S - 90), report(round_time_s=S + 10), **spent),
            3: candidate(None, report(), **spent),
            4: candidate(report(), later(report(), 60), **spent),
            5: candidate(report(), later(report("1.10")), gas_spent=999),
        },
        policy,
    )
    assert set(made.push) == {1, 2, 3, 5}
    assert made.held == {0: "1000 gas in 24 h, the budget is 1000"}


def test_a_backup_waits_its_offset_and_still_pushes_then() -> None:
    policy = PushPolicy(offset_s=30)
    waits = decision({0: candidate(report(), later(report("1.10")), due_for_s=29)}, policy)
    assert (waits.push, waits.held) == ({}, {0: "backup: due for 29 s, the primary has 30"})
    assert set(waits.due) == {0}
    assert set(decision({0: candidate(report(), later(report("1.10")), due_for_s=30)}, policy).push) == {0}


@pytest.mark.parametrize(
    ("stored", "fresh", "at_s", "says"),
    [
        (None, report(), S + 61, "61 s old"),
        (None, report(), S - 31, "31 s ahead"),
        (report(round_time_s=S + 1), report(status=Status.HALT), S, "this round_time or a later one"),
        (report(status=Status.HALT), later(report("1.10"), 4), S + 4, "a halt ends with the gap: 4 s of 5 have passed"),
    ],
)
def test_what_the_store_would_refuse_is_held_with_the_reason(
    stored: Report | None, fresh: Report, at_s: int, says: str
) -> None:
    limits = StoreLimits(max_push_age_s=60, min_gap_s=5)
    made = decision({7: candidate(stored, fresh, limits=limits)}, at_s=at_s)
    assert made.push == {}
    assert says in made.held[7]


GAPPED = StoreLimits(max_push_age_s=60, min_gap_s=10, step_bps=500, step_wait_s=60, strong=False)


def test_a_far_price_is_pushed_once_and_then_when_its_wait_is_over() -> None:
    """The push is what begins the wait; what would bring nothing more meanwhile is not sent, but the heartbeat is."""
    first = candidate(report(), later(report("1.20", status=Status.WATCH)), limits=GAPPED)
    assert decision({7: first}).push[7].cause is Cause.WORSE
    kept = report(status=Status.WATCH, why=Why.OUT_OF_RANGE, round_time_s=S + 10)
    wait = HeldPrice(true_at_s=S - 1, since_s=S + 10, above=True, price_wad=wad("1.20"), price_at_s=S + 9)
    waiting = replace(GAPPED, held_words=HeldWords(market=wait, gap=opened_by(kept)))
    for market, seconds, cause in (
        ("1.20", 59, None),
        ("1.60", 59, None),
        ("1.20", 60, Cause.DEVIATION),
        ("1.60", 60, Cause.DEVIATION),
        ("0.90", 59, Cause.DEVIATION),
        ("1.06", 59, Cause.DEVIATION),
    ):
        fresh = later(replace(kept, market_wad=wad(market)), seconds, status=Status.WATCH)
        made = decision({7: candidate(kept, fresh, limits=waiting)}, at_s=S + 10 + seconds)
        assert (made.push[7].cause if made.push else None) is cause, (market, seconds)
        if cause is None:
            assert f"the store takes the least far at {S + 70}" in made.held[7]
    beat = replace(waiting, step_wait_s=600)
    made = decision({7: candidate(kept, later(replace(kept, market_wad=wad("1.20")), 100), limits=beat)}, at_s=S + 110)
    assert made.push[7].cause is Cause.HEARTBEAT


def test_a_price_that_moves_beside_one_that_waits_goes_at_once() -> None:
    kept = report(status=Status.WATCH, why=Why.OUT_OF_RANGE)
    wait = HeldPrice(true_at_s=S - 20, since_s=S - 20, above=False, price_wad=wad("0.90"), price_at_s=S - 21)
    limits = replace(GAPPED, held_words=HeldWords(market=wait, gap=opened_by(kept)))
    fresh = later(report("0.90", "1.06", status=Status.WATCH), 15)
    made = decision({7: candidate(kept, fresh, limits=limits)}, at_s=S + 15)
    assert made.push[7].cause is Cause.DEVIATION


def test_inside_a_gap_a_near_price_goes_and_a_better_status_waits() -> None:
    stored = report(status=Status.WATCH)
    better = decision({7: candidate(stored, later(report(), 5), limits=GAPPED)}, at_s=S + 5)
    assert (better.push, better.held) == ({}, {7: f"a better status: the store takes it at {S + 10}"})
    both = decision({7: candidate(stored, later(report("1.06"), 5), limits=GAPPED)}, at_s=S + 5)
    assert both.push[7].cause is Cause.DEVIATION
    assert set(decision({7: candidate(stored, later(report(), 10), limits=GAPPED)}, at_s=S + 10).push) == {7}


def test_kept_prices_are_no_reason_but_a_lower_rate_is() -> None:
    halted = report(status=Status.HALT)
    for market, rate, goes in (("1.05", "1.05", False), ("0.50", "1.20", False), ("1.05", "1.01", True)):
        fresh = later(report(market, rate, status=Status.HALT, status_only=True))
        assert bool(decision({7: candidate(halted, fresh, limits=GAPPED)}).push) is goes
    nothing = decision({7: candidate(None, report(status=Status.HALT), limits=GAPPED)}, at_s=S)
    assert nothing.held == {7: "the store has no prices yet that this could keep"}


def test_what_is_held_is_read_only_where_it_can_bear_on_the_item() -> None:
    for seconds, price, status, strong, asked in (
        (3, "1.05", Status.OK, False, True),
        (30, "1.05", Status.OK, False, False),
        (30, "1.50", Status.OK, False, True),
        (30, "1.50", Status.OK, True, False),
        (3, "1.50", Status.OK, True, True),
        (30, "1.05", Status.HALT, True, True),
    ):
        limits = replace(GAPPED, strong=strong)
        assert needs_held_words(report(), later(report(price), seconds, status=status), limits) is asked
    assert not needs_held_words(None, report(), GAPPED)


def test_a_worse_status_does_not_wait_for_the_gap() -> None:
    limits = StoreLimits(max_push_age_s=60, min_gap_s=5)
    assert set(decision({7: candidate(report(), later(report(), 1, status=Status.WATCH), limits=limits)}).push) == {7}


def test_a_round_that_a_stranger_landed_with_fewer_signatures_goes_once_more() -> None:
    """A price of the slot waits, and those who sign now have the weight for it; else the store has the round."""
    kept = report(status=Status.DEPEG, round_time_s=S + 10)
    wait = HeldPrice(true_at_s=S - 1, since_s=S + 10, above=False, price_wad=wad("0.60"), price_at_s=S + 9)
    fallen = replace(kept, market_wad=wad("0.60"))
    for strong, held, goes in (
        (True, wait, True), (False, wait, False), (True, replace(wait, since_s=0), False), (True, None, False),
    ):  # fmt: skip
        limits = replace(GAPPED, strong=strong)
        assert needs_held_words(kept, fallen, limits)
        single = candidate(kept, fallen, limits=replace(limits, held_words=HeldWords(market=held)))
        made = decision({7: single}, at_s=S + 12)
        assert (set(made.push), set(made.held)) == (({7}, set()) if goes else (set(), {7}))
        assert goes or "the store has this round_time" in made.held[7]
