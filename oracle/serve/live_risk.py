"""What the newest round showed of a feed's risks: groups, chains, readings, what contracts say now. Pure.

Where operators differ the worse answer counts. A product has the answers of its legs, a rebasing token those of its share token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from feeds.errors import Closed
from feeds.types import Failure, Kind, Observation
from oracle.model.risk import FeedRisk, LiveRisk, LiveRiskCode, RiskFact
from oracle.model.spec import FeedSpec, rails_of
from oracle.model.status import Reason, Why
from oracle.model.types import Abstained, FeedRound, FoldedFeed, Used
from oracle.serve.live_amounts import backing_now, depth_now, slashes_now

_T = TypeVar("_T")
_NO_RISK = FeedRisk()


def live_risks(
    round_time_s: int,
    feeds: Iterable[FoldedFeed],
    specs: Mapping[str, FeedSpec],
    risks: Mapping[str, FeedRisk],
    repeated: Mapping[str, bool],
) -> dict[str, LiveRisk]:
    """The live risk of every feed.

    Args:
        round_time_s: of the round.
        feeds: what each operator folded in it.
        specs: all feeds, legs before what needs them.
        risks: what does not change, for the chains of the sources.
        repeated: for each feed that the round published, whether its prices are those of an earlier one.
    """
    folded: dict[str, list[FoldedFeed]] = {}
    for each in feeds:
        folded.setdefault(each.spec.feed, []).append(each)
    made: dict[str, LiveRisk] = {}
    for name, spec in specs.items():
        below = [made[f] for f in spec.legs or ((spec.share_of,) if spec.share_of else ()) if f in made]
        own = _own_facts(spec, folded.get(name, ()), risks.get(name, _NO_RISK).chains) if not below else ()
        groups = [r.groups for r in below if r.groups is not None] if below else _groups(folded.get(name, ()))
        facts = (*own, *(f for r in below for f in r.facts if f.code is not LiveRiskCode.PRICES_REPEATED_NOW))
        mine = folded.get(name, ())
        made[name] = LiveRisk(
            round_time_s=round_time_s,
            groups=min(groups, key=len) if groups else None,
            facts=(*facts, _repeated(name, round_time_s, repeated.get(name))),
            backing=_of_legs(below, lambda r: r.backing) if below else backing_now(spec, mine),
            depth=_of_legs(below, lambda r: r.depth) if below else depth_now(spec, mine),
            slashes=_of_legs(below, lambda r: r.slashes) if below else slashes_now(spec, mine),
        )
    return made


def _of_legs(below: Sequence[LiveRisk], what: Callable[[LiveRisk], tuple[_T, ...]]) -> tuple[_T, ...]:
    """What the legs of a product have, each once: they may share one."""
    return tuple(dict.fromkeys(each for risk in below for each in what(risk)))


def _own_facts(spec: FeedSpec, folded: Sequence[FoldedFeed], chains: Mapping[str, str | None]) -> tuple[RiskFact, ...]:
    rounds = [f.result for f in folded if isinstance(f.result, FeedRound)]
    facts: list[RiskFact] = []
    if spec.has_market:
        facts += [_one_group(spec, folded, rounds), _one_chain(spec, folded, rounds, chains)]
    if rails_of(spec):
        facts.append(_rails(spec, folded))
    if spec.has_redemption:
        facts += [_one_reading(spec, folded, rounds), _closed(spec, folded), *_of_rate(spec, folded, rounds)]
    return tuple(facts)


def _groups(folded: Sequence[FoldedFeed]) -> list[tuple[str, ...]]:
    """The groups behind the market price, of each operator that has one."""
    rounds = [f.result for f in folded if isinstance(f.result, FeedRound)]
    return [tuple(sorted({u.group for u in _weighed(r)})) for r in rounds if r.market is not None]


def _weighed(result: FeedRound) -> Iterator[Used]:
    """The sources that carry weight in the market price."""
    yield from (u for u in (result.market.used if result.market else ()) if u.weight_bps)


def _one_group(spec: FeedSpec, folded: Sequence[FoldedFeed], rounds: Sequence[FeedRound]) -> RiskFact:
    code, groups = LiveRiskCode.ONE_GROUP_NOW, _groups(folded)
    if not groups:
        return _unknown(code, spec, "how many groups are behind its price", folded, rounds)
    fewest = min(groups, key=len)
    count = "1 independent group is" if len(fewest) == 1 else f"{len(fewest)} independent groups are"
    text = f"{count} behind the market price: {', '.join(fewest)}"
    return RiskFact(code=code, of=spec.feed, raised=len(fewest) == 1, text=text)


def _one_chain(
    spec: FeedSpec, folded: Sequence[FoldedFeed], rounds: Sequence[FeedRound], chains: Mapping[str, str | None]
) -> RiskFact:
    code = LiveRiskCode.ONE_CHAIN_NOW
    read = [{chains.get(u.source) for u in _weighed(r)} for r in rounds if r.market is not None]
    if not read:
        return _unknown(code, spec, "where its price was read", folded, rounds)
    single = [c for c in read if len(c) == 1 and None not in c]
    text = (
        f"every source behind the market price was read on {next(iter(single[0]))}"
        if single
        else "the sources behind the market price do not depend on one chain"
    )
    return RiskFact(code=code, of=spec.feed, raised=bool(single), text=text)


def _one_reading(spec: FeedSpec, folded: Sequence[FoldedFeed], rounds: Sequence[FeedRound]) -> RiskFact:
    code = LiveRiskCode.ONE_RATE_READING_NOW
    kinds = {s.name: s.kind for s in spec.sources}
    counts = [
        sum(isinstance(o, Observation) and kinds.get(o.source) is Kind.REDEMPTION for o in r.outcomes)
        for r in rounds
        if r.redemption is not None
    ]
    if not counts:
        return _unknown(code, spec, "how many readings are behind its rate", folded, rounds)
    text = f"{min(counts)} reading{'s' if min(counts) > 1 else ''} of the redemption rate answered"
    return RiskFact(code=code, of=spec.feed, raised=min(counts) <= 1, text=text)


def _closed(spec: FeedSpec, folded: Sequence[FoldedFeed]) -> RiskFact:
    """Whether holders can redeem now: as contracts say, without which the config's word counts where it says no."""
    code, names = LiveRiskCode.REDEMPTION_CLOSED_NOW, {s.name for s in spec.sources if s.kind is Kind.OPEN}
    outcomes = [o for f in folded for o in f.result.outcomes if o.source in names]
    shut = sorted({o.source for o in outcomes if isinstance(o, Failure) and o.error.code == Closed.code})
    if shut:
        return RiskFact(code=code, of=spec.feed, raised=True, text=f"{', '.join(shut)}: holders cannot redeem now")
    if not spec.rules.redemption_open:
        return RiskFact(code=code, of=spec.feed, raised=True, text="holders cannot redeem, as its rules say")
    answered = {o.source for o in outcomes if isinstance(o, Observation)}
    if names and answered == names:
        return RiskFact(code=code, of=spec.feed, raised=False, text="its contracts say that holders can redeem now")
    why = "its contracts did not answer" if names else "no contract is read that says it"
    return RiskFact(
        code=code, of=spec.feed, raised=None, text=f"not known of {spec.feed}: whether holders can redeem now, {why}"
    )


def _rails(spec: FeedSpec, folded: Sequence[FoldedFeed]) -> RiskFact:
    """What the judge found of the rails; where it found nothing, whether both sides of each were read."""
    code = LiveRiskCode.RAIL_UNBACKED_NOW
    found = next((r.text for f in folded for r in _reasons(f) if r.code is Why.UNBACKED_RAIL), None)
    if found is not None:
        return RiskFact(code=code, of=spec.feed, raised=True, text=found)
    rails = [b for b in backing_now(spec, folded) if b.rail is not None]
    unread = [n for b in rails for n in b.unread]
    if not rails or unread or not spec.rules.rail_bps:
        why = f": {', '.join(unread)} not read" if unread else "" if spec.rules.rail_bps else ": rules.rail_bps is 0"
        text = f"not known of {spec.feed}: whether as much is locked as exists beyond its bridges{why}"
        return RiskFact(code=code, of=spec.feed, raised=None, text=text)
    text = f"as much is locked as exists beyond its bridges: {', '.join(str(b.rail) for b in rails)}"
    return RiskFact(code=code, of=spec.feed, raised=False, text=text)


def _of_rate(spec: FeedSpec, folded: Sequence[FoldedFeed], rounds: Sequence[FeedRound]) -> Iterator[RiskFact]:
    """What the judge found of the rate."""
    priced = [r for r in rounds if r.redemption is not None]
    found = {r.code: r.text for f in folded for r in _reasons(f)}
    for code, why, setting, quiet, without in (
        (LiveRiskCode.RATE_CAPPED_NOW, Why.GROWTH, spec.rules.growth_bps_year,
         "the rate lies within its growth cap", "its rate has no growth cap"),
        (LiveRiskCode.RATE_OLD_NOW, Why.RATE_STALE, spec.rules.cadence_s,
         "the rate moved within its cadence", "how often its rate should move"),
    ):  # fmt: skip
        if why in found:
            yield RiskFact(code=code, of=spec.feed, raised=True, text=found[why])
        elif not setting and code is LiveRiskCode.RATE_CAPPED_NOW:
            yield RiskFact(code=code, of=spec.feed, raised=False, text=without)
        elif not setting or not priced:
            yield _unknown(code, spec, without if not setting else "how its rate stands", folded, priced)
        else:
            yield RiskFact(code=code, of=spec.feed, raised=False, text=quiet)


def _reasons(folded: FoldedFeed) -> Sequence[Reason]:
    result = folded.result
    return result.verdict.reasons if isinstance(result, FeedRound) else result.reasons


def _repeated(feed: str, round_time_s: int, repeats: bool | None) -> RiskFact:
    code = LiveRiskCode.PRICES_REPEATED_NOW
    if repeats is None:
        return RiskFact(
            code=code, of=feed, raised=True, text=f"round {round_time_s} brought no price: an older one is shown"
        )
    text = "its prices are those of an earlier round" if repeats else f"its prices are of round {round_time_s}"
    return RiskFact(code=code, of=feed, raised=repeats, text=text)


def _unknown(
    code: LiveRiskCode, spec: FeedSpec, what: str, folded: Sequence[FoldedFeed], rounds: Sequence[FeedRound]
) -> RiskFact:
    why = next((f.result.text for f in folded if isinstance(f.result, Abstained)), None) if not rounds else None
    return RiskFact(
        code=code, of=spec.feed, raised=None, text=f"not known of {spec.feed}: {what}" + (f"; {why}" if why else "")
    )
