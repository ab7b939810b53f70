"""A keeper as the gauges see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from oracle.stake.due.duties import DutiesDue
from tests.oracle.serve.endpoint_client import NOW_MS


@dataclass
class ShownKeeper:
    """With nothing due, and gas for a freeze."""

    target: str = "home"
    due: DutiesDue = field(default_factory=DutiesDue)
    gas_left: int = 7
    freeze_gas: int = 5
    gas_lacks: int = 0
    pays: bool = True

    def now_s(self) -> int:
        return NOW_MS // 1_000
