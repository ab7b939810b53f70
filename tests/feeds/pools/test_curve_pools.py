"""Curve's adapters against pools that answer by the published formulas, solved by bisection in 60 digits."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from feeds.errors import FeedError, Malformed, NotPositive, Reverted, Slippage, Thin, WrongSymbol
from feeds.pools.curve_crypto import CurveCrypto
from feeds.pools.curve_ng import CurveNg
from feeds.pools.curve_plain import CurvePlain
from feeds.types import Call, Quote, Reply
from feeds.units import WAD
from tests.feeds.pools.curve_reference import COINS, POOL, Crypto, Stable, changed, read, word, words

STETH = Stable(held=(8 * 10**20, 12 * 10**20))
RATE = 105 * WAD // 100
NG = Stable(
    held=(8 * 10**20, 12 * 10**20), rates=(WAD, RATE), offpeg=5 * 10**10, oracle=(999 * WAD // 1_000,),
    gives=frozenset({"ng"}),
)  # fmt: skip
CRYPTO = Crypto(held=(10**21, 9 * 10**20), scale=(Decimal(1), Decimal("1.05")), oracle=(RATE,))


def plain(**params: Any) -> CurvePlain:
    return CurvePlain(
        **{"pool": POOL, "coins": COINS[:2], "base": COINS[1], "quote": COINS[0], "notional": "10", **params}
    )


def ng(**params: Any) -> CurveNg:
    return CurveNg(
        **{"pool": POOL, "coins": COINS[:2], "base": COINS[1], "quote": COINS[0], "notional": "10", **params}
    )


def crypto(**params: Any) -> CurveCrypto:
    return CurveCrypto(
        **{"pool": POOL, "coins": COINS[:2], "base": COINS[1], "quote": COINS[0], "notional": "10", **params}
    )


def assert_prices(quote: Quote, pool: Stable, base: int, to: int, units: int) -> None:
    """Bid and ask by the formula: what the notional pays, and what buys it back."""
    bid = pool.dy(base, to, 10 * units) / 10
    assert quote.bid_wad == pytest.approx(int(bid), rel=1e-12)
    assert quote.ask_wad is not None
    got = pool.dy(to, base, int(Decimal(quote.ask_wad) * 10))
    assert got == pytest.approx(10 * units, rel=Decimal("1e-5"))
    assert quote.bid_wad is not None
    assert quote.bid_wad <= quote.price_wad <= quote.ask_wad


def test_a_plain_pool_in_both_directions() -> None:
    quote = read(plain(), STETH.answer)
    assert_prices(quote, STETH, 1, 0, WAD)
    assert (quote.base_share_bps, quote.virtual_wad) == (6_000, STETH.virtual)
    assert quote.mean_wad is None
    assert quote.mean_span_ms is None
    inverted = read(plain(base=COINS[0], quote=COINS[1]), STETH.answer)
    assert_prices(inverted, STETH, 0, 1, WAD)
    assert inverted.price_wad == pytest.approx(WAD * WAD // quote.price_wad, rel=1e-6)
    assert inverted.base_share_bps == 4_000


def test_depths_grow_with_the_move_and_the_middle_one_moves_one_percent() -> None:
    quote = read(plain(), STETH.answer)
    assert quote.depth_half_wad is not None
    assert quote.depth_wad is not None
    assert quote.depth_two_wad is not None
    assert quote.depth_half_wad < quote.depth_wad < quote.depth_two_wad
    before = STETH.spot(1, 0)
    moves = (1 - STETH.spot(1, 0, quote.depth_wad) / before, STETH.spot(1, 0, -quote.depth_wad) / before - 1)
    assert max(moves) == pytest.approx(Decimal("0.01"), rel=Decimal("1e-3"))


def test_a_pool_with_an_average_of_two_coins() -> None:
    pool = changed(STETH, oracle=(998 * WAD // 1_000,), scalar=True, span_s=866)
    quote = read(plain(), pool.answer)
    assert (quote.mean_wad, quote.mean_span_ms) == (998 * WAD // 1_000, 866_000)
    inverted = read(plain(base=COINS[0], quote=COINS[1]), pool.answer)
    assert inverted.mean_wad == WAD * 1_000 // 998
    assert read(plain(own_mean=False), pool.answer).mean_wad is None


def test_an_ng_pool_counts_by_its_rates_and_so_does_its_average() -> None:
    quote = read(ng(), NG.answer)
    assert_prices(quote, NG, 1, 0, WAD)
    assert quote.price_wad == pytest.approx(RATE, rel=5e-3)
    assert quote.mean_wad == 999 * RATE // 1_000
    assert quote.base_share_bps == 12 * 105 * 10_000 // (12 * 105 + 800)


def test_an_ng_pool_of_three_coins_of_other_decimals() -> None:
    pool = changed(
        NG, held=(10**9, 2 * 10**21, 10**21), rates=(10**30, WAD, RATE), oracle=(WAD * 99 // 100, WAD * 98 // 100)
    )
    one = ng(coins=COINS[:3], decimals=(6, 18, 18), base=COINS[2], quote=COINS[0])
    quote = read(one, pool.answer)
    assert quote.bid_wad == pytest.approx(int(pool.dy(2, 0, 10**19) * 10**11), rel=1e-6)
    assert quote.mean_wad == 98 * RATE // 100
    across = read(ng(coins=COINS[:3], decimals=(6, 18, 18), base=COINS[2], quote=COINS[1]), pool.answer)
    assert across.mean_wad == 98 * RATE // 99
    reverse = read(ng(coins=COINS[:3], decimals=(6, 18, 18), base=COINS[0], quote=COINS[2]), pool.answer)
    assert reverse.mean_wad == WAD * WAD * 100 // (98 * RATE)


def test_a_rate_of_its_own_contract() -> None:
    pool = changed(STETH, rates=(WAD, RATE), overrides={"getExchangeRate/0": word(RATE)})
    quote = read(plain(rates=("", f"getExchangeRate() {COINS[3]}")), pool.answer)
    assert_prices(quote, pool, 1, 0, WAD)
    with pytest.raises(Malformed, match="contradict"):
        read(plain(), pool.answer)


def test_an_amplification_without_the_fine_one_is_taken_times_100() -> None:
    pool = changed(STETH, overrides={"A_precise/0": Reverted("no such function")})
    assert read(plain(), pool.answer) == read(plain(), STETH.answer)
    assert read(plain(), changed(STETH, overrides={"A_precise/0": b""}).answer) == read(plain(), STETH.answer)


def test_a_ramping_amplification_is_the_one_of_the_block() -> None:
    between = changed(STETH, amp=20_050)
    assert_prices(read(plain(), between.answer), between, 1, 0, WAD)


@pytest.mark.parametrize(
    ("name", "reply", "error"),
    [
        ("A_precise/0", word(0), NotPositive),
        ("A_precise/0", word(40_000), Malformed),
        ("A_precise/0", word(10**12), Malformed),
        ("fee/0", word(8_000_000), Malformed),
        ("fee/0", word(10**10), Malformed),
        ("balances/1", word(0), Thin),
        ("balances/1", word(10**21), Malformed),
        ("balances/1", word(1 << 112), Malformed),
        ("coins/1", word(5), WrongSymbol),
        ("get_dy/3", word(0), Malformed),
        ("get_dy/3", Reverted("test"), Reverted),
        ("get_virtual_price/0", word(0), NotPositive),
        ("stored_rates/0", words(32, 2, WAD, WAD), Malformed),
        ("stored_rates/0", words(32, 2, WAD, 0), Malformed),
        ("stored_rates/0", words(32, 3, WAD, RATE, WAD), Malformed),
        ("stored_rates/0", Reverted("test"), Reverted),
        ("offpeg_fee_multiplier/0", word(2 * 10**10), Malformed),
        ("offpeg_fee_multiplier/0", word(10**30), Malformed),
        ("price_oracle/1", word(0), NotPositive),
        ("ma_exp_time/0", word(0), Malformed),
    ],
)
def test_a_pool_whose_state_is_another_is_refused(name: str, reply: Reply, error: type[FeedError]) -> None:
    with pytest.raises(error):
        read(ng(), changed(NG, overrides={name: reply}).answer)


def test_a_lopsided_pool_still_has_its_price_and_an_empty_one_is_thin() -> None:
    pool = changed(STETH, held=(10**19, 10**22))
    quote = read(plain(notional="0.01", max_slippage_bps=10_000), pool.answer)
    assert quote.bid_wad == pytest.approx(int(pool.dy(1, 0, 10**16) * 100), rel=1e-8)
    assert quote.base_share_bps == 9_990
    with pytest.raises(Thin):
        read(plain(), changed(STETH, held=(0, 10**22), overrides={"get_dy/3": word(0)}).answer)


@pytest.mark.parametrize("make", [plain, ng, crypto])
def test_the_gates_refuse(make: Any) -> None:
    answer = {plain: STETH.answer, ng: NG.answer, crypto: CRYPTO.answer}[make]
    assert isinstance(read(make(min_depth="5"), answer), Quote)
    with pytest.raises(Thin, match="depth_wad"):
        read(make(min_depth="100000"), answer)
    with pytest.raises(Slippage):
        read(make(max_slippage_bps=1), answer)
    with pytest.raises(WrongSymbol):
        read(make(coins=(COINS[1], COINS[0])), answer)


@pytest.mark.parametrize(("make", "answer"), [(plain, STETH.answer), (ng, NG.answer)])
def test_more_than_the_pool_holds_is_thin(make: Any, answer: Any) -> None:
    with pytest.raises(Thin):
        read(make(notional="5000", max_slippage_bps=10_000), answer)


@pytest.mark.parametrize("make", [plain, ng, crypto])
@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"pool": "0x12"}, "not an address"),
        ({"coins": COINS[:1]}, "2 to 8 different coins"),
        ({"coins": (COINS[0], COINS[0])}, "different coins"),
        ({"base": COINS[3]}, "none of the coins"),
        ({"base": COINS[0]}, "same token"),
        ({"notional": "0"}, "above 0"),
        ({"decimals": (18,)}, "one number for each"),
        ({"decimals": (18, 19)}, "0 to 18"),
        ({"min_depth": "-1"}, "out of range"),
        ({"max_slippage_bps": 0}, "write 1 to"),
    ],
)
def test_the_config_is_told_what_to_write(make: Any, params: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make(**params)


def test_the_rates_and_the_coins_of_a_kind_are_told_what_to_write() -> None:
    with pytest.raises(ValueError, match="one text for each"):
        plain(rates=("",))
    with pytest.raises(ValueError, match="not a call"):
        plain(rates=("", "getRate"))
    with pytest.raises(ValueError, match="two or three"):
        crypto(coins=COINS)


# --- crypto pools


def assert_crypto(quote: Quote, pool: Crypto, base: int, to: int) -> None:
    assert quote.bid_wad == int(int(pool.dy(base, to, 10**19)) / Decimal(10))
    assert quote.ask_wad is not None
    got = pool.dy(to, base, quote.ask_wad * 10)
    assert got == pytest.approx(Decimal(10**19), rel=Decimal("1e-5")), "the chord is 0.1 bp from the curve at most"
    assert got > 10**19 * (1 - Decimal("1e-7")), "and hardly ever below it"


def crypto_depth(pool: Crypto, base: int, to: int, goal: Decimal) -> Decimal:
    """Base that moves the marginal price, fee included, by the goal in the thinner direction: by bisection."""

    def marginal(at: int, given: int, taken: int) -> Decimal:
        step = 10**14
        return (pool.dy(given, taken, at + step) - pool.dy(given, taken, at)) / step

    def reach(given: int, taken: int, last: Decimal) -> int:
        low, high = 0, pool.held[given]
        for _ in range(40):
            middle = (low + high) // 2
            low, high = (middle, high) if marginal(middle, given, taken) > last else (low, middle)
        return low

    sold = reach(base, to, marginal(0, base, to) * (1 - goal))
    bought = pool.dy(to, base, reach(to, base, marginal(0, to, base) / (1 + goal)))
    return min(Decimal(sold), bought)


@pytest.mark.parametrize(("base", "to"), [(1, 0), (0, 1)])
def test_a_crypto_pool_of_two_coins_in_both_directions(base: int, to: int) -> None:
    quote = read(crypto(base=COINS[base], quote=COINS[to]), CRYPTO.answer)
    assert_crypto(quote, CRYPTO, base, to)
    assert quote.mean_wad == (RATE if base else WAD * WAD // RATE)
    assert quote.mean_span_ms == 865_617, "600 s of half-life are 600 / ln 2 s of mean age"
    for depth, goal in ((quote.depth_half_wad, "0.005"), (quote.depth_wad, "0.01"), (quote.depth_two_wad, "0.02")):
        assert depth == pytest.approx(crypto_depth(CRYPTO, base, to, Decimal(goal)), rel=Decimal("0.05"))


def test_an_ng_pool_states_the_same_half_life_elsewhere() -> None:
    assert read(crypto(), replace(CRYPTO, ng=True).answer) == read(crypto(), CRYPTO.answer)
    assert read(crypto(own_mean=False), CRYPTO.answer).mean_wad is None


def test_a_tricrypto_pool_names_a_price_for_each_coin() -> None:
    three = Crypto(
        held=(10**24, 4 * 10**20, 10**21), scale=(Decimal(1), Decimal(2_500), Decimal(1_000)),
        oracle=(2_500 * WAD, 1_000 * WAD),
    )  # fmt: skip
    quote = read(crypto(coins=COINS[:3], base=COINS[1], quote=COINS[2], notional="1"), three.answer)
    assert quote.mean_wad == 25 * WAD // 10
    assert quote.bid_wad == int(three.dy(1, 2, WAD))
    assert quote.ask_wad is not None
    assert three.dy(2, 1, quote.ask_wad) >= WAD


def test_a_ladder_that_ends_early_gives_a_lower_bound_and_one_that_does_not_start_is_thin() -> None:
    def cut(most: int) -> Any:
        def answer(call: Call) -> Reply:
            amount = int.from_bytes(call.data[-32:], "big")
            return Reverted("unsafe values") if len(call.data) == 100 and amount > most else CRYPTO.answer(call)

        return answer

    full = read(crypto(), CRYPTO.answer)
    short = read(crypto(), cut(5 * 10**19))
    assert short.price_wad == full.price_wad
    assert short.depth_two_wad is not None
    assert full.depth_two_wad is not None
    assert 10**19 < short.depth_two_wad < full.depth_two_wad
    with pytest.raises(Thin):
        read(crypto(notional="0.1"), cut(10**18))


@pytest.mark.parametrize(
    ("name", "reply", "error"),
    [
        ("get_dy/3", word(0), Thin),
        ("get_dy/3", word(10**24), Malformed),
        ("balances/1", word(0), Thin),
        ("get_virtual_price/0", word(0), NotPositive),
        ("price_oracle/0", word(0), NotPositive),
        ("ma_half_time/0", word(0), Malformed),
    ],
)
def test_a_crypto_pool_that_contradicts_itself_is_refused(name: str, reply: Reply, error: type[FeedError]) -> None:
    with pytest.raises(error):
        read(crypto(), replace(CRYPTO, overrides={name: reply}).answer)


def test_a_round_trip_that_gains_is_refused() -> None:
    def generous(call: Call) -> Reply:
        amount = int.from_bytes(call.data[-32:], "big")
        return word(amount * 12 // 10) if len(call.data) == 100 else CRYPTO.answer(call)

    with pytest.raises(Malformed, match="more than it asks"):
        read(crypto(), generous)
