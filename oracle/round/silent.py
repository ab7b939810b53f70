"""Feeds without a price of a round, and why: of each the same sentence, wherever it is shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from oracle.model.publication import Silent
from oracle.model.spec import FeedSpec
from oracle.model.status import Why
from oracle.round.rounds import Round

_TOO_FEW = "too few operators gave a value that counts"


def silent_feeds(done: Round, specs: Mapping[str, FeedSpec]) -> tuple[Silent, ...]:
    """Every feed that a round brought no fresh price of; a cross is silent with its legs."""
    published = {r.feed for r in done.records}
    silent = {f: Silent(feed=f, why=a.why, text=a.text) for f, a in done.abstained.items()}
    for feed, spec in specs.items():
        leg = next((silent[name] for name in spec.legs if name in silent), None)
        if leg is not None:
            silent[feed] = Silent(feed=feed, why=leg.why, text=leg.text)
        elif feed not in published and feed not in silent:
            silent[feed] = Silent(feed=feed, why=Why.NO_QUORUM, text=done.missing.get(feed, _TOO_FEW))
    return tuple(silent.values())
