"""Stake, where it decides who signs."""

from __future__ import annotations

from oracle.serve.metric_rows.row import gauge

ROWS = (
    gauge("stake_read_age_seconds", "since the contracts were read; infinite: never", alarm="above 900"),
    gauge("stake_rotate_due_timestamp_seconds", "from when on anybody may have the next set made", alarm="an hour ago"),
    gauge(
        "stake_set_expires_timestamp_seconds",
        "when the set in force signs nothing any more",
        alarm="less than the store's rotation delay ahead",
    ),
    gauge("stake_silent", "1: the last freeze made no set, or one now would make none", alarm="1"),
    gauge("stake_unarmed", "1: a set waits for its members' signatures", alarm="1 for half an hour"),
    gauge("stake_lost_ratio", "weight that was cut from the set in force, as a share of T", alarm="any"),
    gauge(
        "stake_spare_ratio",
        "weight in force above T, as a share of T; below 0 nothing can be sealed",
        alarm="below 0.1",
    ),
    gauge("stake_slashable_ether", "what can be slashed of the members in force", alarm="falls by a tenth in a day"),
    gauge("stake_complete", "1: every source answered for every member", alarm="0 for some minutes"),
    gauge(
        "stake_corruption_ether",
        "what those have at stake who can do it and have least to lose: `two_contents`, `false_price`",
        ("what",),
        alarm="below what the price secures",
    ),
    gauge("stake_open_cases", "cases that are not settled", alarm="any"),
    gauge(
        "stake_reports_missing",
        "epochs that ended and were funded, without a report of their rewards",
        alarm="any for a day",
    ),
    gauge("stake_operator_ether", "stake that counts", ("operator",)),
    gauge("stake_operator_slashable_ether", "what of it can be slashed", ("operator",)),
    gauge("stake_operator_weight_ratio", "its share of the weight in force", ("operator",)),
    gauge(
        "stake_own_minimum_ratio",
        "stake of an operator of this process, as a share of what a member needs",
        ("operator",),
        alarm="below 1.1",
    ),
    gauge("stake_own_jailed", "1: no freeze takes it", ("operator",), alarm="1"),
    gauge("stake_own_next", "1: a freeze now would take it", ("operator",), alarm="0 for an hour"),
    gauge("stake_own_open_cases", "cases against it that are not settled", ("operator",), alarm="any"),
)
