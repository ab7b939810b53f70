"""An archive: how far it has come, what waits, what is missing."""

from __future__ import annotations

from oracle.serve.metric_rows.row import counter, gauge

ROWS = (
    gauge(
        "archive_round_timestamp_seconds", "round_time of the newest round that is on disk", alarm="five minutes old"
    ),
    gauge("archive_connected", "1 while PostgreSQL takes what is written", alarm="0 for five minutes"),
    gauge("archive_waiting_rounds", "verified rounds in memory that are not on disk yet"),
    gauge(
        "archive_missing_rounds",
        "round times of the time that is asked for without a round, by `state`: `asked_for` of operators, `nobody_has_it`",
        ("state",),
    ),
    counter("archive_written_rounds", "rounds that were written"),
    counter("archive_reworded_rounds", "rounds that got the words of an earlier source of the config"),
    counter("archive_conflicting_rounds", "rounds sealed with something else than what is in the archive", alarm="any"),
    counter("archive_unwritable_rounds", "rounds that PostgreSQL does not take", alarm="any"),
    counter("archive_breaks", "how often the connection for writing broke"),
    counter("archive_rolled_up_hours", "hours that were rolled up"),
    counter("archive_dropped_partitions", "partitions that were past their time"),
    counter("archive_parquet_files", "Parquet files that were written"),
    gauge("archive_fault", "1 while a part of the archive does not work", ("part",), alarm="1 for five minutes"),
)
