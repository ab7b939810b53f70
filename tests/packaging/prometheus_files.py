"""The shipped files for Prometheus, as the tests read them, and what a process exports."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.docs import plain_yaml
from tests.oracle.serve.beside_metrics import archive_text, door_text, node_text
from tests.oracle.serve.full_metrics import full

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "packaging" / "prometheus"
OF_PROMETHEUS = {"up": {"job", "instance"}}
"""Series that Prometheus itself makes of a scrape."""
OF_SCRAPES = {"job", "instance"}
"""Labels that every series has by being scraped."""
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: it comes with prometheus"
)

needs_amtool = pytest.mark.skipif(
    shutil.which("amtool") is None, reason="amtool is not installed: it comes with prometheus-alertmanager"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedRule:
    """One alert rule of a topic."""

    topic: str
    name: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]


def shipped_rules() -> list[ShippedRule]:
    """All of them."""
    out = []
    for path in sorted((PROMETHEUS / "rules").glob("*.yml")):
        (group,) = plain_yaml.load(path)["groups"]
        assert group["name"] == f"lrt-oracle-{path.stem}"
        out += [
            ShippedRule(topic=path.stem, name=r["alert"], expr=r["expr"], labels=r["labels"], annotations=r["annotations"])
            for r in group["rules"]
        ]  # fmt: skip
    return out


@cache
def exported() -> dict[str, list[dict[str, str]]]:
    """Labels of each series of processes that have seen of everything a little, by the name of its sample."""
    out: dict[str, list[dict[str, str]]] = {}
    for text in (full().render().decode(), door_text(), node_text(), archive_text()):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                out.setdefault(sample.name, []).append(dict(sample.labels))
    return out


def unknown_in(expr: str, series: dict[str, list[dict[str, str]]]) -> list[str]:
    """Metrics of an expression that no process has, and matchers that none of its series can meet."""
    out = []
    for name, braces in re.findall(r"\b(lrt_oracle_\w+|process_\w+|up)\b(?:\{([^}]*)\})?", expr):
        if name in OF_PROMETHEUS:
            continue
        if name not in series:
            out.append(name)
            continue
        for label, how, value in _MATCHER.findall(braces):
            if label in OF_SCRAPES:
                continue
            there = {labels.get(label) for labels in series[name]}
            if how in {"=", "=~"} and not any(v is not None and re.fullmatch(value, v) for v in there):
                out.append(f'{name}{{{label}{how}"{value}"}}')
            elif None in there:
                out.append(f"{name}: {label}")
    return out


def promtool(*arguments: str, given: bytes = b"") -> str:
    """What it prints; it must find nothing wrong."""
    return _ran("promtool", *arguments, given=given)


def amtool(*arguments: str) -> str:
    """What it prints; it must find nothing wrong."""
    return _ran("amtool", *arguments)


def _ran(*command: str, given: bytes = b"") -> str:
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b""), (done.stdout + done.stderr).decode()
    return done.stdout.decode()
