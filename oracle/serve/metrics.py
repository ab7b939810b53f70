"""What Prometheus scrapes. One object with its own registry; nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from math import nan

from prometheus_client import Counter, Enum, Gauge, Histogram, generate_latest

from feeds.chains.reader import RpcStats
from feeds.streams.ws import StreamHealth
from feeds.types import Failure, Outcome
from feeds.units import MS, WAD
from oracle.model.publication import Record
from oracle.model.risk import LiveRisk
from oracle.model.status import Status
from oracle.model.types import Abstained
from oracle.round.reference_divergence import Divergence
from oracle.runtime.round_gate import HoldReason
from oracle.serve.config_gauges import ConfigGauges
from oracle.serve.endpoint_gauges import EndpointGauges
from oracle.serve.feed_gauges import FeedGauges
from oracle.serve.gauges import ChainGauges
from oracle.serve.health_gauges import HealthGauges
from oracle.serve.keeper_gauges import KeeperGauges
from oracle.serve.operator_gauges import OperatorGauges
from oracle.serve.outbox_gauges import OutboxGauges
from oracle.serve.process_gauges import ProcessGauges
from oracle.serve.push_gauges import REFUSALS, PushGauges
from oracle.serve.registry import ForgettingRegistry
from oracle.serve.rewards_gauges import RewardsGauges
from oracle.serve.stake_gauges import StakeGauges
from oracle.serve.watch_gauges import WatchGauges
from oracle.sign.messages import Refusal

_US = 1_000_000
_LIVE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_DURABLE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECEIPT_S = (0.1, 0.5, 1.0, 2.5, 5.0, 12.0, 24.0, 36.0, 60.0, 120.0, 300.0)


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
        feed, source, chain, target = ("feed",), ("feed", "source"), ("chain",), ("target",)
        self._price = self._gauge("feed_price", "last final price, quote units for one base unit", ("feed", "kind"))
        self._deviation = self._gauge("feed_deviation_bps", "market from redemption, negative below", feed)
        self._spread = self._gauge("feed_spread_bps", "spread of the last final price", feed)
        self._age = self._gauge("feed_age_seconds", "since the oldest input of the last final price", feed)
        self._round = self._gauge("feed_round_timestamp_seconds", "round_time of the last final price", feed)
        words = [s.word for s in Status]
        self._status = Enum("lrt_oracle_feed_status", "published status", feed, registry=self._registry, states=words)
        by_code = ("feed", "code")
        self._risk = self._gauge("feed_risk_now", "1: the newest round showed it, 0: not; NaN: not known", by_code)
        self._abstained = self._counter("abstentions", "rounds without a price, by reason", ("feed", "reason"))
        self._failures = self._counter("source_failures", "rounds that a source failed in", (*source, "code"))
        self._source_age = self._gauge("source_age_seconds", "since the source's last price was observed", source)
        reference = ("feed", "source", "provider", "against")
        self._reference = self._gauge(
            "reference_drift_bps", "another oracle's feed from ours, negative below", reference
        )
        self.outbox, self.health, self._live = (
            OutboxGauges(registry),
            HealthGauges(registry),
            self._histogram("live_latency_seconds", "from a tick to its indication", _LIVE_S),
        )
        self._durable = self._histogram("round_durable_seconds", "from round_time until it is stored", _DURABLE_S)
        self._receipt = self._histogram("receipt_seconds", "from making a push until it landed", _RECEIPT_S, target)
        self._rpc = {
            "requests": self._counter("rpc_requests", "requests to the endpoints", chain),
            "failures": self._counter("rpc_failures", "requests that failed", chain),
            "failovers": self._counter("rpc_failovers", "changes of endpoint", chain),
            "splits": self._counter("rpc_splits", "reads that had to be split", chain),
            "earlier_blocks": self._counter("rpc_head_not_found", "reads that stepped one block back", chain),
            "reorgs": self._counter("rpc_reorgs", "heads that replaced blocks already seen", chain),
            "lies": self._counter("rpc_lies", "answers of an endpoint that were outvoted", chain),
            "bugs": self._counter("rpc_adapter_bugs", "adapters that broke on an answer", chain),
        }
        self._head_time = self._gauge("chain_head_timestamp_seconds", "time of the newest block read", chain)
        self._connects = self._counter("ws_reconnects", "connections after the first", ("venue",))
        self._connected = self._gauge(
            "ws_connected", "1 while every connection is up; VENUE:trades is that of its trades", ("venue",)
        )
        self._silent = self._gauge("ws_silent_symbols", "symbols without news for too long", ("venue",))
        self._bad = self._counter("ws_bad_frames", "messages that could not be read as a quote", ("venue", "code"))
        self._misfires = self._counter("scheduler_misfires", "runs of a job that were skipped or failed", ("job",))
        self._landed = self._counter("pushes_landed", "pushes that landed", target)
        self._failed = self._counter("pushes_failed", "pushes that did not land, by reason", ("target", "reason"))
        self._by_stage = self._counter(
            "pushes_by_stage", "pushes made, by the place in the order of the operators that pay", ("target", "stage")
        )
        self._announced = self._counter(
            "push_announcements", "pushes that other operators announced: heard, late", ("target", "what")
        )
        self._pokes_failed = self._counter(
            "pokes_failed", "views that a push should have poked and did not", ("target", "view")
        )
        self._balance = self._gauge("gas_balance_ether", "balance of the gas key", target)
        self._pushes_left = self._gauge("gas_pushes_left", "pushes that it can pay for at present fees", target)
        self._refused = self._counter(
            "signatures_refused", "refusals of an operator here to sign", ("operator", "code")
        )
        self._misbehaved = self._counter("misbehaviour", "rounds in which an operator misbehaved", ("operator", "kind"))
        self._unsealed = self._counter("rounds_unsealed", "rounds that a store's operators did not seal", ("target",))
        self._offset, self._confirmed = (
            self._gauge("clock_offset_seconds", "how far others' clocks are ahead of this machine's", ()),
            self._gauge("clock_confirmed", "1 once our clock was confirmed", ()),
        )
        self._held = self._counter("rounds_held", "rounds that were not made, by reason", ("reason",))
        self._streams = self._gauge("stream_readers", "open event streams", ())
        self.chains, self.operators, self.watch, self.stake, self.keeper = (
            ChainGauges(registry), OperatorGauges(registry), WatchGauges(registry), StakeGauges(registry, now_ms),
            KeeperGauges(registry),
        )  # fmt: skip
        self.config, self.process, self.endpoints, self.feeds, self.pushes = (
            ConfigGauges(registry), ProcessGauges(registry, version("lrt-oracle")), EndpointGauges(registry), FeedGauges(registry),
            PushGauges(registry),
        )  # fmt: skip
        self._connections = self._gauge("connections", "open connections to the endpoint", ())
        self._refusals = self._counter("connections_refused", "connections refused, displaced or expired", ("how",))
        self._reads_refused = self._counter("long_reads_refused", "long reads that were refused", ())
        self._alarmed: set[tuple[str, str]] = set()
        self._dropped = self._counter("stream_dropped", "event streams cut off for being slow", ())

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

    def expect(self, targets: Iterable[str]) -> None:
        """Show what is counted of these targets, and of rounds, from the start, so that the first event is seen as growth."""
        for held in HoldReason:
            self._held.labels(held.value)
        for target in targets:
            self._landed.labels(target)
            self._unsealed.labels(target)
            self.pushes.expect(target)
            for what in ("heard", "late"):
                self._announced.labels(target, what)
            for reason in REFUSALS:
                self._failed.labels(target, reason)

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

    def _gauge(self, name: str, description: str, labels: Sequence[str]) -> Gauge:
        return Gauge(f"lrt_oracle_{name}", description, labels, registry=self._registry)

    def _counter(self, name: str, description: str, labels: Sequence[str]) -> Counter:
        return Counter(f"lrt_oracle_{name}", description, labels, registry=self._registry)

    def _histogram(
        self, name: str, description: str, buckets: Sequence[float], labels: Sequence[str] = ()
    ) -> Histogram:
        return Histogram(f"lrt_oracle_{name}", description, labels, registry=self._registry, buckets=buckets)
