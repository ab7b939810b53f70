"""What operators' own signing code says, held before `Penalties`.

Clones, restored backups and replaced keys are caught, and one machine that keeps its journal never is. Many histories of the
same are in ``tests/contracts/test_honest.py``.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from oracle.sign.eip712 import Domain, address_of, batch_bytes
from oracle.sign.messages import Refusal, RefusalCode, Signature, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.contracts.contract_tools import WAD, Item
from tests.contracts.evm_process import FIRST_S, KEYS, word_evidence
from tests.contracts.stake.penalty_world import DAY, LEAST, PenaltyWorld, Word, key, operator

ROUND_S, NOW_MS, MUTE_MS = FIRST_S + 10, FIRST_S * 1_000 + 10_000, 70_000
ONE, OTHER = Item(0), Item(0, market=WAD)
OLD_KEY, NEW_KEY = 0, 5


class Machine:
    """A process of an operator: one key, one journal."""

    def __init__(self, number: int, path: Path) -> None:
        self.number, self.path = number, path
        who = address_of(KEYS[number])
        self.journal = SignJournal(path, who, now_ms=NOW_MS, mute_ms=MUTE_MS, newborn=True)
        self.operator = Operator("an operator", KEYS[number], self.journal, bound_bps=400)

    def says(self, domain: Domain, item: Item, *, epoch: int = 1, sealed: bool = False) -> Word | Refusal:
        """A batch, or a round's certificate, as evidence of it; or why it is not signed."""
        members = (address_of(KEYS[self.number]),)
        signers = SignerSet(domain=domain, epoch=epoch, signers=members, weights=(1,), threshold=1)
        if sealed:
            asked = self.operator.request_seal(signers, ROUND_S, 0, item.packed(), now_ms=NOW_MS, clock_ok=True)
        else:
            asked = self.operator.request_signature(signers, ROUND_S, item.packed(), now_ms=NOW_MS, clock_ok=True)
        answer = asyncio.run(asked)
        if not isinstance(answer, Signature):
            return answer
        return word_evidence(int(sealed), batch_bytes(epoch, ROUND_S, item.packed()), answer.compact)

    def word(self, domain: Domain, item: Item, *, epoch: int = 1, sealed: bool = False) -> Word:
        answer = self.says(domain, item, epoch=epoch, sealed=sealed)
        assert not isinstance(answer, Refusal), answer
        return answer


@pytest.fixture
def world() -> PenaltyWorld:
    """The operator has replaced its key: in epoch 2 it signs with the new one."""
    made = PenaltyWorld()
    made.evm.ok(made.book, "set", operator(0), key(NEW_KEY))
    made.evm.jump(DAY)
    made.freeze(2, keys={0: NEW_KEY})
    return made


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(OLD_KEY, tmp_path / "first.db")
    yield made
    made.journal.close()


def caught(world: PenaltyWorld, a: Word, b: Word) -> bool:
    """Whether the two words cost the operator what a lone slip costs."""
    error, _ = world.call("prove", a, b, 0)
    assert error in {"", "NoContradiction", "UnknownKey"}
    assert world.stake(0) == 32 * (WAD if error else WAD - LEAST)
    return not error


@pytest.mark.parametrize("sealed", [(False, False), (True, False), (False, True), (True, True)])
def test_a_cloned_machine_is_caught(
    world: PenaltyWorld, machine: Machine, tmp_path: Path, sealed: tuple[bool, bool]
) -> None:
    clone, home = Machine(OLD_KEY, tmp_path / "clone.db"), world.domains[0]
    a, b = machine.word(home, ONE, sealed=sealed[0]), clone.word(home, OTHER, sealed=sealed[1])
    clone.journal.close()
    assert caught(world, a, b)


def test_a_restored_backup_is_caught(world: PenaltyWorld, machine: Machine, tmp_path: Path) -> None:
    """Where nothing else remembers what was signed since: no witness, and nobody told the journal to wait."""
    home = world.domains[0]
    shutil.copy(machine.path, tmp_path / "backup.db")
    a = machine.word(home, ONE)
    restored = Machine(OLD_KEY, tmp_path / "backup.db")
    b = restored.word(home, OTHER)
    restored.journal.close()
    assert caught(world, a, b)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_new_key_on_a_new_machine_is_caught_against_the_old_one(
    world: PenaltyWorld, machine: Machine, tmp_path: Path, *, sealed: bool
) -> None:
    """Both go on at the turn of the epoch: two keys, two journals, one operator."""
    fresh, home = Machine(NEW_KEY, tmp_path / "new.db"), world.domains[0]
    a, b = machine.word(home, ONE, epoch=1), fresh.word(home, OTHER, epoch=2, sealed=sealed)
    same = fresh.word(home, OTHER, epoch=2)
    fresh.journal.close()
    assert not caught(world, b, same)
    assert caught(world, a, b)


def test_one_machine_that_keeps_its_journal_is_never_caught(world: PenaltyWorld, machine: Machine) -> None:
    """Batch and certificate, in two epochs, for two stores whose items differ; what would contradict is not signed."""
    home, away = world.domains
    said = [machine.word(home, ONE, epoch=e, sealed=s) for e in (1, 2) for s in (False, True)]
    said += [machine.word(away, OTHER, epoch=e) for e in (1, 2)]
    for domain, item in ((home, OTHER), (away, ONE)):
        for epoch in (1, 2):
            for sealed in (False, True):
                refusal = machine.says(domain, item, epoch=epoch, sealed=sealed)
                assert isinstance(refusal, Refusal)
                assert refusal.code is RefusalCode.EQUIVOCATION
    for a, b in combinations(said, 2):
        assert not caught(world, a, b)
        assert world.refused("proveIn", 1, a, b, 0) in {"NoContradiction", "UnknownKey"}
    assert world.jailed_until(0) == 0
