"""Cuts over a network: who is given signatures of a sealed round, how often, and what one that missed the seal does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.agree.outcome import RoundOutcome
from oracle.agree.wire import CutAnswer, CutRequest, decode, encode
from oracle.sign.messages import RefusalCode, SignedBatch
from tests.oracle.network.agreement_world import BRISK, ApartWorld, ask_of, led_by
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import ROUND_S, SIGNERS, ScriptedOperator, scripted_operators

FEEDS = tuple(range(10))
ALPHA, BETA, GAMMA = SIGNERS.signers
PATIENT = replace(BRISK, grace_ms=20_000, first_ms=60_000, next_ms=60_000, guard_ms=10_000, end_ms=600_000)
"""A grace that is not over while a test runs: what comes is waited for."""
SHORT = replace(BRISK, values_ms=300, grace_ms=4_000, first_ms=4_000, guard_ms=2_000, end_ms=4_000)
"""A round that is over in four seconds, and answers to a cut that are waited for as long."""


@pytest.fixture
def operators(tmp_path: Path) -> list[ScriptedOperator]:
    return scripted_operators(tmp_path)


async def sealed_round(world: ApartWorld) -> dict[bytes, RoundOutcome]:
    """A round with all feeds, by the process of each."""
    view = dict.fromkeys(FEEDS, replace(report(), round_time_s=ROUND_S))
    names = {m.operator.name: view for m in world.members.values()}
    return await world.agree(ask_of(SIGNERS, ROUND_S, names))


def answers(world: ApartWorld, of: bytes) -> list[tuple[bytes, CutAnswer]]:
    """What a member answered to requests: to whom, and what."""
    words = [(to, decode(payload)) for sender, to, payload in world.said if sender == of]
    return [(to, e.word) for to, e in words if isinstance(e.word, CutAnswer)]


async def settled() -> None:
    """Until all that is under way has arrived and was answered."""
    for _ in range(50):
        await asyncio.sleep(0.002)


def batch_of(made: SignedBatch | None) -> SignedBatch:
    assert made is not None
    return made


async def test_all_that_answer_sign_a_cut_not_only_weight_t(operators: list[ScriptedOperator]) -> None:
    """The store's step may ask for more than weight T: after T the others have a grace."""
    world = ApartWorld.of(operators, timing=PATIENT)
    outcome = (await sealed_round(world))[ALPHA]
    made = await world.cut(ALPHA, outcome, [1, 3])
    assert set(batch_of(made.batch).addresses) == set(SIGNERS.signers)


async def test_one_that_does_not_answer_costs_the_grace_and_a_refusal_is_told(
    operators: list[ScriptedOperator],
) -> None:
    world = ApartWorld.of(operators)
    outcome = (await sealed_round(world))[ALPHA]
    world.reaches = lambda _from, to: to != GAMMA
    made = await world.cut(ALPHA, outcome, [1])
    assert set(batch_of(made.batch).addresses) == {ALPHA, BETA}
    world.reaches = lambda _from, _to: True
    operators[2].silent = RefusalCode.SIGNER
    made = await world.cut(ALPHA, outcome, [2])
    assert set(batch_of(made.batch).addresses) == {ALPHA, BETA}
    assert [(r.operator, r.code) for r in made.refusals] == [(operators[2].name, RefusalCode.SIGNER)]


async def test_a_stranger_is_given_nothing_and_remembered_nowhere(operators: list[ScriptedOperator]) -> None:
    world = ApartWorld.of(operators)
    outcome = (await sealed_round(world))[ALPHA]
    asked = operators[1].asked
    stranger = b"\x99" * 20
    for n in range(100):
        payload = encode(outcome.terms.binding, ROUND_S, CutRequest((n % len(FEEDS),)))
        assert world.processes[BETA].inbox.receive(stranger, payload) == ""
    await settled()
    assert operators[1].asked == asked
    assert answers(world, BETA) == []


async def test_a_flood_of_requests_is_answered_a_few_times(operators: list[ScriptedOperator]) -> None:
    world = ApartWorld.of(operators)
    outcome = (await sealed_round(world))[ALPHA]
    asked = operators[1].asked

    async def flood(*cuts: tuple[int, ...]) -> int:
        before = len(answers(world, BETA))
        for cut in cuts:
            world.processes[BETA].inbox.receive(ALPHA, encode(outcome.terms.binding, ROUND_S, CutRequest(cut)))
        await settled()
        return len(answers(world, BETA)) - before

    assert await flood(*[(1,)] * 50) == 3, "who lost an answer asks again"
    assert await flood(*[(1, i) for i in range(2, 10)], *[(2, i) for i in range(3, 10)]) == 7, (
        "eight batches of a round"
    )
    assert await flood((3, 1), (1, 1), (99,), ()) == 0, "no batch of this round"
    assert operators[1].asked == asked + 10
    payload = encode(outcome.terms.binding, ROUND_S, CutRequest((4,)))
    world.processes[BETA].inbox.receive(GAMMA, payload)
    await settled()
    assert answers(world, BETA)[-1][0] == GAMMA, "another member has requests of its own"


async def test_one_that_missed_the_seal_is_handed_it_and_signs(operators: list[ScriptedOperator]) -> None:
    world = ApartWorld.of(operators, timing=SHORT, order=led_by(ALPHA))
    world.reaches = lambda _from, to: to != GAMMA
    outcomes = await sealed_round(world)
    assert outcomes[ALPHA].sealed is not None
    assert outcomes[GAMMA].sealed is None
    world.reaches = lambda _from, _to: True
    made = await world.cut(ALPHA, outcomes[ALPHA], [0, 5])
    assert set(batch_of(made.batch).addresses) == set(SIGNERS.signers)
    assert world.processes[GAMMA].sealed.has(SIGNERS.domain.store, ROUND_S)


async def test_a_cut_that_was_asked_for_before_the_round_was_sealed_is_answered_then(
    operators: list[ScriptedOperator],
) -> None:
    world = ApartWorld.of(operators, order=led_by(ALPHA))
    held: list[tuple[bytes, bytes]] = []

    def receive(sender: bytes, payload: bytes) -> str:
        held.append((sender, payload))
        return ""

    beta = world.processes[BETA].inbox
    passed, beta.receive = beta.receive, receive  # type: ignore[method-assign]
    running = asyncio.create_task(sealed_round(world))
    while not any(isinstance(decode(p).word, CutRequest) for _, p in held):
        await asyncio.sleep(0.01)
        terms = next((decode(p) for _, p in held), None)
        if terms is not None:
            held.append((ALPHA, encode(terms.binding, ROUND_S, CutRequest((1,)))))
    for sender, payload in sorted(held, key=lambda h: not isinstance(decode(h[1]).word, CutRequest)):
        passed(sender, payload)
    beta.receive = passed  # type: ignore[method-assign]
    assert (await running)[BETA].sealed is not None
    await settled()
    assert [(to, bool(w.signature), w.indexes) for to, w in answers(world, BETA)] == [(ALPHA, True, (1,))]
