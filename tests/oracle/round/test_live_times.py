"""What the times of an indication mean: over random histories of sources that speak, fall silent and come back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import NoData
from feeds.types import Failure as Failed
from feeds.types import Kind, Outcome, Pair
from oracle.model.publication import Record
from oracle.model.spec import FeedSpec, Mode
from oracle.model.state import FeedState
from oracle.round.live import Live
from tests.oracle.oracle_build import T0, seen, source, spec

MAX_AGE_MS = 30_000
OWN, USD, CROSS, TOLD = "wdivETH/ETH", "ETH/USD", "wdivETH/USD", "rETH/ETH"
IN_USD = Pair(base="wdivETH", quote="USD")
SPECS: dict[str, FeedSpec] = {
    USD: spec(
        feed=USD, pair=Pair(base="ETH", quote="USD"), mode=Mode.MARKET, has_redemption=False,
        sources=(source("u"), source("v"), source("w")),
    ),
    OWN: spec(
        sources=(source("a"), source("b"), source("c"), source("d", pair=IN_USD, convert=USD, divide=True),
                 source("rate", kind=Kind.REDEMPTION, group="chain:x", max_age_s=10**6)),
    ),
    TOLD: spec(
        feed=TOLD, has_market=False, mode=Mode.REDEMPTION,
        sources=(source("told", kind=Kind.REDEMPTION, group="chain:x", max_age_s=10**6),),
    ),
    CROSS: spec(feed=CROSS, sources=(), legs=(OWN, USD)),
}  # fmt: skip
SOURCES = [(feed, s.name) for feed, own in SPECS.items() for s in own.sources]
PRICES = {"u": "2000", "v": "2000", "w": "2000", "d": "2080", "rate": "1.05", "told": "1.10"}


@dataclass
class Table:
    """What each source said last (Unix ms of its word), and which of them fail at the moment."""

    said: dict[str, int] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    now_ms: int = T0

    def observe(self, feed: str, now_ms: int, _trades_after_ms: int = 0) -> tuple[Outcome, ...]:
        return tuple(self._outcome(s.name, s.kind, s.pair, now_ms) for s in SPECS[feed].sources)

    def _outcome(self, name: str, kind: Kind, pair: Pair, now_ms: int) -> Outcome:
        at_ms = self.said.get(name)
        if at_ms is None or name in self.failing:
            return Failed(pair=pair, source=name, error=NoData("silent"), failed_at_ms=now_ms)
        return seen(name, PRICES.get(name, "1.04"), at_ms, kind=kind, pair=pair)

    def words(self, feed: str) -> dict[str, int]:
        """The market words of a feed that are not too old now."""
        names = [s.name for s in SPECS[feed].sources if s.kind is Kind.MARKET and s.name not in self.failing]
        return {n: self.said[n] for n in names if n in self.said and self.now_ms - self.said[n] <= MAX_AGE_MS}


@dataclass(frozen=True)
class Event:
    """After so many ms: a source speaks (its word is as old as its channel is slow), fails, or answers again."""

    after_ms: int
    source: int
    does: str


LAGS = (0, 40, 700, 12_000, 0, 300, 25_000, 0, 0)
events = st.lists(
    st.builds(
        Event,
        after_ms=st.integers(0, 9_000),
        source=st.integers(0, len(SOURCES) - 1),
        does=st.sampled_from(["speaks", "speaks", "speaks", "fails", "answers"]),
    ),
    min_size=1,
    max_size=60,
)


def happen(table: Table, event: Event) -> str:
    """Let it happen; the feed that is dirty then."""
    feed, name = SOURCES[event.source]
    table.now_ms += event.after_ms
    if event.does == "speaks":
        table.said[name] = max(table.said.get(name, 0), table.now_ms - LAGS[event.source])
    table.failing = table.failing | {name} if event.does == "fails" else table.failing - {name}
    return feed


def indications(history: list[Event]) -> list[tuple[Record, dict[str, int], int, Table]]:
    """Every indication with the words of its own feed at that moment, and how old its rate is."""
    table, out = Table(said={name: T0 for _, name in SOURCES}), []
    live = Live(SPECS, lambda _: FeedState(), table.observe)

    def refresh(dirty: set[str]) -> None:
        fresh = live.refresh(dirty, table.now_ms)
        now = replace(table, said=dict(table.said), failing=set(table.failing))
        out.extend((r, now.words(r.feed), now.now_ms, now) for r in fresh)

    refresh(set(SPECS))
    for event in history:
        refresh({happen(table, event)})
    return out


@given(history=events)
def test_an_indication_is_as_old_as_its_oldest_word_and_its_ages_are_those_of_its_computation(
    history: list[Event],
) -> None:
    newest: dict[str, Record] = {}
    for record, words, now_ms, table in indications(history):
        newest[record.feed] = record
        assert record.computed_at_ms == now_ms
        assert record.report.round_time_s == now_ms // 1_000
        assert record.observed_at_ms <= now_ms
        if record.feed == USD:
            assert record.observed_at_ms == min(words.values())
        if record.feed == OWN and "d" not in words:
            assert record.observed_at_ms == min(words.values())
        if record.feed == TOLD:
            assert record.observed_at_ms == table.said["told"]
        if record.feed == CROSS:
            assert record.observed_at_ms == min(newest[leg].observed_at_ms for leg in (OWN, USD))
        if record.report.market_wad:
            assert record.report.market_age_s == -(-(now_ms - record.observed_at_ms) // 1_000)
            assert now_ms - record.observed_at_ms <= MAX_AGE_MS


@given(history=events)
def test_the_time_of_a_feed_goes_back_only_when_a_source_joins_and_its_order_never_does(history: list[Event]) -> None:
    shown: dict[str, list[tuple[Record, set[str]]]] = {feed: [] for feed in SPECS}
    for record, words, _, table in indications(history):
        used = set(words) | (set(table.words(USD)) if record.feed in {OWN, CROSS} else set())
        used |= set(table.words(OWN)) if record.feed == CROSS else set()
        shown[record.feed].append((record, used))
    for rows in shown.values():
        for (before, had), (after, has) in pairwise(rows):
            assert after.computed_at_ms >= before.computed_at_ms
            assert after.observed_at_ms >= before.observed_at_ms or has - had


def test_a_source_that_comes_back_with_an_older_word_makes_an_older_price() -> None:
    """The control: without it the law above would hold of a time that never goes back."""
    history = [Event(10_000, 0, "speaks"), Event(0, 1, "speaks"), Event(0, 2, "fails"), Event(5_000, 2, "answers")]
    usd = [r for r, _, _, _ in indications(history) if r.feed == USD]
    assert usd[-2].observed_at_ms == T0 + 10_000 - LAGS[1]
    assert usd[-1].observed_at_ms == T0


def test_a_product_of_a_leg_that_was_computed_before_has_the_ages_of_now_and_ends_with_it() -> None:
    table = Table(said={name: T0 for _, name in SOURCES})
    alone = replace(SPECS[OWN], sources=tuple(s for s in SPECS[OWN].sources if s.convert is None))
    live = Live(SPECS | {OWN: alone}, lambda _: FeedState(), table.observe)
    live.refresh(SPECS, T0)
    for later_ms, lives in ((8_001, True), (MAX_AGE_MS, True), (MAX_AGE_MS + 1, False)):
        table.said |= dict.fromkeys("uvw", T0 + later_ms)
        live.refresh({USD}, T0 + later_ms)
        cross = live.get(CROSS)
        assert (cross is not None) is lives
        if cross is not None:
            assert cross.report.market_age_s == -(-later_ms // 1_000)
            assert cross.observed_at_ms == T0
