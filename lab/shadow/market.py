"""A lending market on our feed beside the same market on a reference: what either would have done, each judged by the other.

Nobody knows what the token was worth. A liquidation is wrong *against* a price if by that price the loan was sound throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from feeds.units import WAD
from lab.outcome.book import BookTerms, Harm, LendingBook

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRound:
    """Our price and theirs in a round, 0 where there was none. While a market has no price nobody is liquidated and nobody borrows.

    ``pushed``: what the chain would have shown of ours.
    """

    ours: int
    theirs: int
    pushed: int = 0


def markets(rounds: Sequence[MarketRound], terms: BookTerms) -> Document:
    """Both markets, from the first round in which both prices stood; a round without the price that judges is left out."""
    first = next((i for i, r in enumerate(rounds) if r.ours and r.theirs), None)
    if first is None:
        return {"rounds": 0, "ours_against_theirs": None, "pushed_against_theirs": None, "theirs_against_ours": None}
    played = rounds[first:]
    return {
        "rounds": len(played),
        "ours_against_theirs": _harm(_lent([(r.ours, r.theirs) for r in played if r.theirs], terms)),
        "pushed_against_theirs": _harm(_lent([(r.pushed, r.theirs) for r in played if r.theirs], terms)),
        "theirs_against_ours": _harm(_lent([(r.theirs, r.ours) for r in played if r.ours], terms)),
    }


def _lent(rounds: Sequence[tuple[int, int]], terms: BookTerms) -> Harm:
    """What a market on the first price did, by the second, which always stands."""
    book = LendingBook(rounds[0][1], min(judge for _, judge in rounds), terms)
    for price, judge in rounds:
        book.add(price or None, judge, is_open=bool(price))
    return book.harm()


def _harm(harm: Harm) -> Document:
    return {
        "liquidated": harm.liquidated,
        "wrongly_liquidated": harm.wrong,
        "under_water": harm.under_water,
        "bad_debt": round(harm.bad_debt_wad / WAD, 6),
        "drained": harm.drained,
    }


def terms_document(terms: BookTerms) -> Document:
    """The market's parameters."""
    return {
        "positions": terms.positions,
        "least_ltv_percent": terms.first_bps / 100,
        "most_ltv_percent": terms.last_bps / 100,
        "liquidation_ltv_percent": terms.limit_bps / 100,
    }
