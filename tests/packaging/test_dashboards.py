"""Dashboards: the files are what the program writes, and each panel asks Prometheus for what a process exports."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs import plain_yaml
from tests.packaging.prometheus_files import ROOT, exported, needs_promtool, promtool, unknown_in

FOLDER = ROOT / "packaging" / "grafana"
FILES = sorted((FOLDER / "dashboards").glob("*.json"))


def panels(path: Path) -> list[dict[str, Any]]:
    return [p for p in json.loads(path.read_text(encoding="utf-8"))["panels"] if p["type"] != "row"]


def asked(path: Path) -> list[str]:
    """Each expression, with all that a reader may choose."""
    exprs = [t["expr"] for p in panels(path) for t in p["targets"]]
    return [e.replace("$instance", ".*").replace("$feed", ".*") for e in exprs]


def test_there_is_one_of_feeds_and_one_of_the_operator_as_the_program_writes_them() -> None:
    spec = importlib.util.spec_from_file_location("grafana_make", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert {p.stem: p.read_text(encoding="utf-8") for p in FILES} == {d.uid: make.text(d) for d in make.DASHBOARDS}
    assert [p.stem for p in FILES] == ["lrt-oracle-feeds", "lrt-oracle-operator"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_panel_asks_for_what_a_process_exports(path: Path) -> None:
    assert {e: unknown_in(e, exported()) for e in asked(path) if unknown_in(e, exported())} == {}
    legends = [(t["expr"], t["legendFormat"]) for p in panels(path) for t in p["targets"]]
    assert len(legends) > 15
    for expr, legend in legends:
        (name, *_) = re.findall(r"\b(?:lrt_oracle|process)_\w+", expr)
        labels = {label for series in exported()[name] for label in series} | {"instance"}
        assert set(re.findall(r"{{(\w+)}}", legend)) <= labels, expr


@needs_promtool
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_prometheus_parses_what_a_panel_asks(path: Path, tmp_path: Path) -> None:
    rules = {"groups": [{"name": "panels", "rules": [{"record": f"panel_{i}", "expr": e} for i, e in enumerate(asked(path))]}]}  # fmt: skip
    (written := tmp_path / "panels.yml").write_text(json.dumps(rules))
    assert f"{len(asked(path))} rules found" in promtool("check", "rules", str(written))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_two_panels_lie_over_each_other_and_each_is_named(path: Path) -> None:
    cells = [
        (x, y)
        for p in panels(path)
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert len({p["title"] for p in panels(path)}) == len(panels(path))


def test_grafana_is_given_the_source_and_the_folder_that_the_panels_name() -> None:
    (source,) = plain_yaml.load(FOLDER / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    used = {t["datasource"]["uid"] for path in FILES for p in panels(path) for t in p["targets"]}
    assert used == {source["uid"]}
    (provider,) = plain_yaml.load(FOLDER / "provisioning" / "dashboards" / "lrt-oracle.yml")["providers"]
    compose = (ROOT / "packaging" / "compose" / "compose.yaml").read_text(encoding="utf-8")
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in compose
