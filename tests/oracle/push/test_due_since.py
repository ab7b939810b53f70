"""Since when something is due: a round that says nothing of a feed ends nothing, or a backup would never take over."""

from __future__ import annotations

from dataclasses import replace

from oracle.push.due import Cause, Decision, PushReason
from oracle.push.due_now import due_since
from tests.oracle.report.reports import report

S = 1_700_000_000
REASON = PushReason(cause=Cause.DEVIATION, text="moved")
STORED = {0: replace(report(), round_time_s=S - 50), 1: replace(report(), round_time_s=S - 60)}


def test_it_counts_from_the_first_round_in_which_it_is_due_until_one_says_that_it_is_not() -> None:
    since = due_since({}, Decision(due={0: REASON, 1: REASON}), STORED, S)
    assert since == {(0, S - 50): S, (1, S - 60): S}
    since = due_since(since, Decision(due={0: REASON}, unsaid=frozenset({1})), STORED, S + 10)
    assert since == {(0, S - 50): S, (1, S - 60): S}
    since = due_since(since, Decision(unsaid=frozenset({0, 1})), STORED, S + 20)
    assert since == {(0, S - 50): S, (1, S - 60): S}, "the round was not sealed"
    since = due_since(since, Decision(due={0: REASON}), STORED, S + 30)
    assert since == {(0, S - 50): S}, "the other one is not due any more"


def test_it_ends_with_what_the_store_holds() -> None:
    since = due_since({}, Decision(due={0: REASON}), STORED, S)
    stored = {**STORED, 0: replace(report(), round_time_s=S)}
    assert due_since(since, Decision(unsaid=frozenset({0})), stored, S + 10) == {}
    assert due_since(since, Decision(due={0: REASON}), stored, S + 20) == {(0, S): S + 20}
    assert due_since({}, Decision(due={2: REASON}), stored, S) == {(2, 0): S}, "never pushed"
