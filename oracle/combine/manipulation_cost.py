"""What it would cost to move a published price: the notional that an attacker has to trade, from the depth behind it.

Source: venues state what moves their price by 0.5, 1 and 2 % (:class:`feeds.types.Quote`). Between those the depth is
interpolated linearly, and beyond the last it is taken as constant: so the figure is never more than the books state. It is
capital moved, not money lost, and for averages over time the move has to be kept up for most of the window.

A price is moved by the arithmetic of its method: where the method has a breakdown point, that share of the weight has to move
past the new price, the cheapest groups first; where it has none, the cheapest group pulls the mean. Of a method of trades
shares say nothing: whoever trades with himself has all the volume, or what the cap leaves to one group, for its fees alone, so
what has to be moved is a book. All figures are lower bounds. A group whose depth is unknown counts as free, and is named. So is one whose depth is only modelled from its volume,
which can be washed: it is in the figure that is shown, and counts as free for the gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from feeds.types import Observation, Outcome
from feeds.units import BPS, Wad, div_up, mul_div_up
from oracle.combine.methods.weighted_median import weighted_middle
from oracle.model.types import Aggregate, Used

MOVES_BPS = (50, 100, 500)
_STEPS_BPS = (50, 100, 200)


class DepthFrom(StrEnum):
    """Where a depth is from."""

    BOOK = "book"
    POOL = "pool"
    MODEL = "model"
    """A guess from the day's volume."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDepth:
    """A group: its price, its weight, and its depth as ascending (bps, base units); empty where it counts as free."""

    group: str
    price_wad: Wad
    weight: int
    depths: tuple[tuple[int, int], ...] = ()
    depth_from: DepthFrom = DepthFrom.BOOK

    @property
    def known_from(self) -> DepthFrom:
        """Where its depth is from; UNKNOWN where there is none."""
        return self.depth_from if self.depths or self.depth_from is DepthFrom.MODEL else DepthFrom.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Base units to move the price by ``bps`` in the cheaper direction, and the groups that have to be moved for it.

    ``base_wad`` is a lower bound as far as no depth is modelled. ``depths``: where the depth of each of the groups is from.
    """

    bps: int
    base_wad: int
    groups: tuple[str, ...]
    depths: tuple[DepthFrom, ...] = ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """The groups among them of whose depth nothing is known: they count as free."""
        return self._from(DepthFrom.UNKNOWN)

    @property
    def modelled(self) -> tuple[str, ...]:
        """The groups among them whose depth is only modelled."""
        return self._from(DepthFrom.MODEL)

    def _from(self, origin: DepthFrom) -> tuple[str, ...]:
        return tuple(g for g, known in zip(self.groups, self.depths, strict=True) if known is origin)


def standard_costs(market: Aggregate, outcomes: Sequence[Outcome], breakdown_bps: int) -> tuple[Cost, ...]:
    """The cost of 50, 100 and 500 bps in a stored round, from what it used and what was observed."""
    return tuple(price_cost(market, outcomes, breakdown_bps, bps) for bps in MOVES_BPS)


def price_cost(market: Aggregate, outcomes: Sequence[Outcome], breakdown_bps: int, bps: int) -> Cost:
    """The cost of moving this round's point price by ``bps`` (of trades: the price), with depths that are only modelled."""
    return _cost_of(market, group_depths(market.used, outcomes), breakdown_bps, bps)


def gate_cost(market: Aggregate, outcomes: Sequence[Outcome], breakdown_bps: int, bps: int) -> Cost:
    """The same by what books and pools really state: a group whose depth is modelled counts as free."""
    groups = group_depths(market.used, outcomes)
    real = [replace(g, depths=()) if g.depth_from is DepthFrom.MODEL else g for g in groups]
    return _cost_of(market, real, breakdown_bps, bps)


def _cost_of(market: Aggregate, groups: Sequence[GroupDepth], breakdown_bps: int, bps: int) -> Cost:
    if market.trades is None:
        return cost_to_move(groups, market.point_wad, breakdown_bps, bps)
    cap_bps = market.trades.cap_percent * BPS // 100
    reach_bps = max(cap_bps, div_up(BPS, len(market.trades.groups))) if cap_bps else BPS
    return cost_of_trades(groups, market.price_wad, reach_bps, bps)


def group_depths(used: Sequence[Used], outcomes: Sequence[Outcome]) -> tuple[GroupDepth, ...]:
    """The groups behind a price. Of several sources in one group half of the depth has to move, as in their median."""
    observed = {o.source: o for o in outcomes if isinstance(o, Observation)}
    by_group: dict[str, list[Used]] = {}
    for u in used:
        by_group.setdefault(u.group, []).append(u)
    return tuple(_group_depth(group, members, observed) for group, members in by_group.items())


def _group_depth(group: str, members: Sequence[Used], observed: Mapping[str, Observation]) -> GroupDepth:
    books = [_depths(observed.get(m.source)) for m in members]
    pairs = [(m.price_wad, max(1, dict(b).get(100, 1))) for m, b in zip(members, books, strict=True)]
    joint: tuple[tuple[int, int], ...] = books[0]
    if len(books) > 1:
        common = set.intersection(*({step for step, _ in b} for b in books))
        joint = tuple((step, sum(dict(b)[step] for b in books) // 2) for step in sorted(common))
    origins = {_origin(observed.get(m.source)) for m in members} if joint else {DepthFrom.UNKNOWN}
    return GroupDepth(
        group=group,
        price_wad=weighted_middle(pairs),
        weight=members[0].weight_bps,
        depths=joint,
        depth_from=DepthFrom.MODEL if DepthFrom.MODEL in origins else min(origins),
    )


def _origin(observation: Observation | None) -> DepthFrom:
    if observation is None or observation.depth_wad is None:
        return DepthFrom.UNKNOWN
    if observation.depth_modelled:
        return DepthFrom.MODEL
    return DepthFrom.BOOK if observation.chain_id is None else DepthFrom.POOL


def _depths(observation: Observation | None) -> tuple[tuple[int, int], ...]:
    if observation is None:
        return ()
    stated = zip(
        _STEPS_BPS, (observation.depth_half_wad, observation.depth_wad, observation.depth_two_wad), strict=True
    )
    rising: list[tuple[int, int]] = []
    for step, depth in stated:
        if depth is not None:
            rising.append((step, max(depth, rising[-1][1] if rising else 0)))
    return tuple(rising)


def cost_to_move(groups: Sequence[GroupDepth], price: Wad, breakdown_bps: int, bps: int) -> Cost:
    """The cheaper of up and down; up where they cost the same. bps > 0, at least one group with a weight."""
    voting = [g for g in groups if g.weight]
    both_ways = [
        _majority(voting, price, sign * bps, breakdown_bps) if breakdown_bps else _pull(voting, sign * bps)
        for sign in (1, -1)
    ]
    return min(both_ways, key=lambda c: c.base_wad)


def _majority(groups: Sequence[GroupDepth], price: Wad, bps: int, breakdown_bps: int) -> Cost:
    """Enough weight past the new price: the greater of two lower bounds.

    One takes parts of groups, the cheapest by weight first; the other counts how many groups it takes at least, and adds up
    that many of the cheapest. The second is exact where all weigh the same.
    """
    target = price * (BPS + bps) // BPS
    prices = [(g, _to_reach(g, target, up=bps > 0)) for g in groups]
    need = div_up(sum(g.weight for g in groups) * breakdown_bps, BPS)
    ranked = sorted(prices, key=lambda x: (Fraction(x[1], x[0].weight), x[0].group))
    part, left, chosen = 0, need, []
    for g, cost in ranked:
        if left <= 0:
            break
        part += cost * min(left, g.weight) // g.weight
        left -= g.weight
        chosen.append(g)
    count, heavy = 0, 0
    for weight in sorted((g.weight for g in groups), reverse=True):
        if heavy >= need:
            break
        heavy, count = heavy + weight, count + 1
    whole = sum(sorted(cost for _, cost in prices)[:count])
    return _cost(bps, max(part, whole), chosen)


def _pull(groups: Sequence[GroupDepth], bps: int) -> Cost:
    """A mean: the price moves by a group's share of the weight times its own move, so the cheapest group is taken."""
    total = sum(g.weight for g in groups)
    best: tuple[int, GroupDepth] | None = None
    for g in groups:
        far = div_up(abs(bps) * total, g.weight)
        steps = [(step, depth) for step, depth in g.depths if step < far] + [(far, depth_at(g.depths, far))]
        cost = min(depth * abs(bps) * total // (g.weight * step) for step, depth in steps)
        if best is None or cost < best[0]:
            best = cost, g
    if best is None:
        raise ValueError("no group has a weight")
    return _cost(bps, best[0], [best[1]])


def cost_of_trades(groups: Sequence[GroupDepth], price: Wad, reach_bps: int, bps: int) -> Cost:
    """The same for a price that is made of trades, in which volume is free, up to ``reach_bps`` of the whole for one group."""
    return min([_wash(groups, price, sign * bps, reach_bps) for sign in (1, -1)], key=lambda c: c.base_wad)


def _wash(groups: Sequence[GroupDepth], price: Wad, bps: int, reach_bps: int) -> Cost:
    """The greater of two lower bounds.

    One book at least must stand at the new price, as a mean is nowhere outside of its trades. And where nobody has the whole
    volume, what is left to go from where volume alone leads has to be moved in books, the cheapest per step.
    """
    up, target = bps > 0, price * (BPS + bps) // BPS
    left_bps, free = BPS, 0
    for held in sorted((g.price_wad for g in groups), reverse=up):
        part = min(left_bps, reach_bps)
        left_bps, free = left_bps - part, free + part * held
    far_wad = max(0, target * BPS - free if up else free - target * BPS) // reach_bps
    reached = min(((_to_reach(g, target, up=up), g) for g in groups), key=lambda x: (x[0], x[1].group))
    pulled = min(((_pulled(g, far_wad), g) for g in groups), key=lambda x: (x[0], x[1].group))
    base_wad, group = max(reached, pulled, key=lambda x: x[0])
    return _cost(bps, base_wad, [group])


def _pulled(group: GroupDepth, far_wad: int) -> int:
    """Base units per step of a group's own price, where they are fewest up to this distance, times all the steps."""
    far = far_wad * BPS // group.price_wad
    steps = [(step, depth) for step, depth in group.depths if step < far] + [(far, depth_at(group.depths, far))]
    return min(depth * far // step for step, depth in steps) if far else 0


def _to_reach(group: GroupDepth, target: int, *, up: bool) -> int:
    """Base units that bring a group's price to the target; 0 where it is there already."""
    distance = target - group.price_wad if up else group.price_wad - target
    return depth_at(group.depths, mul_div_up(distance, BPS, group.price_wad)) if distance > 0 else 0


def depth_at(depths: Sequence[tuple[int, int]], bps: int) -> int:
    """Base units that move a book by ``bps``, rounded down; 0 where nothing is known."""
    below = (0, 0)
    for step, depth in depths:
        if bps < step:
            return below[1] + (depth - below[1]) * (bps - below[0]) // (step - below[0])
        below = step, depth
    return below[1]


def _cost(bps: int, base_wad: int, groups: Sequence[GroupDepth]) -> Cost:
    return Cost(
        bps=abs(bps),
        base_wad=base_wad,
        groups=tuple(g.group for g in groups),
        depths=tuple(g.known_from for g in groups),
    )
