from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import Bps, Wad
from oracle.model.spec import Mode
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.report.compose import (
    age_up,
    cross,
    price_of,
    published_after,
    repeats_published,
    status_only_report,
)
from oracle.report.wire import decode_item, decode_slot, encode_item, encode_slot
from oracle.sign.agreed_reports import agreed_status, lower_median, median_report
from tests.oracle.oracle_build import wad
from tests.oracle.report.reports import report, reports


@given(value=reports, index=st.integers(0, 65_535))
def test_an_item_and_a_slot_read_back_to_what_was_written(value: Report, index: int) -> None:
    assert decode_item(encode_item(index, value), value.round_time_s) == (index, value)
    assert decode_slot(encode_slot(value)) == replace(value, status_only=False), "a slot does not say so: its ages do"


def test_an_item_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="30 bytes"):
        decode_item(b"\0" * 29, 1)


@pytest.mark.parametrize(
    ("mode", "market", "redemption", "price"),
    [
        (Mode.MARKET, "1", "2", "1"),
        (Mode.REDEMPTION, "1", "2", "2"),
        (Mode.MIN, "2", "1", "1"),
        (Mode.MIN, "2", "0", "2"),
        (Mode.MAX, "1", "2", "2"),
        (Mode.MIN, "0", "0", "0"),
    ],
)
def test_the_mode_picks_the_price_and_absent_is_not_zero(mode: Mode, market: str, redemption: str, price: str) -> None:
    assert price_of(report(market, redemption), mode) == wad(price)


def test_ages_round_up_and_saturate() -> None:
    assert (age_up(1_001, 0, 1_000, 99), age_up(1_000, 0, 1_000, 99), age_up(10**9, 0, 1_000, 99)) == (2, 1, 99)
    assert age_up(0, 5_000, 1_000, 99) == 0


def test_a_cross_multiplies_down_takes_the_older_and_the_worst() -> None:
    token, ether = report(status=Status.WATCH), report("2000", "0", spread=10)
    got = cross([token, ether])
    assert (got.market_wad, got.redemption_wad) == (wad("2100"), wad("2120"))
    assert (got.status, got.spread_bps) == (Status.WATCH, 16)
    assert price_of(got, Mode.MIN) == price_of(token, Mode.MIN) * 2000


@given(values=st.lists(reports, min_size=1, max_size=7), seed=st.integers(0, 5))
def test_agreement_does_not_depend_on_who_leads(values: list[Report], seed: int) -> None:
    turned = [replace(v, round_time_s=1) for v in values[seed % len(values) :] + values[: seed % len(values)]]
    assert median_report([replace(v, round_time_s=1) for v in values]) == median_report(turned)


fresh = reports.filter(lambda r: r.status is not Status.HALT).map(lambda r: replace(r, status_only=False))


@given(honest=st.lists(fresh, min_size=2, max_size=4), lie=reports)
def test_a_minority_can_not_move_any_field_out_of_the_honest_range(honest: list[Report], lie: Report) -> None:
    got = median_report([*honest, lie])
    assert got is not None
    for name in ("market_wad", "redemption_wad", "spread_bps", "status", "market_age_s", "redemption_age_h"):
        inside = [getattr(h, name) for h in honest]
        assert min(inside) <= getattr(got, name) <= max(inside)


@given(one=reports, count=st.integers(2, 4), others=st.lists(reports, max_size=1))
def test_law_a_halt_is_the_kept_record_to_the_bit_whoever_was_there(
    one: Report, count: int, others: list[Report]
) -> None:
    held = replace(one, status=Status.HALT, status_only=True, why=Why.NO_QUORUM)
    got = median_report([*[held] * count, *others])
    assert got == replace(held, why=got.why if got else Why.NONE)


@given(values=st.lists(reports, min_size=1, max_size=7), least=st.integers(1, 7))
def test_law_fresh_and_kept_prices_are_never_mixed(values: list[Report], least: int) -> None:
    got = median_report(values, [1] * len(values), least)
    if got is None:
        return
    side = [v for v in values if (v.status_only or v.status is Status.HALT) == got.status_only]
    assert len(side) >= least
    assert got.market_wad in {v.market_wad for v in side}
    assert got.redemption_wad in {v.redemption_wad for v in side}
    assert got.status_only or got.status is not Status.HALT


@pytest.mark.parametrize(
    ("rates", "agreed"),
    [
        (["1.05", "1.05", "1.05"], "1.05"),
        (["0.95", "1.05", "1.05"], "1.05"),  # one alone is no threshold
        (["0.95", "0.94", "1.05"], "0.95"),  # what two say: at least so low
        (["0.95", "0.94", "0.93"], "0.94"),
    ],
)
def test_a_lower_rate_goes_into_kept_prices_once_the_threshold_has_read_it(rates: list[str], agreed: str) -> None:
    held = [replace(report("1.05", r, Status.HALT), status_only=True) for r in rates]
    got = median_report(held, (1, 1, 1), 2)
    assert got is not None
    assert (got.market_wad, got.redemption_wad, got.status_only) == (wad("1.05"), wad(agreed), True)


def test_neither_kind_below_the_threshold_is_no_record() -> None:
    seen, held = report("1.05"), replace(report("1.05", status=Status.WATCH), status_only=True)
    assert median_report([seen, held], (1, 1), 2) is None
    assert median_report([seen, seen, held], (1, 1, 1), 2) == seen
    assert median_report([seen, held, held], (1, 1, 1), 2) == held


FIRST_S = 1_700_000_000


def test_kept_prices_grow_old_from_the_record_that_they_are_of() -> None:
    published = published_after(None, report(), FIRST_S)
    assert published is not None
    ages = []
    for later in (1, 600, 3_601, 100_000, 10_000_000):
        held = status_only_report(published, Status.HALT, Why.DIVERGED, round_time_s=FIRST_S + later)
        assert (held.market_wad, held.redemption_wad, held.spread_bps, held.status_only) == (
            wad("1.05"), wad("1.06"), 5, True,
        )  # fmt: skip
        published = published_after(published, held, FIRST_S + later)
        assert published is not None
        ages.append((held.market_age_s, held.redemption_age_h))
    assert ages == [(4, 8), (603, 8), (3_604, 9), (65_535, 35), (65_535, 255)]


@pytest.mark.parametrize(("own", "published"), [("1.07", "1.06"), ("1.06", "1.06"), ("0", "1.06"), ("0.96", "0.96")])
def test_kept_prices_take_a_lower_rate_and_never_a_rise(own: str, published: str) -> None:
    before = published_after(None, report(), FIRST_S)
    assert before is not None
    held = status_only_report(
        before, Status.HALT, Why.DIVERGED, round_time_s=FIRST_S + 60, rate=(wad(own), FIRST_S * 1_000)
    )
    assert held.redemption_wad == wad(published)
    assert held.market_wad == wad("1.05")
    after = published_after(before, held, FIRST_S + 60)
    assert after is not None
    again = status_only_report(after, Status.HALT, Why.DIVERGED, round_time_s=FIRST_S + 120, rate=(wad("1.07"), 0))
    assert again.redemption_wad == wad(published), "what was lowered stays low"


def test_only_what_was_published_is_kept() -> None:
    before = published_after(None, report(), FIRST_S)
    assert before is not None
    fair = status_only_report(before, Status.HALT, Why.DIVERGED, round_time_s=FIRST_S + 60)
    assert repeats_published(fair, before)
    assert repeats_published(replace(fair, redemption_wad=Wad(fair.redemption_wad - 1)), before)
    for wrong in (
        replace(fair, redemption_wad=Wad(fair.redemption_wad + 1)),
        replace(fair, market_wad=Wad(fair.market_wad - 1)),
        replace(fair, market_age_s=fair.market_age_s - 1),
        replace(fair, spread_bps=Bps(fair.spread_bps - 1)),
    ):
        assert not repeats_published(wrong, before)


@pytest.mark.parametrize(
    ("status", "status_only", "silent"),
    [(None, False, True), (Status.OK, False, False), (Status.WATCH, True, True), (Status.DEPEG, True, True),
     (Status.HALT, True, False)],
)  # fmt: skip
def test_what_counts_towards_a_halt_is_the_feeds_silence(
    status: Status | None,
    status_only: bool,
    silent: bool,
) -> None:
    before = published_after(None, report(), FIRST_S)
    said = None if status is None else replace(report(status=status), status_only=status_only)
    after = published_after(before, said, FIRST_S + 10)
    assert after is not None
    assert after.silent_since_s == (FIRST_S + 10 if silent else None)
    assert published_after(after, None, FIRST_S + 20) == replace(after, silent_since_s=FIRST_S + (10 if silent else 20))


def test_the_status_is_the_worst_that_a_majority_reports_and_watch_where_half_does() -> None:
    ok, watch, depeg = Status.OK, Status.WATCH, Status.DEPEG
    assert agreed_status([ok, ok, depeg]) is ok
    assert agreed_status([ok, watch, depeg]) is watch
    assert agreed_status([depeg, ok, depeg]) is depeg
    assert agreed_status([ok, depeg]) is watch, "the price is the lower one's"
    assert agreed_status([ok, ok, depeg, watch]) is watch
    assert agreed_status([ok, ok, ok, depeg]) is ok
    assert lower_median([4, 1, 3, 2]) == 2
