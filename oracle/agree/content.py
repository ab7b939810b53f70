"""What a proposal holds, computed from signed values: items by rule, so that a leader chooses nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from oracle.agree.messages import Content, Ready, values_hash
from oracle.agree.terms import Terms
from oracle.report.wire import split_items
from oracle.sign.agreed_reports import agreed_items
from oracle.sign.verified_values import VerifiedValues


def content_of(terms: Terms, values: Iterable[VerifiedValues], dropped: Iterable[int] = ()) -> Content | None:
    """The content that follows from these values; None where no feed has values of weight T, but for those dropped."""
    used = sorted(values, key=lambda v: v.address)
    left_out = tuple(sorted(set(dropped)))
    agreed = agreed_items(used, terms.signers)
    items = {i: item for i, item in agreed.items() if i not in left_out}
    if not items:
        return None
    return Content(
        values=tuple((v.address, values_hash(v.signed)) for v in used),
        items=b"".join(items[i] for i in sorted(items)),
        dropped=tuple(i for i in left_out if i in agreed),
    )


def vouching(terms: Terms, readies: Iterable[Ready], feed: int) -> int:
    """Weight that vouches for a feed."""
    return terms.weight([r.address for r in readies if feed not in r.refused_feeds])


def is_prepared(terms: Terms, content: Content, readies: Sequence[Ready]) -> bool:
    """Whether members of weight T are ready, and vouch for each feed. All are of this content and of one step.

    In the second step of an attempt nobody takes back what it vouched for in the first: the proposal shows that each feed
    had weight T then, and who is ready has checked it. So no member decides twice which feeds are left out.
    """
    if terms.weight([r.address for r in readies]) < terms.threshold:
        return False
    if readies[0].step % 2:
        return True
    refused = {i for r in readies for i in r.refused_feeds}
    return all(vouching(terms, readies, i) >= terms.threshold for i in refused & split_items(content.items).keys())


def lost_feeds(terms: Terms, content: Content, readies: Sequence[Ready]) -> tuple[int, ...]:
    """Feeds for which less than weight T vouches among these."""
    return tuple(i for i in split_items(content.items) if vouching(terms, readies, i) < terms.threshold)
