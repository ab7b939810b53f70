"""Balancer v3 pools against balancer-maths, Balancer's own reference arithmetic: equal to the last unit."""

from __future__ import annotations

import json
import random
import subprocess
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pytest

from demo.world import npm
from feeds.errors import FeedError, Reverted
from feeds.pools.balancer_v3 import BalancerV3
from feeds.types import Quote
from feeds.units import WAD, mul_div_down, mul_div_up
from tests.feeds.pools.balancer_v3_reference import POOL, TOKENS, VAULT, Pool, array, read
from tests.feeds.pools.curve_reference import Stable, word, words

ASSETS = ("0x" + "51" * 20, "0x" + "52" * 20)
SWAPS = """
const {Vault} = require("@balancer-labs/balancer-maths");
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"), (k, v) => /^\\d+$/.test(v) ? BigInt(v) : v);
const vault = new Vault();
const out = cases.map(({pool, swap}) => {
  try { return String(vault.swap({...swap, swapKind: Number(swap.swapKind)}, pool)); } catch (e) { return "!" + e.message; }
});
console.log(JSON.stringify(out));
"""


def adapter(kind: str, notional: str, base: int = 0, quote: int = 1, **params: Any) -> BalancerV3:
    return BalancerV3(
        vault=VAULT, pool=POOL, variant=kind, base=TOKENS[base], quote=TOKENS[quote], notional=notional,
        **{"max_slippage_bps": 10_000, **params},
    )  # fmt: skip


def states(kind: str) -> list[tuple[Pool, tuple[int, int], tuple[int, ...], int]]:
    """Pool, places of base and quote, decimals, notional in base's units: seeded, in balance and lopsided."""
    rng, out = random.Random(kind), []
    for _ in range(120):
        count = rng.randint(2, 4)
        decimals = tuple(rng.choice((18, 18, 18, 6, 8)) for _ in range(count))
        size = 10 ** rng.randint(19, 25)
        live = tuple(rng.randrange(size // 30, size) for _ in range(count))
        cuts = sorted(rng.randrange(2, 98) for _ in range(count - 1))
        weights = [b - a for a, b in zip([0, *cuts], [*cuts, 100], strict=True)]
        if min(weights) < 2:
            weights = [100 // count] * (count - 1) + [100 - 100 // count * (count - 1)]
        pool = Pool(
            live=live,
            rates=tuple(rng.choice((WAD, rng.randrange(WAD // 2, 3 * WAD))) for _ in range(count)),
            factors=tuple(10 ** (18 - d) for d in decimals),
            fee=rng.choice((10**12, 10**15, 3 * 10**15, rng.randrange(10**12, 10**17))),
            amp=rng.choice((1_000, 20_000, 200_000, 5_000_000)),
            weights=tuple(w * WAD // 100 for w in weights),
        )
        base, quote = rng.sample(range(count), 2)
        most = live[base] * WAD // pool.rates[base] // pool.factors[base]
        out.append((pool, (base, quote), decimals, max(1, most * rng.randrange(1, 10**6) // 4_000_000)))
    return out


@lru_cache(maxsize=2)
def reference(kind: str) -> list[tuple[str, str]]:
    """What balancer-maths says that each state's notional pays and costs."""
    cases = []
    for pool, (base, quote), _, amount in states(kind):
        told = {
            "poolType": kind.upper(), "tokens": list(TOKENS[: len(pool.live)]),
            "scalingFactors": [str(f) for f in pool.factors], "tokenRates": [str(r) for r in pool.rates],
            "balancesLiveScaled18": [str(b) for b in pool.live], "swapFee": str(pool.fee), "aggregateSwapFee": "0",
            "totalSupply": str(WAD), "amp": str(pool.amp), "weights": [str(w) for w in pool.weights],
            "supportsUnbalancedLiquidity": True,
        }  # fmt: skip
        for swap_kind, given, taken in ((0, base, quote), (1, quote, base)):
            swap = {"amountRaw": str(amount), "swapKind": str(swap_kind), "tokenIn": TOKENS[given],
                    "tokenOut": TOKENS[taken]}  # fmt: skip
            cases.append({"pool": told, "swap": swap})
    made = subprocess.run(
        ["node", "-e", SWAPS], input=json.dumps(cases), capture_output=True, text=True, check=True,
        cwd=npm.ROOT,
    ).stdout  # fmt: skip
    answers = json.loads(made)
    return list(zip(answers[::2], answers[1::2], strict=True))


@pytest.mark.chain
@pytest.mark.parametrize("kind", ["stable", "weighted"])
def test_prices_at_size_equal_the_reference_arithmetic(kind: str) -> None:
    agreed = 0
    for (pool, (base, quote), decimals, amount), (sold, cost) in zip(states(kind), reference(kind), strict=True):
        one = adapter(
            kind, f"{Decimal(amount).scaleb(-decimals[base]):f}", base, quote,
            base_decimals=decimals[base], quote_decimals=decimals[quote],
        )  # fmt: skip
        got = read(one, pool)
        if isinstance(got, FeedError):
            assert got.code in {"THIN", "SLIPPAGE", "OUT_OF_RANGE", "NOT_POSITIVE"}, str(got)
            continue
        units = amount * 10 ** decimals[quote]
        assert got.bid_wad == mul_div_down(int(sold), 10 ** decimals[base] * WAD, units)
        assert got.ask_wad == mul_div_up(int(cost), 10 ** decimals[base] * WAD, units)
        agreed += 1
    assert agreed >= 80


@pytest.mark.chain
@pytest.mark.parametrize("kind", ["stable", "weighted"])
def test_through_its_shares_a_pool_pays_the_reference_at_their_worth(kind: str) -> None:
    """Both coins are shares: what is sold becomes shares first, what is received is redeemed, to the last unit."""
    rng, agreed = random.Random(kind), 0
    for (pool, (base, quote), decimals, amount), (sold, cost) in zip(states(kind), reference(kind), strict=True):
        whole, worth = rng.randint(1, 3), rng.randrange(10 ** decimals[quote], 3 * 10 ** decimals[quote])
        paid_out = 1 << 200
        wrapped = replace(pool, shares={
            TOKENS[base]: (ASSETS[0], whole * 10 ** decimals[base], paid_out),
            TOKENS[quote]: (ASSETS[1], worth, paid_out),
        })  # fmt: skip
        one = adapter(
            kind, f"{Decimal(amount * whole).scaleb(-decimals[base]):f}", base, quote,
            base_decimals=decimals[base], quote_decimals=decimals[quote], base_wraps=ASSETS[0], quote_wraps=ASSETS[1],
        )  # fmt: skip
        got = read(one, wrapped)
        if isinstance(got, FeedError):
            assert got.code in {"THIN", "SLIPPAGE", "OUT_OF_RANGE", "NOT_POSITIVE"}, str(got)
            continue
        units, one_base, one_quote = (
            amount * whole * 10 ** decimals[quote],
            10 ** decimals[base] * WAD,
            10 ** decimals[quote],
        )
        assert got.bid_wad == mul_div_down(int(sold) * worth // one_quote, one_base, units)
        assert got.ask_wad == mul_div_up(-(-int(cost) * worth // one_quote), one_base, units)
        agreed += 1
    assert agreed >= 80


def test_depth_through_a_share_counts_what_it_wraps() -> None:
    shares = {TOKENS[0]: (ASSETS[0], 2 * WAD, 10**30)}
    plain, wrapped = read(adapter("stable", "10"), Pool()), read(
        adapter("stable", "20", base_wraps=ASSETS[0]), Pool(shares=shares)
    )  # fmt: skip
    assert isinstance(plain, Quote)
    assert isinstance(wrapped, Quote)
    assert plain.depth_wad is not None
    assert wrapped.depth_wad == 2 * plain.depth_wad
    assert wrapped.price_wad == pytest.approx(plain.price_wad / 2, abs=1)


@pytest.mark.parametrize(
    ("share", "code"),
    [
        ((0, 10**18, 10**30), "WRONG_SYMBOL"),
        ((1, 0, 10**30), "NOT_POSITIVE"),
        ((1, 1 << 200, 10**30), "MALFORMED"),
        ((1, 10**18, 9 * 10**18), "THIN"),
        ((1, 10**18, 0), "THIN"),
    ],
)
def test_a_share_that_is_not_worth_what_it_says_is_refused(share: tuple[int, int, int], code: str) -> None:
    """Its vault holds another asset, owes nothing, or does not pay the notional out now."""
    place, assets, redeemable = share
    pool = Pool(shares={TOKENS[1]: (ASSETS[place], assets, redeemable)})
    got = read(adapter("stable", "10", quote_wraps=ASSETS[1]), pool)
    assert isinstance(got, FeedError), str(got)
    assert got.code == code


def test_a_base_share_must_be_paid_out_for_what_is_bought() -> None:
    for redeemable, refused in ((9 * 10**18, True), (11 * 10**18, False)):
        pool = Pool(shares={TOKENS[0]: (ASSETS[0], 10**18, redeemable)})
        assert isinstance(read(adapter("stable", "10", base_wraps=ASSETS[0]), pool), FeedError) is refused


def test_the_depth_and_the_share_are_those_of_the_curve_in_real_numbers() -> None:
    pool = Pool(live=(7 * 10**20, 11 * 10**20), rates=(105 * WAD // 100, WAD))
    quote = read(adapter("stable", "1"), pool)
    assert isinstance(quote, Quote)
    held = (pool.live[0] * WAD // pool.rates[0], pool.live[1])
    contract = Stable(amp=pool.amp // 10, held=held, rates=pool.rates, fee=0)
    start = contract.spot(0, 1)
    for move, depth in zip(
        ("0.005", "0.01", "0.02"), (quote.depth_half_wad, quote.depth_wad, quote.depth_two_wad), strict=True
    ):
        assert depth is not None
        moved = max(1 - contract.spot(0, 1, depth) / start, contract.spot(0, 1, -depth) / start - 1)
        assert moved == pytest.approx(Decimal(move), rel=Decimal("1e-4"))
    assert quote.base_share_bps == 7 * 10_000 // 18
    assert quote.virtual_wad == pool.share


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"hooks": (0, 0, 0, 1) + (0,) * 7}, "REFUSED"),
        ({"hooks": (0, 0, 0, 0, 0, 1) + (0,) * 5}, "REFUSED"),
        ({"live": (0, 10**21)}, "THIN"),
        ({"live": (10**33, 1)}, "MALFORMED"),
        ({"live": (1, 10**33), "amp": 1_000}, "THIN"),
        ({"amp": 999}, "MALFORMED"),
        ({"fee": 2 * 10**17}, "MALFORMED"),
        ({"rates": (0, WAD)}, "MALFORMED"),
        ({"factors": (10**12, 1)}, "WRONG_SYMBOL"),
        ({"share": 0}, "MALFORMED"),
        ({"overrides": {"isPoolPaused": word(1)}}, "REVERTED"),
        ({"overrides": {"isVaultPaused": word(1)}}, "REVERTED"),
        ({"overrides": {"isPoolInRecoveryMode": word(1)}}, "REFUSED"),
        ({"overrides": {"getCurrentLiveBalances": Reverted("rate")}}, "REVERTED"),
        ({"overrides": {"getCurrentLiveBalances": array(1, 2, 3)}}, "MALFORMED"),
        ({"overrides": {"getPoolTokens": array(5, 6)}}, "WRONG_SYMBOL"),
    ],
)
def test_what_cannot_be_priced_is_refused_by_type(change: dict[str, Any], code: str) -> None:
    got = read(adapter("stable", "10"), replace(Pool(), **change))
    assert isinstance(got, FeedError), str(got)
    assert got.code == code


def test_hooks_are_priced_without_where_they_were_accepted() -> None:
    hooked = replace(Pool(), hooks=(0, 0, 0, 1) + (0,) * 7)
    assert read(adapter("stable", "10", accept_hooks=True), hooked) == read(adapter("stable", "10"), Pool())


def test_a_hook_on_liquidity_only_is_none_of_a_swaps() -> None:
    assert isinstance(read(adapter("stable", "10"), replace(Pool(), hooks=(0,) * 6 + (1,) * 5)), Quote)


def test_weights_that_are_none_are_malformed() -> None:
    for weights in ((WAD, 0), (WAD // 2, WAD // 3), (WAD,)):
        got = read(adapter("weighted", "10"), replace(Pool(), overrides={"getNormalizedWeights": array(*weights)}))
        assert isinstance(got, FeedError)
        assert got.code == "MALFORMED"


def test_a_swap_below_the_vaults_least_is_thin() -> None:
    got = read(adapter("stable", "0.000000000000900000"), Pool())
    assert isinstance(got, FeedError)
    assert got.code == "THIN"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"variant": "gyro"}, "write one of stable, weighted"),
        ({"base": TOKENS[1]}, "the same token"),
        ({"base_decimals": 19}, "at most 18 decimals"),
        ({"notional": "0"}, "above 0"),
        ({"pool": "0x12"}, "not an address"),
        ({"max_slippage_bps": 0}, "write 1 to"),
    ],
)
def test_a_config_that_cannot_be_meant_says_what_to_write(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(adapter("stable", "10"), **change)


def test_the_whole_answer_is_read_from_calls_about_this_pool() -> None:
    calls = next(adapter("stable", "1").read())
    assert len(calls) == 10
    assert {c.to.hex() for c in calls} == {VAULT[2:], POOL[2:]}
    assert all(c.data[4:] == words(int(POOL, 16)) for c in calls[:8])
