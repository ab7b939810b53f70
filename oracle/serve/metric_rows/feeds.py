"""Feeds and their sources."""

from __future__ import annotations

from oracle.serve.metric_rows.row import counter, enum, gauge, histogram

ROWS = (
    gauge("feed_price", "last final `price`, `market`, `redemption`; NaN: it has none", ("feed", "kind")),
    enum("feed_status", "1 for the published status, 0 for the others", ("feed",), alarm="`depeg`, `halt`"),
    gauge("feed_deviation_bps", "market from redemption, negative below", ("feed",)),
    gauge("feed_spread_bps", "spread of the last final price", ("feed",)),
    gauge("feed_max_spread_bps", "above this spread there is no price; not of crosses", ("feed",)),
    gauge("feed_abstains", "1: the newest round brought no price", ("feed",), alarm="1 for some minutes"),
    gauge(
        "feed_groups",
        "independent groups behind the market price of the newest round; NaN: there is none",
        ("feed",),
        alarm="no more than are needed",
    ),
    gauge("feed_groups_needed", "groups that the market price needs", ("feed",)),
    gauge(
        "feed_age_seconds",
        "since the oldest input of the last final price",
        ("feed",),
        alarm="above the feed's `max_age_s`",
    ),
    gauge("feed_max_age_seconds", "older inputs do not count; not of crosses", ("feed",)),
    gauge("feed_round_timestamp_seconds", "round_time of the last final price", ("feed",)),
    gauge(
        "feed_risk_now",
        "1: the newest round showed this [risk](api.md#risks), 0: not, NaN: not known",
        ("feed", "code"),
    ),
    counter("abstentions", "rounds without a price", ("feed", "reason"), alarm="rising"),
    gauge("source_age_seconds", "since the source's last price was observed", ("feed", "source")),
    counter(
        "source_failures", "rounds that a source failed in", ("feed", "source", "code"), alarm="rising for an hour"
    ),
    gauge(
        "reference_drift_bps",
        "another oracle's feed from ours, negative below",
        ("feed", "source", "provider", "against"),
        alarm="beyond 200",
    ),
    histogram(
        "live_latency_seconds",
        "from a tick to its indication",
        buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
    ),
    gauge(
        "ws_connected",
        "1 while every connection is up; `VENUE:trades` is that of its trades",
        ("venue",),
        alarm="0 for some minutes",
    ),
    counter("ws_reconnects", "connections after the first", ("venue",)),
    gauge("ws_silent_symbols", "symbols without news for too long", ("venue",)),
    counter("ws_bad_frames", "messages that could not be read as a quote", ("venue", "code"), alarm="rising"),
)
