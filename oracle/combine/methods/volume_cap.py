"""The cap on a group's share of the volume: scaled down exactly, so that the price is the mean of the capped shares to the unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from oracle.model.state import Trade

_WHOLE = 100


def group_volumes(trades: Sequence[Trade]) -> dict[str, int]:
    """Volume of each group, in the order of their names. Base units, or another unit that all of them share."""
    volumes: dict[str, int] = {}
    for t in sorted(trades, key=lambda t: t.group):
        volumes[t.group] = volumes.get(t.group, 0) + t.volume_wad
    return volumes


def capped_volumes(trades: Sequence[Trade], cap_percent: int) -> list[Trade]:
    """The trades with volumes in which no group has more than the cap; those of a group keep their proportions.

    Where there are too few groups for the cap, each has the same share. The volumes are in a common unit, finer than a base
    unit: only their proportions count. A cap of 0 or 100 changes nothing.
    """
    factors = _factors(group_volumes(trades), cap_percent)
    return [replace(t, volume_wad=t.volume_wad * factors[t.group]) for t in trades] if factors else list(trades)


def _factors(volumes: Mapping[str, int], cap_percent: int) -> dict[str, int]:
    """What each group's volumes are multiplied by; empty where no group is over the cap.

    With k groups at the cap c of the whole, the whole is rest / (1 - k c), and each of them has c of it.
    """
    if not cap_percent:
        return {}
    ranked = sorted(volumes, key=lambda g: (-volumes[g], g))
    for over in range(len(ranked) + 1):
        held, free = ranked[:over], ranked[over:]
        rest, left = sum(volumes[g] for g in free), _WHOLE - over * cap_percent
        if left <= 0 or not free:
            held, free, ceiling, unit = ranked, [], 1, 1
        else:
            ceiling, unit = rest * cap_percent, left
        if not free or volumes[free[0]] * unit <= ceiling:
            break
    if not held:
        return {}
    whole = prod(volumes[g] for g in held)
    return {g: ceiling * (whole // volumes[g]) for g in held} | dict.fromkeys(free, unit * whole)
