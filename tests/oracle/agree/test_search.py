"""Every schedule of four members over two attempts; a short form here, all of it under ``make fuzz`` (LRT_ORACLE_AGREE_SEARCH=all).

The cases and what was left out: `tests.oracle.agree.search`.
"""

from __future__ import annotations

import os

import pytest

from tests.oracle.agree.search import Search

_ALL = os.environ.get("LRT_ORACLE_AGREE_SEARCH") == "all"
_MOST = 0 if _ALL else 12_000
_FIRST, _SECOND, _LAST = 0, 1, 3


@pytest.mark.fuzz
@pytest.mark.parametrize("blind", [None, 2])
@pytest.mark.parametrize("liar", [_FIRST, _SECOND, _LAST])
def test_no_state_that_can_be_reached_breaks_safety(liar: int, blind: int | None) -> None:
    search = Search(liar, blind, attempts=1 if blind is not None and not _ALL else 2, most=_MOST).run()
    assert search.found == []
    assert len(search.seen) > 3_000


@pytest.mark.fuzz
@pytest.mark.parametrize(
    ("liar", "blind", "attempts"), [(_FIRST, None, 1), (_LAST, None, 1), (_FIRST, 2, 1), (_LAST, 2, 1)]
)
def test_what_is_signed_in_time_locks_nobody_out(liar: int, blind: int | None, attempts: int) -> None:
    """From all ends of the search an honest leader seals in the next attempt, once words arrive."""
    search = Search(liar, blind, attempts=2 if _ALL and liar != _SECOND else attempts, guarded=True).run()
    assert search.found == []
    assert search.ends
    assert search.stuck() == []


def test_the_search_sees_two_sealed_rounds_where_two_quorums_need_no_honest_member_in_common() -> None:
    search = Search(_FIRST, attempts=1, threshold=2).run()
    assert [f.split(":")[0] for f in search.found] == ["no_two_sealed_rounds_of_one_store_and_round_time"]
