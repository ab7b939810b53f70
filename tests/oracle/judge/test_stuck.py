"""Who stands still while the others move is named, and nobody else: worked cases, and a law over random histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.types import Kind, Outcome
from feeds.units import MS, Wad
from oracle.judge.evidence import Evidence, RuleInput
from oracle.judge.memory import next_memory
from oracle.judge.rules import stuck
from oracle.model.spec import FeedSpec, Rules
from oracle.model.state import FeedState, Memory
from oracle.model.status import Status, Why
from oracle.model.types import FeedRound, Statement
from oracle.round.step import evaluate, step
from tests.oracle.oracle_build import PAIR, T0, seen, source, spec, wad

NAMES = ("a", "b", "c", "d", "e")
RULES = Rules(stuck_s=600, stuck_bps=100)
ROUND_MS = 10_000
LIMIT, DWELL_MS = 100, 30_000


def feed_of(count: int) -> FeedSpec:
    bands = replace(spec().bands, watch_dwell_s=DWELL_MS // MS)
    return spec(sources=tuple(source(n) for n in NAMES[:count]), rules=RULES, bands=bands, has_redemption=False)


@dataclass(slots=True)
class Watch:
    """The rule alone, round after round: who is named, from what each source says (None: nothing)."""

    feed: FeedSpec
    memory: Memory = field(default_factory=Memory)
    at_ms: int = T0

    def round(self, prices: Sequence[int | None], after_ms: int = ROUND_MS) -> set[str]:
        self.at_ms += after_ms
        said = tuple(
            Statement(source=n, group=n, price_wad=Wad(p), level_wad=Wad(p))
            for n, p in zip(NAMES, prices, strict=False)
            if p
        )
        facts = Evidence(market_wad=wad("1"), redemption_wad=Wad(0), groups=3, rate=None, statements=said)
        case = RuleInput(spec=self.feed, memory=self.memory, status=Status.OK, evidence=facts, now_ms=self.at_ms)
        found = stuck.stuck(case)
        self.memory = next_memory(case)
        return set(found.reason.text.partition(":")[0].split(", ")) if found else set()


def told(feed: FeedSpec, rows: Sequence[Sequence[int | None]]) -> list[set[str]]:
    watch = Watch(feed)
    return [watch.round(row) for row in rows]


# --- worked cases


def ramp(rounds: int, to_bps: int) -> list[int]:
    return [10_000 + to_bps * i // (rounds - 1) for i in range(rounds)]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_one_that_stands_still_is_named_until_it_moves_and_nobody_else_ever(count: int) -> None:
    """Up by 2 %, there for an hour, back to where it stands for an hour; then it wakes, at a price of its own."""
    path = [*ramp(101, 200), *[10_200] * 360, *ramp(101, 200)[::-1], *[10_000] * 360]
    rows = [[*[p] * (count - 1), 10_000] for p in path] + [[*[10_000] * (count - 1), 10_150]] * 400
    named = told(feed_of(count), rows)
    first = named.index({NAMES[count - 1]})
    assert path[first] >= 10_100
    assert first * ROUND_MS >= RULES.stuck_s * MS
    assert all(n == {NAMES[count - 1]} for n in named[first : len(path)])
    assert not any(named[:first] + named[len(path) :])


def test_a_quiet_market_and_a_lasting_offset_are_no_fault() -> None:
    assert not any(told(feed_of(3), [[10_000, 10_250, 9_900]] * 500))


def test_a_slow_one_that_catches_up_is_no_move_of_the_market_away_from_the_first() -> None:
    """The first goes up by 2 % after ten rounds and stands; the other follows 48 rounds later, before it is named."""
    rows = [[10_000, 10_000]] * 10 + [[10_200, 10_000]] * 48 + [[10_200, 10_200]] * 100
    assert not any(told(feed_of(2), rows))


def test_a_spike_of_the_other_is_not_held_against_a_quiet_one() -> None:
    rows = [[10_000, 10_000]] * 100 + [[10_300, 10_000]] * 3 + [[10_000, 10_000]] * 100
    named = told(feed_of(2), rows)
    assert [i for i, n in enumerate(named) if n] == [100, 101, 102]
    lasting = told(feed_of(2), [[10_000, 10_000]] * 100 + [[10_300, 10_000]] * 4 + [[10_000, 10_000]] * 100)
    assert all(n == {"b"} for n in lasting[100:])


def test_two_that_fall_silent_together_do_not_vouch_for_each_other_if_they_are_one_group() -> None:
    watch = Watch(feed_of(3))
    named: set[str] = set()
    for i in range(120):
        price = 10_000 + 2 * i
        levels = (("a", "a", price), ("b", "chain", 10_000), ("c", "chain", 10_001))
        said = tuple(Statement(source=n, group=g, price_wad=Wad(p), level_wad=Wad(p)) for n, g, p in levels)
        facts = Evidence(market_wad=wad("1"), redemption_wad=Wad(0), groups=2, rate=None, statements=said)
        now_ms = T0 + i * ROUND_MS
        case = RuleInput(spec=watch.feed, memory=watch.memory, status=Status.OK, evidence=facts, now_ms=now_ms)
        found, watch.memory = stuck.stuck(case), next_memory(case)
        named = set(found.reason.text.partition(":")[0].split(", ")) if found else set()
    assert named == {"b", "c"}


def test_a_stuck_one_does_not_hide_by_falling_silent_now_and_then() -> None:
    rows = [[p, p, 10_000 if i % 3 else None] for i, p in enumerate(ramp(121, 300))]
    named = told(feed_of(3), rows)
    assert [bool(n) for n in named[-3:]] == [bool(r[2]) for r in rows[-3:]]
    assert named[-1] | named[-2] == {"c"}


def test_the_leg_of_a_converted_source_moves_nothing() -> None:
    """In dollars the quiet source says the same; ether rose, and the others rose with it in ether's own unit."""
    said = [
        (Statement(source="a", group="a", price_wad=Wad(10_000 + i % 2), level_wad=Wad(10_000 + i % 2)),
         Statement(source="b", group="b", price_wad=Wad(20_000_000), level_wad=Wad(20_000_000 * 10 // (20_000 + 5 * i))))
        for i in range(121)
    ]  # fmt: skip
    feed, memory, named = feed_of(2), Memory(), []
    for i, both in enumerate(said):
        facts = Evidence(market_wad=wad("1"), redemption_wad=Wad(0), groups=2, rate=None, statements=both)
        case = RuleInput(spec=feed, memory=memory, status=Status.OK, evidence=facts, now_ms=T0 + i * ROUND_MS)
        named.append(stuck.stuck(case))
        memory = next_memory(case)
    found = named[-1]
    assert found is not None
    assert found.reason.text.startswith("b:")


@pytest.mark.parametrize("count", [2, 3])
def test_through_the_whole_pipeline_the_one_that_was_thrown_out_is_named(count: int) -> None:
    """With three it is an outlier long before; the feed is watched, with its name in the reason."""
    feed, state = replace(feed_of(count), max_spread_bps=1_000), FeedState()
    texts = []
    for i, level in enumerate(ramp(121, 400)):
        now_ms = T0 + i * ROUND_MS
        given: list[Outcome] = [seen(n, f"{level / 10_000:.4f}", now_ms) for n in NAMES[: count - 1]]
        given.append(seen(NAMES[count - 1], "1.0000", now_ms))
        result, state = step(feed, state, given, {}, now_ms)
        assert isinstance(result, FeedRound)
        texts.append([r.text for r in result.verdict.reasons if r.code is Why.STUCK])
    assert texts[-1]
    assert texts[-1][0].startswith(f"{NAMES[count - 1]}: ")
    assert result.verdict.status is Status.WATCH
    assert (result.market is not None and len(result.market.used) < count) is (count > 2)


def test_a_drained_pool_that_is_thrown_out_for_its_price_still_tells_of_its_imbalance() -> None:
    pool = source("pool", group="chain:x")
    feed = spec(sources=(source("a"), source("b"), pool), has_redemption=False)
    prices: list[Outcome] = [seen("a", "1.00"), seen("b", "1.001")]
    drained = seen("pool", "0.95", group="chain:x", base_share_bps=9_500, depth_wad=10**18, kind=Kind.MARKET, pair=PAIR)
    done = evaluate(feed, FeedState(), [*prices, drained], {}, T0)
    assert done.market is not None
    assert [r.code for r in done.market.rejected] == ["OUTLIER"]
    assert Why.IMBALANCE in [r.code for r in done.verdict.reasons]
    sound = replace(drained, base_share_bps=5_000)
    assert Why.IMBALANCE not in [r.code for r in evaluate(feed, FeedState(), [*prices, sound], {}, T0).verdict.reasons]


# --- the law, over random histories


@dataclass(frozen=True)
class History:
    """A market of phases (rounds, change in bps), honest sources with lasting offsets, one that stands still for a while."""

    count: int
    path: tuple[int, ...]
    offsets: tuple[int, ...]
    from_round: int
    to_round: int
    silent: tuple[int, ...]

    def rows(self) -> list[list[int | None]]:
        out = []
        for i, level in enumerate(self.path):
            row: list[int | None] = [10 * level + o for o in self.offsets]
            if self.from_round <= i < self.to_round:
                row[-1] = 10 * self.path[self.from_round] + self.offsets[-1]
                if i in self.silent:
                    row[-1] = None
            out.append(row)
        return out


@st.composite
def histories(draw: st.DrawFn) -> History:
    phases = draw(st.lists(st.tuples(st.integers(1, 90), st.integers(-300, 300)), min_size=1, max_size=5))
    path, level = [], 10_000
    for rounds, bps in phases:
        path += [level + bps * (i + 1) // rounds for i in range(rounds)] if rounds > 1 else [level + bps]
        level = path[-1]
    count = draw(st.integers(2, 5))
    began = draw(st.integers(0, len(path)))
    return History(
        count=count,
        path=tuple(path),
        offsets=tuple(draw(st.lists(st.integers(-200, 200), min_size=count, max_size=count))),
        from_round=began,
        to_round=draw(st.integers(began, len(path))),
        silent=tuple(draw(st.lists(st.integers(began + 1, len(path) + 1), max_size=8))),
    )


def expected(history: History) -> list[bool]:
    """Whether the one that stands still is to be named, round by round, from the whole history and the rule's words."""
    rows, out = history.rows(), []
    for i, row in enumerate(rows):
        own = row[-1]
        same = [j for j in range(i + 1) if rows[j][-1] is not None]
        run = [j for j in same if all(rows[k][-1] == own for k in same if k >= j)]
        out.append(bool(own) and _named(rows, run, i))
    return out


def _named(rows: Sequence[Sequence[int | None]], run: Sequence[int], now: int) -> bool:
    gaps = {j: _middle([_bps(x, own) for x in rows[j][:-1] if x]) for j in run if (own := rows[j][-1])}
    first = min(run)
    away = {j for j, gap in gaps.items() if abs(gap) >= LIMIT and abs(gap - gaps[first]) >= LIMIT}
    lasted = sum(ROUND_MS for j in away if j - 1 in away)
    return (now - first) * ROUND_MS >= RULES.stuck_s * MS and (now in away or lasted >= DWELL_MS)


def _bps(price: int, own: int) -> int:
    """Rounded away from zero."""
    size = -(-abs(price - own) * 10_000 // own)
    return size if price > own else -size


def _middle(gaps: Sequence[int]) -> int:
    """The middle one, the nearer of two, none where they lie on both sides."""
    ranked = sorted(gaps)
    low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
    return 0 if low < 0 < high else min(low, high, key=abs)


@given(history=histories())
def test_over_random_histories_the_one_that_stands_still_is_named_as_the_words_say_and_no_honest_one(
    history: History,
) -> None:
    named = told(feed_of(history.count), history.rows())
    last = NAMES[history.count - 1]
    assert [last in n for n in named] == expected(history)
    assert not any(n - {last} for n in named)
