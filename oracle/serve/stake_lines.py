"""What the contracts of stake say of operators as lines for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.stake.moments import moment, percent, units

_BPS = 10_000


def stake_lines(document: Mapping[str, Any]) -> list[str]:
    """Of the document of operators: how the set stands, and each operator; or why that is not known."""
    stake = document.get("stake")
    if stake is None:
        return [f"stake: not known: {document.get('stake_why') or 'this process does not say'}"]
    return [_head(stake), *(_row(r, stake) for r in stake["operators"])]


def _head(stake: Mapping[str, Any]) -> str:
    weighed = units if stake["by_stake"] else str
    expires = "never expires" if stake["expires_s"] is None else f"expires {moment(stake['expires_s'])}"
    named = "" if stake["by_stake"] else "; its signers were named when the store was deployed, not by stake"
    due = "due now" if stake["rotate_due_s"] <= stake["at_s"] else f"due {moment(stake['rotate_due_s'])}"
    trouble = f"; not read since: {stake['error']}" if stake["error"] else ""
    return (
        f"stake at block {stake['block']}, read {stake['age_s']} s ago: epoch {stake['epoch']},"
        f" T {weighed(int(stake['threshold']))} of W {weighed(int(stake['weight']))}, {expires}; rotate is {due}{named}{trouble}"
    )


def _row(row: Mapping[str, Any], stake: Mapping[str, Any]) -> str:
    weighed = units if stake["by_stake"] else str
    weight = f"weight {weighed(int(row['weight']))} ({percent(row['weight_bps'], _BPS)}) in epoch {stake['epoch']}"
    after = "" if row["next_weight"] is None else f", {units(int(row['next_weight']))} in the next set"
    why = f" ({row['why_not_next']})" if row["why_not_next"] and row["jailed_until_s"] is None else ""
    jail = "" if row["jailed_until_s"] is None else f"; in jail until {moment(row['jailed_until_s'])}"
    unread = f"; {row['unread_sources']} of its sources do not answer" if row["unread_sources"] else ""
    mark, name = "*" if row["here"] else " ", "" if row["name"] == row["operator"] else f"{row['name']}, "
    return (
        f"{mark} {name}{row['operator']}: stake {units(int(row['stake_wei']))} ETH,"
        f" {units(int(row['slashable_wei']))} ETH can be slashed; {weight}{after}{why}{jail}{unread}"
    )
