"""What a demo run showed, as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import contracts
from feeds.units import wad_text
from oracle.app import App
from oracle.deploy import decimals_of

if TYPE_CHECKING:
    from demo.main import Stand

_PERCENTILES = (50, 90, 99)


async def summarise(app: App, stand: Stand, scenario: str) -> dict[str, Any]:
    """Counts, the feeds as they stand on chain beside the API's record of that round, status changes, latencies."""
    counts = app.store.counts()
    target = next(iter(app.targets.values()))
    return {
        "scenario": scenario,
        "scaled_times": True,
        "seconds_to_start": round(stand.seconds_to_start, 2),
        "rounds": counts["rounds"],
        "abstentions": dict(app.store.abstentions()),
        "pushes_landed": len(app.store.pushes(target.name, ("landed",))),
        "pushes_failed": len(app.store.pushes(target.name, ("reverted", "expired", "replaced"))),
        "refusals": list(target.refusals),
        "feeds": [await _feed(app, stand, feed) for feed in stand.deployment.views],
        "states": [
            {
                "feed": t.feed,
                "at_ms": t.at_ms,
                "from": t.before.word,
                "to": t.after.word,
                "reasons": [r.code.name for r in t.reasons],
            }
            for t in app.store.transitions()
        ],
        "rejected": _rejections(app),
        "latency_ms": {
            "tick_to_live": _percentiles([us / 1_000 for us in app.live_us]),
            "deadline_to_durable": _percentiles(list(app.durable_ms)),
            "decision_to_receipt": _percentiles(list(app.receipt_ms)),
        },
    }


async def _feed(app: App, stand: Stand, feed: str) -> dict[str, Any]:
    """The view's answer, and the API's price of the same round (a cross: of each leg's landed round)."""
    spec = app.plan.specs[feed]
    decimals = decimals_of(spec)
    kind = "CrossView" if spec.is_cross else "FeedView"
    view = stand.chain.contract(contracts.load(kind).abi, stand.deployment.views[feed])
    round_id, answer, *_ = await stand.chain.call(view, "latestRoundData")
    round_time = round_id & ((1 << 64) - 1)
    if spec.is_cross:
        price = 10**18
        for leg in spec.legs:
            price = price * await _landed_price(app, stand, leg) // 10**18
    else:
        price = _price(app, feed, round_time)
    return {
        "feed": feed,
        "round_time": round_time,
        "api": wad_text(price // 10 ** (18 - decimals) * 10 ** (18 - decimals), decimals),
        "onchain": wad_text(answer * 10 ** (18 - decimals), decimals),
        "decimals": decimals,
    }


async def _landed_price(app: App, stand: Stand, leg: str) -> int:
    view = stand.chain.contract(contracts.load("FeedView").abi, stand.deployment.views[leg])
    round_id, *_ = await stand.chain.call(view, "latestRoundData")
    return _price(app, leg, round_id & ((1 << 64) - 1))


def _price(app: App, feed: str, round_time: int) -> int:
    record = app.store.record(feed, round_time)
    return record.price_wad if record is not None else 0


def _rejections(app: App) -> list[dict[str, Any]]:
    """Sources that were rejected or failed, how often and why, over all operators."""
    tally: dict[tuple[str, str, str], int] = {}
    for operator in app.rounds.members:
        for feed in app.plan.specs:
            for _, result in app.store.results_since(operator.name, feed, 0, 1 << 40):
                market = getattr(result, "market", None)
                for r in (*(market.rejected if market else ()), *getattr(result, "rejected", ())):
                    key = (feed, r.source, r.code)
                    tally[key] = tally.get(key, 0) + 1
    return [{"feed": f, "source": s, "code": c, "times": n} for (f, s, c), n in sorted(tally.items())]


def _percentiles(values: Sequence[float]) -> dict[str, float | int]:
    ranked = sorted(values)
    if not ranked:
        return {"count": 0}
    picked = {f"p{p}": round(ranked[min(len(ranked) - 1, len(ranked) * p // 100)], 3) for p in _PERCENTILES}
    return {"count": len(ranked), **picked, "max": round(ranked[-1], 3)}
