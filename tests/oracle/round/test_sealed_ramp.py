"""The price of a sealed round follows from what was sealed: whoever shows it shows the same, whatever it saw itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from feeds.types import Outcome
from feeds.units import MS
from oracle.model.publication import Record
from oracle.model.spec import FeedSpec, Mode
from oracle.model.state import FeedState
from oracle.model.status import Status
from oracle.report.compose import price_of
from oracle.round.live import Live
from oracle.round.rounds import Rounds
from tests.oracle.oracle_build import T0, failed, wad
from tests.oracle.round.halt_world import FEED, NAMES, HaltWorld, everybody, outcomes_of
from tests.oracle.round.round_world import SPECS, member, observed, own_round

ROUNDS = 60
CALM, FALLEN = everybody("1.00"), everybody("0.90")


def depegs_at(n: int) -> bool:
    """A tenth is lost for a while: the ramp goes up, and comes back."""
    return 10 <= n < 40


def first_sees(price: str | None) -> list[Outcome]:
    """What the operator of another process sees that is not with the others; nothing where its sources are silent."""
    if price is None:
        return [failed(s.name, T0) for s in FEED.sources]
    return outcomes_of(everybody(price), T0)


def shown_elsewhere(sees: str | None) -> tuple[list[Record], list[Record]]:
    """The records of a depeg as those who saw it publish them, and as one does that saw this all the time."""
    there, here = HaltWorld(leave_dwell_s=60), HaltWorld(leave_dwell_s=60)
    theirs, ours = [], []
    for n in range(ROUNDS):
        record = there.run_round(FALLEN if depegs_at(n) else CALM)
        assert record is not None
        outcome = there.done.outcomes["t"]
        round_s = outcome.terms.round_time_s
        seen = first_sees(None) if sees is None else outcomes_of(everybody(sees), round_s * MS)
        folded = here.rounds.fold(round_s, {FEED.feed: seen}, now_ms=round_s * MS)
        done = here.rounds.finish(folded, {"t": outcome})
        here.rounds.commit(done)
        theirs.append(record)
        ours += done.records
    return theirs, ours


@pytest.mark.parametrize("sees", [None, "1.00"])
def test_who_saw_something_else_shows_the_price_that_all_show(sees: str | None) -> None:
    theirs, ours = shown_elsewhere(sees)
    assert [r.price_wad for r in ours] == [r.price_wad for r in theirs]
    assert {r.report.status for r in theirs} >= {Status.OK, Status.DEPEG}
    lowest = min(theirs, key=lambda r: r.price_wad)
    assert lowest.price_wad < wad("0.995"), "the ramp has moved the price by then"


def test_who_learns_of_rounds_later_shows_the_price_that_all_show() -> None:
    there, here = HaltWorld(leave_dwell_s=60), HaltWorld()
    for n in range(ROUNDS):
        record = there.run_round(FALLEN if depegs_at(n) else CALM)
        learned = here.rounds.learn(there.done.outcomes["t"], 0)
        assert record is not None
        assert learned is not None
        here.rounds.commit(learned)
        assert learned.records[0].price_wad == record.price_wad
        assert learned.records[0].ramp_ppm == record.ramp_ppm


def test_who_joins_in_a_depeg_shows_what_the_token_can_be_sold_for() -> None:
    there, newcomer = HaltWorld(), HaltWorld()
    for n in range(30):
        there.run_round(FALLEN if depegs_at(n) else CALM)
    learned = newcomer.rounds.learn(there.done.outcomes["t"], 0)
    assert learned is not None
    (record,) = learned.records
    assert record.report.status is Status.DEPEG
    assert record.price_wad == record.report.market_wad


def test_operators_who_agree_show_what_each_of_them_computes() -> None:
    """The control: nothing changes where everybody sees the same."""
    world = HaltWorld(leave_dwell_s=60)
    for n in range(ROUNDS):
        record = world.run_round(FALLEN if depegs_at(n) else CALM)
        assert record is not None
        assert {world.rounds.members[0].states[FEED.feed].memory.ramp_ppm} == {record.ramp_ppm}
        assert len(world.done.feeds) == len(NAMES)


# --- crosses --------------------------------------------------------------------------------------------------------------

RAMPED: Mapping[str, FeedSpec] = {
    feed: replace(s, mode=s.mode if feed == "ETH/USD" else Mode.REDEMPTION_UNLESS_DEPEG) for feed, s in SPECS.items()
}


def depegged() -> tuple[Rounds, Sequence[Record]]:
    rounds = Rounds(RAMPED, [member(dict(RAMPED))], None)
    done = None
    for n in range(400):
        at_s = T0 // MS + 10 * n
        done = own_round(rounds, at_s, observed(at_s * MS, "1.05" if n < 20 else "0.90"))
        rounds.commit(done)
    assert done is not None
    return rounds, done.records


def test_a_cross_falls_with_its_first_leg() -> None:
    _, records = depegged()
    token, ether, cross = records
    assert (token.report.status, token.price_wad) == (Status.DEPEG, token.report.market_wad)
    assert cross.price_wad == token.price_wad * ether.report.market_wad // 10**18
    assert cross.price_wad < price_of(cross.report, cross.mode), "what is owed is more than it can be sold for"


def test_so_does_its_indication() -> None:
    rounds, records = depegged()
    now_ms = records[0].report.round_time_s * MS + 500
    held = observed(now_ms, "0.90")
    states: Mapping[str, FeedState] = rounds.members[0].states
    live = Live(RAMPED, states.__getitem__, lambda feed, *_: held[feed])
    live.refresh(RAMPED, now_ms)
    cross, token = live.get("wdivETH/USD"), live.get("wdivETH/ETH")
    assert cross is not None
    assert token is not None
    assert cross.price_wad == token.price_wad * 2_000
    assert cross.price_wad == records[2].price_wad
