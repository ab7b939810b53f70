"""A price service in memory for the tests of the endpoint and its page: real records, made by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from feeds.types import Pair
from feeds.units import MS, Bps, Wad, deviation_bps_away
from oracle.model.publication import Absent, Explanation, OnChain, Record, Seal, Transition
from oracle.model.risk import FeedRisk, LiveRisk, LiveRiskCode, RiskCode, RiskFact, TokenProfile
from oracle.model.roll_up import RollUp
from oracle.model.spec import FeedSpec, Mode
from oracle.model.state import FeedState
from oracle.model.status import Reason, Status, Why
from oracle.model.target_status import FeedOnTarget, SignerQuorum, TargetStatus
from oracle.model.types import FeedRound, Report
from oracle.report.compose import price_of
from oracle.report.wire import encode_item
from oracle.round.step import step
from oracle.serve.documents import Abstaining
from oracle.serve.error_codes import ErrorCode
from oracle.serve.interface import Health, NoReport, StoredRounds, Update
from oracle.serve.operators import OperatorsView
from oracle.sign.eip712 import Domain, address_of, sealed_digest, sign_compact
from oracle.sign.messages import Agreement, SignedBatch
from oracle.stake.follow import StakeView
from oracle.storage.outbox_rows import OutboxRow
from oracle.storage.shown_rows import FeedPush
from tests.oracle.oracle_build import T0, outcomes, spec, wad
from tests.oracle.sign.sign_world import KEYS, SIGNERS

ROUND_S = T0 // MS
T = TypeVar("T")
TARGET = TargetStatus(
    target="local", sends=True, connected=True, looked_at_ms=T0, pushes_left=900, few_pushes=100,
    quorum=SignerQuorum(weight=3, threshold=2, missing=()),
    feeds=(
        FeedOnTarget(feed="wdivETH/ETH", heartbeat_s=60, round_time_s=ROUND_S - 50, late_at_s=ROUND_S + 90),
        FeedOnTarget(feed="st.ETH+1/ETH@base#min", heartbeat_s=60, round_time_s=None, late_at_s=None),
    ),
)  # fmt: skip
SEAL = Seal(
    target="local", epoch=3, weight=3, threshold=3, total=4, attempt=2, sealed_ms=2_310,
    missing=(Absent(operator="delta", why="nothing was heard of it"),),
    refused=(Absent(operator="beta", why="it has no own price"),),
)  # fmt: skip
STRANGE = "st.ETH+1/ETH@base#min"


def specs() -> dict[str, FeedSpec]:
    """A feed of its own, one with odd characters, one without redemption, and a cross."""
    own = spec(max_age_s=30)
    strange = replace(own, feed=STRANGE, pair=Pair(base="st.ETH+1", quote="ETH"), mode=Mode.MARKET)
    usd = replace(own, feed="ETH/USD", pair=Pair(base="ETH", quote="USD"), mode=Mode.MARKET, has_redemption=False)
    cross = replace(
        own, feed="wdivETH/USD", pair=Pair(base="wdivETH", quote="USD"), sources=(), legs=("wdivETH/ETH", "ETH/USD")
    )
    return {s.feed: s for s in (own, strange, usd, cross)}


def record(
    feed: str, round_s: int = ROUND_S, *, market: str = "1.04", redemption: str = "1.05", status: Status = Status.OK,
    reasons: Sequence[Reason] = (), mode: Mode = Mode.MIN, final: bool = True,
) -> Record:  # fmt: skip
    """A record as a round publishes it; "0" stands for an absent price."""
    report = Report(
        market_wad=wad(market),
        redemption_wad=wad(redemption),
        spread_bps=Bps(7),
        status=status,
        why=reasons[0].code if reasons else Why.NONE,
        round_time_s=round_s,
        market_age_s=2,
        redemption_age_h=5,
    )
    both = report.market_wad and report.redemption_wad
    return Record(
        feed=feed,
        mode=mode,
        report=report,
        price_wad=price_of(report, mode),
        deviation_bps=deviation_bps_away(report.market_wad, report.redemption_wad) if both else None,
        reasons=tuple(reasons),
        observed_at_ms=(round_s - 2) * MS,
        computed_at_ms=round_s * MS + 40,
        signed_at_ms=round_s * MS + 60 if final else None,
        operators=("alpha", "beta", "gamma") if final else (),
        final=final,
        seal=SEAL if final else None,
    )


class MemoryService:
    """The endpoint shows what a test puts in."""

    def __init__(self, feeds: Mapping[str, FeedSpec]) -> None:
        self.feeds = dict(feeds)
        self.rounds: dict[str, list[Record]] = {feed: [] for feed in feeds}
        self.indications: dict[str, Record] = {}
        self.abstentions: dict[str, Abstaining] = {}
        self.landed: dict[str, tuple[OnChain, ...]] = {}
        self.without: dict[str, tuple[str, ...]] = {}
        self.stores = {"local": bytes(range(20)), "second": bytes(20)}
        self.current_health = Health(
            live=True, ready=True, degraded=False, reasons=(), warnings=(), started_at_ms=T0, round=ROUND_S,
            round_lag_ms=400, clock_offset_ms=3, feeds=len(feeds), feeds_abstaining=0, targets=(TARGET,),
        )  # fmt: skip
        self.listeners: list[Callable[[Update], None]] = []
        self.risks: dict[str, FeedRisk] = {}
        self.live_risks: dict[str, LiveRisk] = {}
        self.seen: OperatorsView | None = None
        self.staked: StakeView | None = None
        self.rolled_up: dict[str, list[tuple[int, RollUp]]] = {}
        self.transitions: list[Transition] = []
        self.pushed: dict[str, list[FeedPush]] = {}
        self.sealed: dict[tuple[int, str], Agreement] = {}

    def put(self, *records: Record) -> None:
        for each in records:
            if each.final:
                self.rounds[each.feed].append(each)
            else:
                self.indications[each.feed] = each

    def notify(self, update: Update) -> None:
        for listener in self.listeners:
            listener(update)

    def specs(self) -> Mapping[str, FeedSpec]:
        return self.feeds

    def record(self, feed: str, round_s: int | None = None) -> Record | None:
        kept = [r for r in self.rounds[feed] if round_s in {None, r.report.round_time_s}]
        return kept[-1] if kept else None

    def abstaining(self, feed: str) -> Abstaining | None:
        return self.abstentions.get(feed)

    def indication(self, feed: str) -> Record | None:
        return self.indications.get(feed)

    def onchain(self, feed: str) -> tuple[OnChain, ...]:
        return self.landed.get(feed, ())

    def missing_targets(self, feed: str) -> tuple[str, ...]:
        return self.without.get(feed, ())

    def risk(self, feed: str) -> FeedRisk:
        return self.risks.get(feed, FeedRisk())

    def live_risk(self, feed: str) -> LiveRisk:
        return self.live_risks.get(feed, LiveRisk())

    def newest_round_s(self, feed: str) -> int | None:
        last = self.record(feed)
        return last.report.round_time_s if last else None

    async def read_stored(self, read: Callable[[StoredRounds], T]) -> T:
        return read(self)

    def history(self, feed: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Record]:
        kept = [r for r in self.rounds[feed] if since_ms <= r.report.round_time_s * MS <= until_ms]
        return kept[-limit:]

    def roll_ups(self, feed: str, since_ms: int, until_ms: int, limit: int) -> Sequence[tuple[int, RollUp]]:
        kept = [r for r in self.rolled_up.get(feed, ()) if since_ms <= r[1].start_s(r[0]) * MS <= until_ms]
        return kept[-limit:]

    def full_rate_since_s(self, feed: str) -> int:
        return max((r.start_s(step_s) + step_s for step_s, r in self.rolled_up.get(feed, ())), default=0)

    def explain(self, feed: str, round_s: int | None) -> Explanation | None:
        last = self.record(feed)
        if last is None or round_s not in {None, last.report.round_time_s}:
            return None
        base = self.feeds[feed]
        if base.legs:
            return Explanation(record=last, rounds=(), values=(), legs=base.legs)
        computed, _ = step(base, FeedState(), outcomes("1.04"), {}, T0)
        abstained, _ = step(replace(base, min_groups=4), FeedState(), outcomes("1.04"), {}, T0)
        assert isinstance(computed, FeedRound)
        return Explanation(
            record=last, rounds=(("alpha", computed), ("beta", abstained)), values=(("alpha", computed.report),)
        )

    def agreement(self, round_s: int, target: str | None = None) -> Agreement | None:
        return next((a for (at, name), a in self.sealed.items() if at == round_s and target in {None, name}), None)

    def newest_sealed_s(self, target: str | None = None) -> int | None:
        return max((at for at, name in self.sealed if target in {None, name}), default=None)

    def at_times(self, feed: str, times_s: Sequence[int], step_s: int) -> list[Record | None]:
        rounds = {r.report.round_time_s: r for r in self.rounds[feed]}
        newest = (max((at for at in rounds if t - step_s < at <= t), default=None) for t in times_s)
        return [None if at is None else rounds[at] for at in newest]

    def changes(self, feed: str, limit: int) -> list[Transition]:
        return [t for t in reversed(self.transitions) if t.feed == feed][:limit]

    def pushes_of(self, feed: str, target: str, limit: int) -> list[FeedPush]:
        return [p for p in reversed(self.pushed.get(feed, [])) if p.target == target][:limit]

    def sealed_after(self, target: str, sequence: int, limit: int) -> list[OutboxRow]:
        rounds = list(dict.fromkeys(at for at, name in self.sealed if name == target))
        rows = [OutboxRow(sequence=i, round_time_s=r, silent=()) for i, r in enumerate(rounds, 1)]
        return rows[sequence : sequence + limit]

    def sequence_of(self, target: str, round_s: int) -> int:
        rows = self.sealed_after(target, 0, 1 << 30)
        return next((r.sequence for r in rows if r.round_time_s == round_s), 0)

    def newest_sequence(self, target: str) -> int:
        return len(self.sealed_after(target, 0, 1 << 30))

    def operators(self) -> OperatorsView | None:
        return self.seen

    def stake(self) -> StakeView | None:
        return self.staked

    def targets(self) -> tuple[str, ...]:
        return tuple(self.stores)

    async def report(self, feed: str, target: str | None = None) -> SignedBatch | NoReport:
        last = self.record(feed)
        if last is None:
            return NoReport(code=ErrorCode.NO_QUORUM, text="no operator has a key")
        domain = Domain(chain_id=31_337, store=self.stores[target or "local"])
        return SignedBatch(
            domain=domain, epoch=3, round_time_s=last.report.round_time_s, items=encode_item(4, last.report),
            signatures=bytes([0]) + bytes(64), signers=("alpha",), addresses=(bytes(20),),
        )  # fmt: skip

    def health(self) -> Health:
        return self.current_health

    def subscribe(self, listener: Callable[[Update], None]) -> None:
        self.listeners.append(listener)


MOVABLE = RiskFact(
    code=RiskCode.RATE_MOVABLE_BY_TRANSFER, of="wdivETH", raised=True, text="a transfer can move the rate of wdivETH",
    source=("where@it was:published",),
)  # fmt: skip
UNPUBLISHED = RiskFact(
    code=RiskCode.PAUSABLE, of="wdivETH", raised=None,
    text="not known of wdivETH: whether somebody can stop its contracts",
)  # fmt: skip
ALONE = RiskFact(
    code=LiveRiskCode.ONE_GROUP_NOW, of="wdivETH/ETH", raised=True, text="1 independent group is behind the market price: kraken",
)  # fmt: skip
PROFILE = TokenProfile(
    token="wdivETH", kind="LST", protocol="Diva Staking", underlying="divETH", form="share", rate_kept="stored",
    rate_moves="daily by design", redemption="unknown", way_out="queue", least_days=None, most_days=None,
    delay_settable=False, rate_readings=1, growth_cap_percent=None, usual_bps=None, usual_on=None, testnet=True, note=None, source=(),
)  # fmt: skip


def with_risks(service: MemoryService) -> MemoryService:
    """One risk that is there, one that is unknown, one that is not, and what a round showed."""
    calm = replace(
        MOVABLE, code=RiskCode.REBASING, raised=False, text="wdivETH: balances stay and a share is worth more"
    )
    service.risks["wdivETH/ETH"] = FeedRisk(facts=(MOVABLE, UNPUBLISHED, calm), tokens=(PROFILE,))
    service.live_risks["wdivETH/ETH"] = LiveRisk(round_time_s=ROUND_S, groups=("kraken",), facts=(ALONE,))
    return service


def sealed_by_two(one: Record) -> Agreement:
    """A round of one feed that two of three signed."""
    items, at = encode_item(0, one.report), (SIGNERS.domain, SIGNERS.epoch, one.report.round_time_s, 0)
    seals = tuple(sorted((address_of(k), sign_compact(k, sealed_digest(*at, items))) for k in KEYS[:2]))
    return Agreement(
        target="local", round_time_s=one.report.round_time_s, signers=SIGNERS, feeds=(one.feed,), indexes=(0,), values=(),
        items=items, seals=seals,
    )  # fmt: skip


def filled() -> MemoryService:
    """One final record of two feeds, an indication, something on chain; the other two feeds have nothing yet."""
    service = with_risks(MemoryService(specs()))
    why = Reason(code=Why.DISCOUNT, text="0.96 % below redemption")
    service.put(record("wdivETH/ETH", status=Status.WATCH, reasons=[why]))
    service.put(record(STRANGE, mode=Mode.MARKET))
    service.put(record("wdivETH/ETH", ROUND_S + 3, market="1.041", final=False))
    service.sealed[ROUND_S, "local"] = sealed_by_two(service.rounds["wdivETH/ETH"][-1])
    service.landed["wdivETH/ETH"] = (
        OnChain(
            target="local", round_time_s=ROUND_S - 50, price_wad=wad("1.0401"), landed_at_ms=T0 - 49_000, tx_hash="0xab"
        ),
    )
    return service


def half_an_hour(now_s: int, *, depeg: bool) -> MemoryService:
    """Half an hour of every feed, one round in ten seconds: calm, or with a token that loses its peg."""
    service = with_risks(MemoryService({f: replace(s, halt_after_s=600) for f, s in specs().items()}))
    for round_s in range(now_s - 1_800, now_s + 1, 10):
        age = round_s - now_s + 1_800
        wave = math.sin(age / 90) * 4e-4 + math.sin(age / 17) * 1.5e-4
        fall = 0.062 * min(1.0, max(0.0, (age - 1_000) / 260)) if depeg else 0.0
        rate = 1.0462 + age * 2e-9
        service.put(
            *_round(service, round_s, market=rate * (1 - 0.0011 + wave - fall), rate=rate, usd=3_412.6 * (1 + wave))
        )
    last = service.rounds["wdivETH/ETH"][-1]
    for feed in ("wdivETH/ETH", "wdivETH/USD"):
        price = Wad(service.rounds[feed][-1].price_wad)
        service.landed[feed] = (
            OnChain(
                target="local", round_time_s=now_s - 40, price_wad=price, landed_at_ms=(now_s - 38) * MS,
                tx_hash="0x" + "ab" * 32,
            ),
        )  # fmt: skip
    live = Wad(last.report.market_wad + 10**14)
    service.put(replace(last, report=replace(last.report, market_wad=live), final=False, signed_at_ms=None))
    if depeg:
        text = "1 of 2 independent groups; kraken STALE, binance UNREACHABLE"
        service.abstentions[STRANGE] = Abstaining(why=Why.NO_QUORUM, text=text, since_ms=(now_s - 190) * MS)
        service.rounds[STRANGE] = [r for r in service.rounds[STRANGE] if r.report.round_time_s < now_s - 190]
    return service


def _round(service: MemoryService, round_s: int, *, market: float, rate: float, usd: float) -> list[Record]:
    under_bps = round((1 - market / rate) * 10_000)
    status = Status.DEPEG if under_bps > 200 else Status.WATCH if under_bps > 50 else Status.OK
    text = f"{under_bps / 100:.2f} % below redemption"
    why = [Reason(code=Why.DISCOUNT, text=text)] if status is not Status.OK else []
    prices = {
        "wdivETH/ETH": (market, rate, status, why, Mode.MIN),
        STRANGE: (1.0 - (rate - market) / 40, 1.0, Status.OK, [], Mode.MARKET),
        "ETH/USD": (usd, 0, Status.OK, [], Mode.MARKET),
        "wdivETH/USD": (market * usd, rate * usd, status, why, Mode.MIN),
    }
    made = [
        record(
            feed, round_s, market=f"{m:.12f}", redemption=f"{r:.12f}", status=s, reasons=w, mode=mode,
        )
        for feed, (m, r, s, w, mode) in prices.items()
    ]  # fmt: skip
    return [replace(r, legs=service.feeds[r.feed].legs) for r in made]
