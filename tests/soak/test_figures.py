"""The soak's own figures, and that the shipped config is still the one that it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oracle.config import sections
from oracle.config.resolve import resolve
from tests.soak.figures import late_at, projected_year, slope, summary
from tests.soak.sampling import metric_numbers
from tests.soak.world import CONFIG, config_text

METRICS = """
# TYPE lrt_oracle_round_durable_seconds histogram
lrt_oracle_round_durable_seconds_bucket{le="0.1"} 90.0
lrt_oracle_round_durable_seconds_bucket{le="0.25"} 99.0
lrt_oracle_round_durable_seconds_bucket{le="+Inf"} 100.0
lrt_oracle_round_durable_seconds_count 100.0
lrt_oracle_round_durable_seconds_sum 8.5
# TYPE lrt_oracle_rounds_held counter
lrt_oracle_rounds_held_total{reason="late"} 2.0
lrt_oracle_rounds_held_total{reason="failed"} 0.0
# TYPE lrt_oracle_feed_round_timestamp_seconds gauge
lrt_oracle_feed_round_timestamp_seconds{feed="A/B"} 1800000100
lrt_oracle_feed_round_timestamp_seconds{feed="C/D"} 1800000099
# TYPE lrt_oracle_round_timestamp_seconds gauge
lrt_oracle_round_timestamp_seconds 1800000100
# TYPE lrt_oracle_pushes_landed counter
lrt_oracle_pushes_landed_total{target="t"} 7.0
"""


def sample(at_s: float, rounds: int, rss: int, size: int) -> dict[str, Any]:
    late = {"0.1": rounds, "inf": rounds}
    kinds = {"records": {"bytes": size, "rows": 2 * rounds, "days": 7}}
    return {
        "at_s": at_s, "rounds": rounds, "newest_s": 1_700_000_300 + round(at_s), "rss": rss, "anonymous": rss, "files": 9, "threads": 3, "cpu_s": at_s / 10, "feeds": 34,
        "late": late, "late_sum_s": rounds / 20, "held": {}, "pushes": {"landed": 0, "failed": 0}, "database": size, "wal": 0,
        "journal": 0, "kinds": kinds,
    }  # fmt: skip


def test_a_line_is_found_and_its_doubt_is_that_of_the_points() -> None:
    line = slope([0, 1, 2, 3, 4], [10, 12, 14, 16, 18])
    assert line is not None
    assert line.per_unit == pytest.approx(2)
    assert line.doubt == pytest.approx(0)
    assert line.is_growth
    flat = slope([0, 1, 2, 3, 4, 5], [10, 11, 10, 11, 10, 11])
    assert flat is not None
    assert not flat.is_growth
    assert slope([1, 1, 1], [1, 2, 3]) is None


def test_lateness_is_of_the_rounds_between_two_looks() -> None:
    before = {"0.1": 50, "0.5": 50, "inf": 50}
    after = {"0.1": 100, "0.5": 149, "inf": 150}
    assert late_at(before, after, 0.5) == pytest.approx(0.1)
    assert late_at(before, after, 0.99) == pytest.approx(0.5)
    assert late_at(before, after, 1.0) == float("inf")


def test_metrics_are_read_as_they_are_written() -> None:
    numbers = metric_numbers(METRICS)
    assert (numbers["rounds"], numbers["newest_s"]) == (100, 1_800_000_100)
    assert numbers["late"] == {"0.1": 90, "0.25": 99, "inf": 100}
    assert numbers["held"] == {"late": 2}
    assert numbers["feeds"] == 1
    assert numbers["pushes"] == {"landed": 7, "failed": 0}


def test_what_grows_is_told_and_a_year_follows_from_bytes_a_round() -> None:
    samples = [sample(60.0 * i, 60 * i + 300 - (i > 5), 10**8 + i * 10**6, 1_000 * (60 * i + 300)) for i in range(10)]
    found = summary(samples, 120.0, {})
    assert found["rounds_lost"] == 1
    assert found["rss_mb_an_hour"]["slope"] == pytest.approx(60)
    assert found["rss_mb_an_hour"]["grows"]
    assert found["bytes_a_round"]["records"] == pytest.approx(1_000, rel=0.01)
    assert found["year_mb"]["records"] == pytest.approx(1_000 * 8_640 * 7 / 1e6, rel=0.01)
    assert projected_year({"records": 10.0, "kept records": 1.0}, {"records": 7, "kept records": 0}, {"by hours": 2_000}) == {
        "records": 604_800, "kept records": 3_153_600, "by hours": 2_000, "free in the file": (604_800 + 3_153_600 + 2_000) // 20,
    }  # fmt: skip


def test_the_shipped_config_is_run_with_all_its_feeds(tmp_path: Path) -> None:
    text = config_text(
        CONFIG.read_text(encoding="utf-8"), tmp_path, 8_551, ["http://127.0.0.1:1", "http://127.0.0.1:2"]
    )
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    resolved = resolve(sections.load(tmp_path / "config.toml"))
    shipped = resolve(sections.load(CONFIG))
    assert resolved.specs.keys() == shipped.specs.keys()
    assert len(resolved.specs) == 34
    assert {f.heartbeat_s for f in resolved.config.feeds.values() if not f.off} == {360}
    assert resolved.config.oracle.round_interval_s == 1
