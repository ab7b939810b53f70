"""Three feeds for tests of rounds: a token in ether, ether in dollars, and the cross of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from feeds.types import Outcome, Pair
from feeds.units import MS
from oracle.model.spec import FeedSpec, Mode
from oracle.model.state import FeedState
from oracle.round.rounds import Member, Round, Rounds
from tests.oracle.oracle_build import T0, outcomes, seen, source, spec

ETH_USD = spec(
    feed="ETH/USD",
    pair=Pair(base="ETH", quote="USD"),
    sources=(source("coinbase"), source("kraken")),
    mode=Mode.MARKET,
    has_redemption=False,
)
CROSS = spec(feed="wdivETH/USD", sources=(), legs=("wdivETH/ETH", "ETH/USD"))
SPECS: dict[str, FeedSpec] = {"wdivETH/ETH": spec(), "ETH/USD": ETH_USD, "wdivETH/USD": CROSS}


def observed(now_ms: int = T0, price: str = "1.04") -> dict[str, list[Outcome]]:
    usd: list[Outcome] = [seen("coinbase", "2000", now_ms), seen("kraken", "2000", now_ms)]
    return {"wdivETH/ETH": [*outcomes(price, at_ms=now_ms)], "ETH/USD": usd}


def member(specs: dict[str, FeedSpec] = SPECS, name: str = "local") -> Member:
    return Member(name=name, specs=specs, states={f: FeedState() for f in specs})


def own_round(
    rounds: Rounds, round_time_s: int, observed: Mapping[str, Sequence[Outcome]], *, now_ms: int | None = None
) -> Round:
    """A round where nobody signs, or nobody was asked. Not committed."""
    return rounds.finish(
        rounds.fold(round_time_s, observed, now_ms=round_time_s * MS if now_ms is None else now_ms), {}
    )
