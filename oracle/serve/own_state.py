"""What metrics take over of the process when they are scraped: its health, and what its operators can do with their keys."""

from __future__ import annotations

from collections.abc import Iterable

from oracle.serve.interface import Health
from oracle.serve.metrics import Metrics
from oracle.serve.process_gauges import KeyUse, ProcessGauges
from oracle.sign.operator import Operator


def show_health(metrics: Metrics, health: Health, now_ms: int) -> None:
    """Readiness with its reasons, the targets, and the pushes that may still land."""
    ready = health.live and health.ready
    metrics.process.unready(health.unready)
    metrics.chains.set(health.targets, now_ms, ready=ready, round_s=health.round)
    for target in health.targets:
        metrics.pushes.pending(target.target, target.pending)


def show_keys(process: ProcessGauges, operators: Iterable[Operator], keyless: Iterable[str], now_ms: int) -> None:
    """What each operator of the config can do with its key now."""
    for name in keyless:
        process.key(name, KeyUse.CLOSED)
    for operator in operators:
        if operator.silenced:
            process.key(operator.name, KeyUse.ELSEWHERE)
        else:
            process.key(operator.name, KeyUse.MUTE if operator.is_mute(now_ms) else KeyUse.OPEN)
