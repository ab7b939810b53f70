"""One's own data at any spacing: rows are facts at their times, the times of the rules are those of production."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from feeds.types import Failure, Observation
from lab.outcome.replay import Replay, replay
from lab.scenario.case import Case
from lab.scenario.rows import Between
from lab.scenario.user_data import DataOptions, UserDataError, user_case
from oracle.model.status import Status

BEGAN = 1_700_000_000
SPACINGS_S = (10, 60, 600, 3_600, 21_600, 86_400)
DAY_S = 86_400


def case_of(folder: Path, rows: list[str], spacing_s: int, head: str = "time,price,redemption", **how: Any) -> Case:
    file = folder / f"{spacing_s}.csv"
    file.write_text(
        "\n".join([head, *(f"{BEGAN + i * spacing_s},{row}" for i, row in enumerate(rows))]), encoding="utf-8"
    )
    columns = how.pop("columns", ",".join(f"price={n}" for n in head.split(",")[1:-1]))
    return user_case(file, DataOptions(columns=columns, **how))


def played(folder: Path, rows: list[str], spacing_s: int, head: str = "time,price,redemption", **how: Any) -> Replay:
    return replay(case_of(folder, rows, spacing_s, head, **how), ())


def told(found: Replay) -> list[tuple[int, Status, str]]:
    """Seconds, status and first reason of every change."""
    return [(c.t_ms // 1_000, c.after, c.codes[0] if c.codes else "") for c in found.changes]


@pytest.mark.parametrize("spacing_s", SPACINGS_S)
def test_a_depeg_is_reported_after_the_dwells_of_production_at_any_spacing(tmp_path: Path, spacing_s: int) -> None:
    fell_s = 4 * spacing_s
    found = played(tmp_path, ["1,1"] * 4 + ["0.9,1"] * 30, spacing_s)
    assert told(found) == [(fell_s + 30, Status.WATCH, "DISCOUNT"), (fell_s + 60, Status.DEPEG, "DISCOUNT")]
    assert found.case.round_ms == 10_000
    assert found.case.stretch == 1


KNOTS: Mapping[str, list[tuple[float, float]]] = {
    "MIM, January 2022": [(0, 1), (20, 1), (27, 0.9985), (28, 0.972), (29, 0.985), (33, 0.99)],
    "USDT, May 2022": [(0, 1.0002), (6, 0.9995), (7, 0.978), (8, 0.9965), (15, 0.999)],
    "stETH, May 2022": [(0, 0.9994), (8, 0.9952), (11, 0.9878), (12, 0.9792), (20, 0.974)],
    "UST, May 2022": [(0, 1), (8, 0.995), (9, 0.985), (10, 0.8), (11, 0.6), (12, 0.36), (14, 0.15)],
}
"""Day and price of each event, on straight lines."""


def at_day(knots: list[tuple[float, float]], day: float) -> float:
    (a, p), (b, q) = next(pair for pair in pairwise(knots) if pair[0][0] <= day <= pair[1][0])
    return p + (q - p) * (day - a) / (b - a)


@pytest.mark.parametrize("name", KNOTS)
def test_an_event_has_its_status_at_every_spacing_up_to_the_spacing_itself(tmp_path: Path, name: str) -> None:
    knots = KNOTS[name]
    end_s = int(knots[-1][0]) * DAY_S
    first: dict[Status, int] = {}
    for spacing_s in (3_600, 21_600, 86_400):
        rows = [f"{at_day(knots, t / DAY_S):.6f},1" for t in range(0, end_s + 1, spacing_s)]
        found = played(tmp_path, rows, spacing_s)
        reached = {c.after: c.t_ms // 1_000 for c in reversed(found.changes)}
        assert {Status.WATCH, Status.DEPEG} <= set(reached), "none is ok, or only watched, at the trough"
        for status, at_s in reached.items():
            finest = first.setdefault(status, at_s)
            assert -3_600 <= at_s - finest <= spacing_s + 60


def test_where_only_rows_are_looked_at_and_too_few_were_the_status_is_unknown(tmp_path: Path) -> None:
    rows = ["1,1"] * 5 + ["0.9,1"] * 5
    sparse = played(tmp_path, rows, 3_600, between=Between.ROWS)
    assert sparse.case.own is not None
    assert "rows are 3600 s apart and a price counts for 60 s" in sparse.case.own.unknown
    assert sparse.figures.worst is not None
    assert sparse.figures.worst.bps == -1_000
    dense = played(tmp_path, ["1,1"] * 50 + ["0.9,1"] * 50, 10, between=Between.ROWS)
    assert dense.case.own is not None
    assert not dense.case.own.unknown
    assert [status for _, status, _ in told(dense)] == [Status.WATCH, Status.DEPEG]


def test_what_is_assumed_between_rows_changes_what_comes_out(tmp_path: Path) -> None:
    rows = ["1,1", "0.9,1", "1,1", "1,1"]
    held = told(played(tmp_path, rows, 3_600))
    lined = told(played(tmp_path, rows, 3_600, between=Between.INTERPOLATE))
    assert held[0][0] == 3_600 + 30
    assert lined[0][0] < 3_600, "a straight line leaves the band before its row"


def test_a_gap_is_a_gap_and_its_length_can_be_said(tmp_path: Path) -> None:
    file = tmp_path / "gap.csv"
    times = [*range(0, 600, 60), *range(1_200, 2_400, 60)]
    file.write_text("\n".join(["time,price,redemption", *(f"{BEGAN + t},1,1" for t in times)]))
    found = replay(user_case(file), ())
    assert [(s, code) for _, s, code in told(found)] == [(Status.HALT, "NO_QUORUM"), (Status.OK, "")]
    assert 600 + 60 + 300 <= told(found)[0][0] <= 600 + 60 + 310, "a minute for the last row, five without a price"
    assert found.figures.abstained["NO_QUORUM"] > 40
    assert found.figures.abstained_first["NO_QUORUM"][0] > 660_000
    assert told(replay(user_case(file, DataOptions(gap_s=700)), ())) == []


def test_every_row_is_looked_at(tmp_path: Path) -> None:
    """Rows between two rounds have a round of their own, in the first whole second that has them."""
    file = tmp_path / "x.csv"
    file.write_text(
        f"time,price,redemption\n{BEGAN},1,1\n{BEGAN + 12}.5,0.5,1\n{BEGAN + 14},1,1\n{BEGAN + 20},1,1\n{BEGAN + 30},1,1\n"
    )
    found = replay(user_case(file), ())
    assert [m.t_ms // 1_000 for m in found.moments] == [0, 10, 13, 14, 20, 30, 40], (
        "the last row stands as long as the others"
    )
    assert found.figures.worst is not None
    assert (found.figures.worst.t_ms, found.figures.worst.bps) == (13_000, -5_000)


def test_the_first_round_has_the_first_row_also_within_a_second(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"time,price,redemption\n{BEGAN}.5,1,1\n{BEGAN + 10}.5,1,1\n{BEGAN + 20}.5,1,1\n")
    found = replay(user_case(file), ())
    assert next((m.t_ms, m.status, m.fresh) for m in found.moments) == (0, Status.OK, True)
    assert found.figures.no_price_rounds == 0


@pytest.mark.parametrize("spacing_s", [10, 60, 1_200, 86_400])
def test_a_slash_is_reported_in_its_row_at_any_spacing(tmp_path: Path, spacing_s: int) -> None:
    found = played(tmp_path, ["1.05,1.05"] * 5 + ["0.945,0.945"] * 5, spacing_s)
    assert told(found)[0] == (5 * spacing_s, Status.WATCH, "SLASH")


@pytest.mark.parametrize(("spacing_s", "rows"), [(3_600, 160), (21_600, 30), (86_400, 12)])
def test_a_slow_drift_is_reported_after_its_hours_not_after_its_rows(tmp_path: Path, spacing_s: int, rows: int) -> None:
    """24 bps over the slack reach 3,600 bps hours after 150 hours; then the dwell."""
    ((at_s, _, code),) = told(played(tmp_path, ["0.9951,1"] * rows, spacing_s))
    assert (at_s, code) == (150 * 3_600 + 30, "DRIFT_DOWN")


def test_a_stuck_source_is_reported(tmp_path: Path) -> None:
    rows = [f"{p:.4f},{p:.4f},1,{p:.4f}" for p in (1 + max(0, i - 30) * 0.0002 for i in range(200))]
    assert [code for _, _, code in told(played(tmp_path, rows, 10, "time,a,b,c,redemption"))] == ["STUCK"]


def test_rows_too_rare_for_a_fast_move_say_so_and_make_none(tmp_path: Path) -> None:
    rows = ["1,1", "0.993,1", "1,1"]
    near, far = played(tmp_path, rows, 3_600), played(tmp_path, rows, 7_200)
    assert "FELL" in near.figures.reasons
    assert "FELL" not in far.figures.reasons
    assert far.case.own is not None
    assert "fast moves are not looked for: rows are 7200 s apart" in far.case.own.notes


def test_nothing_is_stretched_unless_it_is_asked_for(tmp_path: Path) -> None:
    case = case_of(tmp_path, ["1,1"] * 4 + ["0.9,1"] * 9, 3_600, stretch=True)
    assert (case.stretch, case.round_ms) == (360, 3_600_000)
    assert case.spec.bands.depeg_dwell_s == 60 * 360
    assert [t // 3_600 for t, _, _ in told(replay(case, ()))] == [7, 10]


def test_bid_ask_depth_share_and_volume_are_the_sources_own(tmp_path: Path) -> None:
    head = "time,a,a_bid,a_ask,a_depth,a_share,a_volume,b,redemption"
    columns = "price.a=a,bid.a=a_bid,ask.a=a_ask,depth.a=a_depth,share.a=a_share,volume.a=a_volume,price.b=b"
    case = case_of(tmp_path, ["1,0.999,1.001,500,0.8,7,1,1", "1,1.1,1.0,500,0.8,7,1,1"], 60, head, columns=columns)
    first, crossed = (case.series[case.feed][0].at(t, case.began_ms) for t in (0, 60_000))
    assert isinstance(first, Observation)
    assert isinstance(crossed, Failure)
    quote = (first.bid_wad, first.ask_wad, first.depth_wad, first.base_share_bps)
    assert quote == (999 * 10**15, 1001 * 10**15, 500 * 10**18, 8_000)
    assert [(p.at_ms, p.volume_wad) for p in first.prints] == [(BEGAN * 1_000, 7 * 10**18)]
    assert crossed.error.code == "CROSSED"
    assert case.own is not None
    assert "volume is not used: the method median is not of trades" in case.own.notes
    assert "IMBALANCE" in replay(case, ()).figures.reasons


def test_a_truth_gives_error_delay_and_liquidations(tmp_path: Path) -> None:
    rows = ["1,1,1"] * 20 + ["0.9,1,0.9"] * 20
    found = played(tmp_path, rows, 10, "time,price,redemption,truth", columns="price=price")
    ours = found.designs["lrt-oracle"]
    assert (ours.error_bps, ours.delay_ms, ours.missed) == (0, 0, False)
    assert ours.harm is not None
    assert ours.harm.wrong == 0


@pytest.mark.parametrize(
    ("row", "how", "said"),
    [
        ("1,1,95", {"columns": "price=price,share=share,depth=5"}, "column 'share' has a share of 95, more than the whole: write 0.95 for 95 %"),
        ("1,1,0.95", {"columns": "price=price,share=share"}, "is weighted by its depth, and there is none: write depth.price="),
        ("1,1,", {"columns": "price=share"}, "has fewer than two rows with a price"),
        ("1,1,1", {"settings": {"bands.watch_dwel_s": 5}, "columns": "depth=5"}, "--set bands.watch_dwel_s: unknown key; did you mean"),
        ("1,1,1", {"settings": {"mode": "mn"}, "columns": "depth=5"}, "--set mode"),
        ("1,1,1", {"round_s": 0, "columns": "price=price,depth=5"}, "write --round from 1 to 60"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_one_line_that_says_why(
    tmp_path: Path, row: str, how: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserDataError) as refused:
        case_of(tmp_path, [row] * 3, 60, "time,price,redemption,share", **how)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_time_far_from_all_others_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"time,price\n{BEGAN},1\n{BEGAN + 60},1\n{BEGAN + 10**9},1\n")
    with pytest.raises(UserDataError, match="no row from 2023-11-14 22:14:20 to 2055"):
        user_case(file)


def test_settings_are_those_of_the_config(tmp_path: Path) -> None:
    quick = played(
        tmp_path,
        ["1,1"] * 4 + ["0.9,1"] * 9,
        60,
        settings={"bands.watch_dwell_s": 0, "bands.depeg_dwell_s": 0, "mode": "min"},
    )
    assert [(t, status) for t, status, _ in told(quick)][:2] == [(240, Status.WATCH), (250, Status.DEPEG)]
    assert quick.case.spec.mode == "min"
    normal = played(tmp_path, ["0.97,1"] * 9, 60, settings={"bands.normal_bps": -300})
    assert told(normal) == []
