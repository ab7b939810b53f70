"""Invariants of docs/invariants.md on an EVM in this process, where thousands of calls are cheap, each under its name there."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from oracle.sign.eip712 import batch_bytes
from tests.contracts.evm_process import LIMITS, OWNER, STRANGER, signature
from tests.contracts.set_models import WAD
from tests.contracts.store_words import Signers
from tests.contracts.whole_set import (
    BASE,
    BOTH,
    FIRST_SET,
    MARKET_ONLY,
    QUOTE,
    RATE_ONLY,
    STRICT_AGE_S,
    WIDE_BOTH,
    WholeSet,
    key_address,
    packed,
)

GAP_S = LIMITS[0].min_gap_s
WEAK = (0, 1)
"""Weight 5 of 9: the threshold, and less than the step threshold."""


@pytest.fixture
def whole() -> WholeSet:
    made = WholeSet()
    made.evm.jump(1_000)
    return made


def push(whole: WholeSet, at: int, items: bytes, who: tuple[int, ...] = WEAK) -> str:
    """Push by the first set; the error, which is the model's."""
    return whole.push(whole.sign(batch_bytes(1, at, items), FIRST_SET, who))


def word(whole: WholeSet, index: int = BOTH) -> int:
    return int.from_bytes(whole.evm.send(whole.store, index.to_bytes(2, "big"))[1], "big")


# -------------------------------------------------------------------------------------------------------------- store


@settings(max_examples=30)
@given(data=st.data())
def test_the_order_of_items_does_not_matter(data: Any) -> None:
    """Of different tokens; of one that comes twice the first counts."""
    items = {
        BOTH: packed(BOTH, (WAD * data.draw(st.integers(90, 110)) // 100, WAD), data.draw(st.integers(1, 4))),
        MARKET_ONLY: packed(MARKET_ONLY, (2_010 * WAD, 0), data.draw(st.integers(1, 4))),
        WIDE_BOTH: packed(WIDE_BOTH, (WAD, 2 * WAD)),
        RATE_ONLY: packed(RATE_ONLY, (0, WAD + 1)),
    }
    order, words = data.draw(st.permutations(sorted(items))), []
    for turn in (sorted(items), order):
        whole = WholeSet()
        whole.evm.jump(100)
        assert not push(whole, whole.evm.now, b"".join(items[i] for i in turn))
        words.append([word(whole, i) for i in items])
    assert words[0] == words[1]


def test_no_store_takes_a_certificate(whole: WholeSet) -> None:
    """Signed by all, and packed as a batch is: the store recovers other keys than its signers'."""
    items = packed(BOTH, (WAD, WAD)) + packed(MARKET_ONLY, (2_000 * WAD, 0))
    batch = batch_bytes(1, whole.evm.now, items)
    parts = [
        [bytes([i]) + signature(k, whole.digest(batch, kind)) for i, k in enumerate(FIRST_SET.keys)] for kind in (0, 1)
    ]
    for signed in (parts[1], parts[0][:1] + parts[1][1:]):
        assert whole.evm.call(whole.store, "push", batch, b"".join(signed), sender=STRANGER)[0] == "BadSignature"
    assert whole.push(whole.sign(batch, FIRST_SET, range(5))) == ""


def test_a_pause_outlasts_every_change_of_signers_and_owner(whole: WholeSet) -> None:
    """Also batches from before it and every status; and what was resumed stays in halt until its next round."""
    evm, now = whole.evm, whole.evm.now
    before = whole.sign(batch_bytes(1, now, packed(BOTH, (WAD, WAD), 4)), FIRST_SET, range(5))
    evm.ok(whole.store, "pause", [BOTH])
    whole.model.pause(BOTH)
    held = word(whole)
    assert whole.push(before) == "NothingNew"
    evm.ok(whole.store, "setSigners", [key_address(7)], [1], 1, 1)
    whole.model.now = evm.now
    whole.model.set_signers(Signers(2, (7,), (1,), 1, 1))
    armed(whole, (7,))
    evm.ok(whole.store, "transferOwnership", STRANGER)
    evm.ok(whole.store, "acceptOwnership", sender=STRANGER)
    evm.jump(100)
    for status in (1, 2, 3, 4):
        one = whole.sign(
            batch_bytes(2, evm.now + status, packed(BOTH, (WAD, WAD), status)), Signers(2, (7,), (1,), 1, 1), [0]
        )
        assert whole.push(one) == "NothingNew"
    assert word(whole) == held
    assert evm.call(whole.store, "resume", [BOTH], sender=OWNER)[0] == "NotOwner"
    evm.ok(whole.store, "resume", [BOTH], sender=STRANGER)
    assert word(whole) >> 56 & 15 == 4


def armed(whole: WholeSet, keys: tuple[int, ...]) -> None:
    """The next set shows that its keys are there."""
    digest = whole.evm.ok(whole.store, "armDigest")
    whole.evm.ok(whole.store, "arm", b"".join(bytes([i]) + signature(k, digest) for i, k in enumerate(keys)))
    whole.model.arm(range(len(keys)), [True] * len(keys))


def made(weights: tuple[int, ...], threshold: int) -> tuple[WholeSet, str]:
    """A store of these signers, and the error of making it."""
    whole = WholeSet()
    args = [key_address(k) for k in range(len(weights))], list(weights), threshold, max(threshold, sum(weights) // 2)
    error, _ = whole.evm.call(whole.store, "setSigners", *args)
    return whole, error


@settings(max_examples=25)
@given(weights=st.lists(st.integers(1, 9), min_size=1, max_size=5), threshold=st.integers(0, 30))
def test_any_two_batches_of_an_epoch_share_a_signer(weights: list[int], threshold: int) -> None:
    """Whatever set the store takes: any two groups that reach its threshold have somebody in common."""
    _, error = made(tuple(weights), threshold)
    people = range(len(weights))
    groups = [set(g) for n in people for g in combinations(people, n + 1) if sum(weights[i] for i in g) >= threshold]
    alone = all(a & b for a in groups for b in groups) and threshold > 0 and bool(groups)
    assert (not error) == (alone and 2 * threshold > sum(weights))
    assert error or alone


def test_weights_never_overflow(whole: WholeSet) -> None:
    """The heaviest sets there can be: a sum of weights neither wraps around nor loses anybody."""
    most = 2**96 - 1
    for epoch, weights in enumerate([(most, most - 1), (1, most), (most // 255,) * 9], start=2):
        threshold = sum(weights) // 2 + 1
        strong = min(most, sum(weights))
        keys = tuple(range(len(weights)))
        whole.evm.ok(whole.store, "setSigners", [key_address(k) for k in keys], list(weights), threshold, strong)
        whole.model.now = whole.evm.now
        signers = Signers(epoch, keys, weights, threshold, strong)
        whole.model.set_signers(signers)
        armed(whole, keys)
        whole.evm.jump(100)
        for n in keys:
            for who in (range(n + 1), [n]):
                enough = sum(weights[i] for i in who) >= threshold
                whole.evm.jump(GAP_S)
                one = whole.sign(batch_bytes(epoch, whole.evm.now, packed(BOTH, (WAD, WAD))), signers, who)
                assert whole.push(one) == ("" if enough else "BelowThreshold")


# -------------------------------------------------------------------------------------------------------------- views

PRICE = st.one_of(st.sampled_from([1, 10**9, 10**10, WAD, 2**88 - 1]), st.integers(1, 2**88 - 1))


def shown(whole: WholeSet, market: int, redemption: int, spread: int, status: int = 1) -> None:
    """A round of token 0 by all signers; a halt follows the round whose prices it keeps."""
    whole.evm.jump(100)
    priced = 1 if status == 4 else status
    assert not push(whole, whole.evm.now, packed(BOTH, (market, redemption), priced, spread), tuple(range(5)))
    if status == 4:
        whole.evm.jump(1)
        halted = packed(BOTH, (market, redemption), status, spread)
        assert not push(whole, whole.evm.now, halted, tuple(range(5)))


@settings(max_examples=40)
@given(market=PRICE, redemption=PRICE, spread=st.integers(0, 16_383), amount=st.integers(0, 10**30))
def test_a_view_rounds_against_whoever_asks(market: int, redemption: int, spread: int, amount: int) -> None:
    """A bid is never above the value and an ask never below; a way there and back never gains; a product is rounded down."""
    whole = WholeSet()
    shown(whole, market, redemption, spread)
    evm, wad = whole.evm, min(market, redemption)
    value = evm.ok(whole.quote, "getQuote", amount, BASE, QUOTE)
    bid, ask = evm.ok(whole.quote, "getQuotes", amount, BASE, QUOTE)
    assert value == amount * wad // 10**30
    assert bid <= value <= ask
    assert amount == 0 or ask * 10**30 > amount * wad, "what is owed is never valued below its price"
    back = evm.ok(whole.quote, "getQuote", value, QUOTE, BASE)
    assert back <= amount
    assert evm.ok(whole.silo, "quote", amount, BASE) == value
    assert evm.ok(whole.morpho, "price") == wad * 10**6
    crossed = evm.ok(whole.crossed, "peek")[0]
    assert crossed * WAD <= wad * (word(whole, MARKET_ONLY) >> 168) < (crossed + 1) * WAD
    conf, price = 0, 0
    error, got = evm.call(whole.pyth, "getPriceUnsafe", b"T0/ETH".ljust(32, b"\0"))
    if not error:
        price, conf = got[:2]
        assert price * 10**10 <= wad < (price + 1) * 10**10
        assert conf * 10**14 >= wad * spread


@settings(max_examples=40)
@given(market=PRICE, redemption=PRICE, jump=st.integers(0, 10**7), status=st.sampled_from([1, 3, 4]))
def test_a_mode_stays_between_its_prices_and_a_cap_below_its_line(
    market: int, redemption: int, jump: int, status: int
) -> None:
    whole = WholeSet()
    shown(whole, market, redemption, 7, status)
    whole.evm.ok(whole.modes[2], "poke")
    whole.evm.jump(jump)
    line = whole.cap.most(whole.evm.now)
    rate = whole.evm.ok(whole.capped, "peek")[0]
    assert rate == min(redemption, line)
    lower, higher, mixed = (whole.evm.ok(m, "peek")[0] for m in whole.modes)
    assert (lower, higher) == (min(market, rate), max(market, rate))
    assert lower <= mixed <= higher


@settings(max_examples=30)
@given(market=PRICE, redemption=PRICE, status=st.sampled_from([1, 2, 3, 4]), age=st.sampled_from([0, 119, 120, 121]))
def test_a_strict_view_shows_nothing_that_may_not_be_used(market: int, redemption: int, status: int, age: int) -> None:
    whole = WholeSet()
    shown(whole, market, redemption, 7, status)
    whole.evm.jump(age)
    lower, updated_at = whole.evm.ok(whole.modes[0], "peek")[:2]
    usable = status != 4 and whole.evm.now - updated_at <= STRICT_AGE_S
    assert whole.evm.ok(whole.strict, "latestAnswer") == (lower if usable else 0)
    assert whole.evm.call(whole.strict, "latestRoundData")[0] == ("" if usable else "Unusable")
    for view, name, args in (
        (whole.quote, "getQuotes", (1, BASE, QUOTE)),
        (whole.silo, "quote", (1, BASE)),
        (whole.morpho, "price", ()),
    ):
        assert whole.evm.call(view, name, *args)[0] == ("" if usable else "Unusable")


@settings(max_examples=20)
@given(market=PRICE, redemption=PRICE)
def test_decimals_change_an_answer_and_nothing_else(market: int, redemption: int) -> None:
    whole, token = WholeSet(), b"T0/ETH".ljust(32, b"\0")
    shown(whole, market, redemption, 7)
    full = whole.evm.ok(whole.modes[0], "peek")
    for decimals in range(1, 19):
        view = whole.evm.create(contracts.load("FeedView"), whole.store, token, 0, decimals, 60)
        assert whole.evm.ok(view, "decimals") == decimals
        assert whole.evm.ok(view, "peek") == whole.evm.ok(whole.feeds[0], "peek")
        answer = market // 10 ** (18 - decimals)
        assert whole.evm.ok(view, "latestAnswer") == answer
        assert whole.evm.ok(view, "getRate") == market
        for name, told in (("read", answer), ("readWithAge", (answer, full[1]))):
            assert whole.evm.call(view, name) == (("", told) if answer else ("NoData", None))
        error, data = whole.evm.call(view, "latestRoundData")
        assert (error, data and data[1:4]) == (("", (answer, full[1], full[1])) if answer else ("NoData", None))
