"""Log limits: one line for each kind of fault and period."""

from __future__ import annotations

from oracle.runtime.log_limit import LogBudget


def test_a_kind_of_fault_is_one_line_a_period_with_the_count_of_those_left_out() -> None:
    now = [0.0]
    budget = LogBudget(60.0, lambda: now[0])
    assert [budget.more("a") for _ in range(5)] == [0, None, None, None, None]
    assert budget.more("b") == 0, "another kind is another line"
    now[0] = 60.0
    assert [budget.more("a"), budget.more("a"), budget.more("b")] == [4, None, 0]


def test_a_limited_number_of_kinds_is_remembered() -> None:
    budget = LogBudget(60.0, lambda: 0.0)
    assert {budget.more(i) for i in range(10_000)} == {0}
    assert budget.kinds <= 256
