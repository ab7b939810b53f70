"""The gauges of what is on chain: ages against heartbeats, who can sign, when a chain was read. Set when they are scraped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import nan

from prometheus_client import CollectorRegistry, Gauge

from feeds.units import MS
from oracle.model.target_status import TargetStatus


class ChainGauges:
    """Gauges by target, and by target and feed.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        target, feed = ("target",), ("target", "feed")
        self._age = self._gauge("onchain_age_seconds", "since the round that a store holds; NaN: it holds none", feed)
        self._heartbeat = self._gauge("onchain_heartbeat_seconds", "longest time between pushes", feed)
        self._late = self._gauge("onchain_late", "1: the store should hold a newer round by now", feed)
        self._missed = self._gauge("onchain_missed", "1: no price on chain yet of the newest cron time", feed)
        self._connected = self._gauge("target_connected", "1: the operators sit in the signer set", target)
        self._read_age = self._gauge("target_look_age_seconds", "since a read of the chain was complete", target)
        self._weight = self._gauge(
            "quorum_weight", "weight of those that signed the newest round, here or elsewhere; NaN: not known", target
        )
        self._threshold = self._gauge("quorum_threshold", "weight that a push needs; NaN: not known", target)
        self._missing = self._gauge("quorum_missing", "signers of the store that are not among them", target)
        self._round = self._gauge("round_timestamp_seconds", "round_time of this run's newest round; NaN: none", ())
        self._ready = self._gauge("ready", "1 while /readyz answers 200", ())

    def set(self, targets: Iterable[TargetStatus], now_ms: int, *, ready: bool, round_s: int | None) -> None:
        """Set every gauge to its present value."""
        self._ready.set(int(ready))
        self._round.set(nan if round_s is None else round_s)
        for status in targets:
            name, quorum = status.target, status.quorum
            self._connected.labels(name).set(int(status.connected))
            self._read_age.labels(name).set(nan if status.looked_at_ms is None else (now_ms - status.looked_at_ms) / MS)
            self._weight.labels(name).set(nan if quorum is None else quorum.weight)
            self._threshold.labels(name).set(nan if quorum is None else quorum.threshold)
            self._missing.labels(name).set(nan if quorum is None else len(quorum.missing))
            for feed in status.feeds:
                age_s = feed.age_s(now_ms)
                self._age.labels(name, feed.feed).set(nan if age_s is None else age_s)
                self._heartbeat.labels(name, feed.feed).set(feed.heartbeat_s)
                self._late.labels(name, feed.feed).set(int(feed.late(now_ms)))
                self._missed.labels(name, feed.feed).set(int(feed.missed(now_ms)))

    def _gauge(self, name: str, description: str, labels: Sequence[str]) -> Gauge:
        return Gauge(f"lrt_oracle_{name}", description, labels, registry=self._registry)
