"""Prometheus text as numbers."""

from __future__ import annotations

from oracle.serve.metrics import Metrics


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name and labels."""
    text = metrics.render().decode()
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    assert all(name.startswith(("lrt_oracle_", "process_")) for name, _ in rows)
    return {name: float(value) for name, value in rows}
