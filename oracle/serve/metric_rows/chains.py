"""Chains and their endpoints."""

from __future__ import annotations

from oracle.serve.metric_rows.row import counter, gauge

ROWS = (
    gauge(
        "chain_head_timestamp_seconds", "time of the newest block read", ("chain",), alarm="older than `max_head_age_s`"
    ),
    counter("rpc_requests", "requests to the endpoints", ("chain",)),
    counter("rpc_failures", "requests that failed", ("chain",), alarm="rising fast"),
    counter("rpc_failovers", "changes of endpoint", ("chain",)),
    counter("rpc_splits", "reads that had to be split", ("chain",)),
    counter("rpc_head_not_found", "reads that stepped one block back", ("chain",)),
    counter("rpc_reorgs", "heads that replaced blocks already seen", ("chain",)),
    counter("rpc_lies", "answers of an endpoint that were outvoted", ("chain",), alarm="any"),
    counter("rpc_adapter_bugs", "adapters that broke on an answer", ("chain",), alarm="any: report it"),
    gauge(
        "rpc_endpoint_up",
        "1: its last answer was good; `endpoint` is its host, of several at one host `HOST#2`",
        ("chain", "endpoint"),
        alarm="0 for some minutes",
    ),
    gauge(
        "rpc_endpoint_head_timestamp_seconds",
        "time of the newest block that it has shown",
        ("chain", "endpoint"),
        alarm="behind the others",
    ),
    gauge(
        "rpc_endpoint_latency_seconds",
        "how long its newest answers took, those before it count ever less; not there before the first",
        ("chain", "endpoint"),
        alarm="above 1 for some minutes",
    ),
    gauge("rpc_endpoint_score", "100 without failures of late", ("chain", "endpoint"), alarm="low"),
    counter("rpc_endpoint_lies", "answers of it that were outvoted", ("chain", "endpoint"), alarm="any"),
)
