"""Which feeds of a proposal a member vouches for: those that lie near its own view and contradict nothing it signed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from eth_hash.auto import keccak

from oracle.agree.messages import Content, FeedRefusal
from oracle.agree.state import OwnView
from oracle.agree.terms import Terms
from oracle.model.types import Report
from oracle.report.compose import repeats_published
from oracle.report.wire import decode_items, split_items
from oracle.sign.own_view import depeg_against_own_view, lacks_own_price, within_bound
from oracle.sign.verified_values import VerifiedValues

_decode_items = lru_cache(maxsize=64)(decode_items)


def refused_feeds(
    terms: Terms, view: OwnView, bound: Mapping[int, bytes], content: Content, values: Sequence[VerifiedValues]
) -> tuple[tuple[int, int], ...]:
    """Feeds of a content that recomputes, which a member does not vouch for: index and FeedRefusal, ascending.

    Args:
        terms: of the instance.
        view: the member's own.
        bound: hashes of the items that its key has signed meanwhile, by feed index.
        content: proposed.
        values: those it was made from.
    """
    items = split_items(content.items)
    reports = _decode_items(content.items, terms.round_time_s)
    refused: list[tuple[int, int]] = []
    for index, report in reports.items():
        signed = bound.get(index, view.signed.get(index))
        if signed is not None and signed != keccak(items[index]):
            refused.append((index, FeedRefusal.EQUIVOCATION))
        elif (code := _against_view(terms, view, index, report, values)) is not None:
            refused.append((index, code))
    return tuple(sorted(refused))


def _against_view(
    terms: Terms, view: OwnView, index: int, report: Report, values: Sequence[VerifiedValues]
) -> FeedRefusal | None:
    if report.status_only:
        published = view.published.get(index)
        if published is None or not repeats_published(report, published):
            return FeedRefusal.NOT_AS_PUBLISHED
    if lacks_own_price(index, report, view.reports):
        return FeedRefusal.NO_OWN_VIEW
    own = view.reports[index]
    far = not within_bound(report, own, view.bound_bps)
    if far or depeg_against_own_view(terms.signers, values, index, report, own):
        return FeedRefusal.OUT_OF_BOUND
    return None
