"""Whether a market price can be one of this token at all."""

from __future__ import annotations

from feeds.units import BPS, WAD, percent_text, wad_text
from oracle.model.spec import FeedSpec


def implausibility(market_wad: int, redemption_wad: int, spec: FeedSpec, groups: int) -> str | None:
    """Why a market price cannot be one of this token, or None.

    A premium has a ceiling, because anybody may mint the token at its rate. A discount has none, but a single group is not
    believed beyond ``lone_bps``, and less than one part in ``least_part`` is an error of decimals.
    """
    if not market_wad or not redemption_wad:
        return None
    rules, ratio = spec.rules, market_wad * BPS // redemption_wad
    if ratio > BPS + rules.premium_bps:
        times, limit = wad_text(market_wad * WAD // redemption_wad, 3), percent_text(rules.premium_bps)
        return f"market is {times} times what the protocol owes; more than {limit} above it is not a price"
    if ratio * rules.least_part < BPS:
        return f"market is less than 1/{rules.least_part} of what the protocol owes: wrong decimals or a wrong unit"
    if groups <= 1 and ratio < BPS - rules.lone_bps:
        off = percent_text(BPS - ratio)
        return f"one group alone says {off} below redemption; more than {percent_text(rules.lone_bps)} is not believed"
    return None
