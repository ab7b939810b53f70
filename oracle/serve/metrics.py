"""What Prometheus scrapes. One object with its own registry; nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from math import nan

from prometheus_client import Counter, generate_latest

from feeds.chains.reader import RpcStats
from feeds.streams.ws import StreamHealth
from feeds.types import Failure, Outcome
from feeds.units import MS, WAD
from oracle.model.publication import Record
from oracle.model.risk import LiveRisk
from oracle.model.status import Status, Why
from oracle.model.types import Abstained
from oracle.round.reference_divergence import Divergence
from oracle.runtime.round_gate import HoldReason
from oracle.serve.config_gauges import ConfigGauges
from oracle.serve.endpoint_gauges import EndpointGauges
from oracle.serve.feed_gauges import FeedGauges
from oracle.serve.gauges import ChainGauges
from oracle.serve.health_gauges import HealthGauges
from oracle.serve.http_gauges import HttpGauges
from oracle.serve.keeper_gauges import KeeperGauges
from oracle.serve.metric_catalog import made_counter, made_enum, made_gauge, made_histogram
from oracle.serve.operator_gauges import OperatorGauges
from oracle.serve.outbox_gauges import OutboxGauges
from oracle.serve.process_gauges import ProcessGauges
from oracle.serve.push_gauges import REFUSALS, PushGauges
from oracle.serve.registry import ForgettingRegistry
from oracle.serve.rewards_gauges import RewardsGauges
from oracle.serve.stake_gauges import StakeGauges
from oracle.serve.watch_gauges import WatchGauges
from oracle.sign.messages import Refusal, RefusalCode

_US = 1_000_000
_SILENT = (Why.NO_QUORUM, Why.STALE, Why.DIVERGED, Why.NO_MARKET, Why.NO_REDEMPTION, Why.OUT_OF_RANGE, Why.LEG)
"""Why a feed may have no price."""


class Metrics:
    """Everything that is counted and measured.

    Args:
        now_ms: the clock; ages are computed when they are scraped, so they grow while nothing else happens.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._registry = registry = ForgettingRegistry()
        self._totals, self.rewards = dict[tuple[str, ...], int](), RewardsGauges(registry)
        self._observed_ms: dict[str, int] = {}
        self._source_observed_ms: dict[tuple[str, str], int] = {}
        self._price = made_gauge(registry, "feed_price")
        self._deviation = made_gauge(registry, "feed_deviation_bps")
        self._spread = made_gauge(registry, "feed_spread_bps")
        self._age = made_gauge(registry, "feed_age_seconds")
        self._round = made_gauge(registry, "feed_round_timestamp_seconds")
        words = [s.word for s in Status]
        self._status = made_enum(registry, "feed_status", words)
        self._risk = made_gauge(registry, "feed_risk_now")
        self._abstained = made_counter(registry, "abstentions")
        self._failures = made_counter(registry, "source_failures")
        self._source_age = made_gauge(registry, "source_age_seconds")
        self._reference = made_gauge(registry, "reference_drift_bps")
        self.outbox, self.health, self._live = (
            OutboxGauges(registry),
            HealthGauges(registry),
            made_histogram(registry, "live_latency_seconds"),
        )
        self._durable = made_histogram(registry, "round_durable_seconds")
        self._receipt = made_histogram(registry, "receipt_seconds")
        self._rpc = {
            "requests": made_counter(registry, "rpc_requests"),
            "failures": made_counter(registry, "rpc_failures"),
            "failovers": made_counter(registry, "rpc_failovers"),
            "splits": made_counter(registry, "rpc_splits"),
            "earlier_blocks": made_counter(registry, "rpc_head_not_found"),
            "reorgs": made_counter(registry, "rpc_reorgs"),
            "lies": made_counter(registry, "rpc_lies"),
            "bugs": made_counter(registry, "rpc_adapter_bugs"),
        }
        self._head_time = made_gauge(registry, "chain_head_timestamp_seconds")
        self._connects = made_counter(registry, "ws_reconnects")
        self._connected = made_gauge(registry, "ws_connected")
        self._silent = made_gauge(registry, "ws_silent_symbols")
        self._bad = made_counter(registry, "ws_bad_frames")
        self._misfires = made_counter(registry, "scheduler_misfires")
        self._landed = made_counter(registry, "pushes_landed")
        self._failed = made_counter(registry, "pushes_failed")
        self._by_stage = made_counter(registry, "pushes_by_stage")
        self._announced = made_counter(registry, "push_announcements")
        self._pokes_failed = made_counter(registry, "pokes_failed")
        self._balance = made_gauge(registry, "gas_balance_ether")
        self._pushes_left = made_gauge(registry, "gas_pushes_left")
        self._refused = made_counter(registry, "signatures_refused")
        self._misbehaved = made_counter(registry, "misbehaviour")
        self._unsealed = made_counter(registry, "rounds_unsealed")
        self._offset, self._confirmed = (
            made_gauge(registry, "clock_offset_seconds"),
            made_gauge(registry, "clock_confirmed"),
        )
        self._held = made_counter(registry, "rounds_held")
        self._streams = made_gauge(registry, "stream_readers")
        self.http = HttpGauges(registry)
        self.chains, self.operators, self.watch, self.stake, self.keeper = (
            ChainGauges(registry), OperatorGauges(registry), WatchGauges(registry), StakeGauges(registry, now_ms),
            KeeperGauges(registry),
        )  # fmt: skip
        self.config, self.process, self.endpoints, self.feeds, self.pushes = (
            ConfigGauges(registry), ProcessGauges(registry, version("lrt-oracle")), EndpointGauges(registry), FeedGauges(registry),
            PushGauges(registry),
        )  # fmt: skip
        self._connections = made_gauge(registry, "connections")
        self._refusals = made_counter(registry, "connections_refused")
        self._reads_refused = made_counter(registry, "long_reads_refused")
        self._alarmed: set[tuple[str, str]] = set()
        self._dropped = made_counter(registry, "stream_dropped")

    def render(self) -> bytes:
        """The exposition, as text."""
        return generate_latest(self._registry)

    def forget(self, gone: Iterable[Mapping[str, str]]) -> None:
        """Show nothing more of what has these labels: it is not in the config any more."""
        for labels in gone:
            self._registry.forget(labels)
            feed, source = labels.get("feed", ""), labels.get("source")
            if source is None:
                self._observed_ms.pop(feed, None)
            for key in [k for k in self._source_observed_ms if k[0] == feed and source in (None, k[1])]:
                del self._source_observed_ms[key]

    def expect(self, targets: Iterable[str], feeds: Iterable[str] = (), operators: Iterable[str] = ()) -> None:
        """Show what is counted of these, and of rounds, from the start, so that the first event is seen as growth."""
        for feed in feeds:
            for why in _SILENT:
                self._abstained.labels(feed, why.name)
        for operator in operators:
            for code in RefusalCode:
                self._refused.labels(operator, code.value)
        for held in HoldReason:
            self._held.labels(held.value)
        for target in targets:
            self._landed.labels(target)
            self._unsealed.labels(target)
            self.pushes.expect(target)
            self._by_stage.labels(target, "0")
            for what in ("heard", "late"):
                self._announced.labels(target, what)
            for reason in REFUSALS:
                self._failed.labels(target, reason)

    def expect_jobs(self, jobs: Iterable[str]) -> None:
        """Show from the start that none of these was skipped or failed."""
        for job in jobs:
            self._misfires.labels(job)

    def round_done(self, records: Iterable[Record], abstained: Mapping[str, Abstained], *, durable_ms: int) -> None:
        """A round was stored."""
        for record in records:
            self._record(record)
        for feed, why in abstained.items():
            self._abstained.labels(feed, why.why.name).inc()
        self._durable.observe(durable_ms / MS)

    def risks(self, feed: str, live: LiveRisk) -> None:
        """What the newest round showed of a feed's risks; where a code is told of several legs, the worst of them."""
        found: dict[str, list[bool | None]] = {}
        for fact in live.facts:
            found.setdefault(fact.code.value, []).append(fact.raised)
        for code, raised in found.items():
            self._risk.labels(feed, code).set(1 if any(raised) else nan if None in raised else 0)

    def observed(self, feed: str, outcomes: Sequence[Outcome]) -> None:
        """What a feed's sources answered in a round."""
        for outcome in outcomes:
            key = (feed, outcome.source)
            if isinstance(outcome, Failure):
                self._failures.labels(*key, outcome.error.code).inc()
                continue
            if key not in self._source_observed_ms:
                self._source_age.labels(*key).set_function(partial(self._source_age_s, key))
            self._source_observed_ms[key] = outcome.observed_at_ms

    def references(self, measured: Iterable[Divergence]) -> tuple[Divergence, ...]:
        """How far other oracles' feeds are from ours; returns those that this round made alarming."""
        new_alarms = []
        for divergence in measured:
            labels = divergence.feed, divergence.source, divergence.provider, divergence.against.value
            self._reference.labels(*labels).set(divergence.drift_bps)
            key = (divergence.feed, divergence.source)
            if divergence.alarm and key not in self._alarmed:
                new_alarms.append(divergence)
            (self._alarmed.add if divergence.alarm else self._alarmed.discard)(key)
        return tuple(new_alarms)

    def live(self, spent_us: int) -> None:
        """A tick became an indication."""
        self._live.observe(spent_us / _US)

    def head(self, chain: str, time_ms: int) -> None:
        """A chain was read at a new block."""
        self._head_time.labels(chain).set(time_ms / MS)

    def landed(self, target: str, took_ms: int) -> None:
        """A push landed."""
        self._landed.labels(target).inc()
        self._receipt.labels(target).observe(took_ms / MS)

    def staged(self, target: str, place: int) -> None:
        """A push was made from a place in the order of those that pay: 0 for the first."""
        self._by_stage.labels(target, str(place)).inc()

    def announced(self, target: str, what: str) -> None:
        """Another operator announced a push, or one that was announced did not land in time."""
        self._announced.labels(target, what).inc()

    def failed(self, target: str, reason: str) -> None:
        """A push did not land; the reason is one of a small set of words."""
        self._failed.labels(target, reason).inc()

    def unpoked(self, target: str, view: str) -> None:
        """A push landed without the poke of a view; the view is one of the config's."""
        self._pokes_failed.labels(target, view).inc()

    def balance(self, target: str, wei: int, pushes: int) -> None:
        """Balance of a target's gas key, and how many pushes it pays for."""
        self._balance.labels(target).set(wei / WAD)
        self._pushes_left.labels(target).set(pushes)

    def refused(self, refusal: Refusal) -> None:
        """An operator here would not sign."""
        self._refused.labels(refusal.operator, refusal.code.value).inc()

    def misbehaved(self, operator: str, kind: str) -> None:
        """Words of an operator do not go together, see `oracle.agree.state.MemberFault`."""
        self._misbehaved.labels(operator, kind).inc()

    def unsealed(self, target: str) -> None:
        """A round was not sealed."""
        self._unsealed.labels(target).inc()

    def misfire(self, job: str) -> None:
        """A run of a job was skipped, or failed."""
        self._misfires.labels(job).inc()

    def clock(self, offset_ms: int, *, confirmed: bool) -> None:
        """How far our clock is off, and whether it was ever confirmed."""
        self._offset.set(offset_ms / MS)
        self._confirmed.set(int(confirmed))

    def held(self, reason: str) -> None:
        """A round was not made; the reason is one of a small set of words."""
        self._held.labels(reason).inc()

    def streams(self, readers: int, dropped: int) -> None:
        """Event streams: open ones, and how many were cut off since the start."""
        self._streams.set(readers)
        self._raise_to(self._dropped, (), dropped, "stream_dropped")

    def connections(self, now: int, refused: Mapping[str, int], reads_refused: int) -> None:
        """The endpoint's connections: open ones, how many were refused or closed since the start, and long reads refused."""
        self._connections.set(now)
        for how, total in refused.items():
            self._raise_to(self._refusals, (how,), total, "connections_refused")
        self._raise_to(self._reads_refused, (), reads_refused, "long_reads_refused")

    def snapshot(self, streams: Iterable[StreamHealth], chains: Mapping[str, RpcStats]) -> None:
        """Take over the counters that the clients keep themselves."""
        for stream in streams:
            self._connected.labels(stream.venue).set(int(stream.connected))
            self._silent.labels(stream.venue).set(len(stream.silent))
            self._raise_to(self._connects, (stream.venue,), max(0, stream.connects - 1), "ws_reconnects")
            for code, total in stream.bad_frames.items():
                self._raise_to(self._bad, (stream.venue, code), total, "ws_bad_frames")
        self.endpoints.chains = {chain: stats.endpoints for chain, stats in chains.items()}
        for chain, stats in chains.items():
            for name, counter in self._rpc.items():
                self._raise_to(counter, (chain,), getattr(stats, name), name)

    def _record(self, record: Record) -> None:
        feed, report = record.feed, record.report
        prices = {"price": record.price_wad, "market": report.market_wad, "redemption": report.redemption_wad}
        for kind, wad in prices.items():
            self._price.labels(feed, kind).set(wad / WAD if wad else nan)
        self._deviation.labels(feed).set(nan if record.deviation_bps is None else record.deviation_bps)
        self._spread.labels(feed).set(report.spread_bps)
        self._status.labels(feed).state(report.status.word)
        self._round.labels(feed).set(report.round_time_s)
        if feed not in self._observed_ms:
            self._age.labels(feed).set_function(partial(self._feed_age_s, feed))
        self._observed_ms[feed] = record.observed_at_ms

    def _feed_age_s(self, feed: str) -> float:
        return (self._now_ms() - self._observed_ms[feed]) / MS

    def _source_age_s(self, key: tuple[str, str]) -> float:
        return (self._now_ms() - self._source_observed_ms[key]) / MS

    def _raise_to(self, counter: Counter, labels: tuple[str, ...], total: int, name: str) -> None:
        """Raise a counter to a total that another object keeps; a total that fell has started again from 0."""
        key = (name, *labels)
        grown = total - self._totals.get(key, 0)
        (counter.labels(*labels) if labels else counter).inc(grown if grown >= 0 else total)
        self._totals[key] = total
