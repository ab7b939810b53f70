"""Each rule of the judge by itself: what it sees, what it lets pass, what it remembers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from feeds.units import MS, WAD
from oracle.judge.evidence import PoolEvidence, RuleInput
from oracle.judge.memory import next_memory
from oracle.judge.plausibility import implausibility
from oracle.judge.registry import RULES, findings
from oracle.judge.rules import backing, cusum, fast_move, level, market
from oracle.judge.verdict import judge, ramp_ppm
from oracle.model.spec import FeedSpec, Rules
from oracle.model.state import JudgeState, Memory
from oracle.model.status import Status, Why
from tests.oracle.judge.rule_build import ALL_ON, DAY, HOUR, RULED, evidence, ruled_input
from tests.oracle.oracle_build import T0, wad


def after(prices: list[tuple[int, str]], feed: FeedSpec = RULED) -> tuple[Memory, list[Status]]:
    """The memory after rounds at these times (ms after T0), and the statuses."""
    state, memory, out = JudgeState(), Memory(), []
    for at_ms, price in prices:
        verdict, state, memory = judge(feed, state, memory, evidence(price), T0 + at_ms)
        out.append(verdict.status)
    return memory, out


def test_nothing_is_found_on_a_quiet_day() -> None:
    assert findings(ruled_input(evidence("0.9995"))) == ()
    assert len(RULES) == len(set(RULES))


# --- level


@pytest.mark.parametrize("price", ["0.93", "0.995", "1.07"])
def test_the_doubt_of_one_group_reaches_what_the_protocol_owes(price: str) -> None:
    alone = replace(RULED, accept_single_group=True)
    seen = evidence(price, groups=1)
    found = level.single_group(RuleInput(spec=alone, memory=Memory(), status=Status.OK, evidence=seen, now_ms=T0))
    assert found is not None
    reach = seen.market_wad * found.apart_bps
    assert reach >= abs(seen.market_wad - seen.redemption_wad) * 10_000 > reach - seen.market_wad


def test_a_depeg_needs_two_groups() -> None:
    alone, two = (level.level(ruled_input(evidence("0.90", groups=n))) for n in (1, 2))
    assert alone is not None
    assert two is not None
    assert (alone.status, two.status) == (Status.WATCH, Status.DEPEG)


def test_the_normal_discount_is_no_alarm_and_its_absence_is() -> None:
    feed = replace(RULED, bands=replace(RULED.bands, normal_bps=-220))
    assert level.level(ruled_input(evidence("0.978"), feed=feed)) is None
    found = level.level(ruled_input(evidence("1.00"), feed=feed))
    assert found is not None
    assert found.reason.code is Why.PREMIUM


# --- movement


def test_a_fast_fall_is_named_before_the_level_is() -> None:
    memory, _ = after([(0, "1.0000"), (60_000, "1.0000")])
    found = fast_move.fast_move(ruled_input(evidence("0.9890"), memory, at_ms=T0 + 120_000))
    assert found is not None
    assert found.reason.code is Why.FELL
    assert fast_move.fast_move(ruled_input(evidence("0.9910"), memory, at_ms=T0 + 120_000)) is None
    assert (
        fast_move.fast_move(ruled_input(evidence("0.9890"), memory, at_ms=T0 + 60_000 + 6 * ALL_ON.moved_s * MS))
        is not None
    )
    assert (
        fast_move.fast_move(ruled_input(evidence("0.9890"), memory, at_ms=T0 + 60_000 + 6 * ALL_ON.moved_s * MS + 1))
        is None
    )


def test_the_way_back_to_the_peg_is_no_fast_move() -> None:
    memory, _ = after([(0, "0.9700"), (60_000, "0.9700")])
    assert fast_move.fast_move(ruled_input(evidence("0.9995"), memory, at_ms=T0 + 120_000)) is None


def test_a_small_discount_of_weeks_adds_up() -> None:
    hourly = [(h * HOUR, "0.9970") for h in range(120)]
    memory, statuses = after(hourly)
    assert memory.drift_low // HOUR == 1_000 + 190
    assert statuses[90] is Status.OK
    assert statuses[-1] is Status.WATCH
    found = cusum.slow_drift(ruled_input(evidence("0.9970"), memory))
    assert found is not None
    assert found.reason.code is Why.DRIFT_DOWN
    back, _ = after([*hourly, *((h * HOUR, "1.0000") for h in range(120, 260))])
    assert back.drift_low == 0


def test_a_queue_discount_within_the_slack_never_adds_up() -> None:
    memory, statuses = after([(h * HOUR, "0.9980") for h in range(24 * 30)])
    assert memory.drift_low == 0
    assert set(statuses) == {Status.OK}


def test_the_normal_level_is_learned_slowly_capped_and_only_while_all_is_well() -> None:
    feed = replace(RULED, rules=replace(ALL_ON, learn_bps_day=5, learn_cap_bps=12, drift_bps_hours=0))
    memory, _ = after([(h * HOUR, "0.9970") for h in range(25)], feed)
    assert memory.normal_mbps == -5_000
    memory, _ = after([(h * HOUR, "0.9970") for h in range(24 * 10)], feed)
    assert memory.normal_mbps == -12_000
    quick, _ = after([(s * 10_000, "0.9970") for s in range(6 * 60 * 24 + 1)], feed)
    assert quick.normal_mbps == -5_000, "the cadence of the rounds does not change what a day teaches"
    frozen = next_memory(ruled_input(evidence("0.90"), memory, feed=feed, at_ms=T0 + 300 * HOUR, status=Status.WATCH))
    assert frozen.normal_mbps == memory.normal_mbps


def test_what_drifts_slowly_does_not_teach_the_band() -> None:
    """A fall of 4 bps a day: the learned level follows, the sum runs against the configured one and says so."""
    feed = replace(RULED, rules=replace(ALL_ON, learn_bps_day=5, learn_cap_bps=200))
    path = [(d * DAY + h * HOUR, f"{1 - d * 0.0004:.6f}") for d in range(40) for h in range(24)]
    _, statuses = after(path, feed)
    first = statuses.index(Status.WATCH) // 24
    assert first < 15


# --- market


def test_pools_full_of_the_token_are_named_and_the_deep_ones_count() -> None:
    deep, thin = (
        PoolEvidence(source="a", share_bps=8_200, depth_wad=900 * WAD),
        PoolEvidence(source="b", share_bps=100, depth_wad=WAD),
    )
    found = market.imbalance(ruled_input(evidence(pools=(deep, thin))))
    assert found is not None
    assert (found.reason.code, found.doubt) == (Why.IMBALANCE, True)
    balanced = replace(deep, share_bps=6_400)
    assert market.imbalance(ruled_input(evidence(pools=(balanced, replace(thin, share_bps=9_900))))) is None
    assert market.imbalance(ruled_input(evidence(pools=(replace(deep, share_bps=None),)))) is None


def test_depth_that_left_is_named_once_the_usual_one_is_known() -> None:
    memory = Memory()
    pool = PoolEvidence(source="a", share_bps=None, depth_wad=100 * WAD)
    gone = evidence(pools=(replace(pool, depth_wad=29 * WAD),))
    for i in range(60):
        at = T0 + i * ALL_ON.depth_s * MS // 48
        assert (market.shallow(ruled_input(gone, memory, at_ms=at)) is not None) == (i >= 12)
        memory = next_memory(ruled_input(evidence(pools=(pool,)), memory, at_ms=at))
    assert len(memory.depths) <= market.MOST_DEPTHS
    assert market.shallow(ruled_input(evidence(pools=(replace(pool, depth_wad=31 * WAD),)), memory)) is None


def test_groups_that_part_are_watched_and_widen_the_spread() -> None:
    verdict, _, _ = judge(RULED, JudgeState(), Memory(), evidence(disagree_bps=100), T0)
    assert verdict.reasons[0].code is Why.DISAGREE
    assert verdict.widen_bps == ALL_ON.doubt_bps
    calm, _, _ = judge(RULED, JudgeState(), Memory(), evidence(disagree_bps=99), T0)
    assert (calm.reasons, calm.widen_bps) == ((), 0)


def test_a_venue_wrong_elsewhere_and_a_stopped_rollup_are_named() -> None:
    found = findings(ruled_input(evidence(suspects=("binance",), sequencer_down=True)))
    assert [f.reason.code for f in found] == [Why.SEQUENCER, Why.VENUE]
    verdict, _, _ = judge(RULED, JudgeState(), Memory(), evidence(sequencer_down=True), T0)
    assert verdict.status is Status.WATCH


@pytest.mark.parametrize(
    ("price", "groups", "refused"),
    [
        ("1.0999", 3, False), ("1.1011", 3, True), ("1700000", 7, True), ("1057000000000000000", 3, True),
        ("0.20", 3, False), ("0.20", 1, True), ("0.91", 1, False), ("0.0009", 3, True), ("0.000000000001", 3, True),
    ],
)  # fmt: skip
def test_a_price_that_cannot_be_one_is_refused(price: str, groups: int, refused: bool) -> None:
    assert (implausibility(wad(price), WAD, RULED, groups) is not None) is refused


# --- backing


def test_tokens_without_backing_are_watched_at_once_and_a_depeg_after_its_dwell() -> None:
    backed = evidence(supply_wad=1_000 * WAD, backing_wad=1_000 * WAD)
    assert backing.unbacked(ruled_input(backed)) is None
    minted = replace(backed, supply_wad=1_180 * WAD)
    state, memory, said = JudgeState(), Memory(), []
    for second in range(8):
        verdict, state, memory = judge(RULED, state, memory, minted, T0 + second * 1_000)
        said.append(verdict.status)
    assert said[0] is Status.WATCH
    assert said[-1] is Status.DEPEG
    assert verdict.reasons[0].code is Why.UNBACKED
    assert backing.unbacked(ruled_input(replace(minted, backing_wad=1_180 * WAD))) is None


def test_a_backing_of_nothing_is_no_unknown_backing() -> None:
    """Held against the growth of a supply that is known: an empty vault must not be taken for one that was not read."""
    memory = next_memory(ruled_input(evidence(supply_wad=1_000 * WAD)))
    gone = ruled_input(evidence(supply_wad=1_000 * WAD, backing_wad=0), memory)
    found = backing.unbacked(gone)
    assert found is not None
    assert (found.status, found.at_once, found.reason.text) == (
        Status.DEPEG, Status.WATCH, "nothing stands behind the token",
    )  # fmt: skip
    unread = ruled_input(evidence(supply_wad=1_000 * WAD, backing_wad=None), memory)
    assert backing.unbacked(unread) is None, "control: what was not read says nothing"


def test_a_supply_that_leaps_is_watched_until_it_has_been_grown_into() -> None:
    memory = next_memory(ruled_input(evidence(supply_wad=1_000 * WAD)))
    leapt = evidence(supply_wad=1_050 * WAD)
    found = backing.unbacked(ruled_input(leapt, memory, at_ms=T0 + 12_000))
    assert found is not None
    assert found.status is Status.WATCH
    days = 0
    while backing.unbacked(ruled_input(leapt, memory, at_ms=T0 + days * DAY)) is not None:
        memory = next_memory(ruled_input(leapt, memory, at_ms=T0 + days * DAY))
        days += 1
    assert 1 <= days <= 3


# --- the ramp


def test_the_price_moves_to_the_market_and_back_over_the_ramp_and_stands_in_a_halt() -> None:
    rules, at = Rules(ramp_s=1_800), T0
    memory = Memory(at_ms=at)
    shares = []
    for minute, status in enumerate([Status.DEPEG] * 31 + [Status.HALT] * 5 + [Status.OK] * 31):
        at = T0 + minute * 60_000
        memory = replace(memory, ramp_ppm=ramp_ppm(rules, memory, status, at), at_ms=at)
        shares.append(memory.ramp_ppm)
    assert shares[15] == 499_995
    assert shares[30] == 999_990
    assert set(shares[31:36]) == {shares[30]}
    assert shares[-1] == 0
    steps = [abs(b - a) for a, b in pairwise(shares)]
    assert max(steps) <= 33_334
    after_an_outage = ramp_ppm(rules, Memory(at_ms=T0), Status.DEPEG, T0 + 10**9)
    assert after_an_outage == 33_333, "a gap in the rounds moves the price by a minute's step at most"
    closed = replace(rules, redemption_open=False)
    assert ramp_ppm(closed, Memory(), Status.OK, T0) == 1_000_000, "who cannot redeem has the market from the beginning"


def test_every_reason_has_a_class_that_fits_four_bits() -> None:
    assert all(w.klass <= 15 and w.klass is w.klass.klass for w in Why)


# --- what a lone or a doubtful voice cannot do


def test_a_depeg_needs_two_groups_that_each_say_so() -> None:
    said = {n: level.level(ruled_input(evidence("0.96", group_prices=tuple(wad(v) for v in voices)))) for n, voices in enumerate((
        ("0.92", "1.00"), ("0.955", "0.965"), ("0.92", "0.999", "0.999"),
    ))}  # fmt: skip
    assert [f.status if f else None for f in said.values()] == [Status.WATCH, Status.DEPEG, Status.WATCH]


def test_readings_that_differ_make_no_depeg_and_widen_the_spread_by_their_distance() -> None:
    two = (("rate", wad("1.10")), ("second", wad("1.00")))
    seen = evidence("1.00", redemption_wad=wad("1.10"), readings=two)
    found = level.level(ruled_input(seen))
    assert found is not None
    assert found.status is Status.WATCH
    verdict, _, _ = judge(RULED, JudgeState(), Memory(), seen, T0)
    assert verdict.widen_bps >= 900


@pytest.mark.parametrize(
    ("second", "status"), [("1.0012", "DEPEG"), ("0.998", "DEPEG"), ("0.51", "WATCH"), ("0.5", "WATCH")]
)
@pytest.mark.parametrize("voices", [("0.50", "0.50"), ()])
def test_readings_that_differ_hide_no_depeg_against_both(second: str, status: str, voices: tuple[str, ...]) -> None:
    two = (("rate", wad("1.00")), ("second", wad(second)))
    seen = evidence("0.50", redemption_wad=wad("1.00"), readings=two, group_prices=tuple(wad(v) for v in voices))
    found = level.level(ruled_input(seen))
    assert found is not None
    assert found.status is Status[status]
    if voices:
        blind = level.without_price(
            ruled_input(evidence("0", redemption_wad=wad("1.00"), readings=two, group_prices=(wad("0.5"), wad("0.4"))))
        )
        assert blind is not None
        assert blind.status is Status[status if second != "0.51" else "WATCH"]


def test_what_comes_out_of_a_halt_enters_anew() -> None:
    feed = replace(RULED, bands=replace(RULED.bands, watch_bps=150, depeg_bps=400, depeg_leave_bps=200))
    found = level.level(ruled_input(evidence("0.975"), feed=feed, status=Status.HALT))
    assert found is not None
    assert found.status is Status.WATCH
