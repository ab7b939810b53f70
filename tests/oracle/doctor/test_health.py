"""The looks inside a process: each is one number for each severity, and what is wrong is a warning with what to do."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from oracle.app import App
from oracle.build import build
from oracle.doctor.examine import Examination
from oracle.serve.health_gauges import SEVERITIES
from tests.oracle.assemble.keyed_config import ENVIRON, keyed_config

ROOT = Path(__file__).resolve().parents[3]


def test_every_look_of_the_doctor_is_documented_and_every_documented_one_is_there(tmp_path: Path) -> None:
    rows = re.findall(r"^\| (`[^|]*`) \|", (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8"), re.MULTILINE)
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(documented) == sorted(Examination(keyed_config(tmp_path), ENVIRON).checks)


async def test_a_look_is_shown_in_metrics_and_warns_in_readiness(tmp_path: Path) -> None:
    components = build(keyed_config(tmp_path), environ=ENVIRON)
    try:
        app, health = App(components), components.health
        assert shown(app) == {}, "nothing is said before the first look"
        await health.look()
        now = shown(app)
        assert {"clock", "disk", "memory", "files", "journals"} <= {check for check, _ in now}
        assert all(sum(now[check, s] for s in SEVERITIES) == 1 for check, _ in now)
        assert now["journals", "ok"] == 1
        components.operators[0].journal.mark_restored(app.clock.now_ms())
        await health.look()
        assert shown(app)["journals", "warning"] == 1
        assert any(w.startswith("journals: operator a is mute") for w in app.service.health().warnings)
    finally:
        await components.close()


def shown(app: App) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(app.metrics.render().decode())
    samples = [s for f in families if f.name == "lrt_oracle_health" for s in f.samples]
    return {(s.labels["check"], s.labels["severity"]): s.value for s in samples}
