"""Writes the two dashboards of Grafana: python3 packaging/grafana/make.py. A panel is a line here; the JSON follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("dashboards")
SOURCE = {"type": "prometheus", "uid": "prometheus"}
_WIDTH, _HEIGHT, _ACROSS = 8, 7, 24
_OF = 'job="lrt-oracle",instance=~"$instance"'
_FEED = _OF + ',feed=~"$feed"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: what it is called, what it asks for, and how it is drawn."""

    title: str
    asks: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    alarms_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A page of panels, in rows under headings."""

    uid: str
    title: str
    variables: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Panel]]]
    tags: Sequence[str] = field(default=("lrt-oracle",))


FEEDS = Dashboard(
    uid="lrt-oracle-feeds",
    title="LRT oracle: feeds",
    variables=("instance", "feed"),
    rows=(
        ("Now", (
            Panel(title="Feeds without a price", kind="stat", alarms_at=1, asks=((f"sum(lrt_oracle_feed_abstains{{{_FEED}}})", ""),)),
            Panel(title="Feeds in depeg or halt", kind="stat", alarms_at=1, asks=((
                f'sum(lrt_oracle_feed_status{{{_FEED},lrt_oracle_feed_status=~"depeg|halt"}})', ""),)),
            Panel(title="Age of the newest round", kind="stat", unit="s", alarms_at=30, asks=((
                f"time() - max(lrt_oracle_round_timestamp_seconds{{{_OF}}})", ""),)),
        )),
        ("Prices", (
            Panel(title="Price", asks=((f'lrt_oracle_feed_price{{{_FEED},kind="price"}}', "{{feed}}"),)),
            Panel(title="Market from redemption", unit="none", asks=((f"lrt_oracle_feed_deviation_bps{{{_FEED}}}", "{{feed}} (bps)"),)),
            Panel(title="Status", asks=((
                f'lrt_oracle_feed_status{{{_FEED},lrt_oracle_feed_status!="ok"}} == 1', "{{feed}} {{lrt_oracle_feed_status}}"),)),
        )),
        ("How well they are known", (
            Panel(title="Spread", asks=((f"lrt_oracle_feed_spread_bps{{{_FEED}}}", "{{feed}} (bps)"),)),
            Panel(title="Groups more than needed", asks=((
                f"lrt_oracle_feed_groups{{{_FEED}}} - lrt_oracle_feed_groups_needed{{{_FEED}}}", "{{feed}}"),)),
            Panel(title="Age of the oldest input", unit="s", asks=((f"lrt_oracle_feed_age_seconds{{{_FEED}}}", "{{feed}}"),)),
            Panel(title="Rounds without a price, by reason", asks=((
                f"sum by (feed, reason) (rate(lrt_oracle_abstentions_total{{{_FEED}}}[5m]))", "{{feed}} {{reason}}"),)),
            Panel(title="Risks that a round showed", asks=((f"lrt_oracle_feed_risk_now{{{_FEED}}} == 1", "{{feed}} {{code}}"),)),
            Panel(title="Other oracles from ours", asks=((
                f"lrt_oracle_reference_drift_bps{{{_FEED}}}", "{{feed}} {{source}} {{against}} (bps)"),)),
        )),
        ("Sources", (
            Panel(title="Sources that fail", asks=((
                f"sum by (feed, source, code) (rate(lrt_oracle_source_failures_total{{{_FEED}}}[5m])) > 0", "{{feed}} {{source}} {{code}}"),)),
            Panel(title="Age of sources", unit="s", asks=((f"topk(20, lrt_oracle_source_age_seconds{{{_FEED}}})", "{{feed}} {{source}}"),)),
            Panel(title="Venues that are connected", asks=((f"lrt_oracle_ws_connected{{{_OF}}}", "{{venue}}"),)),
            Panel(title="From tick to indication, 99 %", unit="s", asks=((
                f"histogram_quantile(0.99, sum by (le) (rate(lrt_oracle_live_latency_seconds_bucket{{{_OF}}}[5m])))", "p99"),)),
            Panel(title="Venues' messages that could not be read", asks=((
                f"sum by (venue, code) (rate(lrt_oracle_ws_bad_frames_total{{{_OF}}}[5m]))", "{{venue}} {{code}}"),)),
        )),
    ),
)  # fmt: skip
OPERATOR = Dashboard(
    uid="lrt-oracle-operator",
    title="LRT oracle: operator and pusher",
    variables=("instance",),
    rows=(
        ("Now", (
            Panel(title="Ready", kind="stat", asks=((f"min(lrt_oracle_ready{{{_OF}}})", ""),)),
            Panel(title="Why not", kind="stat", alarms_at=1, asks=((f"sum by (reason) (lrt_oracle_unready{{{_OF}}}) > 0", "{{reason}}"),)),
            Panel(title="Version", kind="stat", asks=((f"lrt_oracle_build_info{{{_OF}}}", "{{instance}} {{version}}"),)),
        )),
        ("On chain", (
            Panel(title="Age on chain as a share of the heartbeat", unit="percentunit", alarms_at=1, asks=((
                f"lrt_oracle_onchain_age_seconds{{{_OF}}} / lrt_oracle_onchain_heartbeat_seconds{{{_OF}}}", "{{target}} {{feed}}"),)),
            Panel(title="Pushes: landed, failed, under way", asks=(
                (f"sum by (target) (increase(lrt_oracle_pushes_landed_total{{{_OF}}}[1h]))", "{{target}} landed in an hour"),
                (f"sum by (target, reason) (increase(lrt_oracle_pushes_failed_total{{{_OF}}}[1h])) > 0", "{{target}} {{reason}}"),
                (f"lrt_oracle_pushes_pending{{{_OF}}}", "{{target}} under way"))),
            Panel(title="From making a push until it landed", unit="s", asks=((
                f"histogram_quantile(0.9, sum by (target, le) (rate(lrt_oracle_receipt_seconds_bucket{{{_OF}}}[1h])))", "{{target}} p90"),)),
            Panel(title="Pushes that the gas key pays for", asks=((f"lrt_oracle_gas_pushes_left{{{_OF}}}", "{{target}}"),)),
            Panel(title="Fees of a day, in ether", asks=((
                f"sum by (target) (increase(lrt_oracle_push_fees_ether_total{{{_OF}}}[1d]))", "{{target}}"),)),
            Panel(title="Looks at the chain that came to nothing", asks=((
                f"sum by (target, reason) (rate(lrt_oracle_target_looks_failed_total{{{_OF}}}[5m]))", "{{target}} {{reason}}"),)),
        )),
        ("Operators", (
            Panel(title="Newest rounds without a signature", alarms_at=3, asks=((f"lrt_oracle_operator_missing_now{{{_OF}}}", "{{operator}}"),)),
            Panel(title="Weight that is reached, and needed", asks=(
                (f"sum by (instance) (lrt_oracle_operator_weight{{{_OF}}} * lrt_oracle_operator_up{{{_OF}}})", "reached"),
                (f"lrt_oracle_signer_set_threshold{{{_OF}}}", "needed"))),
            Panel(title="Attempts a round", asks=((
                f"sum by (target) (rate(lrt_oracle_round_attempts_total{{{_OF}}}[10m])) / sum by (target) (rate(lrt_oracle_rounds_sealed_total{{{_OF}}}[10m]))",
                "{{target}}"),)),
            Panel(title="Signatures come, 99 % of them, after", unit="s", asks=((
                f'lrt_oracle_operator_late_seconds{{{_OF},what="signature",percentile="99"}}', "{{operator}}"),)),
            Panel(title="Rounds lost in an hour", alarms_at=1, asks=((
                f"sum by (target) (increase(lrt_oracle_rounds_unsealed_total{{{_OF}}}[1h]))", "{{target}}"),)),
            Panel(title="Keys", asks=((f"lrt_oracle_operator_key{{{_OF}}} == 1", "{{operator}} {{use}}"),)),
            Panel(title="Evidence", alarms_at=1, asks=((f"lrt_oracle_watch_evidence{{{_OF}}}", "{{state}}"),)),
            Panel(title="Stake above T, as a share of it", unit="percentunit", asks=((f"lrt_oracle_stake_spare_ratio{{{_OF}}}", "{{instance}}"),)),
        )),
        ("Process and machine", (
            Panel(title="Round on disk after", unit="s", asks=(
                (f"histogram_quantile(0.99, sum by (le) (rate(lrt_oracle_round_durable_seconds_bucket{{{_OF}}}[10m])))", "p99 after its time"),
                (f"histogram_quantile(0.99, sum by (le) (rate(lrt_oracle_database_write_seconds_bucket{{{_OF}}}[10m])))", "p99 of the write"))),
            Panel(title="Memory", unit="bytes", asks=((f"process_resident_memory_bytes{{{_OF}}}", "{{instance}}"),)),
            Panel(title="Processor", unit="percentunit", asks=((f"rate(process_cpu_seconds_total{{{_OF}}}[5m])", "{{instance}}"),)),
            Panel(title="Database and free disk", unit="bytes", asks=(
                (f"lrt_oracle_database_bytes{{{_OF}}}", "{{file}}"), (f"lrt_oracle_disk_free_bytes{{{_OF}}}", "free"))),
            Panel(title="Clock", unit="s", asks=((f"lrt_oracle_clock_offset_seconds{{{_OF}}}", "{{instance}}"),)),
            Panel(title="Age of endpoints' heads", unit="s", asks=((
                f"time() - lrt_oracle_rpc_endpoint_head_timestamp_seconds{{{_OF}}}", "{{chain}} {{endpoint}}"),)),
            Panel(title="Endpoints that lie", alarms_at=1, asks=((
                f"increase(lrt_oracle_rpc_endpoint_lies_total{{{_OF}}}[1h])", "{{chain}} {{endpoint}}"),)),
            Panel(title="Tasks started again", alarms_at=1, asks=((f"increase(lrt_oracle_task_restarts_total{{{_OF}}}[1h]) > 0", "{{task}}"),)),
            Panel(title="Readers", asks=(
                (f"lrt_oracle_connections{{{_OF}}}", "connections"), (f"lrt_oracle_stream_readers{{{_OF}}}", "streams"))),
        )),
    ),
)  # fmt: skip
DASHBOARDS = (FEEDS, OPERATOR)


def document(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana takes it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": list(dashboard.tags),
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_variable(v) for v in dashboard.variables]},
        "panels": list(_panels(dashboard)),
    }


def _variable(name: str) -> dict[str, Any]:
    metric = {"instance": 'lrt_oracle_ready{job="lrt-oracle"}', "feed": f"lrt_oracle_feed_abstains{{{_OF}}}"}[name]
    query = f"label_values({metric}, {name})"
    return {
        "name": name, "type": "query", "datasource": SOURCE, "query": query, "definition": query, "refresh": 2,
        "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    at_y = number = 0
    for heading, panels in dashboard.rows:
        number += 1
        yield {"id": number, "type": "row", "title": heading, "collapsed": False,
               "gridPos": {"x": 0, "y": at_y, "w": _ACROSS, "h": 1}, "panels": []}  # fmt: skip
        at_y += 1
        for place, panel in enumerate(panels):
            number += 1
            x, y = place * _WIDTH % _ACROSS, at_y + place * _WIDTH // _ACROSS * _HEIGHT
            yield _panel(panel, number, {"x": x, "y": y, "w": _WIDTH, "h": _HEIGHT})
        at_y += -(-len(panels) * _WIDTH // _ACROSS) * _HEIGHT


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.alarms_at is not None:
        steps.append({"color": "red", "value": panel.alarms_at})
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for i, (expr, legend) in enumerate(panel.asks)
        ],
    }


def text(dashboard: Dashboard) -> str:
    """The file of a dashboard."""
    return json.dumps(document(dashboard), indent=1) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        (FOLDER / f"{each.uid}.json").write_text(text(each), encoding="utf-8")
