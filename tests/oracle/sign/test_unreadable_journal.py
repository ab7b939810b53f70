"""A journal that cannot be read costs the part of its own operator: it signs nothing, and takes nobody along."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from oracle.agree.outcome import RoundOutcome
from oracle.push.attestation import Attesters
from oracle.sign.messages import Refusal, RefusalCode
from oracle.sign.signed_batch import CollectedSignatures
from tests.oracle.network.agreement_world import agreements_here, ask_of
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import NOW_MS, ROUND_S, SIGNERS, ScriptedOperator, batched, scripted_operators


@pytest.fixture
def operators(tmp_path: Path) -> list[ScriptedOperator]:
    """The first one's file is gone."""
    made = scripted_operators(tmp_path)
    made[0].journal.close()
    with pytest.raises(sqlite3.Error):
        made[0].journal.last_round_s()
    return made


async def test_it_signs_nothing_and_says_why(operators: list[ScriptedOperator]) -> None:
    assert [o.is_mute(NOW_MS) for o in operators] == [True, False, False]
    answer = await batched(operators[0], b"")
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.JOURNAL
    assert operators[0].asked == 0


async def test_the_others_seal(operators: list[ScriptedOperator]) -> None:
    agreements = agreements_here(operators, now_ms=lambda: NOW_MS)
    outcome = await agreements.agree(ask_of(SIGNERS, ROUND_S, {o.name: {0: report()} for o in operators}))
    assert outcome.signed == ("op1", "op2")
    assert "its journal cannot be read" in outcome.members[0].why
    cut = await agreements.cut(outcome, (0,))
    assert cut.batch is not None
    assert [r.operator for r in cut.refusals] == ["op0"]


async def test_a_target_is_looked_at_as_if_it_were_mute(operators: list[ScriptedOperator]) -> None:
    async def nothing(_outcome: RoundOutcome, _feeds: Sequence[int]) -> CollectedSignatures:
        return CollectedSignatures(batch=None, refusals=())

    attesters = Attesters("main", operators, now_ms=lambda: NOW_MS, collect=nothing)
    attesters.take_seats(SIGNERS, {"feed0": 0})
    quorum = attesters.quorum(None)
    assert quorum is not None
    assert (quorum.weight, quorum.missing) == (2, ("op0 is mute",))
    stored = {0: report()}
    assert attesters.with_old_journals(SIGNERS, stored) == []
    assert attesters.signed_elsewhere(stored, 0) == {}
