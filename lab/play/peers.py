"""Other designs on the quotes of a case: each gets the same sources at the same moments as we do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from feeds.types import Kind, Observation
from feeds.units import BPS, wad_mul_down
from lab.designs.base import Design, DesignQuote
from lab.designs.registry import DESIGNS
from lab.play.run import Moment, outcomes_at
from lab.scenario.case import Case
from oracle.model.spec import FeedSpec
from oracle.model.status import Status

_LAST_ROUNDS = 60
"""Of ten seconds: the longest window of a design is ten minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatement:
    """What a consumer reads: a price in wad (None: nothing yet), the spread where one is stated, a status where there is one."""

    price_wad: int | None
    spread_bps: int | None = None
    status: Status = Status.OK

    @property
    def is_open(self) -> bool:
        """Whether the price counts as published: in a halt a consumer must not use it."""
        return self.status is not Status.HALT


class PeerRuns:
    """Designs over a case. A source in another unit is converted by the design's own feed of that unit."""

    def __init__(self, case: Case, names: Sequence[str]) -> None:
        self._case = case
        self._runs: dict[str, dict[str, Design]] = {n: {s.feed: DESIGNS[n]() for s in case.specs} for n in names}
        self._converted = {s.feed for s in case.specs if any(source.convert for source in s.sources)}

    def step(self, moment: Moment) -> dict[str, PeerStatement]:
        """What a consumer of each reads after the next moment; a stretch that is leapt over they are asked of in its last rounds."""
        if not self._runs:
            return {}
        if moment.rounds == 1:
            return self._round(moment)
        round_ms = self._case.round_ms
        first_ms = max(moment.t_ms, moment.last_ms - (_LAST_ROUNDS - 1) * round_ms)
        rounds = range(first_ms, moment.last_ms + 1, round_ms)
        return [self._round(replace(moment, t_ms=t, outcomes=outcomes_at(self._case, t))) for t in rounds][-1]

    def _round(self, moment: Moment) -> dict[str, PeerStatement]:
        case = self._case
        same = {s.feed: quotes(case, s, moment, {}) for s in case.specs if s.feed not in self._converted}
        out: dict[str, PeerStatement] = {}
        for name, designs in self._runs.items():
            statements: dict[str, PeerStatement] = {}
            for spec in case.specs:
                design = designs[spec.feed]
                seen = same[spec.feed] if spec.feed in same else quotes(case, spec, moment, statements)
                price = design.step(moment.t_ms, seen)
                statements[spec.feed] = PeerStatement(price_wad=price, spread_bps=design.spread_bps)
            out[name] = statements[case.feed]
        return out


def quotes(case: Case, spec: FeedSpec, moment: Moment, legs: Mapping[str, PeerStatement]) -> list[DesignQuote]:
    """The market sources of a feed as another design sees them, in the feed's own unit; a design has no redemption price."""
    convert = {s.name: s.convert for s in spec.sources}
    out = []
    for outcome in moment.outcomes[spec.feed]:
        if not isinstance(outcome, Observation) or outcome.kind is not Kind.MARKET:
            continue
        price = outcome.price_wad
        leg = convert[outcome.source]
        if leg is not None:
            leg_price = legs[leg].price_wad
            if leg_price is None:
                continue
            price = wad_mul_down(price, leg_price)
        half = 0
        if outcome.bid_wad and outcome.ask_wad:
            half = -(-(outcome.ask_wad - outcome.bid_wad) * BPS // (2 * outcome.price_wad))
        age_ms = case.began_ms + moment.t_ms - outcome.observed_at_ms
        out.append(
            DesignQuote(
                source=outcome.source,
                price_wad=price,
                depth_wad=outcome.depth_wad or 0,
                half_spread_bps=half,
                age_ms=max(0, age_ms),
            )
        )
    return out
