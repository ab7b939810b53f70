"""The gauges of the config: what the process goes by, and what became of reloads."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge


class ConfigGauges:
    """Gauges of one process.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._info = Gauge(
            "lrt_oracle_config_info", "the rules that rounds are made by now; always 1", ("rules",), registry=registry
        )
        self._reloads = Counter(
            "lrt_oracle_reloads", "reloads of the config, by result", ("result",), registry=registry
        )
        self._good = Gauge(
            "lrt_oracle_config_last_reload_successful", "1: the last reload was taken over; 0: it was refused",
            registry=registry,
        )  # fmt: skip
        self._good_at = Gauge(
            "lrt_oracle_config_last_reload_success_timestamp_seconds",
            "when a config was taken over last: at a start or by a reload", registry=registry,
        )  # fmt: skip
        self._waiting = Gauge(
            "lrt_oracle_config_restart_needed",
            "keys of the config file that do not hold before a restart",
            registry=registry,
        )

    def start(self, rules: str, results: Iterable[str], now_s: float) -> None:
        """A process begins with a config."""
        for result in results:
            self._reloads.labels(result)
        self._good.set(1)
        self._goes_by(rules, now_s)

    def reloaded(self, result: str, *, good: bool, rules: str, waiting: int, now_s: float) -> None:
        """A reload has ended."""
        self._reloads.labels(result).inc()
        self._good.set(int(good))
        if good:
            self._goes_by(rules, now_s)
            self._waiting.set(waiting)

    def _goes_by(self, rules: str, now_s: float) -> None:
        self._info.clear()
        self._info.labels(rules).set(1)
        self._good_at.set(now_s)
