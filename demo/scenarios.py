"""The demo's scenarios. Times are shares of the run, so that a scenario fits any length."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from demo.market import DemoMarket

_STEPS = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario may change, and how long the run is. ``say`` prints one line."""

    market: DemoMarket
    seconds: float
    say: Callable[[str], None]

    async def wait(self, share: float) -> None:
        """Wait for this share of the run."""
        await asyncio.sleep(self.seconds * share)


Script = Callable[[Stage], Awaitable[None]]


async def calm(stage: Stage) -> None:
    """Nothing but noise."""
    stage.say("a calm market")


async def depeg(stage: Stage) -> None:
    """Both tokens' pools are sold down by 6 %, the venues follow, and later all recover."""
    await stage.wait(0.15)
    stage.say("the pools are sold down by 6 %; the venues follow within 1 to 3 s")
    await _slide(stage, Decimal("-0.06"))
    await stage.wait(0.30)
    stage.say("buyers come back: the market recovers")
    await _slide(stage, Decimal("0.06"))


async def venue_crash(stage: Stage) -> None:
    """One venue prints 0.2 for the token while everything else holds."""
    await stage.wait(0.25)
    stage.say("binance prints 0.2 ETH for wdivETH; pools and other venues hold")
    stage.market.overrides["binance", "wdivETH/ETH"] = Decimal("0.2")
    await stage.wait(0.40)
    stage.say("binance is back")
    del stage.market.overrides["binance", "wdivETH/ETH"]


async def slash(stage: Stage) -> None:
    """Ether per share falls by 1 %, and the market with it."""
    await stage.wait(0.30)
    stage.say("a slash: ether per share of divETH falls by 1 %")
    await stage.market.trader.rebase(-100)
    stage.market.prices["wdivETH/ETH"] *= Decimal("0.99")


async def mute(stage: Stage) -> None:
    """A venue's socket stays open and sends no data."""
    await stage.wait(0.20)
    stage.say("kraken's socket stays open and sends heartbeats but no data; its REST interface is down too")
    stage.market.venues["kraken"].misbehave("silent")
    await stage.wait(0.45)
    stage.say("kraken sends data again")
    stage.market.venues["kraken"].misbehave(None)


async def liar(stage: Stage) -> None:
    """One operator proposes prices that are 3 % too high whenever it leads."""
    stage.say("operator beta proposes +3 % whenever it leads")


async def _slide(stage: Stage, share: Decimal) -> None:
    """Move both tokens by a share of their level before the fall, in steps over about two seconds."""
    for pair in ("wdivETH/ETH", "demoLRT/ETH"):
        stage.market.prices.setdefault(f"{pair} level", stage.market.prices[pair])
    for _ in range(_STEPS):
        for pair in ("wdivETH/ETH", "demoLRT/ETH"):
            stage.market.prices[pair] += stage.market.prices[f"{pair} level"] * share / _STEPS
        await asyncio.sleep(0.5)


SCENARIOS: Mapping[str, Script] = MappingProxyType({
    "calm": calm,
    "depeg": depeg,
    "venue-crash": venue_crash,
    "slash": slash,
    "mute": mute,
    "liar": liar,
})  # fmt: skip
