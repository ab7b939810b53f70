"""An operator's own view of a round beside a proposal: what it will not sign because it sees something else. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from feeds.units import BPS
from oracle.model.status import Status
from oracle.model.types import Report
from oracle.sign.messages import SignerSet
from oracle.sign.verified_values import VerifiedValues

_AGE_SLACK_S = 60
_SPREAD_SLACK, _SPREAD_FLOOR_BPS = 4, 100


def within_bound(proposed: Report, own: Report, bound_bps: int) -> bool:
    """Whether both prices lie within the bound of the own ones, presence agrees, and age and spread are not made better.

    Honest operators have other sources, so ages may differ by a minute and spreads by four times. Status-only prices are
    those of an earlier round: they equal the own ones to the bit where that view is status-only too, and are not compared
    where it has a price. A redemption rate that is lowered with them lies within the bound of the own one, or above it.
    """
    if proposed.status_only:
        same = not own.status_only or proposed.market_wad == own.market_wad
        return same and (own.redemption_wad - proposed.redemption_wad) * BPS <= own.redemption_wad * bound_bps
    if proposed.market_age_s + _AGE_SLACK_S < own.market_age_s:
        return False
    if _SPREAD_SLACK * proposed.spread_bps + _SPREAD_FLOOR_BPS < own.spread_bps:
        return False
    pairs = ((proposed.market_wad, own.market_wad), (proposed.redemption_wad, own.redemption_wad))
    return all(bool(p) == bool(o) and abs(p - o) * BPS <= o * bound_bps for p, o in pairs)


def lacks_own_price(index: int, proposed: Report, view: Mapping[int, Report]) -> bool:
    """Whether the own view has nothing of a feed, or only its status while the proposal has a price."""
    return index not in view or (view[index].status_only and not proposed.status_only)


def depeg_against_own_view(
    signers: SignerSet, values: Sequence[VerifiedValues], index: int, proposed: Report, own: Report
) -> bool:
    """Whether a proposal says depeg (or takes it back) against the own view without more than half of the whole set."""
    if _is_depeg(own) == _is_depeg(proposed):
        return False
    agreeing = [v.address for v in values if index in v.reports and _is_depeg(v.reports[index]) == _is_depeg(proposed)]
    return 2 * signers.weight_of(agreeing) <= sum(signers.weights)


def _is_depeg(report: Report) -> bool:
    return report.status >= Status.DEPEG
