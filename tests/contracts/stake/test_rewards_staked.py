"""Rewards over the real StakedSet: who was frozen signs the report, is paid, and is jailed if it was absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from eth_hash.auto import keccak

import contracts
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import make_grounds
from oracle.rewards.report import ETHER, EpochRewards, epoch_rewards
from oracle.sign.eip712 import Domain, sign_compact
from oracle.sign.epoch_words import EpochAttendance, SignedAttendance
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake import stake_world
from tests.contracts.stake.rewards_world import STAND_INS, text
from tests.contracts.stake.stake_world import DAY_S, LONGEST_S, StakeWorld

POT, JAIL_S = 10**18, 3 * DAY_S
NO_ADDRESS = text(ETHER)


def raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])


@dataclass
class StakedRewards:
    """The real store and set, and Rewards that the set knows; what it pays into notes it (a stand-in)."""

    world: StakeWorld
    at: str
    source: str

    @classmethod
    def make(cls, **changes: Any) -> StakedRewards:
        """Twice: the set is told its rewards contract when it is made, and where that will be is known from the first time."""
        _, at = cls._made(StakeWorld(**changes))
        with patch.object(stake_world, "REWARDS", at):
            world = StakeWorld(**changes)
        source, again = cls._made(world)
        assert again == at
        return cls(world, at, source)

    @staticmethod
    def _made(world: StakeWorld) -> tuple[str, str]:
        source = world.evm.create(compiled(STAND_INS)["SourceStandIn"])
        return source, world.evm.create(contracts.load("Rewards"), world.set, [source], [NO_ADDRESS], JAIL_S)

    def fund(self, epoch: int, amount: int = POT) -> str:
        return self.world.evm.call(self.at, "fund", epoch, NO_ADDRESS, amount, sender=STRANGER, value=amount)[0]

    def report(self, epoch: int, absent: Sequence[str] = ()) -> EpochRewards:
        """All say that all were there in ten rounds, but these in three."""
        evm = self.world.evm
        keys, operators, weights = self.world.members(epoch)
        capture, _, threshold, _ = evm.ok(self.world.set, "frozenOf", epoch)
        frozen = FrozenEpoch(
            domain=Domain(chain_id=1, store=raw(self.world.store)),
            epoch=epoch,
            keys=tuple(map(raw, keys)),
            operators=tuple(map(raw, operators)),
            weights=tuple(weights),
            threshold=threshold,
            capture_s=capture,
        )
        counts = tuple(3 if o in absent else 10 for o in operators)
        said = EpochAttendance(domain=frozen.domain, epoch=epoch, rounds=10, counts=counts)
        words = {
            raw(k): SignedAttendance(
                said=said, address=raw(k), signature=sign_compact(self.world.keys[k], keccak(said.preimage()))
            )
            for k in keys
        }
        funded = evm.ok(self.at, "potOf", epoch, NO_ADDRESS)[0]
        return epoch_rewards(make_grounds(frozen, [[w] for w in weights], words), {ETHER: funded})

    def post(self, report: EpochRewards, only: Sequence[str] | None = None) -> str:
        said = report.word
        keys, _, _ = self.world.members(said.epoch)
        signed = self.world.signed(keccak(said.preimage()), keys, only=None if only is None else list(only))
        absent = [text(a) for a in said.absent]
        return self.world.evm.call(self.at, "post", said.epoch, said.root, absent, report.grounds.raw, signed)[0]

    def claim_all(self, report: EpochRewards) -> None:
        for x in report.leaves:
            proof = list(report.tree.proof(x.hash))
            self.world.evm.ok(self.at, "claim", x.epoch, text(x.operator), x.source, text(x.asset), x.amount, proof)

    def until(self, operator: str) -> int:
        return int(self.world.evm.ok(self.world.set, "jailedUntil", operator))


@pytest.fixture
def staked() -> StakedRewards:
    made = StakedRewards.make()
    made.world.enter_all(100, 90, 80, 70)
    assert made.world.change() == 2
    return made


def test_the_frozen_set_is_who_reports_an_epoch(staked: StakedRewards) -> None:
    """Its members in the store's order, by weight T; the set that follows has no say."""
    world = staked.world
    assert staked.fund(2) == ""
    report = staked.report(2)
    assert staked.post(report) == "TooEarly"
    keys, operators, weights = world.members(2)
    world.change()
    assert staked.post(report, keys[:2]) == "BelowThreshold"
    assert staked.post(report) == ""
    assert staked.post(report) == "Closed"
    staked.claim_all(report)
    given = {o: world.evm.ok(staked.source, "given", o, NO_ADDRESS) for o in operators}
    assert given == {o: POT * w // sum(weights) for o, w in zip(operators, weights, strict=True)}


def test_an_absent_operator_is_in_the_set_s_jail(staked: StakedRewards) -> None:
    """For a short time: no freeze takes it until then, and it joins again after it."""
    world = staked.world
    assert staked.fund(2) == ""
    _, operators, weights = world.members(2)
    absent = min(zip(weights, operators, strict=True))[1]
    world.change()
    assert absent in world.weights(3)
    report = staked.report(2, [absent])
    assert report.absent == (raw(absent),)
    assert staked.post(report) == ""
    assert staked.until(absent) == world.evm.now + JAIL_S
    assert world.evm.call(world.set, "join", sender=absent)[0] == "InJail"
    world.change()
    assert absent not in world.weights(4)
    world.evm.jump(max(0, staked.until(absent) - world.evm.now))
    world.evm.ok(world.set, "join", sender=absent)


def test_nobody_else_jails_for_absence(staked: StakedRewards) -> None:
    world = staked.world
    _, operators, _ = world.members(2)
    assert world.evm.call(world.set, "jailAbsent", operators[0], world.evm.now + 9, sender=STRANGER)[0] == "NotAllowed"


def test_a_set_that_expired_is_paid_once_its_words_are_old(staked: StakedRewards) -> None:
    """The store is silent and has no other epoch: its signers report it all the same."""
    world = staked.world
    assert staked.fund(2) == ""
    provable = world.evm.ok(world.set, "frozenOf", 2)[1]
    world.evm.jump(LONGEST_S)
    report = staked.report(2)
    assert staked.post(report) == "TooEarly"
    world.evm.jump(provable - world.evm.now)
    assert staked.post(report) == "TooEarly"
    world.evm.jump(1)
    assert staked.post(report) == ""
    staked.claim_all(report)
    assert world.evm.ok(staked.at, "potOf", 2, NO_ADDRESS)[1] == report.left(ETHER)


def test_an_epoch_of_the_first_set_is_nobody_s_to_report(staked: StakedRewards) -> None:
    """It was frozen by no stake: what it was funded with rolls over at once."""
    other = StakedRewards.make()
    assert other.fund(1) == ""
    other.world.enter_all(100, 90, 80, 70)
    other.world.change()
    assert other.world.evm.call(other.at, "rollOver", 1)[0] == ""
    assert other.world.evm.ok(other.at, "potOf", 2, NO_ADDRESS) == (POT, POT)
    assert staked.world.evm.ok(staked.at, "closesAt", 1) == 0


def gas_figures() -> dict[str, int]:
    """Gas of a transaction each, by what the docs call it: ether, one source, the least signers that weigh T."""
    made = {}
    for members in (5, 13, 31):
        staked = StakedRewards.make(maxMembers=31)
        evm = staked.world.evm
        staked.world.enter_all(*[100] * members)
        staked.world.change()
        assert staked.fund(2) == ""
        made[f"fund, {members} operators"] = evm.gas_used
        staked.world.change()
        report = staked.report(2)
        frozen = report.grounds.frozen
        least = next(n for n in range(members + 1) if sum(frozen.weights[:n]) >= frozen.threshold)
        assert staked.post(report, [text(k) for k in frozen.keys[:least]]) == ""
        made[f"post, {members} operators"] = evm.gas_used
        staked.claim_all(report)
        made[f"claim, {members} operators"] = evm.gas_used
    return made


def test_gas_is_what_the_docs_say() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "stake.md").read_text(encoding="utf-8")
    section = docs.split("\n## Rewards\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    told = {name.strip().strip("`"): int(gas.replace(",", "")) for name, gas in rows}
    made = gas_figures()
    assert told.keys() == made.keys()
    assert {n: g for n, g in made.items() if abs(g - told[n]) * 100 > told[n]} == {}, made
