"""The gauges of the config: what the process goes by, and what became of reloads."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from oracle.serve.metric_catalog import made_counter, made_gauge


class ConfigGauges:
    """Gauges of one process.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._info = made_gauge(registry, "config_info")
        self._reloads = made_counter(registry, "reloads")
        self._good = made_gauge(registry, "config_last_reload_successful")
        self._good_at = made_gauge(registry, "config_last_reload_success_timestamp_seconds")
        self._waiting = made_gauge(registry, "config_restart_needed")

    def start(self, rules: str, results: Iterable[str], now_s: float) -> None:
        """A process begins with a config."""
        for result in results:
            self._reloads.labels(result)
        self._good.set(1)
        self._goes_by(rules, now_s)

    def reloaded(self, result: str, *, good: bool | None, rules: str, waiting: int, now_s: float) -> None:
        """A reload has ended. ``good``: whether its file was taken over; None: the file was not looked at."""
        self._reloads.labels(result).inc()
        if good is not None:
            self._good.set(int(good))
        if good:
            self._goes_by(rules, now_s)
            self._waiting.set(waiting)

    def _goes_by(self, rules: str, now_s: float) -> None:
        self._info.clear()
        self._info.labels(rules).set(1)
        self._good_at.set(now_s)
