"""The numbers of a lender's risk list as the newest round showed them: backing, concentration of depth, the last slash. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from feeds.types import Kind, Observation
from feeds.units import BPS, MS
from oracle.model.risk import BackingNow, DepthNow, SlashNow
from oracle.model.spec import FeedSpec
from oracle.model.types import FeedRound, FoldedFeed
from oracle.round.round_rails import rails_read


def backing_now(spec: FeedSpec, folded: Sequence[FoldedFeed]) -> tuple[BackingNow, ...]:
    """The token as a whole where both sides are read, then each rail; of several operators the one that saw the least cover."""
    read = [_backing_of(spec, f) for f in folded]
    return tuple(min(same, key=_worse_first) for same in zip(*read, strict=True))


def _worse_first(backing: BackingNow) -> tuple[int, int]:
    """What lacks cover, also where it is only the least that exists; then what is not known; then the least cover."""
    supply, locked = backing.supply_wad, backing.locked_wad
    if supply is None or locked is None:
        return 1, 0
    cover = locked * BPS // supply if supply else BPS
    if locked < supply:
        return 0, cover
    return (1, 0) if backing.unread else (2, cover)


def _backing_of(spec: FeedSpec, folded: FoldedFeed) -> list[BackingNow]:
    observed = {o.source: o for o in folded.result.outcomes if isinstance(o, Observation)}
    whole = _whole(spec, observed)
    rails = [
        BackingNow(
            of=spec.feed,
            rail=r.rail,
            supply_wad=r.supply_wad,
            locked_wad=r.locked_wad,
            unread=r.unread,
            as_of_ms=r.as_of_ms or None,
        )
        for r in rails_read(spec, observed)
    ]
    return [*whole, *rails]


def _whole(spec: FeedSpec, observed: Mapping[str, Observation]) -> Iterable[BackingNow]:
    sides = {k: [s.name for s in spec.sources if s.kind is k and s.rail is None] for k in (Kind.SUPPLY, Kind.BACKING)}
    names = [n for side in sides.values() for n in side]
    if not all(sides.values()):
        return
    unread = tuple(n for n in names if n not in observed)
    sums = [
        None if any(n in unread for n in side) else sum(observed[n].price_wad for n in side) for side in sides.values()
    ]
    as_of = min((observed[n].observed_at_ms for n in names if n in observed), default=None)
    yield BackingNow(of=spec.feed, rail=None, supply_wad=sums[0], locked_wad=sums[1], unread=unread, as_of_ms=as_of)


def depth_now(spec: FeedSpec, folded: Sequence[FoldedFeed]) -> tuple[DepthNow, ...]:
    """How concentrated the depth behind the market price is, of the operator with the most in one place; none where none is known."""
    found = [d for f in folded if isinstance(f.result, FeedRound) and (d := _depth_of(spec, f.result)) is not None]
    return (max(found, key=lambda d: d.share_bps),) if found else ()


def _depth_of(spec: FeedSpec, result: FeedRound) -> DepthNow | None:
    used = {u.source: u.group for u in (result.market.used if result.market else ()) if u.weight_bps}
    read = {o.source: o for o in result.outcomes if isinstance(o, Observation) and o.source in used}
    depths: dict[str, int] = {}
    unknown: list[str] = []
    for name, group in used.items():
        depth = read[name].depth_wad if name in read and not read[name].depth_modelled else None
        if depth is None:
            unknown.append(name)
        else:
            depths[group] = depths.get(group, 0) + depth
    total = sum(depths.values())
    if not total:
        return None
    largest = max(depths, key=lambda g: depths[g])
    return DepthNow(
        of=spec.feed,
        largest=largest,
        share_bps=depths[largest] * BPS // total,
        depth_wad=total,
        unknown=tuple(sorted(unknown)),
    )


def slashes_now(spec: FeedSpec, folded: Sequence[FoldedFeed]) -> tuple[SlashNow, ...]:
    """The newest fall of the rate that an operator remembers; none where none does."""
    rates = [f.after.rate for f in folded if f.after.rate is not None]
    falls = [(r.fell_at_ms, r.fell_ppb) for r in rates if r.fell_at_ms is not None]
    if not falls:
        return ()
    at_ms, ppb = max(falls)
    return (SlashNow(of=spec.feed, round_time_s=at_ms // MS, ppb=ppb),)
