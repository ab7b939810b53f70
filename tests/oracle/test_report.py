from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_build import wad

from feeds.units import Bps, Wad
from oracle.agree import agree, agreed_status, lower_median
from oracle.report import (
    MAX_PRICE,
    MAX_SPREAD_BPS,
    age_up,
    cross,
    decode_item,
    decode_slot,
    encode_item,
    encode_slot,
    price_of,
)
from oracle.spec import Mode
from oracle.status import Status, Why
from oracle.types import Report

reports = st.builds(
    Report,
    market_wad=st.integers(0, MAX_PRICE).map(Wad),
    redemption_wad=st.integers(0, MAX_PRICE).map(Wad),
    spread_bps=st.integers(0, MAX_SPREAD_BPS).map(Bps),
    status=st.sampled_from(Status),
    why=st.sampled_from([w for w in Why if w is w.klass]),
    round_time_s=st.integers(1, (1 << 32) - 1),
    market_age_s=st.integers(0, 65_535),
    redemption_age_h=st.integers(0, 255),
    status_only=st.booleans(),
)


def report(market: str = "1.05", redemption: str = "1.06", status: Status = Status.OK, spread: int = 5) -> Report:
    return Report(
        market_wad=wad(market),
        redemption_wad=wad(redemption),
        spread_bps=Bps(spread),
        status=status,
        why=Why.NONE if status is Status.OK else Why.DISCOUNT,
        round_time_s=1_700_000_000,
        market_age_s=3,
        redemption_age_h=7,
    )


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
    turned = values[seed % len(values) :] + values[: seed % len(values)]
    first, second = agree(values), agree(turned)
    assert (first.market_wad, first.spread_bps, first.status, first.why) == (
        second.market_wad,
        second.spread_bps,
        second.status,
        second.why,
    )


@given(honest=st.lists(reports, min_size=2, max_size=4), lie=reports)
def test_a_minority_can_not_move_any_field_out_of_the_honest_range(honest: list[Report], lie: Report) -> None:
    got = agree([*honest, lie])
    for name in ("market_wad", "redemption_wad", "spread_bps", "status", "market_age_s", "redemption_age_h"):
        inside = [getattr(h, name) for h in honest]
        assert min(inside) <= getattr(got, name) <= max(inside)


def test_the_status_is_the_worst_that_a_majority_reports() -> None:
    ok, watch, depeg = Status.OK, Status.WATCH, Status.DEPEG
    assert agreed_status([ok, ok, depeg]) is ok
    assert agreed_status([ok, watch, depeg]) is watch
    assert agreed_status([depeg, ok, depeg]) is depeg
    assert agreed_status([ok, depeg]) is ok
    assert lower_median([4, 1, 3, 2]) == 2
