"""Pyth's aggregate: everybody votes three times, at the price and at both ends of the own confidence.

Source: Pyth's "Price Aggregation" documentation and pyth-client's price model: the middle vote is the price; the larger
distance from it to the votes a quarter from each end is the confidence.
"""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import BPS, Wad, mul_div_up
from oracle.combine.methods.median import middle_of
from oracle.model.types import Input


def three_vote(inputs: Sequence[Input]) -> Wad:
    """Median of the votes; between two middle votes their mean, rounded down.

    A quarter of liars is its limit, not half: honest confidences vote on both sides, and the liars only need to outweigh
    the difference.
    """
    return three_vote_confidence(inputs)[0]


def three_vote_confidence(inputs: Sequence[Input]) -> tuple[Wad, int]:
    """(price, confidence), both in wad. An input that states no spread votes with the widest that another one states."""
    widest = max((i.own_bps for i in inputs if i.own_bps is not None), default=0)
    votes: list[int] = []
    for i in inputs:
        own = mul_div_up(i.price_wad, widest if i.own_bps is None else i.own_bps, BPS)
        votes += (max(1, i.price_wad - own), i.price_wad, i.price_wad + own)
    votes.sort()
    price = Wad(middle_of(votes))
    quarter = len(votes) // 4
    return price, max(price - votes[quarter], votes[-1 - quarter] - price)
