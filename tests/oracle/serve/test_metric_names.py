"""What Prometheus scrapes keeps to its conventions, and is what the catalogue and docs/metrics.md say, no more and no less."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from oracle.serve.metric_catalog import CATALOG, metrics_page
from oracle.serve.metric_rows.row import PREFIX
from oracle.serve.metrics import Metrics
from oracle.serve.operator_documents import operators_document, operators_lines
from oracle.serve.operators import labels
from tests.oracle.serve.beside_metrics import archive_text, door_text, node_text
from tests.oracle.serve.endpoint_client import NOW_MS
from tests.oracle.serve.exposition import samples
from tests.oracle.serve.full_metrics import full
from tests.oracle.serve.operators_world import ODD, seen
from tests.packaging.prometheus_files import needs_promtool, promtool

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
WHOLE_UNITS = ("milliseconds", "minutes", "hours", "days", "percent", "bytes_total_bytes", "kilobytes")
OWN_LABELS = {"counter": set[str](), "gauge": set[str](), "histogram": {"le"}}


def lint(metrics: Metrics) -> Iterable[str]:
    """What `promtool check metrics` finds: https://github.com/prometheus/client_golang, prometheus/testutil/promlint."""
    for family in text_string_to_metric_families(metrics.render().decode()):
        name, labels = family.name, {label for s in family.samples for label in s.labels}
        if not family.documentation:
            yield f"{name}: no help text"
        if family.type == "gauge" and name.endswith(("_total", "_count", "_sum", "_bucket")):
            yield f"{name}: a gauge with the ending of a counter, a histogram or a summary"
        if labels & {"le", "quantile"} - OWN_LABELS[family.type]:
            yield f"{name}: a label of histograms and summaries"
        if re.search(r"_(gauge|counter|histogram|summary)(_|$)", name):
            yield f"{name}: its type is in its name"
        if any(name.endswith(unit) for unit in WHOLE_UNITS) or re.search(r"_(ms|us|min|hrs)(_|$)", name):
            yield f"{name}: not in a base unit"
        if "since the start" in family.documentation and family.type != "counter":
            yield f"{name}: it only grows, and is no counter"


def test_names_labels_and_types_are_as_prometheus_wants_them() -> None:
    assert list(lint(full())) == []


def test_the_page_is_what_the_catalogue_says() -> None:
    assert metrics_page(PAGE) == PAGE, "make docs writes it"


def exposed(text: str) -> dict[str, set[str]]:
    """Labels of each metric of ours, by its name in the catalogue."""
    out = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith(PREFIX):
            labels = {label for s in family.samples for label in s.labels} - OWN_LABELS.get(family.type, set())
            out[family.name.removeprefix(PREFIX)] = labels - {family.name}
    return out


def test_whatever_is_exposed_is_in_the_catalogue_with_its_labels_and_all_of_that_is_exposed() -> None:
    found = exposed(full().render().decode()) | exposed(door_text())
    assert {n: set(CATALOG[n].labels) for n in found} == found
    assert {*found, *exposed(node_text()), *exposed(archive_text())} == set(CATALOG)


@needs_promtool
def test_promtool_finds_nothing_wrong_with_what_is_exposed() -> None:
    promtool("check", "metrics", given=full().render())


def test_reports_of_epochs_are_counted_where_they_are_made() -> None:
    text = full().render().decode()
    assert "lrt_oracle_rewards_epoch 7.0" in text
    assert "lrt_oracle_rewards_attempts_failed_total 2.0" in text
    assert "lrt_oracle_rewards" not in Metrics(lambda: NOW_MS).render().decode()


def test_what_is_counted_by_target_is_there_before_it_happens() -> None:
    metrics = Metrics(lambda: NOW_MS)
    metrics.expect(["home"])
    text = metrics.render().decode()
    assert 'lrt_oracle_rounds_unsealed_total{target="home"} 0.0' in text, "an alarm on its growth sees the first one"
    assert 'lrt_oracle_pushes_landed_total{target="home"} 0.0' in text
    assert 'lrt_oracle_rounds_held_total{reason="clock_off"} 0.0' in text
    assert 'lrt_oracle_push_announcements_total{target="home",what="late"} 0.0' in text


def test_metrics_say_who_is_reached_and_who_is_missing() -> None:
    metrics, view = Metrics(lambda: NOW_MS), seen()
    metrics.operators.view = lambda: view
    by_name = samples(metrics)

    def of(name: str, operator: str, more: str = "") -> float:
        labels_ = ",".join(sorted([f'operator="{operator}"', *filter(None, more.split(","))]))
        return by_name[f"lrt_oracle_operator_{name}{{{labels_}}}"]

    assert [of("up", n) for n in ("alice", ODD, "operator-2")] == [1, 0, 1]
    assert of("path", "operator-2", ',path="direct"') == of("path", ODD, ',path="none"') == of("here", "alice") == 1
    assert of("rounds_ratio", ODD, ',what="signature"') == 0
    assert of("rounds_ratio", "alice", ',what="ready"') == 1
    assert of("missing_rounds", ODD, ',what="values"') == 360
    assert of("missing_now", ODD) == 359
    assert of("late_seconds", "alice", ',percentile="99",what="signature"') == 0.63
    assert of("evidence", "operator-2", ',kind="two_items"') == 1
    assert by_name['lrt_oracle_rounds_sealed_total{target="home"}'] == 359


def test_who_leaves_the_set_leaves_the_metrics_and_no_two_series_are_one() -> None:
    metrics, view = Metrics(lambda: NOW_MS), seen()
    twins = replace(view, rows=tuple(replace(r, name="same") for r in view.rows))
    assert len(set(labels(twins.rows).values())) == 5
    metrics.operators.view = lambda: twins
    text = metrics.render().decode()
    rows = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(rows) == len(set(rows))
    metrics.operators.view = lambda: replace(view, rows=view.rows[:1])
    assert "operator-2" not in metrics.render().decode()


def test_a_set_that_does_not_expire_has_no_time_to_show() -> None:
    view, metrics = seen(), Metrics(lambda: NOW_MS)
    metrics.operators.view = lambda: view
    name = b"lrt_oracle_signer_set_expires_timestamp_seconds{target="
    assert name in metrics.render()
    newest = view.hour.newest
    assert newest is not None
    newest = replace(newest, signers=replace(newest.signers, expires_s=None))
    view = replace(view, hour=replace(view.hour, newest=newest))
    assert name not in metrics.render()
    document = operators_document(view)
    assert document["epoch_expires_s"] is None
    assert "expires" not in "\n".join(operators_lines(document))
