"""Operators and the rounds that they seal."""

from __future__ import annotations

from oracle.serve.metric_rows.row import counter, gauge

ROWS = (
    gauge("operator_here", "1: it signs in this process", ("operator",)),
    gauge("operator_up", "1: it is here, or reached", ("operator",), alarm="0 for some minutes"),
    gauge("operator_build_info", "its software, as it says; always 1", ("operator", "version")),
    gauge(
        "operator_path", "1: it is reached like this: `here`, `direct`, `inbound`, `via`, `none`", ("operator", "path")
    ),
    gauge("operator_weight", "in the set of the newest round", ("operator",)),
    gauge("operator_round_trip_seconds", "shortest of the last pings", ("operator",)),
    gauge("operator_clock_offset_seconds", "how far its clock is ahead of ours", ("operator",)),
    counter("operator_messages_refused", "its messages that counted for nothing", ("operator",)),
    gauge(
        "operator_rounds_ratio",
        "share of the last hour's rounds with its `values`, with it `ready`, with its `signature`",
        ("operator", "what"),
        alarm="`signature` of 0: missing for an hour",
    ),
    gauge(
        "operator_late_seconds",
        "when its `values` and `signature` come, from the round's start: the 50th and the 99th percentile of the last hour",
        ("operator", "what", "percentile"),
    ),
    gauge(
        "operator_missing_rounds",
        "rounds of the last hour by the first step that it did not take",
        ("operator", "what"),
    ),
    gauge(
        "operator_missing_now",
        "newest sealed rounds in a row without its signature",
        ("operator",),
        alarm="above 2 where `lrt_oracle_operator_here` is 1: it is you who is missing",
    ),
    gauge(
        "operator_apart_feeds",
        "feeds of the newest sealed round that it did not vouch for",
        ("operator",),
        alarm="above 0 for some minutes where `lrt_oracle_operator_here` is 1: your sources or endpoints lie, or everybody else's do",
    ),
    gauge(
        "operator_led_attempts",
        "attempts of the last hour that it led, by what came of them: `sealed`, `lost`",
        ("operator", "end"),
    ),
    gauge("operator_evidence", "what was found against it in the last hour", ("operator", "kind"), alarm="any"),
    gauge(
        "operator_warnings",
        "how many warnings there are about the operators of this process",
        alarm="above 0 for some minutes",
    ),
    gauge(
        "operators_newer", "operators of other processes with newer software than this one", alarm="above 0 for a day"
    ),
    gauge(
        "signer_set_expires_timestamp_seconds",
        "when the signer set of the newest round expires; not there where only another set ends it",
        ("target",),
        alarm="less than the store's rotation delay ahead",
    ),
    gauge(
        "signer_set_threshold",
        "weight that signs a round, of the set of the newest one",
        ("target",),
        alarm="above the weight of those that are reached",
    ),
    counter("rounds_sealed", "rounds that the store's operators sealed", ("target",)),
    counter("round_attempts", "attempts that rounds took", ("target",)),
    counter("rounds_unsealed", "rounds that came to nothing", ("target",), alarm="any"),
    counter("misbehaviour", "rounds in which an operator misbehaved", ("operator", "kind"), alarm="any"),
    counter("signatures_refused", "refusals of an operator here to sign", ("operator", "code"), alarm="rising"),
)
