from __future__ import annotations

from itertools import pairwise

import pytest

from feeds.types import Kind
from feeds.units import Bps, Wad
from oracle.judge.evidence import Evidence
from oracle.judge.redemption_rate import next_rate_state
from oracle.judge.verdict import judge
from oracle.model.spec import Rules
from oracle.model.state import JudgeState, Memory, RateState
from oracle.model.status import Status, Why
from oracle.model.types import Aggregate
from tests.oracle.oracle_build import BANDS, PAIR, T0, spec, wad


def evidence(market: str, redemption: str = "1.00", rate: RateState | None = None) -> Evidence:
    return Evidence(market_wad=wad(market), redemption_wad=wad(redemption), groups=3, rate=rate)


def run(prices: list[str], state: JudgeState | None = None, step_ms: int = 1_000) -> list[Status]:
    state, memory, out = state or JudgeState(), Memory(), []
    for i, price in enumerate(prices):
        verdict, state, memory = judge(spec(), state, memory, evidence(price), T0 + i * step_ms)
        out.append(verdict.status)
    return out


def test_the_way_down_and_back_goes_through_watch_and_never_flaps() -> None:
    path = run(["1.00"] * 3 + ["0.94"] * 12 + ["0.999"] * 20)
    order = [s for i, s in enumerate(path) if i == 0 or s != path[i - 1]]
    assert order == [Status.OK, Status.WATCH, Status.DEPEG, Status.WATCH, Status.OK]


def test_a_spike_shorter_than_the_dwell_changes_nothing() -> None:
    assert set(run(["1.00", "0.90", "0.90", *["1.00"] * 8, "0.90", "1.00"])) == {Status.OK}


def test_spikes_that_come_back_sooner_than_they_drain_add_up() -> None:
    assert run(["1.00", "0.90", "0.90", "1.00", "0.90", "0.90", "1.00"])[-1] is Status.WATCH


def test_inside_the_hysteresis_the_state_stays() -> None:
    watching = JudgeState(status=Status.WATCH, since_ms=T0)
    assert set(run(["0.9970"] * 30, watching)) == {Status.WATCH}
    assert set(run(["0.9970"] * 30)) == {Status.OK}
    assert run(["0.9980"] * 30, watching)[-1] is Status.OK


def test_jitter_around_the_band_does_not_flap() -> None:
    path = run(["0.9951", "0.9949"] * 40)
    assert sum(a != b for a, b in pairwise(path)) <= 1


@pytest.mark.parametrize(("market", "why"), [("0.97", Why.DISCOUNT), ("1.03", Why.PREMIUM)])
def test_the_reason_names_the_side(market: str, why: Why) -> None:
    verdict, _, _ = judge(spec(), JudgeState(), Memory(), evidence(market), T0)
    assert verdict.reasons[0].code is why
    assert "3.00 %" in verdict.reasons[0].text


def test_leaving_halt_takes_the_leave_dwell_and_to_depeg_the_depeg_dwell() -> None:
    halted = JudgeState(status=Status.HALT, since_ms=T0)
    assert run(["1.00"] * 8, halted) == [Status.HALT] * 6 + [Status.OK] * 2
    assert run(["0.90"] * 8, halted) == [Status.HALT] * 4 + [Status.DEPEG] * 4


def reading(rate: str, at_ms: int) -> Aggregate:
    return Aggregate(
        pair=PAIR,
        kind=Kind.REDEMPTION,
        price_wad=wad(rate),
        point_wad=wad(rate),
        spread_bps=Bps(0),
        as_of_ms=at_ms,
        used=(),
        rejected=(),
    )


def test_a_tiny_fall_of_the_rate_passes_and_a_percent_is_named_a_slash() -> None:
    state = next_rate_state(BANDS, Rules(), None, reading("1.05", T0), T0)
    tiny = next_rate_state(BANDS, Rules(), state, reading("1.049999", T0 + 1_000), T0 + 1_000)
    assert tiny.fell_at_ms is None
    slashed = next_rate_state(BANDS, Rules(), tiny, reading("1.0395", T0 + 2_000), T0 + 2_000)
    assert slashed.fell_at_ms == T0 + 2_000
    verdict, _, _ = judge(spec(), JudgeState(), Memory(), evidence("1.0395", "1.0395", slashed), T0 + 2_000)
    assert [r.code for r in verdict.reasons] == [Why.SLASH]
    late, _, _ = judge(spec(), JudgeState(), Memory(), evidence("1.0395", "1.0395", slashed), T0 + 62_000)
    assert late.reasons == ()


def test_the_redemption_age_counts_from_the_last_change() -> None:
    state = next_rate_state(BANDS, Rules(), None, reading("1.05", T0), T0)
    state = next_rate_state(BANDS, Rules(), state, reading("1.05", T0 + 99_000), T0 + 99_000)
    assert state.changed_at_ms == T0


def test_a_token_without_market_is_at_best_watch() -> None:
    feed = spec(has_market=False)
    state, memory = JudgeState(), Memory()
    seen = Evidence(market_wad=Wad(0), redemption_wad=wad("1"), groups=0, rate=None)
    for i in range(4):
        verdict, state, memory = judge(feed, state, memory, seen, T0 + i * 1_000)
    assert (verdict.status, verdict.reasons[0].code) == (Status.WATCH, Why.NO_MARKET)
