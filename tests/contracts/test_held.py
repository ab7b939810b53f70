"""A price that the store holds is as old as it is: in every view, while it is held and after.

Most run over a store of words that the test writes; the last ones over the real store and what it does with far prices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from oracle.sign.eip712 import batch_bytes
from tests.contracts.contract_tools import Item, compiled
from tests.contracts.evm_process import FIRST_S, signature
from tests.contracts.fuzz_world import World
from tests.contracts.set_models import (
    MARKET_HELD,
    REDEMPTION_HELD,
    WAD,
    Cap,
    Peek,
    cross,
    feed,
    mode,
    spread,
    trouble,
)

TOKEN = b"x/y".ljust(32, b"\0")
ZERO, BASE, QUOTE = ("0x" + "00" * 20), "0x" + "00" * 19 + "b1", "0x" + "00" * 18 + "0348"
MARKET, REDEMPTION, LOWER, HIGHER = range(4)
MAX_AGE_S, RAMP_S = 120, 1_000
HALT = 4
STALE = 3


@dataclass
class Views:
    """Every kind of view over one store of words; a second store of the same kind is the cross' other leg."""

    world: World = field(default_factory=lambda: World(0))

    def __post_init__(self) -> None:
        self.evm = self.world.evm
        odd = compiled("tests/contracts/solidity/Corners.sol")["WordStore"]
        self.store, self.other = self.evm.create(odd), self.evm.create(odd)
        self.words, self.true_at = {self.store: 0, self.other: 0}, {self.store: (0, 0), self.other: (0, 0)}
        for store in self.words:
            self.show(store, Item(0).word(self.evm.now))
        make = self.make
        self.feeds = [make("FeedView", self.store, TOKEN, m, 18, 60) for m in range(4)]
        self.cap = Cap(WAD, FIRST_S - 60 * 86_400, 9_000)
        self.capped = make("CappedFeedView", self.store, TOKEN, 18, 60, self.cap.wad, self.cap.since_s, 9_000)
        self.leg = make("FeedView", self.other, TOKEN, LOWER, 18, 60)
        self.crossed = make("CrossView", self.feeds[LOWER], self.leg, 18)
        self.modes = [make("ModeView", self.feeds[0], self.capped, m, RAMP_S * (m == 4), 18) for m in (2, 3, 4)]
        self.strict = make("StrictFeedView", self.modes[0], MAX_AGE_S, ZERO, 0)
        pair = (self.feeds[LOWER], MAX_AGE_S, BASE, 18, QUOTE, 18)
        self.quote, self.silo = make("QuoteView", *pair), make("SiloView", *pair)
        self.morpho = make("MorphoView", self.feeds[REDEMPTION], MAX_AGE_S, 18, 18)
        self.dia, self.pyth = make("DiaView", ["x"], [self.capped]), make("PythView", [TOKEN], [self.feeds[REDEMPTION]])

    def make(self, name: str, *args: Any) -> str:
        return self.evm.create(contracts.load(name), *args)

    def show(self, store: str, word: int, true_at: tuple[int, int] = (0, 0)) -> None:
        """Put a word into a store; the rest of each held word is anything but a time."""
        self.words[store], self.true_at[store] = word, true_at
        held = [(WAD + 5) << 168 | 1 << 167 | (t + 9) << 64 | (t + 7) << 32 | t for t in true_at]
        self.evm.ok(store, "set", word, *held)

    def check(self) -> dict[str, Peek]:
        """Every view says what the model says."""
        now, word, at = self.evm.now, self.words[self.store], self.true_at[self.store]
        feeds = [feed(word, m, now, at) for m in range(4)]
        capped, leg = self.cap.peek(word, now, at), feed(self.words[self.other], LOWER, now, self.true_at[self.other])
        # nobody pokes here, and no word is a depeg: the ramp stays at the redemption rate
        modes = [mode(feeds[0], capped, m, Still(), word & 0xFFFFFFFF, now) for m in (2, 3, 4)]  # type: ignore[arg-type]
        views = [*self.feeds, self.capped, self.leg, self.crossed, *self.modes]
        seen = dict(zip(views, [*feeds, capped, leg, cross(feeds[LOWER], leg), *modes], strict=True))
        for view, expected in seen.items():
            assert Peek(*self.evm.ok(view, "peek")) == expected
            assert self.evm.ok(view, "readWithAge") == (expected.wad, expected.updated_at)
            assert self.evm.ok(view, "latestRoundData")[2:4] == (expected.updated_at,) * 2
        assert self.evm.ok(self.feeds[0], "spreadBps") == spread(word)
        self._check_others(seen, now)
        return seen

    def _check_others(self, seen: dict[str, Peek], now: int) -> None:
        evm, capped, owed = self.evm, seen[self.capped], seen[self.feeds[REDEMPTION]]
        assert evm.ok(self.dia, "getValue", "x") == (capped.wad // 10**10, capped.updated_at)
        assert evm.ok(self.pyth, "getPriceUnsafe", TOKEN)[3] == owed.updated_at
        stale = now - owed.updated_at > MAX_AGE_S or owed.status & 15 == HALT
        assert evm.call(self.pyth, "getPriceNoOlderThan", TOKEN, MAX_AGE_S)[0] == ("StalePrice" if stale else "")
        assert evm.ok(self.strict, "trouble") == trouble(seen[self.modes[0]], MAX_AGE_S, now)
        for view, source, call in (
            (self.morpho, self.feeds[REDEMPTION], ("price",)),
            (self.quote, self.feeds[LOWER], ("getQuote", WAD, BASE, QUOTE)),
            (self.silo, self.feeds[LOWER], ("quote", WAD, BASE)),
        ):
            assert evm.call(view, *call)[0] == ("Unusable" if trouble(seen[source], MAX_AGE_S, now) else "")


class Still:
    """A ramp at the redemption rate."""

    @staticmethod
    def now(status: int, newest: int, now: int) -> int:
        del status, newest, now
        return 0


# ------------------------------------------------------------------------------------------------- over any words

ROUNDS = st.tuples(
    st.integers(1, 200),
    st.booleans(),
    st.booleans(),
    st.integers(0, 90),
    st.integers(0, 16_383),
    st.sampled_from([1, 2, 4]),
)


@settings(max_examples=60, deadline=None)
@given(rounds=st.lists(ROUNDS, min_size=2, max_size=15), other_held=st.booleans())
def test_a_view_ages_by_a_second_a_second_while_its_price_is_held(
    rounds: list[tuple[int, bool, bool, int, int, int]],
    other_held: bool,
) -> None:
    """Rounds of (seconds, market held, redemption held, market age, spread, status), each newer than the one before.

    What is held stays as it was when it was last not held. The two prices hold and let go each by itself; a view of one of
    them must not notice the other.
    """
    views = Views()
    evm, store = views.evm, views.store
    first = evm.now
    views.show(views.other, Item(0).word(first) | MARKET_HELD * other_held, (first - 50, 0))
    true_at = [first - 3, first]
    before = views.check()
    for seconds, market, redemption, age, bps, status in rounds:
        evm.jump(seconds)
        now = evm.now
        if not market:
            true_at[0] = now - age
        if not redemption:
            true_at[1] = now
        word = Item(0, spread_bps=bps, market_age_s=age, status=status).word(now)
        views.show(store, word | MARKET_HELD * market | REDEMPTION_HELD * redemption, (true_at[0], true_at[1]))
        seen = views.check()
        held_of: dict[str, bool] = {
            views.feeds[MARKET]: market,
            views.feeds[REDEMPTION]: redemption,
            views.capped: redemption,
            views.modes[2]: redemption,
        }
        for view, held in held_of.items():
            # the law itself: held from one round to the next, its age grew by what passed between them
            assert not held or seen[view].updated_at == before[view].updated_at
        fresh = {views.feeds[MARKET]: now - age, views.feeds[REDEMPTION]: now, views.capped: now, views.modes[2]: now}
        assert all(held_of[v] or seen[v].updated_at == at for v, at in fresh.items()), "and else it is of this round"
        for view in (views.feeds[LOWER], views.feeds[HIGHER], *views.modes[:2]):
            assert seen[view].updated_at == min(true_at)
        assert seen[views.crossed].updated_at == min(*true_at, first - 50 if other_held else first - 3)
        before = seen


@pytest.mark.parametrize("bits", [0, MARKET_HELD, REDEMPTION_HELD, MARKET_HELD | REDEMPTION_HELD])
@pytest.mark.parametrize("bps", [0, 7, 10_000, 16_383])
def test_what_is_held_is_no_part_of_the_spread(bits: int, bps: int) -> None:
    views = Views()
    views.show(views.store, Item(0, spread_bps=bps).word(views.evm.now) | bits, (views.evm.now,) * 2)
    for view in (*views.feeds, views.capped, *views.modes):
        assert views.evm.ok(view, "spreadBps") == bps
    quoted = views.evm.ok(views.quote, "getQuotes", WAD, BASE, QUOTE)[0]
    assert quoted == Item(0).market * max(0, 10_000 - bps) // 10_000


def test_a_price_that_is_held_from_the_future_is_no_older_than_the_block() -> None:
    """A round may be 30 s ahead of the block; a consumer that subtracts would underflow."""
    views = Views()
    now = views.evm.now
    word = Item(0, market_age_s=0).word(now + 30) | MARKET_HELD | REDEMPTION_HELD
    views.show(views.store, word, (now + 20, now + 25))
    assert {views.evm.ok(v, "peek")[1] for v in (*views.feeds, views.capped, *views.modes)} == {now}
    views.evm.jump(40)
    assert [views.evm.ok(v, "peek")[1] for v in views.feeds] == [now + 20, now + 25, now + 20, now + 20]


# ------------------------------------------------------------------------------------------- over the real store

WEAK, STRONG = (0, 1), (0, 1, 2, 3, 4)
"""Weight 5 of 9, the threshold; and all, which is the step threshold's."""


@dataclass
class Real:
    """T0 of a real store (a step of 5 %, a wait of 60 s, a gap of 5 s) and views over it."""

    def __post_init__(self) -> None:
        self.world = World(0)
        self.evm, self.store = self.world.evm, self.world.store
        self.evm.jump(1_000)
        self.item = Item(0, market=WAD, redemption=WAD, status=1)
        self.push(STRONG)
        name = b"T0/ETH".ljust(32, b"\0")
        make: Callable[..., str] = lambda kind, *args: self.evm.create(contracts.load(kind), *args)  # noqa: E731
        self.views = [make("FeedView", self.store, name, m, 18, 60) for m in range(4)]
        snapshot = (WAD, self.evm.now - 60 * 86_400, 9_000)
        self.capped = make("CappedFeedView", self.store, name, 18, 60, *snapshot)
        self.strict = make("StrictFeedView", self.capped, 45, ZERO, 0)
        self.morpho = make("MorphoView", self.views[REDEMPTION], 45, 18, 18)

    def push(self, who: tuple[int, ...], **changes: Any) -> int:
        """A round of now; its time."""
        batch = batch_bytes(1, self.evm.now, replace(self.item, **changes).packed())
        digest = self.world.digest(batch)
        self.evm.ok(self.store, "push", batch, b"".join(bytes([i]) + signature(i, digest) for i in who))
        return self.evm.now

    def shown(self, view: str) -> tuple[int, int]:
        """The price, and its age at this block."""
        wad, updated_at, *_ = self.evm.ok(view, "peek")
        return wad, self.evm.now - updated_at


def test_a_far_rate_ages_the_rate_that_stands_until_it_lands_over_the_real_store() -> None:
    """A slash of 10 % that the threshold signs and the step threshold does not: the old rate is shown, and its age grows."""
    real = Real()
    known = real.evm.now
    slashed = WAD * 9 // 10
    for _ in range(6):
        real.evm.jump(10)
        real.push(WEAK, redemption=slashed, status=2 | 8 << 4)
        age = real.evm.now - known
        for view in (real.views[REDEMPTION], real.capped):
            assert real.shown(view) == (WAD, age)
        assert real.shown(real.views[MARKET]) == (WAD, 3), "the market price was near: it is of this round"
        assert real.shown(real.views[LOWER]) == real.shown(real.views[HIGHER]) == (WAD, age)
        assert real.evm.ok(real.strict, "trouble") == (STALE if age > 45 else 0)
        assert real.evm.call(real.morpho, "price")[0] == ("Unusable" if age > 45 else "")
    real.evm.jump(10)
    real.push(WEAK, redemption=slashed, status=2 | 8 << 4)
    assert real.shown(real.views[REDEMPTION]) == real.shown(real.capped) == (slashed, 0)
    assert real.shown(real.views[LOWER]) == (slashed, 3)
    assert real.evm.ok(real.strict, "trouble") == 0


def test_every_read_of_a_record_says_which_price_is_held() -> None:
    """`latest`, `latestAt` and a view's `report` re-stamp nothing: bit 0 the market, bit 1 the redemption, as in the slot."""
    real = Real()
    far, near = WAD * 8 // 10, WAD
    for market, rate, status, held in (
        (near, near, 1, 0), (far, near, 1, 1), (near, far, 1, 2), (far, far, 1, 3), (near, near, 1, 0), (near, near, 4, 3), (near, near, 1, 0),
    ):  # fmt: skip
        real.evm.jump(10)
        at = real.push(WEAK, market=market, redemption=rate, status=status)
        word = real.evm.ok(real.store, "slotAt", 0)
        assert (word >> 79 & 1) + 2 * (word >> 78 & 1) == held
        record = real.evm.ok(real.store, "latestAt", 0)
        assert (len(record), record[4], record[7]) == (8, at, held)
        assert real.evm.ok(real.store, "latest", b"T0/ETH".ljust(32, b"\0")) == record
        assert {real.evm.ok(v, "report") for v in (*real.views, real.capped)} == {record}


def test_a_far_market_price_ages_and_the_near_rate_does_not_over_the_real_store() -> None:
    real = Real()
    known = real.evm.now - 3
    for _ in range(5):
        real.evm.jump(10)
        real.push(WEAK, market=WAD * 8 // 10, status=3 | 6 << 4)
        assert real.shown(real.views[MARKET]) == (WAD, real.evm.now - known)
        assert real.shown(real.views[REDEMPTION]) == real.shown(real.capped) == (WAD, 0)
    real.evm.jump(10)
    real.push(STRONG, market=WAD * 8 // 10, status=3 | 6 << 4)
    assert real.shown(real.views[MARKET]) == (WAD * 8 // 10, 3), "who may move it by any step moves it at once"


def test_a_halt_ages_both_prices_over_the_real_store() -> None:
    """State 4 keeps what the store has: however young it says its inputs are, nothing is younger than before."""
    real = Real()
    known = real.evm.now
    for _ in range(12):
        real.evm.jump(50)
        real.push(STRONG, status=4 | 2 << 4)
        age = real.evm.now - known
        assert real.shown(real.views[REDEMPTION]) == real.shown(real.capped) == (WAD, age)
        assert real.shown(real.views[MARKET]) == real.shown(real.views[LOWER]) == (WAD, age + 3)
    real.evm.jump(50)
    real.push(STRONG)
    assert [real.shown(v)[1] for v in real.views] == [3, 0, 3, 3]
