"""What Symbiotic and EigenLayer did not take with a penalty is due as soon as they would let it be taken: on their real contracts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from oracle.model.duty_kind import DutyKind
from oracle.stake.discover import SourceKind
from oracle.stake.due.at_the_penalties import CaseFacts, CaseOutcome, SeizedStep
from oracle.stake.due.at_the_sources import RestFacts, rest_duties
from oracle.stake.due.duties import Duty
from oracle.stake.due.reads import DutyReads
from oracle.stake.due.source_rests import rests_of, step_id_of
from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import STRANGER, Evm
from tests.contracts.stake.eigen_world import ETHER, REVERTS, STAKERS, WHOLE, EigenWorld
from tests.contracts.stake.eigen_world import OPERATORS as EIGEN_OPERATORS
from tests.contracts.stake.story_sources import KINDS, SOURCE_GAS, SymbioticPart
from tests.contracts.stake.story_world import DISPUTE_S, OPERATORS, StoryWorld
from tests.contracts.stake.symbiotic_world import ANN, DAY_S, EPOCH_S, PENALTIES, SymbioticWorld
from tests.oracle.stake.evm_nodes import found, reads_of, system_of

OPERATOR, DEPOSIT = EIGEN_OPERATORS[0], 100 * ETHER
CASES = [bytes([n]) * 32 for n in (1, 2)]
MOST_GAS = {DutyKind.FINISH: 500_000, DutyKind.TAKE_REST: 400_000}


def carried_out(case_id: bytes, operator: str, outcome: CaseOutcome = CaseOutcome.TAKEN) -> CaseFacts:
    """A case of one step, as the penalties tell it."""
    return CaseFacts(
        case_id=case_id, operator=operator.lower(), dispute_until_s=0, provable_until_s=0, fraction=WAD, due=WAD, settled=1,
        outcome=outcome, steps=(SeizedStep(seized=1, settled=1, outcome=outcome),), sources=1,
    )  # fmt: skip


def rests(evm: Evm, source: str, kind: SourceKind, cases: Sequence[CaseFacts]) -> list[RestFacts]:
    return asyncio.run(rests_of(reads_of(evm), system_of(source, kind), cases))


def do(evm: Evm, duty: Duty) -> int:
    """Anybody does it; its gas."""
    assert evm.send(duty.step.to, duty.step.data, STRANGER)[0] == ""
    assert evm.gas_used < MOST_GAS[duty.kind], evm.gas_used
    return evm.gas_used


class AtSymbiotic:
    """Penalties of one operator at our network, each a case of one step."""

    def __init__(self) -> None:
        self.world = SymbioticWorld()
        self.outcomes: dict[bytes, CaseOutcome] = {}

    def seize(self, case_id: bytes, capture: int, fraction: int = WAD) -> None:
        args = (ANN, fraction, capture, step_id_of(case_id, 0))
        self.world.act(self.world.source, "seize", *args, sender=PENALTIES)
        self.outcomes[case_id] = CaseOutcome.DISPUTED

    def take(self, case_id: bytes) -> None:
        self.world.act(self.world.source, "take", step_id_of(case_id, 0), STRANGER, 0, sender=PENALTIES)
        self.outcomes[case_id] = CaseOutcome.TAKEN

    def left(self) -> dict[bytes, tuple[int, bool]]:
        """By case, how many vaults are left and whether one would be slashed now."""
        return {r.case_id: (r.left, r.doable) for r in self.rests()}

    def rests(self) -> list[RestFacts]:
        cases = [carried_out(c, ANN, o) for c, o in self.outcomes.items()]
        return rests(self.world.evm, self.world.source, SourceKind.SYMBIOTIC, cases)

    def finish(self) -> None:
        (duty,) = rest_duties(self.rests())
        assert duty.kind is DutyKind.FINISH
        do(self.world.evm, duty)


@pytest.fixture
def symbiotic() -> AtSymbiotic:
    return AtSymbiotic()


def test_a_vault_whose_veto_lasts_is_finished_when_it_is_over_and_not_before(symbiotic: AtSymbiotic) -> None:
    world = symbiotic.world
    slow = world.counted({ANN: 1}, 100 * WAD, veto_s=3 * DAY_S)
    world.counted({ANN: 1}, 100 * WAD)
    symbiotic.seize(CASES[0], world.capture())
    assert symbiotic.left() == {}, "in dispute"
    world.evm.jump(3 * DAY_S - 1)
    symbiotic.take(CASES[0])
    assert symbiotic.left() == {CASES[0]: (1, False)}
    assert list(rest_duties(symbiotic.rests())) == [], "a call would take nothing, and go through"
    world.evm.jump(1)
    assert symbiotic.left() == {CASES[0]: (1, True)}
    symbiotic.finish()
    assert world.balance(slow.vault) == 0
    assert symbiotic.left() == {}


def test_of_two_penalties_in_a_vault_the_older_one_is_finished_first(symbiotic: AtSymbiotic) -> None:
    """The newer is carried out while the older is in dispute, and waits for it; once that is taken, it is due."""
    world = symbiotic.world
    made = world.counted({ANN: 1}, 100 * WAD)
    captures = [world.capture(), world.capture()]
    for case_id, capture in zip(CASES, captures, strict=True):
        symbiotic.seize(case_id, capture, WAD // 2)
    symbiotic.take(CASES[1])
    assert symbiotic.left() == {CASES[1]: (1, False)}, "Symbiotic would take it, and never the older one after it"
    symbiotic.take(CASES[0])
    assert symbiotic.left() == {CASES[1]: (1, True)}
    symbiotic.finish()
    assert symbiotic.left() == {}
    assert world.balance(made.vault) == 25 * WAD


def test_what_can_be_slashed_no_more_is_set_free_once(symbiotic: AtSymbiotic) -> None:
    """A vault that failed until its time was over: what was put aside of it counts as stake again."""
    world = symbiotic.world
    made = world.counted({ANN: 1}, 100 * WAD, veto_s=3 * DAY_S)
    symbiotic.seize(CASES[0], world.capture())
    symbiotic.take(CASES[0])
    assert world.stake(ANN) == 0
    world.evm.jump(EPOCH_S)
    symbiotic.finish()
    assert symbiotic.left() == {}
    assert world.balance(made.vault) == 100 * WAD
    assert world.stake(ANN) > 0


def test_what_eigenlayer_refused_is_taken_when_it_would_take_it() -> None:
    world = EigenWorld()
    strategies = (world.strategies.wdiveth, world.strategies.native)
    for staker, strategy in zip(STAKERS, strategies, strict=False):
        world.deposit(staker, strategy, DEPOSIT)
    world.joined(OPERATOR, 0, *((s, WHOLE) for s in strategies))
    for staker in STAKERS[:2]:
        world.delegate(staker, OPERATOR)
    world.evm.mine()
    evm, pods = world.evm, world.core.pods
    case = carried_out(CASES[0], OPERATOR)
    step_id = step_id_of(CASES[0], 0)

    def left() -> list[bool]:
        return [r.doable for r in rests(evm, world.source, SourceKind.EIGENLAYER, [case])]

    world.seize(OPERATOR, WHOLE // 2, step_id)
    assert left() == []
    code = evm.evm.basic(pods).code
    evm.replace_code(pods, REVERTS)
    assert world.take(step_id)[0] == ""
    assert left() == [False], "there is a rest, and it is refused still"
    evm.replace_code(pods, bytes(code or b"").hex())
    assert left() == [True]
    (duty,) = rest_duties(rests(evm, world.source, SourceKind.EIGENLAYER, [case]))
    assert duty.kind is DutyKind.TAKE_REST
    do(evm, duty)
    assert left() == []
    assert world.magnitude(OPERATOR, world.strategies.native) == WHOLE // 2


def test_a_case_is_remembered_until_symbiotic_has_taken_it() -> None:
    """A vault fails when the penalty is carried out, and is there again long after words of its epoch could be proven."""
    world = StoryWorld(KINDS["symbiotic"], SOURCE_GAS["symbiotic"])
    assert world.begin() == 2
    evm, (part,) = world.evm, world.parts
    assert isinstance(part, SymbioticPart)
    case_id = world.prove(world.lie(world.key_of(OPERATORS[0]), 2))
    keeper = DutyReads(found(reads_of(evm), world.store), poor_for_s=10**9, refresh_s=10**9)
    kinds = frozenset({DutyKind.CARRY_OUT, DutyKind.FINISH})

    def due() -> list[Duty]:
        return asyncio.run(keeper.duties(reads_of(evm), kinds))

    assert due() == []
    slasher, vault = part.behind[OPERATORS[0]].slasher, part.behind[OPERATORS[0]].vault
    code = bytes(evm.evm.basic(slasher).code or b"").hex()
    world.until(max(evm.now + DISPUTE_S, world.frozen(2)[1] + 1))
    (carry,) = due()
    assert carry.kind is DutyKind.CARRY_OUT
    evm.replace_code(slasher, REVERTS)
    assert evm.send(carry.step.to, carry.step.data, STRANGER)[0] == ""
    assert due() == [], "it would fail"
    evm.replace_code(slasher, code)
    before = world.balance(vault)
    (finish,) = due()
    assert ("0x" + case_id.hex() in finish.subject, finish.kind) == (True, DutyKind.FINISH)
    do(evm, finish)
    assert world.balance(vault) < before
    assert due() == []
