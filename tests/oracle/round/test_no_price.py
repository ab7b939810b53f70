"""What is known of a feed in rounds without a price: a rate that falls or rises, a share token that is halted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feeds.types import Kind
from feeds.units import Wad
from oracle.model.publication import Record
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState, RateState
from oracle.model.status import Status
from oracle.model.types import FeedRound
from oracle.round.no_price import rate_without_price
from oracle.round.rounds import Member, Rounds
from tests.oracle.oracle_build import T0, seen, source, spec, wad
from tests.oracle.round.halt_world import (
    BANDS,
    FEED,
    START_S,
    STEP_S,
    Given,
    HaltWorld,
    everybody,
    outcomes_of,
)
from tests.oracle.round.round_world import own_round

SHARE = spec(feed="divETH/ETH", sources=(), share_of="wdivETH/ETH", bands=BANDS, halt_after_s=300)


def test_a_rebasing_token_hears_what_its_share_token_suspects_and_prices_on_while_that_is_halted() -> None:
    specs: dict[str, FeedSpec] = {FEED.feed: FEED, SHARE.feed: SHARE}
    rounds = Rounds(specs, [Member(name="local", specs=specs, states={f: FeedState() for f in specs})], None)

    def run_round(n: int, given: Given) -> dict[str, Record]:
        now_s = START_S + n * STEP_S
        done = own_round(rounds, now_s, {FEED.feed: outcomes_of(given, now_s * 1_000)}, now_ms=now_s * 1_000)
        rounds.commit(done)
        return {r.feed: r for r in done.records}

    run_round(0, everybody("1.00"))
    for n in range(1, 40):
        found = run_round(n, everybody(("0.50", "0.40")))
        assert len({r.report.status for r in found.values()}) == (n > 3), "both say the same in the same round"
        if n == 4:
            assert {r.report.status for r in found.values()} == {Status.WATCH}
            assert "DISCOUNT" in {r.code.name for r in found[SHARE.feed].reasons}
    assert {r.report.status for r in found.values()} == {Status.HALT}
    for n in range(40, 44):
        found = run_round(n, everybody("0.99"))
    at_s = START_S + 450
    folded = rounds.fold(at_s, {FEED.feed: outcomes_of(everybody("0.99"), at_s * 1_000)}, now_ms=at_s * 1_000)
    (own,) = folded.results.values()
    share = own[SHARE.feed]
    assert isinstance(share, FeedRound)
    assert share.market is not None
    assert (share.market.price_wad, share.legs[0].report.market_wad) == (wad("0.99"), wad("0.99"))
    assert found[FEED.feed].report.market_wad == wad("1.00")


def test_a_slash_that_happened_in_a_halt_is_named_when_the_market_is_back() -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    for _ in range(33):
        world.run_round(everybody(None, "0.95"))
    back = world.run_round(everybody("0.95", "0.95"))
    assert back is not None
    assert "SLASH" in {r.code.name for r in back.reasons}


def test_a_rate_that_rises_without_a_market_waits_for_it() -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    world.run_round(everybody(None, "1000"))
    back = world.run_round(everybody("1.00"))
    assert back is not None
    assert back.reasons == (), "no slash from a thousand to one"


@pytest.mark.parametrize("low", ["0.0001", "0.5", "0.9"])
@pytest.mark.parametrize("market", [None, "1.00"])
def test_a_rate_that_one_round_alone_reads_is_never_published_in_a_silence(low: str, market: str | None) -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    for rate in [low, "1.00", low, "1.00", "1.00", "1.00"] * 8:
        record = world.run_round(everybody(market if rate == "1.00" and market else None, rate))
        assert record is None or record.report.redemption_wad == wad("1.00")


@pytest.mark.parametrize(("rate", "voices", "told"), [
    ("0.80", None, "0.80"),  # a slash of 20 % that nobody's market denies
    ("0.80", ("1.00", None), "0.80"),  # one group alone denies nothing
    ("0.80", ("1.00", "0.40"), "0.80"),
    ("0.80", ("1.00", "1.20"), "1.00"),  # two say that it lies higher than anybody may make the token
    ("0.0001", None, "1.00"),  # an error of units
])  # fmt: skip
def test_a_fall_is_believed_without_a_price_only_if_it_can_be_one(
    rate: str, voices: tuple[str, str] | None, told: str
) -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    last = None
    for _ in range(40):
        last = world.run_round(everybody(voices, rate)) or last
    assert last is not None
    assert (last.report.redemption_wad, last.report.market_wad) == (wad(told), wad("1.00"))


def test_a_fall_that_another_reading_denies_is_not_believed_without_a_price() -> None:
    rates = (source("rate", kind=Kind.REDEMPTION), source("second", kind=Kind.REDEMPTION))
    feed = replace(FEED, sources=(source("one"), source("two"), *rates))
    state = RateState(rate_wad=wad("1.00"), changed_at_ms=T0 - 10_000, read_at_ms=T0 - 10_000, source="rate")

    def after(first: str, second: str) -> Wad:
        given = [seen("rate", first, T0, kind=Kind.REDEMPTION), seen("second", second, T0, kind=Kind.REDEMPTION)]
        found = rate_without_price(feed, state, given, T0)
        assert found is not None
        return found.rate_wad

    assert after("0.80", "1.00") == wad("1.00")
    assert after("0.90", "0.90") == wad("0.90"), "the control"
