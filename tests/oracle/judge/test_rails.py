"""Backing by rail: what is locked at home against what exists beyond the bridge, through real rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.types import Kind, Outcome
from feeds.units import MS, WAD
from oracle.judge.evidence import RailEvidence
from oracle.judge.rules.rails import unbacked_rail
from oracle.model.spec import FeedSpec, Rules, SourceSpec
from oracle.model.state import FeedState, Memory
from oracle.model.status import Status, Why
from oracle.model.types import Abstained, FeedRound, Result
from oracle.round.round_rails import MOST_APART_MS, rails_read
from oracle.round.step import step
from tests.oracle.judge.rule_build import evidence, rule_input
from tests.oracle.oracle_build import T0, failed, outcomes, seen, source, spec

LIMITS = Rules(rail_dwell_s=3, disagree_bps=0, supply_bps=100)
TENTH = 10
"""Rounds of a second until a rail's dwell is long over."""


def side(name: str, kind: Kind, rail: str | None = "bridge") -> SourceSpec:
    return source(name, kind=kind, group="chain:main", rail=rail)


LOCK, NEAR, FAR = side("lock", Kind.BACKING), side("near", Kind.SUPPLY), side("far", Kind.SUPPLY)
RAILED = spec(sources=(*spec().sources, LOCK, NEAR, FAR), rules=LIMITS)


def amount(of: SourceSpec, units: int, at_ms: int) -> Outcome:
    return replace(seen(of.name, "1", at_ms, kind=of.kind), price_wad=units * WAD)  # type: ignore[arg-type]


def told(
    at_ms: int, *, lock: int | None, near: int | None = 600, far: int | None = 400, price: str = "1.05"
) -> list[Outcome]:
    sides = [(LOCK, lock), (NEAR, near), (FAR, far)]
    read = [failed(of.name, at_ms) if units is None else amount(of, units, at_ms) for of, units in sides]
    return [*outcomes(price, at_ms=at_ms), *read]


def played(rounds: Sequence[list[Outcome]], feed: FeedSpec = RAILED) -> list[Result]:
    state, made = FeedState(), []
    for second, said in enumerate(rounds):
        result, state = step(feed, state, said, {}, T0 + second * MS)
        made.append(result)
    return made


def statuses(rounds: Sequence[Result]) -> list[Status]:
    return [r.report.status if isinstance(r, FeedRound) else r.status for r in rounds]


def at(second: int) -> int:
    return T0 + second * MS


def test_an_emptied_lock_box_is_watched_at_once_and_a_depeg_after_the_rules_own_dwell() -> None:
    calm = [told(at(s), lock=1_000) for s in range(3)]
    emptied = [told(at(s), lock=2) for s in range(3, 3 + TENTH)]
    made = played([*calm, *emptied])
    assert statuses(made)[:3] == [Status.OK] * 3
    assert statuses(made)[3:6] == [Status.WATCH] * 3
    assert statuses(made)[6:] == [Status.DEPEG] * (TENTH - 3)
    first = made[3]
    assert isinstance(first, FeedRound)
    assert first.report.why is Why.BACKING, "the signed record has the class"
    assert first.verdict.reasons[0].code is Why.UNBACKED_RAIL
    assert "rail bridge: 2.00 are locked for 1000.00 beyond the bridge, 0.20 %" in first.verdict.reasons[0].text
    assert first.verdict.widen_bps >= RAILED.rules.doubt_bps


def test_the_token_as_a_whole_sees_nothing_of_it() -> None:
    """Control: the supply at home and its backing are unchanged, and without the rail nothing is said."""
    home, held = side("supply", Kind.SUPPLY, None), side("held", Kind.BACKING, None)
    whole = replace(RAILED, sources=(*spec().sources, home, held))
    said = [[*told(at(s), lock=2), amount(home, 5_000, at(s)), amount(held, 5_000, at(s))] for s in range(TENTH)]
    assert set(statuses(played(said, whole))) == {Status.OK}
    both = replace(RAILED, sources=(*RAILED.sources, home, held))
    last = played(said, both)[-1]
    assert isinstance(last, FeedRound)
    assert last.verdict.status is Status.DEPEG
    assert {r.code for r in last.verdict.reasons} == {Why.UNBACKED_RAIL}, (
        "a rail's sides are no part of the token's sums"
    )


@pytest.mark.parametrize(
    ("home_supply", "status"), [(100_100, Status.WATCH), (99_700, Status.DEPEG), (None, Status.DEPEG)]
)
def test_a_small_rail_is_no_depeg_of_the_whole_token(home_supply: int | None, status: Status) -> None:
    """998 of 1,000 are missing: less than 1 % of 100,100, more than 1 % of 99,700; of an unknown supply it is taken to be more."""
    home = side("supply", Kind.SUPPLY, None)
    feed = replace(RAILED, sources=(*RAILED.sources, home))
    said = [
        [*told(at(s), lock=2), *([] if home_supply is None else [amount(home, home_supply, at(s))])]
        for s in range(TENTH)
    ]
    assert statuses(played(said, feed))[-1] is status


def test_a_count_of_tokens_is_told_before_a_price() -> None:
    """On chain the first reason alone is told: a contract that acts on backing must see it though the market is off as well."""
    off = [told(at(s), lock=1_000, price="1.04") for s in range(6)]
    made = played([*off, told(at(6), lock=2, price="1.04")])
    before, after = made[5], made[6]
    assert isinstance(before, FeedRound)
    assert isinstance(after, FeedRound)
    assert (before.report.status, before.report.why) == (Status.WATCH, Why.DISCOUNT)
    assert (after.report.status, after.report.why) == (Status.WATCH, Why.BACKING)


@pytest.mark.parametrize(("lock", "status"), [(990, Status.OK), (989, Status.WATCH), (5_000, Status.OK)])
def test_the_limit_is_a_share_of_what_exists_beyond(lock: int, status: Status) -> None:
    assert statuses(played([told(T0, lock=lock)])) == [status]
    off = replace(RAILED, rules=replace(LIMITS, rail_bps=0))
    assert statuses(played([told(T0, lock=0)], off)) == [Status.OK]


def test_a_rail_that_is_not_read_is_neither_backed_nor_unbacked() -> None:
    assert set(statuses(played([told(at(s), lock=None) for s in range(TENTH)]))) == {Status.OK}
    emptied = [told(at(s), lock=2) for s in range(2)]
    unread = [told(at(s), lock=None) for s in range(2, 8)]
    again = [told(at(8), lock=2)]
    made = played([*emptied, *unread, *again])
    assert statuses(made)[-1] is Status.DEPEG, "what was not read in between was not backed in between"
    healed = played([*emptied, *[told(at(s), lock=1_000) for s in range(2, 8)], *again])
    assert statuses(healed)[-1] is Status.WATCH, "control: what was backed in between begins anew"


def test_a_chain_that_does_not_answer_leaves_a_lower_bound() -> None:
    """600 on the one chain alone are more than 500 locked; 400 on the other are not, and say nothing of backing."""
    made = played([told(T0, lock=500, far=None)])
    assert statuses(made) == [Status.WATCH]
    assert isinstance(made[0], FeedRound)
    assert "500.00 are locked for at least 600.00" in made[0].verdict.reasons[0].text
    assert statuses(played([told(T0, lock=500, near=None)])) == [Status.OK]
    evidence_read = rails_read(RAILED, {o.source: o for o in told(T0, lock=500, near=None) if not hasattr(o, "error")})
    assert evidence_read[0].unread == ("near",)


@pytest.mark.parametrize("lead", [-1, 1])
def test_two_sides_read_at_different_times_are_not_compared(lead: int) -> None:
    """A crossing may lie between two reads: 600 were minted, or burnt, after the lock box was read."""
    apart = lead * (MOST_APART_MS + 1)
    observed = {
        "lock": amount(LOCK, 400, T0), "near": amount(NEAR, 600, T0 + apart), "far": amount(FAR, 400, T0),
    }  # fmt: skip
    (read,) = rails_read(RAILED, observed)  # type: ignore[arg-type]
    assert (read.supply_wad, read.unread, read.missing_wad) == (400 * WAD, ("near",), 0)
    close = {**observed, "near": amount(NEAR, 600, T0 + lead * MOST_APART_MS)}
    (read,) = rails_read(RAILED, close)  # type: ignore[arg-type]
    assert (read.supply_wad, read.unread, read.missing_wad) == (1_000 * WAD, (), 600 * WAD)


def test_a_round_without_a_price_knows_it_too_and_counts_its_time() -> None:
    def silent(second: int) -> list[Outcome]:
        return [failed(n, at(second)) for n in ("coinbase", "kraken")] + [
            o for o in told(at(second), lock=2) if o.source not in {"coinbase", "kraken"}
        ]

    made = played([told(T0, lock=1_000), *[silent(s) for s in range(1, 5)]])
    assert all(isinstance(r, Abstained) for r in made[1:])
    assert statuses(made) == [Status.OK, *[Status.WATCH] * 3, Status.DEPEG]
    last = made[-1]
    assert isinstance(last, Abstained)
    assert last.reasons[0].code is Why.UNBACKED_RAIL


def test_two_rails_are_two_and_the_surplus_of_one_pays_for_no_other() -> None:
    other = (side("other lock", Kind.BACKING, "other"), side("other far", Kind.SUPPLY, "other"))
    feed = replace(RAILED, sources=(*RAILED.sources, *other))
    said = [*told(T0, lock=2), amount(other[0], 9_000, T0), amount(other[1], 100, T0)]
    (made,) = played([said], feed)
    assert isinstance(made, FeedRound)
    assert made.verdict.status is Status.WATCH
    assert "other" not in made.verdict.reasons[0].text


@given(
    locked=st.integers(0, 2_000), supply=st.integers(0, 2_000), limit=st.integers(0, 10_000),
    before_s=st.none() | st.integers(0, 10), unread=st.booleans(),
)  # fmt: skip
def test_it_is_found_exactly_where_more_than_the_limit_is_missing(
    locked: int, supply: int, limit: int, before_s: int | None, *, unread: bool
) -> None:
    """Held against the sentence of the rule, written anew: the share that is missing, and how long it has been."""
    rail = RailEvidence(rail="b", supply_wad=supply, locked_wad=locked, unread=("far",) if unread else ())
    feed = replace(RAILED, rules=replace(LIMITS, rail_bps=limit, rail_dwell_s=5))
    memory = Memory() if before_s is None else Memory(rails=(("b", T0 - before_s * MS),))
    found = unbacked_rail(rule_input(evidence(rails=(rail,)), memory, feed=feed))
    missing = supply > 0 and limit > 0 and Fraction(supply - locked, supply) > Fraction(limit, 10_000)
    assert (found is not None) is missing
    if found is not None:
        assert found.status is (Status.DEPEG if (before_s or 0) >= 5 else Status.WATCH)
