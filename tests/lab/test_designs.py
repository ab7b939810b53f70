"""The designs beside ours, each against figures worked out by hand from its documents."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from feeds.units import WAD
from lab.designs.api3 import Api3Design
from lab.designs.base import DesignQuote, Trigger, median
from lab.designs.chainlink_median import ChainlinkMedian
from lab.designs.chronicle import ChronicleDesign
from lab.designs.connect import Connect
from lab.designs.curve_ema import CurveEmaDesign
from lab.designs.dia_mair import DiaMair
from lab.designs.flare import Flare
from lab.designs.naive_spot import NaiveSpot
from lab.designs.pyth import PythDesign
from lab.designs.redstone import RedStone
from lab.designs.registry import DESIGNS
from lab.designs.tellor import Tellor


def quotes(*prices: float, half_bps: int = 0, depths: tuple[int, ...] = ()) -> list[DesignQuote]:
    sizes = depths or (0,) * len(prices)
    return [
        DesignQuote(
            source=f"s{i}", price_wad=round(p * 10**6) * 10**12, depth_wad=d * WAD, half_spread_bps=half_bps, age_ms=0
        )
        for i, (p, d) in enumerate(zip(prices, sizes, strict=True))
    ]


def wads(price: float) -> int:
    return round(price * 10**6) * 10**12


def test_a_trigger_publishes_at_its_deviation_and_at_its_heartbeat() -> None:
    trigger = Trigger(deviation_bps=50, heartbeat_ms=1_000)
    assert trigger.offer(0, None) is None
    assert trigger.offer(0, 10_000) == 10_000
    assert trigger.offer(1, 10_049) == 10_000
    assert trigger.offer(2, 10_050) == 10_050
    assert trigger.offer(900, 10_051) == 10_050
    assert trigger.offer(1_002, 10_051) == 10_051


def test_the_median_of_two_is_rounded_down() -> None:
    assert (median([3, 1, 2]), median([4, 1]), median([1])) == (2, 2, 1)


def test_chainlink_takes_the_upper_middle_and_half_a_percent() -> None:
    design = ChainlinkMedian()
    assert design.step(0, quotes(1.0, 1.02, 1.04, 1.06)) == wads(1.04)
    assert design.step(10_000, quotes(1.045)) == wads(1.04)
    assert design.step(20_000, quotes(1.0452)) == wads(1.0452)
    assert design.step(30_000, []) == wads(1.0452)


def aged(*pairs: tuple[float, int]) -> list[DesignQuote]:
    return [replace(q, age_ms=age) for q, (_, age) in zip(quotes(*(p for p, _ in pairs)), pairs, strict=True)]


def test_chronicle_wants_two_sources_and_pushes_at_a_percent() -> None:
    design = ChronicleDesign()
    assert design.step(0, quotes(1.0)) is None
    assert design.step(10_000, quotes(1.0, 1.02)) == wads(1.01)
    assert design.step(20_000, quotes(1.019, 1.019)) == wads(1.01)
    assert design.step(30_000, quotes(1.0201, 1.0201)) == wads(1.0201)
    assert design.step(40_000, quotes(5.0)) == wads(1.0201)


@pytest.mark.parametrize("kind", [Api3Design, Tellor])
def test_a_median_without_a_quorum_follows_a_lone_source(kind: type[Api3Design | Tellor]) -> None:
    design = kind()
    assert design.step(0, quotes(1.0, 1.02)) == wads(1.01)
    assert design.step(10_000, quotes(1.0150)) == wads(1.01)
    assert design.step(20_000, quotes(5.0)) == wads(5.0)
    assert design.step(20_000 + 86_400_000, quotes(5.001)) == wads(5.001)
    assert design.step(30_000 + 86_400_000, []) == wads(5.001)


def test_flare_weighs_by_age_and_answers_anything_in_the_end() -> None:
    assert Flare().step(0, aged((1.0, 30_000), (1.1, 30_000), (1.2, 0))) == wads(1.2), "exp(-1.5) twice is 0.45"
    assert Flare().step(0, aged((1.0, 10_000), (1.1, 10_000), (1.2, 0))) == wads(1.1), "exp(-0.5) twice is 1.21"
    assert Flare().step(0, aged((1.0, 90_000_000), (1.1, 80_000_000))) == wads(1.1)
    design = Flare()
    assert design.step(0, quotes(1.0)) == design.step(10_000, []) == wads(1.0)


def test_connect_wants_three_that_are_fresh() -> None:
    design = Connect()
    assert design.step(0, quotes(1.0, 1.1)) is None
    assert design.step(10_000, aged((1.0, 0), (1.1, 120_000), (1.2, 0))) == wads(1.1)
    assert design.step(20_000, aged((2.0, 0), (2.1, 120_001), (2.2, 0))) == wads(1.1)


def test_mair_averages_what_lies_within_its_fences() -> None:
    """Eight sources: the halves' medians are both 1, the fence is nothing, 2 is out. Five: 1 and 1.5, so 2 stays: 6 / 5."""
    assert DiaMair().step(0, quotes(*[1.0] * 7, 2.0)) == wads(1.0)
    assert DiaMair().step(0, quotes(1.0, 1.0, 1.0, 1.0, 2.0)) == wads(1.2)


def test_mair_weighs_by_volume_and_forgets_after_two_minutes() -> None:
    design = DiaMair()
    assert design.step(0, quotes(1.0, 2.0, depths=(3, 1))) == wads(1.25)
    assert design.step(120_000, quotes(3.0)) == wads(3.0)


def test_redstone_refuses_a_leap_until_the_window_has_passed() -> None:
    design = RedStone()
    assert design.step(0, quotes(1.0, 1.0, 9.0)) == wads(1.0)
    assert design.step(10_000, quotes(1.31)) == wads(1.0)
    assert design.step(20_000, quotes(1.3)) == wads(1.3)
    assert design.step(200_000, quotes(9.0)) == wads(9.0)


def test_pyth_takes_the_middle_of_three_votes_and_the_larger_quarter() -> None:
    """Votes 99, 99.99, 100, 101, 101, 102.01, 103.95, 105, 106.05: 101, and 2.95 to the quarter above: 292.08 bps."""
    design = PythDesign()
    assert design.step(0, quotes(100, 101, 105, half_bps=100)) == wads(101)
    assert design.spread_bps == 293
    assert design.step(1, quotes(1, 2)) == wads(101)


def test_curves_average_knows_the_last_block_and_not_this_one() -> None:
    design = CurveEmaDesign()
    assert design.step(0, quotes(1.0)) == WAD
    assert design.step(12_000, quotes(2.0)) == WAD
    kept = math.exp(-12 / 866)
    assert design.step(24_000, quotes(9.0)) == pytest.approx((2 - kept) * WAD, rel=1e-12)
    assert design.step(36_000, quotes(9.0)) == pytest.approx((2 * (1 - kept) + (2 - kept) * kept) * WAD, rel=1e-12)


def test_curves_average_of_rare_rounds_takes_the_newest_as_standing() -> None:
    design = CurveEmaDesign()
    design.step(0, quotes(1.0))
    kept = math.exp(-3_600 / 866)
    assert design.step(3_600_000, quotes(1.1)) == pytest.approx((1.1 * (1 - kept) + kept) * WAD, rel=1e-12)


def test_the_naive_design_reads_the_deepest_pool() -> None:
    assert NaiveSpot().step(0, quotes(1.0, 2.0, depths=(1, 5))) == wads(2.0)
    assert NaiveSpot().step(0, quotes(1.0, 2.0)) == wads(1.0)
    assert NaiveSpot().step(0, []) is None


@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_has_no_price_before_its_first_quote_and_one_price_of_one_price(name: str) -> None:
    design = DESIGNS[name]()
    assert design.step(0, []) is None
    for t in range(1, 400):
        told = design.step(t * 10_000, quotes(1.05, 1.05, 1.05, half_bps=0))
    assert told == pytest.approx(wads(1.05), rel=1e-12)
