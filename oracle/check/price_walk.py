"""How far signers of the threshold can move a price by steps that each stay within the limits of its class. Pure."""

from __future__ import annotations

from feeds.units import BPS
from oracle.chain.store_rules import MAX_AHEAD_S
from oracle.check.store_facts import MoveLimits

_HUNDRED = 100
_MOST_PERCENT = 100_000
_LEAST_CROSSED_S = 3
"""Of a gap: a write that opens it, one that goes to its far end, one that comes back in the next block."""


def walk_text(limits: MoveLimits, max_push_age_s: int) -> str:
    """How far the threshold can walk a price, and how soon it is anywhere.

    Two steps a gap: one with which it opens, one inside of it; in a gap of which only its first second lies in the block's
    window there is room for the first. A gap may be open when the block begins, and the price at its far end (see
    ``reach``).
    A block takes every round from max_push_age_s before it to MAX_AHEAD_S after it: there the first steps come at once,
    and so does a price whose wait fits in. Whole percents, rounded to the nearest.
    """
    window_s = max_push_age_s + MAX_AHEAD_S
    where = f"class {limits.number}: twice {limits.step_bps} bps every {limits.min_gap_s} s of round times"
    if limits.step_wait_s <= window_s:
        return f"{where}; any price in one block, as {limits.step_wait_s} s of standing by it fit into its {window_s} s"
    steps, crosses = reach(limits.min_gap_s, max_push_age_s)
    up, down = (_percent(limits.step_bps * side, steps, crosses=crosses) for side in (1, -1))
    most = f"{up - _HUNDRED} % up" if up - _HUNDRED <= _MOST_PERCENT else f"over {_MOST_PERCENT} % up"
    across = " after a gap that was open before, from end to end" if crosses else ""
    return (
        f"{where}, of which one block takes {steps}{across} ({most} or {_HUNDRED - down} % down); "
        f"or any price after {limits.step_wait_s} s of standing by it"
    )


def reach(min_gap_s: int, max_push_age_s: int) -> tuple[int, bool]:
    """Steps that the rounds of one block hold at most, and whether the price crosses a gap before them.

    The worst of all phases: a gap that is open when the block begins and ends after its first second, the price brought to
    the far end of it by the block before. Its first write moves it by (1 + step) / (1 - step), and a step is all that
    this second would hold otherwise.
    """
    rounds, crosses = max_push_age_s + MAX_AHEAD_S + 1, min_gap_s >= _LEAST_CROSSED_S
    gaps, left = divmod(rounds - crosses, min_gap_s)
    in_gap = min(2, min_gap_s)  # a gap of one second has no second inside
    return in_gap * gaps + min(in_gap, left), crosses


def _percent(step_bps: int, steps: int, *, crosses: bool) -> int:
    """What so many steps, up or down, make of 100, to the nearest."""
    now: int = (BPS + step_bps) ** (steps + crosses)
    before: int = BPS**steps * (BPS - step_bps) ** crosses
    return (2 * _HUNDRED * now + before) // (2 * before)
