"""The process: whether it is ready and well, its machine, its endpoint."""

from __future__ import annotations

from oracle.serve.metric_rows.row import counter, gauge, histogram

ROWS = (
    gauge("ready", "1 while `/readyz` answers 200", alarm="0 for a minute"),
    gauge(
        "unready",
        "1: this keeps `/readyz` from answering 200: `no_rounds`, `no_round_yet`, `held`, `no_price_yet`, `abstains`, `not_connected`, `chain_unseen`, `gas_key_closed`, `no_quorum`, `no_gas`, `late_on_chain`",
        ("reason",),
        alarm="1 for some minutes",
    ),
    gauge(
        "health",
        "1 for the worst that a look of the process at itself found, 0 else ([doctor](doctor.md)): `ok`, `info`, `warning`, `critical`",
        ("check", "severity"),
        alarm="`critical`; `warning` for some hours",
    ),
    gauge("build_info", "what runs here; always 1", ("version", "rules_version", "python")),
    gauge(
        "operator_key",
        "1: what an operator of the config can do with its key here: `open`; `mute`, its journal was lost or restored; `elsewhere`, it spoke from another process; `closed`, it has no key here",
        ("operator", "use"),
        alarm="`elsewhere`; `mute` for some minutes; `closed`",
    ),
    counter(
        "task_restarts",
        "times that a task of the process ended and was started again",
        ("task",),
        alarm="any: the log says why",
    ),
    gauge("database_bytes", "size of the database's files: `main`, `wal`, `shm`", ("file",)),
    histogram(
        "database_write_seconds",
        "time to write a round to disk",
        buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
        alarm="0.99 of them above half a second",
    ),
    gauge("disk_free_bytes", "free on the file system of the database", alarm="none left in a week, as it goes"),
    gauge("disk_size_bytes", "size of that file system"),
    gauge("round_interval_seconds", "time from one round to the next, of the config"),
    gauge(
        "round_timestamp_seconds",
        "round_time of this run's newest round; NaN: none",
        alarm="older than three intervals",
    ),
    histogram(
        "round_durable_seconds",
        "from round_time until the round is stored",
        buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    ),
    counter(
        "rounds_held",
        "rounds that were not made, see [the clock](cli.md#when-the-clock-was-wrong)",
        ("reason",),
        alarm="any",
    ),
    gauge("clock_offset_seconds", "how far others' clocks are ahead of this machine's", alarm="beyond 0.2 either way"),
    gauge("clock_confirmed", "1 once our clock was confirmed", alarm="0 for some minutes"),
    counter(
        "scheduler_misfires", "runs of a job that were skipped or failed; the log says why", ("job",), alarm="rising"
    ),
    counter(
        "http_requests",
        "requests that were answered, by the path's form and the status; `other` where there is no such path",
        ("route", "status"),
        alarm="status 500: a fault of this program",
    ),
    histogram(
        "http_request_seconds",
        "from a whole request to the end of its answer; streams not",
        ("route",),
        buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0),
    ),
    counter(
        "http_answers",
        "requests by the way of their answer: `ready`, made already, and not among those by path; `routed`, by the long way; `malformed`, no HTTP",
        ("answer",),
    ),
    counter(
        "http_limited",
        "requests that a [limit](public.md#limits) refused: `rate`, `streams`, or a `key` that is none",
        ("limit",),
        alarm="rising fast: somebody asks too much, or a proxy is not in `trusted_proxies`",
    ),
    gauge("http_addresses", "addresses that the endpoint remembers", alarm="50,000 for some minutes"),
    counter("http_unlisted_proxy", "requests through a proxy that is not in `api.trusted_proxies`", alarm="any"),
    gauge("connections", "open connections to the endpoint"),
    counter("connections_refused", "connections refused, displaced, expired or crowded", ("how",)),
    counter("long_reads_refused", "long reads that were refused"),
    gauge("stream_readers", "open event streams"),
    counter("stream_dropped", "event streams cut off for being slow"),
    gauge(
        "nats_up",
        "1 while sealed rounds are handed on to NATS ([nodes](nodes.md)); none of these is there without `nats.servers`",
        alarm="0 for some minutes",
    ),
    gauge("nats_waiting_rounds", "sealed rounds that it has not acknowledged yet", alarm="above 10 for some minutes"),
    gauge("nats_round_timestamp_seconds", "newest round that it acknowledged since the process began, 0: none"),
    counter("nats_published", "rounds that it acknowledged"),
    counter("nats_breaks", "how often the connection broke, or came to nothing", alarm="rising"),
    gauge("config_info", "digest of the rules that rounds are made by now; always 1", ("rules",)),
    gauge(
        "config_last_reload_successful",
        "1: the last [reload](operate.md#another-config-while-it-runs) that read the file took it over, or there was none; 0: the file was refused",
        alarm="0: the file is wrong, and the process would not start with it",
    ),
    gauge(
        "config_last_reload_success_timestamp_seconds", "when a config was taken over last: at a start or by a reload"
    ),
    gauge(
        "config_restart_needed", "keys of the config file that do not hold before a restart", alarm="above 0 for days"
    ),
    counter(
        "reloads",
        "reloads: `applied`, `unchanged`, `refused`, `failed` (a fault of this program)",
        ("result",),
        alarm="`failed`",
    ),
)
