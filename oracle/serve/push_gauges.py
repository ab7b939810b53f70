"""What pushes cost, which wait for a block, and looks at a chain that came to nothing: those are no failed pushes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from feeds.units import WAD

REFUSALS = ("FeeTooHigh", "fee_too_high", "reverted", "out_of_gas", "expired", "nonce_taken")
"""Reasons of failed pushes that alarms go by: they are counted from the start."""


class PushGauges:
    """Counts by target.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        target = ("target",)
        self._pending = Gauge(
            "lrt_oracle_pushes_pending", "pushes that were made and may still land", target, registry=registry
        )
        self._fees = Counter(
            "lrt_oracle_push_fees_ether", "what pushes have cost since the start, also such as did nothing", target,
            registry=registry,
        )  # fmt: skip
        self._looks = Counter(
            "lrt_oracle_target_looks_failed", "looks at a target's chain that came to nothing, by reason",
            ("target", "reason"), registry=registry,
        )  # fmt: skip

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
