"""What a seat costs: each figure follows from the inputs that stand beside it."""

from __future__ import annotations

import pytest

from oracle.check.running_costs import MONTH_S, PushesSeen, bandwidth, gas_cost, rpc_cost
from oracle.config.sections import parse

OURS, OTHER = "11" * 20, "22" * 20


def seen(count: int = 100, seconds: int = 86_400, payers: tuple[str, ...] = (OTHER,)) -> PushesSeen:
    return PushesSeen(count=count, seconds=seconds, gas=80_000, price_wei=10**9, payers=frozenset(payers))


def test_gas_is_shared_by_all_who_pay_the_newcomer_among_them() -> None:
    cost = gas_cost(seen(), pays=True, payer=OURS)
    assert (cost["pushes_month"], cost["payers"], cost["own_pushes_month"]) == (3_000, 2, 1_500)
    assert cost["wei_month"] == str(1_500 * 80_000 * 10**9)


def test_one_who_pays_already_is_counted_once() -> None:
    assert gas_cost(seen(payers=(OURS, OTHER)), pays=True, payer=OURS)["payers"] == 2


def test_without_a_gas_key_nothing_is_paid() -> None:
    cost = gas_cost(seen(), pays=False, payer=None)
    assert (cost["payers"], cost["own_pushes_month"], cost["ether_month"]) == (1, 0, "0.000000")


def test_a_store_that_nobody_pushed_to_costs_nothing_yet() -> None:
    assert gas_cost(seen(count=0, payers=()), pays=True, payer=OURS)["wei_month"] == "0"


@pytest.mark.parametrize("poll_ms", [200, 1_000])
def test_requests_follow_from_polls_endpoints_and_rounds(poll_ms: int) -> None:
    config = parse({
        "oracle": {"round_interval_s": 10},
        "chains": {"ethereum": {"chain_id": 1, "endpoints": ["http://a.example", "http://b.example"], "poll_ms": poll_ms}},
    })  # fmt: skip
    cost = rpc_cost(config)
    each = 2 * MONTH_S * 1_000 // poll_ms
    assert cost["chains"]["ethereum"]["requests_month_each"] == each
    assert cost["requests_month"] == 2 * each


def test_bytes_grow_with_the_others_and_their_feeds() -> None:
    rpc = {"requests_month": 0}
    few, many = bandwidth(5, 40, 1, rpc)["network_month"], bandwidth(31, 40, 1, rpc)["network_month"]
    assert many > 7 * few
    assert bandwidth(5, 80, 1, rpc)["network_month"] > few
    assert bandwidth(1, 40, 1, rpc)["network_month"] == 0, "one alone sends nothing"


@pytest.mark.parametrize(("members", "measured"), [(5, 16_982), (21, 157_468)])
def test_bytes_are_near_what_was_measured(members: int, measured: int) -> None:
    """Of light operators with 40 feeds, a round of one of them, each way."""
    found = bandwidth(members, 40, 1, {"requests_month": 0})["bytes_round_each_way"]
    assert abs(found - measured) * 10 < measured
