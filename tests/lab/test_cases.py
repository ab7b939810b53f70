"""Every shipped case: what it says of itself, that it comes out as expected, and that it can fail."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from feeds.types import Kind
from feeds.units import BPS, MS, WAD
from lab.outcome.judging import config_failures
from lab.play.run import play, play_round
from lab.scenario import case as cases
from lab.scenario.case_parser import stretched
from lab.scenario.expect import Expected, ExpectedStatus
from oracle.config.tables.schema import ConfigError
from oracle.model.state import FeedState
from oracle.model.status import Status
from oracle.model.types import FeedRound
from oracle.round.step import Judged, step
from tests.lab.lab_tools import changes, failures, run

SERIES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "series"
MATRIX = {
    1: "steth-2022", 2: "wbeth-2025-10-10", 3: "wbeth-alone-2025-10-10", 4: "wrseth-2025-11-04", 5: "cbeth-as-usd-2026-02-15",
    6: "capo-below-rate-2026-03-10", 7: "skrw-2019-06-25", 8: "btc-exponent-2021-09-20", 9: "rseth-unbacked-2026-04-18",
    10: "wusdm-2025-02-27", 11: "resupply-2025-06-26", 12: "legs-of-two-ages", 13: "silent-socket-2025-04-13",
    14: "reth-rates-out-of-order", 15: "sequencer-2023-12-15", 16: "rebase-step", 17: "slash-small-and-large",
    18: "flash-crash-2023-08-17",
}  # fmt: skip
SOON = "tight-sources", "skrw-2019-06-25", "wrseth-2025-11-04", "legs-of-two-ages"


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((cases.CASES / f"{name}.toml").read_text(), parse_float=Decimal)


def test_the_matrix_is_whole_and_there_are_a_dozen_more_cases() -> None:
    assert set(MATRIX.values()) <= set(cases.names())
    assert len(cases.names()) >= len(MATRIX) + 12
    honest = [n for n in cases.names() if table(n).get("honest")]
    assert len(honest) >= 6


@pytest.mark.parametrize("name", cases.names())
def test_a_case_says_where_it_comes_from_and_what_is_made_up(name: str) -> None:
    case = cases.load(cases.CASES / f"{name}.toml")
    assert all(len(text) > 20 for text in (case.source + case.title, case.facts, case.synthesised))
    if not case.config:
        assert any(t.kind is Kind.MARKET for t in case.series[case.feed])


def test_steth_2022_as_the_risk_manager_wants_it() -> None:
    """Nothing until the end of April, watch by 2022-05-13, depeg on 06-10, nothing in between: two changes."""
    case = cases.load(cases.CASES / "steth-2022.toml")
    days = [(c.t_ms // 86_400_000, c.after) for c in changes(play(case))]
    assert [status for _, status in days] == [Status.WATCH, Status.DEPEG]
    assert [day for day, _ in days] == [224, 252]  # after 2021-10-01: 2022-05-13 and 2022-06-10


@pytest.mark.parametrize("name", SOON)
def test_a_round_here_is_a_round_of_production(name: str) -> None:
    case = cases.load(cases.CASES / f"{name}.toml")
    here = there = FeedState()
    spec = case.specs[0]
    for t_ms in range(0, case.length_ms, case.round_ms):
        outcomes = [t.at(t_ms, case.began_ms) for t in case.series[spec.feed]]
        done, here = play_round(spec, here, outcomes, {}, case.began_ms + t_ms)
        told, there = step(spec, there, outcomes, {}, case.began_ms + t_ms)
        assert here == there
        assert isinstance(done, Judged) == isinstance(told, FeedRound)
        if isinstance(done, Judged) and isinstance(told, FeedRound):
            assert (done.report, done.verdict) == (told.report, told.verdict)


def test_a_time_average_is_what_its_formula_says_and_skips_no_minute() -> None:
    """Case 18: the geometric mean over half an hour of the medians, each for as long as it stood."""
    case = cases.load(cases.CASES / "flash-crash-2023-08-17.toml")
    moments = run(case)
    assert [m.t_ms for m in moments] == list(range(0, case.length_ms + 1, 10_000))
    middle = case.series[case.feed][0].price
    for m in moments[181:]:
        stood = [float(middle.at(t) or 0) for t in range(m.t_ms - 1_800_000, m.t_ms, 10_000)]
        product = 1.0
        for price in stood:
            product *= (price / WAD) ** (1 / 180)
        assert abs(m.market_wad / WAD / product - 1) < 1e-9
        spot = float(middle.at(m.t_ms) or 0) / WAD
        assert abs(m.market_wad / WAD - spot) <= m.market_wad / WAD * m.spread_bps / BPS


def test_a_supply_without_backing_lets_the_price_down_and_not_up() -> None:
    case = cases.load(cases.CASES / "rseth-unbacked-2026-04-18.toml")
    after = [m for m in run(case) if m.t_ms >= 900 * MS]
    assert all(m.status >= Status.WATCH for m in after)
    assert all(m.status is Status.DEPEG for m in after if m.t_ms >= 970 * MS), "after its dwell"
    assert all(m.price_wad <= m.redemption_wad for m in after)
    assert after[-1].price_wad < 91 * WAD // 100


def test_rate_rows_out_of_order_leave_what_the_clean_ones_leave() -> None:
    case = cases.load(cases.CASES / "reth-rates-out-of-order.toml")
    clean = replace(case, series={f: tuple(replace(t, late=()) for t in ts) for f, ts in case.series.items()})
    assert any(t.late for ts in case.series.values() for t in ts)
    states = []
    for one in (case, clean):
        state = FeedState()
        for t_ms in range(0, one.length_ms + 1, one.round_ms * 60):
            outcomes = [t.at(t_ms, one.began_ms) for t in one.series[one.feed]]
            _, state = play_round(one.spec, state, outcomes, {}, one.began_ms + t_ms)
        states.append(state.rate)
    assert states[0] == states[1]


def expecting(**what: Any) -> list[str]:
    case = cases.load(cases.CASES / "wrseth-2025-11-04.toml")
    return failures(replace(case, expected=Expected(**what)), run(case))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"by": (ExpectedStatus(status=Status.DEPEG, from_ms=0, to_ms=300_000),)}, "never depeg between 0 s and 300 s"),
        ({"never": (ExpectedStatus(status=Status.WATCH, from_ms=0, to_ms=900_000),)}, "halt at 620 s"),
        ({"most_changes": 0}, "1 changes of status, at most 0"),
        ({"max_error_bps": -1}, "a price 0 bps from the truth, at most -1"),
        ({"below": 2 * WAD}, "a market price of 1.057100 was published, more than 2.000000 was expected"),
        ({"above": WAD}, "a market price of 1.057100 was published, less than 1.000000 was expected"),
        ({"codes": ("SLASH",)}, "SLASH was never given as a reason"),
        ({"rejected": ("STALE",)}, "no source was rejected as STALE"),
        ({"abstains": ((0, 10_000),)}, "a price was published at 0 s, none was expected"),
    ],
)
def test_every_expectation_can_fail(what: dict[str, Any], said: str) -> None:
    found = expecting(**what)
    assert len(found) == 1
    assert said in found[0]


def test_a_config_that_would_run_fails_its_case() -> None:
    case = cases.load(cases.CASES / "cbeth-as-usd-2026-02-15.toml")
    assert config_failures(case) == []
    other = replace(case, expected=Expected(refused="never heard of it"))
    assert "was expected" in config_failures(other)[0]
    source = {**case.config["feeds"]["cbETH/USD"]["sources"][0], "symbol": "CBETH-USD", "pair": "cbETH/USD"}
    right = {"feeds": {"cbETH/USD": {**case.config["feeds"]["cbETH/USD"], "sources": [source]}}}
    assert config_failures(replace(case, config={**case.config, **right})) == [
        "the config was accepted, a refusal was expected"
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": None}, "title: is missing"),
        ({"titel": "x"}, "did you mean 'title'"),
        ({"start": "soon"}, "write start and end"),
        ({"cadence_s": 60}, "cadence_s: unknown key"),
        ({"round_s": 61}, "must be from 1 to 60"),
        ({"round_s": 0}, "must be from 1 to 60"),
        ({"feed": "nosuch"}, "is not one of the feeds"),
        ({"truth": "nosuch"}, "is not a track"),
        ({"expect": {}}, "a case that cannot fail shows nothing"),
        ({"expect": {"nevr": []}}, "unknown key; did you mean 'never'"),
        ({"expect": {"never": [["fine"]]}}, "is not a status"),
        ({"expect": {"codes": ["NOSUCH"]}}, "is not a reason"),
    ],
)
def test_a_wrong_case_is_refused_with_what_to_write(change: dict[str, Any], said: str) -> None:
    wrong = {k: v for k, v in {**table("tight-sources"), **change}.items() if v is not None}
    with pytest.raises(ConfigError) as refused:
        cases.parse("wrong", wrong)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("track", "said"),
    [
        ({"name": "a"}, "price: is missing"),
        ({"price": Decimal(1)}, "at least a name"),
        ({"name": "a", "price": Decimal(1), "kind": "rate"}, "is not a kind"),
        ({"name": "a", "price": Decimal(1), "pair": "X"}, "is not a pair"),
        ({"name": "a", "price": Decimal(1), "dept": 1}, "did you mean 'depth'"),
        ({"name": "a", "price": Decimal(1), "only": "x"}, "write the column and its text"),
        ({"name": "a", "price": Decimal(1), "broken": [[0, 5]]}, "[[from, to, seconds or code]]"),
        ({"name": "a", "price": Decimal(1), "broken": [[0, 5, "GONE"]]}, "is not an error code"),
    ],
)
def test_a_wrong_track_is_refused_with_what_to_write(track: dict[str, Any], said: str) -> None:
    wrong = table("tight-sources")
    wrong["feeds"]["X/ETH"]["tracks"] = [track]
    with pytest.raises(ConfigError) as refused:
        cases.parse("wrong", wrong)
    assert said in str(refused.value)


def test_every_case_is_played_at_the_rounds_and_times_of_production() -> None:
    for name in cases.names():
        case = cases.load(cases.CASES / f"{name}.toml")
        assert case.stretch == 1
        assert case.config or case.round_ms <= 60_000
    rare = cases.load(cases.CASES / "steth-2022.toml")
    assert rare.spec.bands.depeg_dwell_s == 60


def test_a_stretched_feed_has_as_many_rounds_in_its_dwells_as_before() -> None:
    spec = cases.load(cases.CASES / "steth-2021-09.toml").spec
    longer = stretched(spec, 360)
    assert (longer.bands.watch_dwell_s, longer.bands.depeg_dwell_s, longer.bands.leave_dwell_s) == (
        10_800,
        21_600,
        108_000,
    )
    assert longer.max_age_s == 60 * 360
    assert longer.tuning.horizon_s == 3_600
    assert longer.rules.drift_bps_hours == 150 * 72, "what is measured in hours stays"
