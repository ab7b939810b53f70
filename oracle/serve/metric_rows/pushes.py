"""Targets: what the stores hold, pushes and what they cost."""

from __future__ import annotations

from oracle.serve.metric_rows.row import counter, gauge, histogram

ROWS = (
    gauge("target_connected", "1: the operators sit in the signer set", ("target",), alarm="0"),
    gauge("target_look_age_seconds", "since a read of the chain was complete", ("target",), alarm="above 30"),
    gauge(
        "quorum_weight",
        "weight of those that signed the newest round, here or elsewhere; NaN: not known",
        ("target",),
        alarm="below the threshold",
    ),
    gauge("quorum_threshold", "weight that a push needs; NaN: not known", ("target",)),
    gauge("quorum_missing", "signers of the store that are not among them", ("target",)),
    gauge(
        "onchain_age_seconds",
        "since the round that a store holds; NaN: it holds none",
        ("target", "feed"),
        alarm="above `lrt_oracle_onchain_heartbeat_seconds`",
    ),
    gauge("onchain_heartbeat_seconds", "longest time between pushes", ("target", "feed")),
    gauge("onchain_late", "1: the store should hold a newer round by now", ("target", "feed"), alarm="1"),
    gauge("onchain_missed", "1: no price on chain yet of the newest time of `cron`", ("target", "feed"), alarm="1"),
    counter("pushes_landed", "pushes of this process that landed", ("target",)),
    counter(
        "pushes_failed",
        "pushes that did not land, see [push.md](push.md#what-happens-to-a-push)",
        ("target", "reason"),
        alarm="rising",
    ),
    gauge("pushes_pending", "pushes that were made and may still land", ("target",), alarm="above 0 for some minutes"),
    counter("push_fees_ether", "what transactions of pushes have cost, also such as did nothing", ("target",)),
    counter(
        "target_looks_failed",
        "looks at the target's chain that came to nothing: no push was lost by them",
        ("target", "reason"),
        alarm="rising for some minutes",
    ),
    counter(
        "pushes_by_stage",
        "pushes made, by this operator's place in the order of those that pay: 0 is the first",
        ("target", "stage"),
        alarm="other than 0, often: the first does not push",
    ),
    counter(
        "push_announcements",
        "pushes that other operators announced: `heard`; `late`: not landed in time",
        ("target", "what"),
        alarm="`late`",
    ),
    counter("pokes_failed", "views that a push should have poked and did not", ("target", "view")),
    histogram(
        "receipt_seconds",
        "from making a push until it landed",
        ("target",),
        buckets=(0.1, 0.5, 1.0, 2.5, 5.0, 12.0, 24.0, 36.0, 60.0, 120.0, 300.0),
    ),
    gauge("gas_balance_ether", "balance of the gas key", ("target",)),
    gauge("gas_pushes_left", "pushes that it can pay for at present fees", ("target",), alarm="below `warn_pushes`"),
)
