from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from feeds.types import Outcome
from oracle.model.canonical_json import dump, parse
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.status import Status, Why
from oracle.model.types import Abstained, FeedRound, Leg, Report, Result
from oracle.report.compose import published_after
from oracle.round.step import as_leg, step
from tests.oracle.oracle_build import T0, failed, outcomes, seen, spec, wad


def fold(feed: FeedSpec, rounds: list[list[Outcome]], state: FeedState | None = None) -> tuple[list[Result], FeedState]:
    state, out, published = state or FeedState(), [], None
    for i, given in enumerate(rounds):
        result, state = step(feed, state, given, {}, T0 + i * 1_000, published)
        said = result.report if isinstance(result, FeedRound) else result.kept
        published = published_after(published, said, T0 // 1_000 + i)
        out.append(result)
    return out, state


def at(i: int, price: str = "1.05", rate: str = "1.05") -> list[Outcome]:
    return [*outcomes(price, rate, T0 + i * 1_000)]


def test_a_round_carries_both_prices_and_its_inputs() -> None:
    (result,), _ = fold(spec(), [at(0)])
    assert isinstance(result, FeedRound)
    assert (result.report.market_wad, result.report.redemption_wad) == (wad("1.05"), wad("1.05"))
    assert len(result.outcomes) == 4
    assert result.report.status is Status.OK


def test_the_same_inputs_give_the_same_bytes_in_any_order() -> None:
    rounds = [at(i, f"1.0{i}") for i in range(6)]
    first, state = fold(spec(), rounds)
    second, again = fold(spec(), [list(reversed(r)) for r in rounds])
    assert [dump(r) for r in first] == [dump(r) for r in second]
    assert dump(state) == dump(again)


def test_every_result_and_state_survives_storage() -> None:
    rounds = [at(0), [failed("coinbase"), failed("kraken"), failed("binance"), failed("rate")], at(2)]
    results, state = fold(spec(method="twap_geometric"), rounds)
    assert parse(FeedState, dump(state)) == state
    for result in results:
        kind = FeedRound if isinstance(result, FeedRound) else Abstained
        assert dump(parse(kind, dump(result))) == dump(result)


def test_state_hashes_form_a_chain() -> None:
    results, _ = fold(spec(), [at(i) for i in range(4)])
    for before, after in pairwise(results):
        assert before.state_after == after.state_before


def test_abstaining_long_enough_makes_a_status_only_halt_with_growing_ages() -> None:
    silent: list[Outcome] = [failed(n) for n in ("coinbase", "kraken", "binance", "rate")]
    results, state = fold(spec(), [at(0), *[silent] * 14])
    halts = [r.kept for r in results if isinstance(r, Abstained)]
    assert halts[:10] == [None] * 10
    due = halts[10]
    assert isinstance(due, Report)
    assert (due.status, due.why, due.market_wad) == (Status.HALT, Why.NO_QUORUM, wad("1.05"))
    assert due.market_age_s == 11
    assert due.round_time_s == T0 // 1000 + 11
    assert state.judge.status is Status.HALT


def test_leaving_halt_needs_quorum_and_the_leave_dwell() -> None:
    silent: list[Outcome] = [failed(n) for n in ("coinbase", "kraken", "binance", "rate")]
    results, _ = fold(spec(), [at(0), *[silent] * 12, *[at(i) for i in range(13, 22)]])
    states = [r.report.status for r in results[13:] if isinstance(r, FeedRound)]
    assert states == [Status.HALT] * 6 + [Status.OK] * 3


def test_nothing_is_halted_before_a_first_price() -> None:
    silent: list[Outcome] = [failed("coinbase")]
    results, _ = fold(spec(), [silent] * 20)
    assert all(isinstance(r, Abstained) and r.kept is None for r in results)


SHARE = spec(feed="divETH/ETH", sources=(), share_of="wdivETH/ETH")


def leg_of(price: str, rate: str) -> Leg:
    feed = spec()
    result, state = step(feed, FeedState(), outcomes(price, rate), {}, T0)
    assert isinstance(result, FeedRound)
    return as_leg(feed, result, state.rate, T0)


def test_a_rebasing_token_is_its_share_over_the_rate_and_redeems_at_one() -> None:
    result, _ = step(SHARE, FeedState(), [], {"wdivETH/ETH": leg_of("1.0395", "1.05")}, T0)
    assert isinstance(result, FeedRound)
    assert (result.report.market_wad, result.report.redemption_wad) == (wad("0.99"), wad("1"))


def test_a_slash_is_named_on_the_rebasing_token_while_its_redemption_stays_one() -> None:
    feed = spec()
    _, state = step(feed, FeedState(), outcomes("1.05", "1.05"), {}, T0)
    result, state = step(feed, state, outcomes("1.0395", "1.0395", T0 + 1_000), {}, T0 + 1_000)
    assert isinstance(result, FeedRound)
    leg = as_leg(feed, result, state.rate, T0 + 1_000)
    derived, _ = step(SHARE, FeedState(), [], {"wdivETH/ETH": leg}, T0 + 1_000)
    assert isinstance(derived, FeedRound)
    assert derived.report.redemption_wad == wad("1")
    assert Why.SLASH in {r.code for r in derived.verdict.reasons}


def test_a_missing_leg_abstains_with_its_name() -> None:
    result, _ = step(SHARE, FeedState(), [], {}, T0)
    assert isinstance(result, Abstained)
    assert (result.why, "wdivETH/ETH" in result.text) == (Why.LEG, True)


@pytest.mark.parametrize("method", ["twap_arithmetic", "twap_geometric"])
def test_a_twap_follows_slowly_and_is_bounded_by_its_window(method: str) -> None:
    feed = spec(method=method, window_s=10)
    results, state = fold(
        feed, [*[at(i, "1.00", "1.00") for i in range(10)], *[at(i, "0.90", "1.00") for i in range(10, 25)]]
    )
    series = [r.report.market_wad for r in results if isinstance(r, FeedRound)]
    assert wad("0.98") < series[11] < wad("1.00")
    assert series[-1] == wad("0.90")
    assert len(state.history) <= 11


def test_a_price_that_does_not_fit_the_chain_abstains() -> None:
    feed = replace(spec(), has_redemption=False)
    result, _ = step(feed, FeedState(), [seen(n, "400000000") for n in ("coinbase", "kraken")], {}, T0)
    assert isinstance(result, Abstained)
    assert result.why is Why.OUT_OF_RANGE
