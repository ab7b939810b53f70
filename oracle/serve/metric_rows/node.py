"""A node: how far behind it is, and its sources."""

from __future__ import annotations

from oracle.serve.metric_rows.row import counter, gauge

ROWS = (
    gauge("follow_round_timestamp_seconds", "round_time of the newest verified round"),
    gauge("follow_lag_seconds", "since that round_time", alarm="above three rounds"),
    gauge(
        "follow_chain_unreadable",
        "1 while the store's chain cannot be read: after ten minutes nothing is verified any more",
        alarm="1 for five minutes",
    ),
    gauge("follow_stream_readers", "open event streams"),
    gauge("follow_source_connected", "1 while its stream is open", ("source",), alarm="0 for all but one"),
    gauge("follow_source_round_timestamp_seconds", "newest round of it that verified", ("source",)),
    counter("follow_source_verified", "rounds that it told first", ("source",)),
    counter("follow_source_breaks", "how often its stream broke", ("source",)),
    counter("follow_source_refused", "rounds of it that do not verify", ("source", "why"), alarm="any"),
    counter("follow_relayed", "questions to operators (`node.relay`), by what became of them", ("end",)),
)
