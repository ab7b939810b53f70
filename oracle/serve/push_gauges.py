"""What pushes cost, which wait for a block, and looks at a chain that came to nothing: those are no failed pushes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from feeds.units import WAD
from oracle.serve.metric_catalog import made_counter, made_gauge

REFUSALS = ("FeeTooHigh", "fee_too_high", "reverted", "out_of_gas", "expired", "nonce_taken")
"""Reasons of failed pushes that alarms go by: they are counted from the start."""


class PushGauges:
    """Counts by target.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pending = made_gauge(registry, "pushes_pending")
        self._fees = made_counter(registry, "push_fees_ether")
        self._looks = made_counter(registry, "target_looks_failed")

    def expect(self, target: str) -> None:
        """Show what is counted of a target from the start."""
        self._pending.labels(target).set(0)
        self._fees.labels(target)
        for reason in ("ChainError", "TimeoutError"):
            self._looks.labels(target, reason)

    def pending(self, target: str, count: int) -> None:
        """How many pushes may still land."""
        self._pending.labels(target).set(count)

    def spent(self, target: str, wei: int) -> None:
        """A transaction is in the chain and was paid for."""
        self._fees.labels(target).inc(wei / WAD)

    def look_failed(self, target: str, reason: str) -> None:
        """A look at a target's chain came to nothing; the reason is one of a small set of words."""
        self._looks.labels(target, reason).inc()
