"""An operator that the others go on without reads so in its own log: at once, every minute, with the reason, and when it is back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.agree.outcome import RoundOutcome
from oracle.network.absence import AbsenceReporter
from oracle.network.tally import Tally
from tests.oracle.network.agreement_world import BRISK, ApartWorld, ask_of
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import SIGNERS, scripted_operators

ROUND_S = 1_700_000_000


async def outcomes_without(folder: Path, mute: int) -> tuple[bytes, dict[bytes, RoundOutcome]]:
    """A round of three in which nobody hears one of them."""
    operators = scripted_operators(folder)
    absent = operators[mute].address
    world = ApartWorld.of(operators, timing=BRISK, reaches=lambda sender, _: sender != absent)
    said = {0: replace(report(), round_time_s=ROUND_S)}
    outcomes = await world.agree(ask_of(SIGNERS, ROUND_S, {o.name: said for o in operators}))
    for one in operators:
        one.journal.close()
    return absent, outcomes


def lines(reporter: AbsenceReporter, outcomes: Sequence[RoundOutcome]) -> list[dict[str, Any]]:
    with capture_logs() as logs:
        for outcome in outcomes:
            reporter.note(outcome)
    return [dict(log) for log in logs]


def at(outcome: RoundOutcome, seconds: int) -> RoundOutcome:
    return replace(outcome, terms=replace(outcome.terms, round_time_s=ROUND_S + seconds))


async def test_who_is_missing_reads_it_at_once_every_minute_and_when_it_is_back(tmp_path: Path) -> None:
    absent, outcomes = await outcomes_without(tmp_path, 2)
    without = next(o for a, o in outcomes.items() if a != absent)
    assert without.sealed is not None
    reporter = AbsenceReporter({absent: "mine"})
    told = lines(reporter, [at(without, s) for s in range(0, 130, 10)])
    assert [(t["round_time"] - ROUND_S, t["rounds"]) for t in told] == [(0, 1), (60, 7), (120, 13)]
    assert {t["event"] for t in told} == {"the others sealed a round without this operator"}
    assert all(t["why"] for t in told)
    present = replace(without, members=tuple(replace(m, signed_ms=5) for m in without.members))
    (back,) = lines(reporter, [at(present, 130), at(present, 140)])
    assert (back["event"], back["rounds"]) == ("this operator signs again", 13)


async def test_who_parts_from_the_others_on_a_feed_reads_which_and_why(tmp_path: Path) -> None:
    operators = scripted_operators(tmp_path)
    world, misled = ApartWorld.of(operators, timing=BRISK), operators[2]
    honest, more = (replace(report(market=price), round_time_s=ROUND_S) for price in ("1.05", "1.20"))
    views = {o.name: {0: more if o is misled else honest, 1: honest} for o in operators}
    outcome = (await world.agree(ask_of(SIGNERS, ROUND_S, views)))[misled.address]
    for one in operators:
        one.journal.close()
    reporter, tally = AbsenceReporter({misled.address: "mine"}), Tally()
    told = lines(reporter, [at(outcome, s) for s in range(0, 70, 10)])
    assert [(t["round_time"] - ROUND_S, t["rounds"]) for t in told] == [(0, 1), (60, 7)]
    assert all(t["event"].startswith("this operator does not vouch for what the others sealed") for t in told)
    assert {t["why"] for t in told} == {"feed0: too far from its own view, or of another status"}
    for seconds in (0, 10):
        tally.note(at(outcome, seconds))
    hour = tally.hour("home").members
    assert (hour[misled.address].apart_now, hour[misled.address].apart_run, hour[misled.address].run) == (1, 2, 0)
    assert [r.text for r in hour[misled.address].apart] == [told[0]["why"]]
    assert hour[operators[0].address].apart == ()
    agreeing = replace(outcome, members=tuple(replace(m, refused=()) for m in outcome.members))
    (back,) = lines(reporter, [at(agreeing, 80)])
    assert (back["event"], back["rounds"]) == ("this operator vouches again for what the others seal", 7)
    tally.note(at(agreeing, 80))
    assert tally.hour("home").members[misled.address].apart_run == 0


@pytest.mark.parametrize("own", ["another", "nobody sealed"])
async def test_others_that_are_missing_and_rounds_that_nobody_sealed_are_no_absence(tmp_path: Path, own: str) -> None:
    absent, outcomes = await outcomes_without(tmp_path, 2)
    (other, outcome), *_ = [(a, o) for a, o in outcomes.items() if a != absent]
    looked_at = {other: "mine"} if own == "another" else {absent: "mine"}
    seen = outcome if own == "another" else replace(outcome, sealed=None)
    assert lines(AbsenceReporter(looked_at), [seen]) == []
