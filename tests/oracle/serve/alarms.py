"""The rules of alarms of stake held against an exposition: enough of their language for what they say. Prometheus itself is not here."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.docs import plain_yaml

PATH = Path(__file__).parents[3] / "packaging" / "prometheus" / "rules" / "stake.yml"
OVER_TIME = "max_over_time"
"""Rules with it need a history."""
_SIDES = {">": operator.gt, "<": operator.lt, "==": operator.eq}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule:
    """One rule."""

    name: str
    expr: str
    summary: str

    @property
    def metrics(self) -> set[str]:
        return set(re.findall(r"lrt_oracle_\w+", self.expr))

    def fires(self, found: Mapping[str, float], now_s: float) -> bool:
        """Whether any series of its metric passes the bound now."""
        left, sign, bound = re.fullmatch(r"(.+) (>|<|==) ([\d.]+)", self.expr).groups()  # type: ignore[union-attr]
        (name,) = self.metrics
        values = [v for series, v in found.items() if series.split("{")[0] == name]
        told = {name: lambda v: v, f"time() - {name}": lambda v: now_s - v, f"{name} - time()": lambda v: v - now_s}[
            left
        ]
        return any(_SIDES[sign](told(v), float(bound)) for v in values)


def alarm_rules() -> list[AlarmRule]:
    """All of them."""
    (group,) = plain_yaml.load(PATH)["groups"]
    assert all(
        r["labels"]["severity"] in {"page", "ticket"} and re.fullmatch(r"\d+[mh]", r["for"]) for r in group["rules"]
    )
    return [AlarmRule(name=r["alert"], expr=r["expr"], summary=r["annotations"]["summary"]) for r in group["rules"]]
