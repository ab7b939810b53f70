"""What lies cost at least, against every coalition there is."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from oracle.check.stake_security import security_document, security_lines
from oracle.stake.standing import WHOLE, alone_fraction

ETHER = 10**18
members = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=3, max_size=6)


def status_of(rows: list[tuple[int, int]]) -> dict[str, Any]:
    """Weights, and what can be slashed."""
    total = sum(w for w, _ in rows)
    operators = [
        {"operator": f"0x{i:040x}", "weight": str(w), "slashable": str(s)} for i, (w, s) in enumerate(rows, start=1)
    ]
    return {"threshold": str(total * 67 // 100 + 1), "total": str(total), "operators": operators, "at_s": 0}


@given(members)
def test_two_contents_cost_the_cheapest_coalition_all_it_has(rows: list[tuple[int, int]]) -> None:
    status = status_of(rows)
    two = security_document(status, {"alone": "1"})["two_contents"]
    need = 2 * int(status["threshold"]) - int(status["total"])
    sets = [s for n in range(len(rows) + 1) for s in combinations(rows, n) if sum(w for w, _ in s) >= need]
    assert int(two["cost"]) == min(sum(stake for _, stake in s) for s in sets)
    named = [rows[int(o, 16) - 1] for o in two["operators"]]
    assert sum(w for w, _ in named) >= need, "who is named reaches the weight"
    assert sum(stake for _, stake in named) == int(two["cost"])


def test_signers_that_no_stake_named_are_secured_by_nothing() -> None:
    status = status_of([(1, 0), (1, 0), (1, 0)]) | {"operators": []}
    document = security_document(status, {"alone": "1"})
    assert document["two_contents"] is None
    assert "nothing that can be slashed" in security_lines(document, status)[0]


def test_one_false_content_is_no_contradiction() -> None:
    status = status_of([(30 * ETHER, 40 * ETHER), (30 * ETHER, 30 * ETHER), (30 * ETHER, 35 * ETHER)])
    document = security_document(status, {"alone": str(WHOLE // 20)})
    one = document["one_false_content"]
    assert (one["operators"], one["slashed"], int(one["slashable"])) == (3, "0", 105 * ETHER)
    (text,) = security_lines(document, status)
    assert "so nothing is slashed for it" in text
    assert "loses 5.00 %" in text


def test_who_reaches_the_weight_by_itself_loses_all() -> None:
    assert alone_fraction(5, threshold=67, total=100, weight=33) == 5
    assert alone_fraction(5, threshold=67, total=100, weight=34) == WHOLE
