"""Balancer v3's Vault as its documents state it: it answers calldata about one pool with return data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from feeds.errors import FeedError, Reverted
from feeds.types import Call, ChainAdapter, Quote, Reply
from tests.feeds.pools.curve_reference import selectors, word, words

VAULT, POOL = "0x" + "ba" * 20, "0x" + "b3" * 20
TOKENS = tuple("0x" + f"{i:02x}" * 20 for i in range(0x21, 0x25))
NAMES = selectors(
    "getPoolTokens(address)", "getPoolTokenRates(address)", "getCurrentLiveBalances(address)",
    "getStaticSwapFeePercentage(address)", "getHooksConfig(address)", "isPoolPaused(address)",
    "isPoolInRecoveryMode(address)", "getBptRate(address)", "isVaultPaused()", "getAmplificationParameter()",
    "getNormalizedWeights()", "asset()", "convertToAssets(uint256)", "maxRedeem(address)",
)  # fmt: skip


def array(*numbers: int) -> bytes:
    return words(32, len(numbers), *numbers)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One pool; `hooks`: the eleven words of its hooks' config; `shares`: token -> asset, assets for a share, shares paid out."""

    live: tuple[int, ...] = (10**21, 12 * 10**20)
    rates: tuple[int, ...] = (10**18, 10**18)
    factors: tuple[int, ...] = (1, 1)
    fee: int = 10**15
    amp: int = 500_000
    weights: tuple[int, ...] = (5 * 10**17, 5 * 10**17)
    hooks: tuple[int, ...] = (0,) * 11
    share: int = 1_010_000_000_000_000_000
    overrides: dict[str, Reply] = field(default_factory=dict)
    shares: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def answer(self, call: Call) -> Reply:
        name = NAMES.get(call.data[:4], "").partition("/")[0]
        if (share := self.shares.get("0x" + call.to.hex())) is not None:
            asset, assets, redeemable = share
            told = {"asset": word(int(asset, 16)), "convertToAssets": word(assets), "maxRedeem": word(redeemable)}
            return told.get(name, Reverted("test"))
        count = len(self.live)
        if name in self.overrides:
            return self.overrides[name]
        answers: dict[str, bytes] = {
            "getPoolTokens": array(*(int(t, 16) for t in TOKENS[:count])),
            "getPoolTokenRates": words(64, 96 + 32 * count, count, *self.factors, count, *self.rates),
            "getCurrentLiveBalances": array(*self.live),
            "getStaticSwapFeePercentage": word(self.fee),
            "getHooksConfig": words(*self.hooks),
            "isPoolPaused": word(0),
            "isPoolInRecoveryMode": word(0),
            "getBptRate": word(self.share),
            "isVaultPaused": word(0),
            "getAmplificationParameter": words(self.amp, 0, 1_000),
            "getNormalizedWeights": array(*self.weights),
        }
        return answers.get(name, Reverted("test"))


def read(adapter: ChainAdapter, pool: Any) -> Quote | FeedError:
    """What an adapter makes of a pool's answers."""
    reading = adapter.read()
    try:
        calls = next(reading)
        while True:
            calls = reading.send(tuple(pool.answer(call) for call in calls))
    except StopIteration as done:
        quote: Quote = done.value
        return quote
    except FeedError as e:
        return e
