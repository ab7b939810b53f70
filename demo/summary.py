"""The results of a demo run as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import contracts
from demo.testbed import Testbed
from feeds.types import Kind, Observation
from feeds.units import deviation_bps_away, wad_text
from oracle.app import App
from oracle.deploy.views import decimals_of
from oracle.model.publication import GIVEN_UP, PushState, Record
from oracle.model.status import Why

_PERCENTILES = (50, 90, 99)


async def summarise(app: App, testbed: Testbed, scenario: str) -> dict[str, Any]:
    """Counts, each feed on chain beside the API's record of that round, status changes, latencies."""
    counts = app.database.counts()
    target = next(iter(app.targets.values()))
    return {
        "scenario": scenario,
        "scaled_times": True,
        "seconds_to_start": round(testbed.seconds_to_start, 2),
        "rounds": counts["rounds"],
        "abstentions": dict(app.database.abstentions()),
        "pushes_landed": len(app.database.pushes(target.name, (PushState.LANDED,))),
        "pushes_failed": len(app.database.pushes(target.name, (PushState.REVERTED, PushState.OVERTAKEN, *GIVEN_UP))),
        "refusals": list(target.refusals),
        "misbehaviour": list(app.misbehaviour),
        "feeds": [await _feed(app, testbed, feed) for feed in testbed.deployment.views],
        "states": [
            {
                "feed": t.feed,
                "at_ms": t.at_ms,
                "from": t.before.word,
                "to": t.after.word,
                "reasons": [r.code.name for r in t.reasons],
            }
            for t in app.database.transitions()
        ],
        "rejected": _rejections(app),
        "largest_move_bps": {feed: _largest_move_bps(app, feed) for feed in app.resolved.specs},
        "slash": _slash(app),
        "latency_ms": {
            "tick_to_live": _percentiles([us / 1_000 for us in app.live_us]),
            "deadline_to_durable": _percentiles(list(app.durable_ms)),
            "decision_to_receipt": _percentiles(list(app.receipt_ms)),
        },
    }


async def _feed(app: App, testbed: Testbed, feed: str) -> dict[str, Any]:
    """The view's answer, and the API's price of the same round (of a cross: of each leg's round on chain)."""
    spec = app.resolved.specs[feed]
    decimals = decimals_of(spec)
    kind = "CrossView" if spec.is_cross else "FeedView"
    view = testbed.chain.contract(contracts.load(kind).abi, testbed.deployment.views[feed])
    round_id, answer, *_ = await testbed.chain.call(view, "latestRoundData")
    round_time = round_id & ((1 << 64) - 1)
    if spec.is_cross:
        price = 10**18
        for leg in spec.legs:
            price = price * await _landed_price(app, testbed, leg) // 10**18
    else:
        price = _price(app, feed, round_time)
    return {
        "feed": feed,
        "round_time": round_time,
        "api": wad_text(price // 10 ** (18 - decimals) * 10 ** (18 - decimals), decimals),
        "onchain": wad_text(answer * 10 ** (18 - decimals), decimals),
        "decimals": decimals,
    }


async def _landed_price(app: App, testbed: Testbed, leg: str) -> int:
    view = testbed.chain.contract(contracts.load("FeedView").abi, testbed.deployment.views[leg])
    round_id, *_ = await testbed.chain.call(view, "latestRoundData")
    return _price(app, leg, round_id & ((1 << 64) - 1))


def _price(app: App, feed: str, round_time: int) -> int:
    record = app.database.record(feed, round_time)
    return record.price_wad if record is not None else 0


def _rejections(app: App) -> list[dict[str, Any]]:
    """Sources that were rejected or failed, how often and why, over all operators."""
    counts: dict[tuple[str, str, str], int] = {}
    for operator in app.rounds.members:
        for feed in app.resolved.specs:
            for _, result in app.database.results_since(operator.name, feed, 0, 1 << 40):
                market = getattr(result, "market", None)
                for r in (*(market.rejected if market else ()), *getattr(result, "rejected", ())):
                    key = (feed, r.source, r.code)
                    counts[key] = counts.get(key, 0) + 1
    return [{"feed": f, "source": s, "code": c, "times": n} for (f, s, c), n in sorted(counts.items())]


def _records(app: App, feed: str) -> list[Record]:
    return app.database.history(feed, 0, 1 << 45, 1 << 20)


def _largest_move_bps(app: App, feed: str) -> int:
    """Largest distance of any published price from the run's first one, in bps, rounded up."""
    prices = [r.price_wad for r in _records(app, feed)]
    return max((abs(deviation_bps_away(p, prices[0])) for p in prices), default=0)


def _slash(app: App) -> dict[str, Any] | None:
    """How many rounds it took from the first chain read with the lower rate to the rate and the reason in a record."""
    share, rebasing = _records(app, "wdivETH/ETH"), _records(app, "divETH/ETH")
    fell = next((i for i in range(1, len(share)) if _fell(share[i - 1], share[i])), None)
    if fell is None:
        return None
    named = next((r for r in rebasing if any(reason.code is Why.SLASH for reason in r.reasons)), None)
    at_s = share[fell].report.round_time_s
    return {
        "redemption_before": wad_text(share[fell - 1].report.redemption_wad),
        "redemption_after": wad_text(share[fell].report.redemption_wad),
        "round": at_s,
        "block_time_ms": _first_read_ms(app, share[fell].report.redemption_wad),
        "rounds_until_seen": at_s - _first_read_ms(app, share[fell].report.redemption_wad) // 1_000,
        "rounds_until_divETH_names_it": None if named is None else named.report.round_time_s - at_s,
        "divETH_redemption": wad_text(rebasing[-1].report.redemption_wad),
    }


def _fell(before: Record, after: Record) -> bool:
    return after.report.redemption_wad * 1_000 < before.report.redemption_wad * 999


def _first_read_ms(app: App, rate_wad: int) -> int:
    """Time of the first block in which the chain showed this rate."""
    times = [
        o.observed_at_ms
        for m in app.rounds.members
        for _, r in app.database.results_since(m.name, "wdivETH/ETH", 0, 1 << 40)
        for o in r.outcomes
        if isinstance(o, Observation) and o.kind is Kind.REDEMPTION and o.price_wad <= rate_wad
    ]
    return min(times, default=0)


def _percentiles(values: Sequence[float]) -> dict[str, float | int]:
    ranked = sorted(values)
    if not ranked:
        return {"count": 0}
    picked = {f"p{p}": round(ranked[min(len(ranked) - 1, len(ranked) * p // 100)], 3) for p in _PERCENTILES}
    return {"count": len(ranked), **picked, "max": round(ranked[-1], 3)}
