"""What a feed without a price would need: the groups that are missing, the feeds that it is made of, and why each source is silent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from feeds.types import Failure, Kind, Observation, Outcome
from oracle.combine.inputs import averaged_price
from oracle.config.resolve import reachable_groups
from oracle.model.spec import FeedSpec, SourceSpec
from oracle.model.types import Abstained, FoldedFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentSource:
    """A source that does not count, or not as the group that it will be, and why."""

    source: str
    group: str
    why: str


def needs_of(specs: Mapping[str, FeedSpec], folded: FoldedFeed, priced: Collection[str]) -> dict[str, Any]:
    """A feed that abstains, as JSON.

    Args:
        specs: all feeds.
        folded: its round.
        priced: feeds that have a price.
    """
    result, spec = folded.result, folded.spec
    assert isinstance(result, Abstained)  # noqa: S101 - the caller asks for what abstained
    silent = tuple(_silent(folded, result))
    have = sorted(set(_counting(folded, result)))
    return {
        "feed": spec.feed,
        "code": result.why.name,
        "text": result.text,
        "min_groups": spec.min_groups if spec.has_market and spec.sources else 0,
        "groups": have,
        "missing_groups": [g for g in reachable_groups(spec) if g not in have],
        "missing_feeds": [f for f in _feeds(spec) if f in specs and f not in priced],
        "sources": [{"source": s.source, "group": s.group, "why": s.why} for s in silent],
    }


def needs_of_cross(spec: FeedSpec, priced: Collection[str]) -> dict[str, Any]:
    """A product whose legs have no price, as JSON."""
    missing = [leg for leg in spec.legs if leg not in priced]
    return {
        "feed": spec.feed,
        "code": "LEG",
        "text": f"needs {' and '.join(missing)}, without a price this round",
        "min_groups": 0,
        "groups": [],
        "missing_groups": [],
        "missing_feeds": missing,
        "sources": [],
    }


def _feeds(spec: FeedSpec) -> list[str]:
    """The feeds that a feed is made of or converted by, each once."""
    made_of = [*spec.legs, *((spec.share_of,) if spec.share_of else ())]
    return list(dict.fromkeys([*made_of, *(s.convert for s in spec.sources if s.convert)]))


def _counting(folded: FoldedFeed, result: Abstained) -> Iterator[str]:
    """The groups of the market sources that counted."""
    rejected = {r.source for r in result.rejected}
    for source, outcome in _sources(folded.spec, result):
        if source.kind is Kind.MARKET and isinstance(outcome, Observation) and source.name not in rejected:
            yield _group(folded, source, outcome)


def _silent(folded: FoldedFeed, result: Abstained) -> Iterator[SilentSource]:
    """Every source that gave nothing, was rejected, or is not yet the group that it will be."""
    rejected = {r.source: r for r in result.rejected}
    for source, outcome in _sources(folded.spec, result):
        group = source.name if source.average_s else source.group
        if isinstance(outcome, Failure):
            why = f"{outcome.error}; {outcome.error.advice}"
        elif source.name in rejected:
            why = f"{rejected[source.name].code}: {rejected[source.name].text}"
        elif outcome is None:
            why = "nothing was read of it yet"
        elif source.kind is Kind.MARKET and _group(folded, source, outcome) != group:
            why = (
                f"counts as {source.group} until it is averaged over {source.average_s} s and "
                f"{source.average_blocks} blocks: lrt-oracle run keeps averages, or give --wait {source.average_s + 60}"
            )
        else:
            continue
        yield SilentSource(source=source.name, group=group, why=why)


def _sources(spec: FeedSpec, result: Abstained) -> Iterator[tuple[SourceSpec, Outcome | None]]:
    said = {o.source: o for o in result.outcomes}
    for source in spec.sources:
        if source.kind in (Kind.MARKET, Kind.REDEMPTION):
            yield source, said.get(source.name)


def _group(folded: FoldedFeed, source: SourceSpec, observation: Observation) -> str:
    """The group that a pool counts as now: its own where its average is whole."""
    if not source.average_s:
        return source.group
    return averaged_price(source, observation, dict(folded.after.pools).get(source.name, ()))[1]


def needs_lines(needs: Mapping[str, Any]) -> list[str]:
    """One feed's needs for people; sources with the same reason stand together."""
    rows = [f"{needs['feed']:<18} abstains: {needs['code']}: {needs['text']}"]
    if (more := needs["min_groups"] - len(needs["groups"])) > 0:
        have = f" beside {', '.join(needs['groups'])}" if needs["groups"] else ""
        rows.append(f"    needs {more} of these groups{have}: {', '.join(needs['missing_groups'])}")
    rows += [f"    needs a price of {feed}" for feed in needs["missing_feeds"]]
    reasons: dict[str, list[str]] = {}
    for source in needs["sources"]:
        reasons.setdefault(source["why"], []).append(source["source"])
    return rows + [f"    {', '.join(names)}: {why}" for why, names in reasons.items()]
