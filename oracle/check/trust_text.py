"""The trust document for people: a line for each role, signer and cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from oracle.check.corruption_cost import operators_text
from oracle.stake.moments import units


def trust_lines(row: Mapping[str, Any]) -> list[str]:
    """Who can do what with a store, and what it costs to corrupt its operators."""
    head = f"trust  {row['target']}: store {row['store']} on {row['chain']}"
    if "error" in row:
        return [f"{head}: {row['error']}"]
    ends = row["signers"]["expires_s"]
    until = "" if ends is None else f", which expires at {ends} (Unix s)"
    lines = [f"{head}, block {row['block']}, epoch {row['signers']['epoch']}{until}"]
    lines += [
        f"  {r['role']}{': ' + r['who'] if r['who'] else ''}; {r['power']}; {_delay(r['delay_s'])}; at worst {r['worst']}"
        + (f" ({', '.join(r['functions'])})" if r["functions"] else "")
        for r in row["roles"]
    ]
    by_stake = row["stake"]["decides"] is True and row["stake"]["security"]["by_stake"]
    shown = _wei if by_stake else str
    lines += [_signer_line(m, row, shown) for m in row["signers"]["members"]]
    lines += [
        f"  {c['what']}: weight {shown(c['weight'])}, {operators_text(c['operators'])}, {_stake(c, row)}; {c['note']}"
        for c in row["costs"]
    ]
    lines += [f"  paused: {f}" for f in row["paused"]]
    lines += [f"  stake: {row['stake']['why_not']}"] if row["stake"]["why_not"] else []
    return [*lines, *(f"  CAUTION {c}" for c in row["cautions"])]


def _delay(seconds: int) -> str:
    return f"after {seconds} s" if seconds else "at once"


def _signer_line(member: Mapping[str, Any], row: Mapping[str, Any], shown: Callable[[str], str]) -> str:
    whose = "" if member["operator"] is None else f" of operator {member['operator']}"
    return f"  signer {member['address']}{whose} weight {shown(member['weight'])}{_slashable(member['slashable'], row)}"


def _slashable(wei: str | None, row: Mapping[str, Any]) -> str:
    if row["stake"]["decides"] is False:
        return "; nothing of it can be slashed"
    return "; what can be slashed is unknown" if wei is None else f"; {_wei(wei)} ETH can be slashed"


def _stake(cost: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """The least at stake of any who can do it, and what of it is lost."""
    if row["stake"]["decides"] is False:
        return "no stake"
    if cost["stake"] is None:
        return "stake unknown"
    at_least = "" if cost["exact"] else "at least "
    return f"{at_least}{_wei(cost['stake'])} ETH at stake, {_wei(cost['lost'])} ETH lost"


def _wei(text: str) -> str:
    return units(int(text))
