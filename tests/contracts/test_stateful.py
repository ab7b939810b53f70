"""Store, views and proofs of lies under hypothesis: any order of acts, each beside its model, and what fails is shrunk.

``LRT_ORACLE_CONTRACT_STATEFUL`` steps (a few hundred here, 20,000 under ``make fuzz``). The plain driver, with many more
steps, is in test_fuzz.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contracts.rules_expiry import ExpiringRules
from tests.contracts.rules_words import WordRules

STEPS = int(os.environ.get("LRT_ORACLE_CONTRACT_STATEFUL", "800"))
IN_AN_EXAMPLE = 50
COMMON = {
    "push taken", "push NothingNew", "push BadSignature", "push BadLength", "push TooOld", "push TooFarAhead", "held", "held inside a gap",
    "push WrongEpoch", "push BelowThreshold", "push UnknownIndex", "push BadStatus", "push WrongPresence", "replay",
    "two rounds SecondRound", "two batches taken", "setSigners taken", "register taken", "pause taken", "resume taken",
    "acceptOwnership taken", "prove taken", "prove NoContradiction", "prove UnknownKey", "prove TwoOperators",
    "prove UsedEvidence", "prove BadEvidence", "poked on the way", "epoch started",
    "push UnknownKind", "push Expired", "replaced after it expired", "replaced at the end", "push BadSpread", "landed, and the next wait begins", "no longer held", "kept without a wait",
    "one price held and the other taken", "written inside a gap", "setSignersInEmergency taken", "removeSigners taken",
    "arm taken", "arm NothingToArm", "arm BadSignature", "arm BelowThreshold", "setSetOwner taken",
    "push in the overlap", "push of the epoch",
}  # fmt: skip
"""What the long form must have met, or the machine tests less than it says."""


@pytest.mark.fuzz
def test_contracts_do_what_their_models_do_in_any_order() -> None:
    WordRules.seen.clear()
    wanted = settings(
        max_examples=max(1, STEPS // IN_AN_EXAMPLE // 2), stateful_step_count=IN_AN_EXAMPLE, deadline=None
    )
    for machine in (WordRules, ExpiringRules):
        run_state_machine_as_test(machine, settings=wanted)  # type: ignore[no-untyped-call]
    if STEPS >= 10_000:
        assert COMMON - set(WordRules.seen) == set()
