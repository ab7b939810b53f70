"""What befalls the members of a round: drawn from a seed, and made simpler step by step where it breaks a law."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache

from oracle.agree.messages import values_hash
from oracle.agree.state import OwnView
from oracle.agree.terms import CommonRules, Terms, Timing
from oracle.model.status import Status, Why
from oracle.model.types import Published, Report
from oracle.report.compose import status_only_report
from oracle.report.wire import encode_items
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignedValues, SignerSet
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.oracle_build import wad
from tests.oracle.report.reports import report

ROUND_S = 1_700_000_000
FEEDS = 4
_TIMING = Timing()
STRATEGIES = (
    "silent", "honest", "splits", "omits", "invents", "replays", "floods", "refuses", "flips", "twins", "hides_values",
    "late", "picks", "bare", "two_faced", "chaos",
)  # fmt: skip
DOMAIN = Domain(chain_id=31337, store=bytes(range(20)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One round of members and a network.

    Attributes:
        seed: of every draw while it runs.
        weights, threshold: of the set; members lead in the order of their listing.
        liars: strategy of each Byzantine member.
        crashed: (member, ms, ms of its restart or -1).
        blind: feeds that a member has no price of.
        parted: feeds that a member sees a fifth higher.
        halted: feeds that a member holds to be in halt.
        speaks_ms: when each member has its values.
        skews_ms: how far each clock is ahead.
        delay_ms: least and most, once the network has healed.
        bad_until_ms: until then words may be lost, doubled and late.
        loss, doubled: percent of words before that.
        late_ms: most delay before that.
    """

    seed: int
    weights: tuple[int, ...]
    threshold: int
    liars: Mapping[int, str]
    crashed: tuple[tuple[int, int, int], ...] = ()
    blind: tuple[frozenset[int], ...] = ()
    parted: tuple[frozenset[int], ...] = ()
    halted: tuple[frozenset[int], ...] = ()
    speaks_ms: tuple[int, ...] = ()
    skews_ms: tuple[int, ...] = ()
    delay_ms: tuple[int, int] = (5, 60)
    bad_until_ms: int = 0
    loss: int = 0
    doubled: int = 0
    late_ms: int = 0
    timing: Timing = _TIMING

    @property
    def size(self) -> int:
        """How many members."""
        return len(self.weights)

    @property
    def skew_ms(self) -> int:
        """Between any two clocks."""
        return max(self.skews_ms) - min(self.skews_ms)

    @property
    def faulty(self) -> frozenset[int]:
        """Members that lie or die."""
        return frozenset(self.liars) | {n for n, _, _ in self.crashed}


@lru_cache(maxsize=4096)
def address(n: int) -> bytes:
    return bytes([n + 1]) * 20


@lru_cache(maxsize=256)
def report_at(price: str) -> Report:
    """A report of a market price."""
    return replace(report(price, "1.06"), round_time_s=ROUND_S)


@lru_cache(maxsize=1)
def _published() -> Mapping[int, Published]:
    before = replace(report("1.00", "1.05"), round_time_s=ROUND_S - 10)
    return {i: Published(report=before, status=Status.OK, redemption_s=ROUND_S - 10) for i in range(FEEDS)}


@lru_cache(maxsize=16)
def _halt(feed: int) -> Report:
    return status_only_report(_published()[feed], Status.HALT, Why.DISCOUNT, round_time_s=ROUND_S)


def terms_of_schedule(schedule: Schedule) -> Terms:
    addresses = tuple(address(n) for n in range(schedule.size))
    return _terms(addresses, schedule.weights, schedule.threshold, schedule.timing)


@lru_cache(maxsize=64)
def _terms(addresses: tuple[bytes, ...], weights: tuple[int, ...], threshold: int, timing: Timing) -> Terms:
    signers = SignerSet(domain=DOMAIN, epoch=1, signers=addresses, weights=weights, threshold=threshold)
    return Terms(
        target="home", signers=signers, round_time_s=ROUND_S, indexes={f"feed{i}": i for i in range(FEEDS)}, rules=CommonRules(),
        order=tuple(a for a, w in zip(addresses, weights, strict=True) if w), timing=timing,
    )  # fmt: skip


def view_of_member(schedule: Schedule, n: int) -> OwnView:
    """What it sees: the same price as all, but where it is blind, parted or halted."""
    seen = {i: report_at(f"1.{20 * (i in schedule.parted[n]) + 3 + n % 3:03d}") for i in range(FEEDS)}
    seen |= {i: _halt(i) for i in schedule.halted[n]}
    reports = {i: r for i, r in seen.items() if i not in schedule.blind[n]}
    return OwnView(reports=reports, published=_published(), bound_bps=100)


def values_of_member(terms: Terms, n: int, view: Mapping[int, Report], variant: int = 0) -> VerifiedValues:
    """Values that stand for signed ones; ``variant``: other values of the same member."""
    if variant:
        view = {
            i: replace(r, market_wad=wad(f"1.0{variant + 3}")) if not r.repeats_prices else r for i, r in view.items()
        }
    return values_of_reports(terms.binding, n, encode_items(view), variant, tuple(view.items()))


@lru_cache(maxsize=8192)
def values_of_reports(
    binding: bytes, n: int, items: bytes, variant: int, reports: tuple[tuple[int, Report], ...]
) -> VerifiedValues:
    """Values with bytes that stand for a signature."""
    signed = SignedValues(
        operator=f"op{n}", address=address(n), round_time_s=ROUND_S, items=items,
        signature=bytes([n, variant]) * 32, terms=binding,
    )  # fmt: skip
    values = VerifiedValues(signed=signed, reports=dict(reports))
    assert values_hash(signed)
    return values


# --- drawing -------------------------------------------------------------------------------------------------------------


def schedule_of(seed: int) -> Schedule:
    """The schedule of a seed."""
    rng = random.Random(seed)
    n = rng.choice((4, 4, 4, 5, 5, 6, 7, 7, 9, 10, 13))
    weights = (1,) * n if rng.random() < 0.6 else tuple(rng.randrange(1, 6) for _ in range(n))
    total = sum(weights)
    least = 2 * total // 3 + 1
    threshold = least if rng.random() < 0.8 else rng.randint(least, total)
    faulty = _faulty(rng, weights, min(total - threshold, 2 * threshold - total - 1))
    liars = {i: rng.choice(STRATEGIES) for i in faulty if rng.random() < 0.75}
    crashed = tuple(_crash(rng, i) for i in sorted(faulty - liars.keys()))
    calm = rng.random() < 0.5
    return Schedule(
        seed=seed, weights=weights, threshold=threshold, liars=liars, crashed=crashed,
        blind=_feeds_of(rng, n, 0.4), parted=_feeds_of(rng, n, 0.25), halted=_feeds_of(rng, n, 0.15),
        speaks_ms=tuple(rng.randint(20, 400) if calm or rng.random() < 0.9 else rng.randint(0, 2500) for _ in range(n)),
        skews_ms=tuple(rng.randint(-40, 40) if calm else rng.randint(-100, 100) for _ in range(n)),
        delay_ms=(5, rng.choice((20, 60, 70))) if calm else (0, rng.choice((20, 80, 100))),
        bad_until_ms=0 if calm else rng.choice((0, 900, 1_900, 3_500, 5_000)),
        loss=rng.choice((0, 1, 10, 40, 90)), doubled=rng.choice((0, 10)), late_ms=rng.choice((100, 300, 600, 1_500)),
    )  # fmt: skip


def _faulty(rng: random.Random, weights: tuple[int, ...], spare: int) -> set[int]:
    """Members of no more weight than that."""
    faulty: set[int] = set()
    most = rng.choice((spare, spare, rng.randint(0, max(spare, 0))))
    for i in rng.sample(range(len(weights)), len(weights)):
        if sum(weights[x] for x in faulty | {i}) <= most:
            faulty.add(i)
    if rng.random() < 0.5:  # and they lead first
        return _leading(weights, most)
    return faulty


def _leading(weights: tuple[int, ...], most: int) -> set[int]:
    faulty: set[int] = set()
    for i in range(len(weights)):
        if sum(weights[x] for x in faulty | {i}) <= most:
            faulty.add(i)
    return faulty


def _crash(rng: random.Random, n: int) -> tuple[int, int, int]:
    at_ms = rng.choice((0, rng.randint(0, 3_000)))
    return n, at_ms, rng.choice((-1, at_ms + rng.randint(100, 3_000)))


def _feeds_of(rng: random.Random, n: int, share: float) -> tuple[frozenset[int], ...]:
    """Feeds 1 and above of some members; feed 0 is everybody's."""
    if rng.random() > share:
        return (frozenset(),) * n
    return tuple(frozenset(i for i in range(1, FEEDS) if rng.random() < 0.3) for _ in range(n))


# --- shrinking -----------------------------------------------------------------------------------------------------------


def shrunk(schedule: Schedule, breaks: Callable[[Schedule], bool]) -> Schedule:
    """The simplest schedule found that still breaks a law."""
    again = True
    while again:
        again = False
        for simpler in _simpler(schedule):
            if breaks(simpler):
                schedule, again = simpler, True
                break
    return schedule


def _simpler(schedule: Schedule) -> Iterator[Schedule]:
    n = schedule.size
    calm: dict[str, object] = {
        "bad_until_ms": 0, "loss": 0, "doubled": 0, "late_ms": 0, "crashed": (), "blind": (frozenset(),) * n,
        "parted": (frozenset(),) * n, "halted": (frozenset(),) * n, "skews_ms": (0,) * n, "speaks_ms": (50,) * n,
        "delay_ms": (20, 20),
    }  # fmt: skip
    for name, value in calm.items():
        if getattr(schedule, name) != value:
            yield replace(schedule, **{name: value})  # type: ignore[arg-type]
    for liar in schedule.liars:
        yield replace(schedule, liars={k: v for k, v in schedule.liars.items() if k != liar})
        if schedule.liars[liar] != "silent":
            yield replace(schedule, liars={**schedule.liars, liar: "silent"})
    for name in ("blind", "parted", "halted"):
        for member, feeds in enumerate(getattr(schedule, name)):
            for feed in feeds:
                less = tuple(f - {feed} if m == member else f for m, f in enumerate(getattr(schedule, name)))
                yield replace(schedule, **{name: less})  # type: ignore[arg-type]


def text_of(schedule: Schedule) -> str:
    """Only what is out of the ordinary."""
    return ", ".join(f"{f.name}={getattr(schedule, f.name)}" for f in fields(schedule) if f.name != "timing")
