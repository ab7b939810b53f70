"""The gauges of what is on chain: ages against heartbeats, who can sign, when a chain was read. Set when they are scraped."""

from __future__ import annotations

from collections.abc import Iterable
from math import nan

from prometheus_client import CollectorRegistry

from feeds.units import MS
from oracle.model.target_status import TargetStatus
from oracle.serve.metric_catalog import made_gauge


class ChainGauges:
    """Gauges by target, and by target and feed.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._age = made_gauge(registry, "onchain_age_seconds")
        self._heartbeat = made_gauge(registry, "onchain_heartbeat_seconds")
        self._late = made_gauge(registry, "onchain_late")
        self._missed = made_gauge(registry, "onchain_missed")
        self._connected = made_gauge(registry, "target_connected")
        self._read_age = made_gauge(registry, "target_look_age_seconds")
        self._weight = made_gauge(registry, "quorum_weight")
        self._threshold = made_gauge(registry, "quorum_threshold")
        self._missing = made_gauge(registry, "quorum_missing")
        self._round = made_gauge(registry, "round_timestamp_seconds")
        self._ready = made_gauge(registry, "ready")

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
