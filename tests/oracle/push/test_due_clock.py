from __future__ import annotations

from dataclasses import replace

import pytest

from feeds.units import Wad
from oracle.chain.store_rules import StoreLimits, why_refused
from oracle.model.status import Status
from oracle.model.types import Report
from oracle.push.due import Cause, PushPolicy, due
from oracle.runtime.clock import ClockWatch
from tests.oracle.oracle_build import T0, spec
from tests.oracle.report.reports import report

S = 1_700_000_000


def at(round_s: int, base: Report | None = None) -> Report:
    return replace(base or report(), round_time_s=round_s)


@pytest.mark.parametrize(
    ("stored", "fresh_s", "block_s", "taken"),
    [
        (None, S, S + 60, True),
        (None, S, S + 61, False),
        (None, S, S - 30, True),
        (None, S, S - 31, False),
        (S, S, S, False),
        (S, S + 1, S, True),
        (S + 5, S + 1, S, False),
    ],
)
def test_acceptable_mirrors_the_contract(stored: int | None, fresh_s: int, block_s: int, *, taken: bool) -> None:
    held = at(stored) if stored else None
    limits = StoreLimits(max_push_age_s=60)
    assert (why_refused(held, at(fresh_s), block_time_s=block_s, limits=limits) is None) is taken


def test_due_first_status_deviation_heartbeat_and_nothing() -> None:
    feed, held, policy = spec(heartbeat_s=60, push_bps=50), at(S), PushPolicy(peg_bps=0)

    def cause(stored: Report | None, fresh: Report) -> Cause | None:
        reason = due(feed, stored, fresh, policy)
        return None if reason is None else reason.cause

    assert cause(None, held) is Cause.FIRST
    assert cause(held, at(S + 1)) is None
    assert cause(held, at(S + 60)) is Cause.HEARTBEAT
    halted = due(feed, held, at(S + 1, report(status=Status.HALT)), policy)
    assert halted is not None
    assert (halted.cause, halted.text) == (Cause.WORSE, "status ok to halt")
    assert cause(at(S, report(status=Status.HALT)), at(S + 1)) is Cause.STATUS
    moved = replace(at(S + 1), market_wad=Wad(held.market_wad * 1_0050 // 10_000))
    assert cause(held, moved) is Cause.DEVIATION
    almost = replace(at(S + 1), market_wad=Wad(held.market_wad * 1_0049 // 10_000))
    assert cause(held, almost) is None


def test_the_clock_offset_is_the_median_of_the_freshest_words() -> None:
    watch = ClockWatch()
    for delay in (40, 900, 10):
        watch.stated("coinbase", T0 - delay, T0)
        watch.stated("kraken", T0 - delay - 5, T0)
    watch.date("api.example", (T0 // 1000) * 1000, T0)
    assert -20 <= watch.offset_ms(T0) <= 20
    assert watch.may_sign(T0)


def test_a_clock_that_is_four_seconds_off_may_not_sign() -> None:
    watch = ClockWatch()
    watch.stated("coinbase", T0 + 4_000, T0)
    watch.stated("kraken", T0 + 4_010, T0)
    assert not watch.may_sign(T0)
    assert watch.offset_ms(T0 + 61_000) == 0
    behind = ClockWatch()
    behind.block("ethereum", T0 + 5_000, T0)
    assert not behind.may_sign(T0)
    old_block = ClockWatch()
    old_block.block("ethereum", T0 - 12_000, T0)
    assert old_block.may_sign(T0)
