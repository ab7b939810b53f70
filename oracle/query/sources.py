"""Which sources of a feed a question means: by name, venue, pool, chain and group; by depth at one moment, so that no later one decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feeds.types import Kind, Observation, Outcome
from feeds.units import wad_text
from oracle.config.source_plans import SourcePlan
from oracle.config.tables.feed_sections import SourceSection
from oracle.query.question import BAD_QUERY, QuestionRefused, SourceSelector


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSource:
    """A market source of the feed, with what a question may choose it by."""

    name: str
    venue: str
    pool: str | None
    chain: str | None
    group: str

    @classmethod
    def of(cls, plan: SourcePlan, section: SourceSection) -> KnownSource:
        """From its place in the config."""
        contract = plan.dependence.contract
        return cls(
            name=plan.spec.name,
            venue=section.type if plan.pull is None or plan.venue is None else plan.venue,
            pool=f"0x{contract[1].hex()}" if contract else None,
            chain=plan.chain,
            group=plan.spec.group,
        )

    def is_meant(self, by: SourceSelector, depths: Mapping[str, int] | None) -> bool:
        """Whether all that the selector says is true of it; depth where that is known already."""
        stated = (
            by.name in (None, self.name)
            and by.venue in (None, self.venue)
            and by.chain in (None, self.chain)
            and by.group in (None, self.group)
            and (by.pool is None or by.pool.lower() == (self.pool or "").lower())
        )
        return stated and (depths is None or depths.get(self.name, 0) >= by.min_depth)


def chosen(
    known: Sequence[KnownSource], selectors: Sequence[SourceSelector], depths: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """Names of the sources that are meant, in the order of the config; without selectors all.

    Raises:
        QuestionRefused: a selector means none that the feed has.
    """
    if not selectors:
        return tuple(k.name for k in known)
    for number, selector in enumerate(selectors):
        if not any(k.is_meant(selector, None) for k in known):
            listed = ", ".join(
                f"{k.name} ({k.venue}{f' on {k.chain}' if k.chain else ''}, group {k.group})" for k in known
            )
            raise QuestionRefused(
                BAD_QUERY, f"sources[{number}] is no source of the feed", f"it has: {listed or 'no market source'}"
            )
    names = tuple(k.name for k in known if any(k.is_meant(s, depths) for s in selectors))
    if not names:
        deepest = max(((d, n) for n, d in (depths or {}).items()), default=None)
        text = f"the deepest is {deepest[1]} with {wad_text(deepest[0], 4)}" if deepest else "no source states a depth"
        raise QuestionRefused(BAD_QUERY, "no source is as deep as min_depth", text)
    return names


def depths_of(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Base units that move each market source's price by 1 %, of those that state it; what is only modelled counts as nothing."""
    return {
        o.source: o.depth_wad
        for o in outcomes
        if isinstance(o, Observation) and o.kind is Kind.MARKET and o.depth_wad and not o.depth_modelled
    }
