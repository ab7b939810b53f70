"""The trust document for people: a line for each role, signer and cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from oracle.check.corruption_cost import operators_text


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
        for r in row["roles"]
    ]
    lines += [
        f"  signer {m['address']} weight {m['weight']} bond {_bond(m['bond'], row)}" for m in row["signers"]["members"]
    ]
    lines += [
        f"  {c['what']}: weight {c['weight']}, {operators_text(c['operators'])}, bond {'' if c['exact'] or c['bond'] is None else 'at least '}"
        f"{_bond(c['bond'], row)}; {c['note']}"
        for c in row["costs"]
    ]
    lines += [f"  paused: {f}" for f in row["paused"]]
    return [*lines, *(f"  CAUTION {c}" for c in row["cautions"])]


def _delay(seconds: int) -> str:
    return f"after {seconds} s" if seconds else "at once"


def _bond(bond: str | None, row: Mapping[str, Any]) -> str:
    """A bond in its token; unknown without a registry."""
    if bond is None or row["registry"] is None:
        return "unknown"
    return f"{Decimal(bond).scaleb(-row['registry']['decimals']).normalize():f} {row['registry']['unit']}"
