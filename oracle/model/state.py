"""What a feed remembers from one round to the next: bounded in size, frozen. Integers only; the unit is in the name."""

from __future__ import annotations

from dataclasses import dataclass

from feeds.record import record
from feeds.units import Wad
from oracle.model.spec import RULES_VERSION
from oracle.model.status import Status


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A price kept for averaging. ``at_ms`` is when it was observed; ``block`` where it was read on a chain."""

    at_ms: int
    price_wad: Wad
    block: int = 0


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """Trades of one market at one time and price, kept for the methods of trades, in the feed's unit.

    ``market``: the source; ``group``: what it depends on; ``at_ms``: the venue's own time. ``count`` trades of ``volume_wad``
    base units together; more than one price where they were merged over ``span_ms``: then their mean, at the time of the last.
    """

    market: str
    at_ms: int
    price_wad: Wad
    volume_wad: int
    group: str = ""
    count: int = 1
    span_ms: int = 1


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a method over time remembers: bounded in size, and enough to continue after a restart with the same value.

    ``samples``: point prices, ascending. ``total`` and ``weight``: running sums over the spans between them, or an
    exponential average and its weight; their meaning is the method's own. ``trades``: those of the methods of trades,
    ascending. ``waiting``: those that came while the quotes had no quorum, until one says whether they count. ``newest``:
    (market, time of the newest trade heard of it, kept or not). ``span_ms``: over which new trades are
    merged, 1: only at equal times and prices. ``begun_ms``: from when on every trade was heard; ``folded_ms``: of the newest
    round. ``made_by``: the method and the limits that the sums were made with; any other starts anew.
    """

    samples: tuple[Sample, ...] = ()
    total: int = 0
    weight: int = 0
    trades: tuple[Trade, ...] = ()
    made_by: str = ""
    newest: tuple[tuple[str, int], ...] = ()
    span_ms: int = 1
    begun_ms: int = 0
    folded_ms: int = 0
    waiting: tuple[Trade, ...] = ()


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """For how long the evidence has asked for a worse status: a leaky bucket (:mod:`oracle.judge.suspicion`).

    ``seen_ms``: time of the rounds that asked for it. ``blind_ms``: time of rounds without evidence that counts as well.
    ``rounds``: how many rounds asked for it since the bucket was last empty.
    """

    seen_ms: int = 0
    blind_ms: int = 0
    rounds: int = 0

    @property
    def total_ms(self) -> int:
        """All that counts."""
        return self.seen_ms + self.blind_ms


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeState:
    """The status, since when, the last round's time, and what leads to another status.

    ``watch`` and ``depeg``: suspicion of these levels. ``leaving_ms``: for how long rounds with a price have been below the
    status (in a halt: for how long there have been any); None while there are none.
    """

    status: Status = Status.OK
    since_ms: int = 0
    at_ms: int = 0
    watch: Suspicion = Suspicion()
    depeg: Suspicion = Suspicion()
    leaving_ms: int | None = None


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class RateState:
    """The redemption rate last read, when it last changed, its last fall, and one snapshot (time, rate) a day."""

    rate_wad: Wad
    changed_at_ms: int
    fell_at_ms: int | None = None
    fell_ppb: int = 0
    read_at_ms: int = 0
    source: str = ""
    snapshots: tuple[tuple[int, Wad], ...] = ()


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """Since when a source has stated this price, and what the others did meanwhile.

    ``apart_bps``: how far they lay from it when they were first compared, None before that. ``away``: whether they had moved
    away from it in the newest round; ``away_ms``: for how long in total.
    """

    source: str
    price_wad: Wad
    since_ms: int
    apart_bps: int | None = None
    away: bool = False
    away_ms: int = 0


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the judge's rules remember, bounded in size. Times are Unix ms.

    ``at_ms``: the newest round with a price; ``deviation_bps``: its deviation, None where one of the two prices was absent.
    ``deviations``: (time, bps), thinned. ``drift_low`` and ``drift_high``: one-sided sums in bps milliseconds.
    ``normal_mbps``: the learned normal level in thousandths of a bps; ``learn_rest_ms``: time too short for a step so far.
    ``depths``: (time, base units). ``supply_wad``: the supply that counts as known.
    ``rails``: (rail, since when it has lacked backing). ``ramp_ppm``: how much of the market price is in ``redemption_unless_depeg``, in millionths.
    """

    at_ms: int = 0
    deviation_bps: int | None = None
    deviations: tuple[tuple[int, int], ...] = ()
    drift_low: int = 0
    drift_high: int = 0
    normal_mbps: int | None = None
    learn_rest_ms: int = 0
    depths: tuple[tuple[int, int], ...] = ()
    unchanged: tuple[Unchanged, ...] = ()
    supply_wad: int | None = None
    rails: tuple[tuple[str, int], ...] = ()
    ramp_ppm: int = 0


@record
@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """Everything that the next round needs: bounded in size, versioned, frozen."""

    version: int = RULES_VERSION
    pools: tuple[tuple[str, tuple[Sample, ...]], ...] = ()
    window: Window = Window()
    judge: JudgeState = JudgeState()
    rate: RateState | None = None
    memory: Memory = Memory()

    @property
    def history(self) -> tuple[Sample, ...]:
        """Point prices kept for an average over time; none where the method does not look back."""
        return self.window.samples
