"""A feed that falls silent: what three operators publish of it, whoever has a price in which round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.units import Wad
from oracle.agree.messages import FeedRefusal
from oracle.audit.recompute import verify
from oracle.model.publication import Record
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.status import Status
from oracle.model.types import Abstained, FeedRound, Report
from oracle.round.live import Live
from oracle.round.rounds import Member, Round, Rounds
from oracle.serve.explain import explanation
from tests.oracle.network.agreement_world import BRIEF, Vouching, agreements_here
from tests.oracle.oracle_build import spec, wad
from tests.oracle.round.halt_world import (
    FEED,
    NAMES,
    START_S,
    STEP_S,
    Given,
    HaltWorld,
    everybody,
    kept_prices,
    one_of_three,
    outcomes_of,
)
from tests.oracle.round.round_world import own_round


def test_three_operators_with_a_price_every_third_round_are_watched_and_halted_not_silent() -> None:
    world = HaltWorld()
    for _ in range(30):
        last = world.run_round(everybody("1.00"))
    said = [world.run_round(one_of_three(n, "0.70")) for n in range(115)]
    words = [r.report.status.word if r else None for r in said]
    assert words[:5] == [None] * 5, "each has to see it for the dwell first"
    assert words[5:9] == ["watch"] * 4
    assert set(words[9:30]) == {"watch", "depeg"}
    assert set(words[30:]) == {"halt"}, "300 s without a price that was published"
    first = said[5]
    for record in said:
        if record is not None:
            assert kept_prices(record) == kept_prices(last)
            assert record.report.status_only
            assert record.observed_at_ms == (last.observed_at_ms if last else 0)
    assert first is not None
    assert first.report.market_age_s == first.report.round_time_s - (START_S + 30 * STEP_S) + 1


def test_a_halt_keeps_what_was_published_to_the_bit_whoever_was_there() -> None:
    world = HaltWorld()
    world.run_round({"alpha": ("1.0000", "1.00"), "beta": ("1.0003", "1.00"), "gamma": ("1.0007", "1.00")})
    published = world.run_round({"alpha": ("1.0001", "1.00"), "beta": ("1.0002", "1.00")})  # gamma was not there
    halts = [r for r in (world.run_round(everybody(None)) for _ in range(40)) if r is not None]
    assert len(halts) == 10
    for record in halts:
        assert kept_prices(record) == kept_prices(published)
        assert record.report.status is Status.HALT
    said = {v.signed.items for v in world.done.outcomes["t"].values}
    assert len(said) == 1, "every operator signs the same bytes"


def test_leaving_publishes_kept_prices_too_and_nothing_of_now() -> None:
    world = HaltWorld()
    published = world.run_round(everybody("1.00"))
    for _ in range(35):
        world.run_round(everybody(None))
    back = [world.run_round(everybody("0.98" if n % 2 else "0.99")) for n in range(30)]
    assert published is not None
    for record in back:
        assert record is not None
        assert record.report.status is Status.HALT
        assert kept_prices(record) == kept_prices(published)
        assert record.observed_at_ms == published.observed_at_ms
        assert record.report.market_age_s == 1 + record.report.round_time_s - published.report.round_time_s
    view = world.done.feeds[0].result
    assert isinstance(view, FeedRound)
    assert view.market is not None
    assert view.market.price_wad == wad("0.98"), "what the operator itself sees is in its round"
    left = world.run_round(everybody("0.99"))
    assert left is not None
    assert (left.report.status, left.report.market_wad, left.report.status_only) == (Status.WATCH, wad("0.99"), False)


@pytest.mark.parametrize(
    ("price", "rounds", "status"), [("0.70", 6, Status.DEPEG), ("1.00", 30, Status.OK), ("0.99", 30, Status.WATCH)]
)
def test_a_crash_that_begins_in_a_halt_is_published_after_the_depeg_dwell(
    price: str, rounds: int, status: Status
) -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    for _ in range(35):
        world.run_round(everybody(None))
    for n in range(rounds):
        record = world.run_round(everybody(price))
        assert record is not None
        assert record.report.status is Status.HALT, n
    record = world.run_round(everybody(price))
    assert record is not None
    assert (record.report.status, record.report.market_wad) == (status, wad(price))


@pytest.mark.parametrize(("readers", "rate"), [(0, "1.00"), (1, "1.00"), (2, "0.90"), (3, "0.90")])
def test_a_slash_in_a_halt_is_published_once_the_threshold_has_read_it(readers: int, rate: str) -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    for _ in range(32):
        world.run_round(everybody(None))
    for n in range(4):
        record = world.run_round({n: (None, "0.90" if i < readers else None) for i, n in enumerate(NAMES)})
        assert record is not None
        owed = wad(rate) if n else wad("1.00")  # what a single round reads is not told
        assert (record.report.market_wad, record.report.redemption_wad) == (wad("1.00"), owed)
    risen = world.run_round(everybody(None, "1.05"))
    assert risen is not None
    assert risen.report.redemption_wad == wad(rate), "never a rise"
    assert risen.report.status is Status.HALT


def test_abstention_alone_publishes_nothing_until_the_halt() -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    said = [
        world.run_round(everybody(("0.80", "1.20"))) for _ in range(31)
    ]  # far apart, on both sides: that proves nothing
    assert [r is not None for r in said] == [False] * 30 + [True]
    assert said[-1] is not None
    assert said[-1].report.status is Status.HALT


def test_groups_that_all_lie_beyond_are_watched_and_depegged_without_a_price() -> None:
    world = HaltWorld()
    published = world.run_round(everybody("1.00"))
    said = [world.run_round(everybody(("0.50", "0.40"))) for _ in range(40)]
    words = [r.report.status.word if r else None for r in said]
    assert words == [None] * 3 + ["watch"] * 3 + ["depeg"] * 24 + ["halt"] * 10
    for record in said[3:]:
        assert record is not None
        assert kept_prices(record) == kept_prices(published)
        assert "DISCOUNT" in {r.code.name for r in record.reasons}


def test_no_status_only_record_is_better_than_the_published_one() -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    for _ in range(10):
        depeg = world.run_round(everybody("0.70"))
    assert depeg is not None
    assert depeg.report.status is Status.DEPEG
    said = [world.run_round(everybody(None)) for _ in range(40)]
    assert {r.report.status for r in said if r} == {Status.DEPEG, Status.HALT}
    assert depeg.price_wad != depeg.report.redemption_wad, "the price had begun to go from the rate to the market"
    for record in said:
        assert record is None or kept_prices(record) == kept_prices(depeg), "and stands where it was"


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["all", "none", "one", "two", "apart", "low", "slash"]), min_size=5, max_size=60),
       st.integers(0, 50))  # fmt: skip
def test_law_kept_prices_are_published_ones_and_every_round_recomputes(kinds: Sequence[str], stop: int) -> None:
    world, shown = HaltWorld(), dict[str, int]()
    for n, kind in enumerate(kinds):
        if n == stop:
            world.restart()
        record = world.run_round(_given(kind, n))
        assert all(c.ok for c in verify(world.store, FEED.feed, START_S + world.n * STEP_S))
        if record is None:
            continue
        report = record.report
        if report.status_only:
            assert report.market_wad == shown["market"]
            assert report.redemption_wad <= shown["redemption"]
            assert record.observed_at_ms == shown["observed"]
            assert report.market_age_s == shown["age"] + report.round_time_s - shown["round"]
        else:
            assert report.status is not Status.HALT
        shown = {"market": report.market_wad, "redemption": report.redemption_wad, "observed": record.observed_at_ms,
                 "age": report.market_age_s, "round": report.round_time_s}  # fmt: skip


def _given(kind: str, n: int) -> Given:
    prices: dict[str, Callable[[], Given]] = {
        "all": lambda: everybody("1.00"),
        "none": lambda: everybody(None, None),
        "one": lambda: one_of_three(n, "0.70"),
        "two": lambda: everybody("0.99") | one_of_three(n, "0.70"),
        "apart": lambda: everybody(("0.50", "0.40")),
        "low": lambda: everybody("0.70"),
        "slash": lambda: everybody(None, "0.90"),
    }
    return prices[kind]()


def test_a_restart_in_a_halt_changes_nothing(tmp_path: Path) -> None:
    here = HaltWorld(tmp_path)
    here.run_round(everybody("1.00"))
    for _ in range(33):
        before = here.run_round(everybody(None))
    here.restart()
    after = here.run_round(everybody(None))
    assert after is not None
    assert kept_prices(after) == kept_prices(before)
    assert after.report.status is Status.HALT
    assert here.done.transitions == ()


def test_explain_shows_every_operators_view_and_word_during_a_halt() -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    for _ in range(33):
        world.run_round(one_of_three(0, "0.95"))
    found = explanation(world.store, FEED.feed, START_S + world.n * STEP_S)
    assert found is not None
    assert [name for name, _ in found.rounds] == list(NAMES)
    assert [type(r) for _, r in found.rounds] == [FeedRound, Abstained, Abstained]
    assert [(n, r.status, r.market_wad) for n, r in found.values] == [(n, Status.HALT, wad("1.00")) for n in NAMES]


def test_the_live_lane_shows_a_halt_as_it_is_published_also_in_a_product() -> None:
    ether = spec(feed="ETH/USD", sources=(), share_of=FEED.feed)  # any feed with a price
    cross = spec(feed="wdivETH/USD", sources=(), legs=(FEED.feed, "ETH/USD"))
    specs: dict[str, FeedSpec] = {FEED.feed: FEED, "ETH/USD": ether, "wdivETH/USD": cross}
    rounds = Rounds(specs, [Member(name="local", specs=specs, states={f: FeedState() for f in specs})], None)
    records: list[dict[str, Record]] = []
    for n in range(35):
        now_s = START_S + n * STEP_S
        given = everybody(None if n else "1.00")
        done = own_round(rounds, now_s, {FEED.feed: outcomes_of(given, now_s * 1_000)}, now_ms=now_s * 1_000)
        rounds.commit(done)
        records.append({r.feed: r for r in done.records})
    first, published = records[0], records[-1]
    at_ms = (now_s + 5) * 1_000
    own = rounds.members[0].states.__getitem__
    live = Live(specs, own, lambda *_: outcomes_of(everybody("0.98"), at_ms), rounds.published)
    shown = {r.feed: r for r in live.refresh({FEED.feed}, at_ms)}
    for feed in (FEED.feed, "wdivETH/USD"):
        assert shown[feed].report.status is Status.HALT
        assert shown[feed].report.status_only
        assert shown[feed].report.market_wad == published[feed].report.market_wad == wad("1.00")
    assert first[FEED.feed].observed_at_ms - 1_000 < shown[FEED.feed].observed_at_ms <= first[FEED.feed].observed_at_ms


def halted(threshold: int) -> HaltWorld:
    world = HaltWorld(threshold=threshold)
    world.run_round(everybody("1.00"))
    for _ in range(33):
        world.run_round(everybody(None))
    return world


def with_liars(world: HaltWorld, change: Callable[[Report], Report]) -> Round:
    """The next round of a halt, in which two of three sign other kept prices and vouch for whatever comes of it."""
    now_s = START_S + (world.n + 1) * STEP_S
    folded = world.rounds.fold(now_s, {FEED.feed: outcomes_of(everybody(None), now_s * 1_000)}, now_ms=now_s * 1_000)
    ask = folded.asks["t"]
    told = {n: {i: r if n == "beta" else change(r) for i, r in own.items()} for n, own in ask.reports.items()}
    members = [o if o.name == "beta" else Vouching(operator=o) for o in world.operators.values()]
    agreements = agreements_here(members, now_ms=lambda: now_s * 1_000, timing=BRIEF)
    outcome = asyncio.run(agreements.agree(replace(ask, reports=told)))
    return world.rounds.finish(folded, {"t": outcome})


def half(report: Report) -> Report:
    return replace(report, market_wad=Wad(report.market_wad // 2))


def young(report: Report) -> Report:
    return replace(report, market_age_s=0)


def one_less(report: Report) -> Report:
    return replace(report, market_wad=Wad(report.market_wad - 1))


def slashed(report: Report) -> Report:
    return replace(report, redemption_wad=wad("0.90"))


@pytest.mark.parametrize("change", [half, young, one_less])
def test_kept_prices_are_not_the_operators_to_choose(change: Callable[[Report], Report]) -> None:
    """Where the threshold needs one who is honest, nothing else than what was sealed before is published in a halt."""
    world = halted(threshold=3)
    assert with_liars(world, change).records == ()
    assert len(world.run_round(everybody(None)).reasons) > 0, "the next round is like any other"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "code"),
    [(half, FeedRefusal.NOT_AS_PUBLISHED), (young, FeedRefusal.NOT_AS_PUBLISHED),
     (one_less, FeedRefusal.NOT_AS_PUBLISHED), (slashed, FeedRefusal.OUT_OF_BOUND)],
)  # fmt: skip
def test_nobody_vouches_for_other_kept_prices_than_those_that_were_sealed(
    change: Callable[[Report], Report], code: FeedRefusal
) -> None:
    world = halted(threshold=2)
    fair = with_liars(world, lambda r: r)
    assert [m.refused for m in fair.outcomes["t"].members] == [(), (), ()]
    world = halted(threshold=2)
    done = with_liars(world, change)
    members = {m.name: m for m in done.outcomes["t"].members}
    assert members["beta"].refused == ((0, code),)
    for record in done.records:
        assert record.seal is not None
        assert [(a.operator, a.why) for a in record.seal.refused] == [("beta", code.text)]


def test_without_operators_the_own_view_is_what_is_published() -> None:
    specs: dict[str, FeedSpec] = {FEED.feed: FEED}
    rounds = Rounds(specs, [Member(name="local", specs=specs, states={FEED.feed: FeedState()})], None)
    words = []
    for n in range(60):
        now_s = START_S + n * STEP_S
        given = everybody("1.00" if n == 0 or n > 40 else None)
        done = own_round(rounds, now_s, {FEED.feed: outcomes_of(given, now_s * 1_000)}, now_ms=now_s * 1_000)
        rounds.commit(done)
        words.append(done.records[0].report.status.word if done.records else None)
    assert words == ["ok", *[None] * 30, *["halt"] * 29]
