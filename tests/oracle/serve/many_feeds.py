"""Thirty-four feeds of an hour for the tests of the page: calm, with one that loses its peg, or all of them dead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from feeds.types import Kind, Pair
from feeds.units import MS
from oracle.model.publication import Explanation, OnChain, PushState, Record, Transition
from oracle.model.spec import FeedSpec, Mode
from oracle.model.state import FeedState
from oracle.model.status import Reason, Status, Why
from oracle.model.target_status import FeedOnTarget, SignerQuorum, TargetStatus
from oracle.model.types import FeedRound
from oracle.round.step import step
from oracle.serve.documents import Abstaining
from oracle.storage.shown_rows import FeedPush
from tests.oracle.oracle_build import failed, seen, source, spec
from tests.oracle.serve.memory_service import ALONE, MOVABLE, UNPUBLISHED, MemoryService, record

TOKENS = (
    "stETH", "wstETH", "rETH", "cbETH", "sfrxETH", "swETH", "ETHx", "ankrETH", "osETH", "mETH", "wBETH", "OETH", "LsETH",
    "weETH", "eETH", "ezETH", "rsETH", "pufETH", "rswETH", "uniETH", "cmETH", "steakLRT", "pzETH", "hgETH", "inwstETHs",
    "eBTC", "LBTC", "pumpBTC", "solvBTC", "uniBTC",
)  # fmt: skip
FALLEN = "weETH/ETH"
CROSS = "weETH/USD"
QUIET = "pufETH/ETH"
STEP_S = 30


def names() -> list[str]:
    """All thirty-four, in the order of a config."""
    return [*(f"{t}/{'BTC' if 'BTC' in t else 'ETH'}" for t in TOKENS), "ETH/USD", "BTC/USD", CROSS, "wstETH/USD"]


def _spec(feed: str) -> FeedSpec:
    base, quote = feed.split("/")
    own = replace(spec(max_age_s=60), halt_after_s=600)
    changed = replace(own, feed=feed, pair=Pair(base=base, quote=quote))
    if feed in {CROSS, "wstETH/USD"}:
        return replace(changed, sources=(), legs=(f"{base}/ETH", "ETH/USD"))
    if quote == "USD":
        return replace(changed, mode=Mode.MARKET, has_redemption=False)
    return changed


class ManyFeeds(MemoryService):
    """As a process of the default config, an hour after its start."""

    def explain(self, feed: str, round_s: int | None) -> Explanation | None:
        last, own = self.record(feed), self.feeds[feed]
        if last is None or round_s not in {None, last.report.round_time_s}:
            return None
        if own.legs:
            return Explanation(record=last, rounds=(), values=(), legs=own.legs)
        at_ms = last.report.round_time_s * MS
        price, rate = last.report.market_wad / 1e18, (last.report.redemption_wad or last.report.market_wad) / 1e18
        stated = [
            replace(seen(name, f"{price * (1 + off):.12f}", at_ms - old), depth_wad=depth * 10**18, depth_half_wad=depth * 6 * 10**17)
            for name, off, old, depth in (("coinbase", 0, 800, 310), ("kraken", 2e-4, 2_400, 120), ("binance", -1e-4, 300, 540))
        ]  # fmt: skip
        other = seen("chainlink", f"{price * 1.0012:.12f}", at_ms - 1_900_000, kind=Kind.REFERENCE)
        redemption = seen("rate", f"{rate:.12f}", at_ms - 4_000, kind=Kind.REDEMPTION)
        sources = (*own.sources, source("curve"), source("chainlink", kind=Kind.REFERENCE, group="chainlink"))
        computed, _ = step(
            replace(spec(max_age_s=60), sources=sources), FeedState(), [*stated, other, redemption, failed("curve", at_ms)], {}, at_ms
        )  # fmt: skip
        named = replace(own, sources=sources)
        return Explanation(
            record=last, rounds=(("alice", computed),), specs={"alice": named},
            values=(("alice", computed.report),) if isinstance(computed, FeedRound) else (),
        )  # fmt: skip


def many_feeds(now_s: int, *, depeg: bool = False, dead: bool = False) -> ManyFeeds:
    """An hour of rounds that ends now."""
    service = ManyFeeds({feed: _spec(feed) for feed in names()})
    for place, feed in enumerate(names()):
        for round_s in range(now_s - 3_600, now_s + 1, STEP_S):
            service.put(_at(service, feed, place, round_s, now_s, falls=depeg and feed in {FALLEN, CROSS}))
    service.risks[FALLEN] = replace(service.risk(FALLEN), facts=(replace(MOVABLE, of="weETH"), UNPUBLISHED))
    service.live_risks[FALLEN] = replace(
        service.live_risk(FALLEN), round_time_s=now_s, facts=(replace(ALONE, of=FALLEN),)
    )
    _push(service, now_s)
    if depeg:
        low = Reason(code=Why.DISCOUNT, text="2.02 % below redemption")
        mild = Reason(code=Why.DISCOUNT, text="0.61 % below redemption")
        for at_s, before, after, why in (
            (now_s - 1_600, Status.OK, Status.WATCH, mild), (now_s - 1_480, Status.WATCH, Status.DEPEG, low),
        ):  # fmt: skip
            change = Transition(feed=FALLEN, at_ms=at_s * MS, before=before, after=after, reasons=(why,))
            service.transitions.append(change)
        _silence(service, [QUIET], now_s, "1 of 2 independent groups; kraken STALE, binance UNREACHABLE")
    if dead:
        _silence(service, names(), now_s, "0 of 2 independent groups: no source answers")
    return service


def _at(service: MemoryService, feed: str, place: int, round_s: int, now_s: int, *, falls: bool) -> Record:
    own, age = service.feeds[feed], round_s - now_s + 3_600
    wave = math.sin(age / 190 + place) * 3e-4 + math.sin(age / 37 + place * 2) * 1.2e-4
    fall = 0.052 * min(1.0, max(0.0, (age - 1_950) / 400)) if falls else 0.0
    rate = {"ETH/USD": 3_412.6, "BTC/USD": 91_230.0}.get(feed, 1 + 0.004 * (place + 1))
    rate *= 3_412.6 if own.legs else 1
    market = rate * (1 - 4e-4 - place % 7 * 2e-4 + wave - fall)
    under_bps = round((1 - market / rate) * 10_000) if own.has_redemption else 0
    status = Status.DEPEG if under_bps > 200 else Status.WATCH if under_bps > 50 else Status.OK
    why = (
        [Reason(code=Why.DISCOUNT, text=f"{under_bps / 100:.2f} % below redemption")] if status is not Status.OK else []
    )
    one = record(
        feed, round_s, market=f"{market:.12f}", redemption=f"{rate:.12f}" if own.has_redemption else "0", status=status,
        reasons=why, mode=own.mode,
    )  # fmt: skip
    return replace(one, legs=own.legs)


def _silence(service: MemoryService, feeds: Sequence[str], now_s: int, text: str) -> None:
    for feed in feeds:
        service.abstentions[feed] = Abstaining(why=Why.NO_QUORUM, text=text, since_ms=(now_s - 190) * MS)
        service.rounds[feed] = [r for r in service.rounds[feed] if r.report.round_time_s < now_s - 190]


def _push(service: MemoryService, now_s: int) -> None:
    for place, feed in enumerate(f for f in names() if not service.feeds[f].legs):
        made = [r for r in service.rounds[feed] if r.report.round_time_s % 600 < STEP_S]
        pushes = [
            FeedPush(
                target="mainnet", made_ms=r.report.round_time_s * MS + 200, report=r.report, feeds=4, state=PushState.LANDED,
                landed_ms=r.report.round_time_s * MS + 14_000, tx_hash="0x" + f"{r.report.round_time_s:064x}", block=21_400_000 + i,
                gas_used=188_412, why="heartbeat" if place % 3 else "moved 0.52 %",
            )
            for i, r in enumerate(made)
        ]  # fmt: skip
        refused = FeedPush(
            target="mainnet", made_ms=(now_s - 900) * MS, report=None, feeds=0, state=None, why="moved 0.55 %",
            note="no quorum: carol: not reached; dave: no values of this round",
        )  # fmt: skip
        service.pushed[feed] = sorted([*pushes, *([refused] if feed == FALLEN else [])], key=lambda p: p.made_ms)
        last = made[-1]
        service.landed[feed] = (
            OnChain(
                target="mainnet", round_time_s=last.report.round_time_s, price_wad=last.price_wad,
                landed_at_ms=last.report.round_time_s * MS + 14_000, tx_hash="0x" + "ab" * 32, why="heartbeat",
            ),
        )  # fmt: skip
    service.stores = {"mainnet": bytes(range(20))}
    target = TargetStatus(
        target="mainnet", sends=True, connected=True, looked_at_ms=now_s * MS, pushes_left=812, few_pushes=100,
        quorum=SignerQuorum(weight=4, threshold=3, missing=("bob has not signed the newest round",)),
        feeds=tuple(
            FeedOnTarget(feed=f, heartbeat_s=3_600, round_time_s=now_s - 300, late_at_s=now_s + 3_000) for f in service.landed
        ),
    )  # fmt: skip
    service.current_health = replace(
        service.current_health, started_at_ms=(now_s - 3_600) * MS, round=now_s, targets=(target,), interval_s=10
    )  # fmt: skip
