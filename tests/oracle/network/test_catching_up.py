"""A process that was away fetches all that was sealed meanwhile, from one peer, however long that was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oracle.agree.messages import Content, SealedRound
from oracle.agree.outcome import Arrivals, RoundOutcome, outcome_of
from oracle.agree.state import Instance, OwnView
from oracle.agree.terms import CommonRules, Terms
from oracle.report.wire import encode_items
from oracle.sign.eip712 import sealed_digest, sign_compact
from tests.oracle.network.agreement_world import BRISK, ApartWorld, ask_of, in_order
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import DOMAIN, KEYS, ROUND_S, SIGNERS, scripted_operators

ALPHA, BETA, GAMMA = SIGNERS.signers
STEP_S = 60


def sealed_round(round_s: int) -> RoundOutcome:
    """As it was sealed by the first two."""
    items = encode_items({0: replace(report(), round_time_s=round_s)})
    digest = sealed_digest(DOMAIN, SIGNERS.epoch, round_s, 0, items)
    seals = tuple(sorted((a, sign_compact(k, digest)) for a, k in zip((ALPHA, BETA), KEYS, strict=False)))
    terms = Terms(
        target="home", signers=SIGNERS, round_time_s=round_s, indexes={"feed0": 0}, rules=CommonRules(),
        order=in_order(SIGNERS, round_s), timing=BRISK,
    )  # fmt: skip
    sealed = SealedRound(SIGNERS.epoch, round_s, Content(values=(), items=items), 0, seals)
    state = Instance(terms=terms, me=b"", view=OwnView(may_speak=False), sealed=sealed)
    return outcome_of(state, Arrivals(), {}, sealed_ms=1)


@pytest.mark.parametrize("missed", [3, 64, 150])
async def test_all_rounds_that_were_missed_are_learned_oldest_first(tmp_path: Path, missed: int) -> None:
    world = ApartWorld.of(scripted_operators(tmp_path))
    rounds = [ROUND_S + STEP_S * n for n in range(1, missed + 1)]
    for round_s in rounds:
        for there in (ALPHA, BETA):
            world.processes[there].sealed.keep(sealed_round(round_s))
    learned: list[RoundOutcome] = []
    world.processes[GAMMA].sealed.on_learned = learned.append
    now_s = rounds[-1] + STEP_S
    ask = ask_of(SIGNERS, now_s, {f"op{n}": {0: replace(report(), round_time_s=now_s)} for n in range(3)})
    outcomes = await world.agree(replace(ask, sealed_s=ROUND_S))
    assert outcomes[GAMMA].sealed is not None
    assert [o.terms.round_time_s for o in learned] == rounds
    assert learned[0].signed == ("op0", "op1"), "by the names that this process has for them"
