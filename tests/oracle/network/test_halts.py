"""Halts and status-only items between processes: what is repeated is what was sealed, and who does not know it does not vouch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.agree.messages import FeedRefusal
from oracle.agree.outcome import RoundOutcome
from oracle.model.status import Status, Why
from oracle.model.types import Published, Report
from oracle.report.compose import published_after, status_only_report
from tests.oracle.network.agreement_world import ApartWorld, ask_of
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import ROUND_S, SIGNERS, ScriptedOperator, scripted_operators

ALPHA, BETA, GAMMA = SIGNERS.signers
NEXT_S = ROUND_S + 60
"""An interval of the world's rounds later."""
FEED = 0


@pytest.fixture
def world(tmp_path: Path) -> ApartWorld:
    operators: list[ScriptedOperator] = scripted_operators(tmp_path)
    return ApartWorld.of(operators)


def priced(round_s: int) -> Report:
    return replace(report(), round_time_s=round_s)


def published_of(outcome: RoundOutcome) -> Published:
    """What stays published after a round."""
    after = published_after(None, outcome.reports[f"feed{FEED}"], outcome.terms.round_time_s)
    assert after is not None
    return after


async def agree(
    world: ApartWorld, round_s: int, views: Mapping[bytes, Report], published: Mapping[bytes, Published], *silent: bytes
) -> dict[bytes, RoundOutcome]:
    """A round in which each process sees this, and knows this as what was published."""
    reports = {m.operator.name: {FEED: views[a]} for a, m in world.members.items() if a in views}
    ask = ask_of(SIGNERS, round_s, reports)
    asks = {a: replace(ask, published={FEED: p}, sealed_s=ROUND_S) for a, p in published.items()}
    return await world.agree_apart({a: asks.get(a, ask) for a in world.processes if a not in silent})


@pytest.mark.parametrize("status", [Status.HALT, Status.WATCH])
async def test_what_has_no_price_repeats_what_was_sealed_to_the_bit(world: ApartWorld, status: Status) -> None:
    first = (await agree(world, ROUND_S, dict.fromkeys(SIGNERS.signers, priced(ROUND_S)), {}))[ALPHA]
    before = published_of(first)
    view = status_only_report(before, status, Why.STALE, round_time_s=NEXT_S)
    outcomes = await agree(world, NEXT_S, dict.fromkeys(SIGNERS.signers, view), dict.fromkeys(SIGNERS.signers, before))
    for outcome in outcomes.values():
        assert outcome.reports[f"feed{FEED}"] == view
        assert len(outcome.signed) >= 2
    made = await world.cut(ALPHA, outcomes[ALPHA], [FEED])
    assert made.batch is not None, "a batch of it is signed like any other"


async def test_one_in_halt_among_those_with_prices_holds_nobody_up(world: ApartWorld) -> None:
    """Ages of what it repeats say nothing against fresh prices; it does not vouch for a price that it does not see."""
    first = (await agree(world, ROUND_S, dict.fromkeys(SIGNERS.signers, priced(ROUND_S)), {}))[ALPHA]
    before = published_of(first)
    halted = status_only_report(before, Status.HALT, Why.STALE, round_time_s=NEXT_S)
    views = {ALPHA: priced(NEXT_S), BETA: priced(NEXT_S), GAMMA: halted}
    outcomes = await agree(world, NEXT_S, views, dict.fromkeys(SIGNERS.signers, before))
    sealed = outcomes[ALPHA].reports[f"feed{FEED}"]
    assert (sealed.status, sealed.status_only, sealed.market_age_s) == (Status.OK, False, report().market_age_s)
    assert {a: dict(m.refused) for a, m in zip(SIGNERS.signers, outcomes[ALPHA].members, strict=True)} == {
        ALPHA: {}, BETA: {}, GAMMA: {FEED: FeedRefusal.NO_OWN_VIEW}
    }  # fmt: skip


async def test_a_newcomer_fetches_what_was_sealed_before_it_vouches_for_a_halt(world: ApartWorld) -> None:
    first = (await agree(world, ROUND_S, dict.fromkeys((ALPHA, BETA), priced(ROUND_S)), {}, GAMMA))[ALPHA]
    before = published_of(first)
    learned: list[RoundOutcome] = []
    world.processes[GAMMA].sealed.on_learned = learned.append
    view = status_only_report(before, Status.HALT, Why.STALE, round_time_s=NEXT_S)
    known = dict.fromkeys((ALPHA, BETA), before)
    outcomes = await agree(world, NEXT_S, {ALPHA: view, BETA: view}, known)
    assert outcomes[ALPHA].reports[f"feed{FEED}"] == view
    assert dict(outcomes[ALPHA].members[2].refused) == {FEED: FeedRefusal.NOT_AS_PUBLISHED}
    assert [o.terms.round_time_s for o in learned][:1] == [ROUND_S], "it was asked for with its first round"
    assert [m.name for m in learned[0].members] == [m.operator.name for m in world.members.values()], (
        "whom it knows by name"
    )
    known[GAMMA] = published_of(learned[0])
    later_s = NEXT_S + 60
    view = status_only_report(before, Status.HALT, Why.STALE, round_time_s=later_s)
    outcomes = await agree(world, later_s, dict.fromkeys(SIGNERS.signers, view), known)
    assert outcomes[ALPHA].members[2].refused == ()
    assert outcomes[GAMMA].sealed is not None
