"""Which feeds each operator can price with what it uses, and whether those that can may have a push signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from feeds.types import Kind
from oracle.config.resolve import ResolvedConfig, reachable_groups, subset
from oracle.config.tables.operator_sections import OperatorSection
from oracle.config.tables.schema import Problem
from oracle.model.spec import FeedSpec
from oracle.sign.messages import SignerSet


def shortfalls(resolved: ResolvedConfig, without: Sequence[str]) -> dict[str, str]:
    """What each feed lacks for an operator without these, when all else answers: "" for one that it can price."""
    shortfall: dict[str, str] = {}
    for name, spec in resolved.specs.items():  # what a feed needs comes before it
        unpriced = {f for f, what in shortfall.items() if what}
        shortfall[name] = _shortfall(subset(spec, without), unpriced)
    return shortfall


def _shortfall(own: FeedSpec, unpriced: set[str]) -> str:
    if below := sorted({*own.legs, *((own.share_of,) if own.share_of else ())} & unpriced):
        return f"without {' and '.join(below)}"
    if not own.sources:
        return "" if own.legs or own.share_of else "without a source"
    if own.has_redemption and all(s.kind is not Kind.REDEMPTION for s in own.sources):
        return "without a redemption rate"
    left = reachable_groups(replace(own, sources=tuple(s for s in own.sources if s.convert not in unpriced)))
    if not own.has_market or len(left) >= max(1, own.min_groups):
        return ""
    return f"with {len(left)} of {own.min_groups} groups ({', '.join(left) or 'none'})"


def unpriced_feed_problems(
    resolved: ResolvedConfig, name: str, signers: SignerSet, keys: Sequence[tuple[OperatorSection, bytes]]
) -> Iterator[Problem]:
    """Feeds that too few of a store's signers can price. ``keys``: all operators here, each with its address."""
    here = [
        (one, signers.weight_of([key]), shortfalls(resolved, one.without))
        for one, key in keys
        if key in signers.signers
    ]
    for feed in resolved.pushed:
        weight = sum(w for _, w, shortfall in here if not shortfall[feed])
        if weight < signers.threshold:
            left = ", ".join(f"{o.name} is left {shortfall[feed]}" for o, _, shortfall in here if shortfall[feed])
            text = (
                f"the operators that can price it have weight {weight}, a push to {name} needs {signers.threshold}: it is never"
                f" pushed. {left}: take something out of `without`, add a source, or write reference_only = true"
            )
            yield Problem(f'feeds."{feed}"', text)
