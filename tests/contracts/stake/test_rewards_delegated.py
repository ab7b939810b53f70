"""Rewards through the real DelegatedStake, over the real wdivETH: from a consumer's payment to what a restaker claims."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import contracts
from oracle.rewards.report import ETHER as ETHER_RAW
from tests.contracts.evm_process import OWNER, STRANGER, TREASURY
from tests.contracts.stake.delegated_world import (
    ETHER,
    MAX_COMMISSION_BPS,
    OPERATORS,
    PENALTIES,
    RESTAKERS,
    WAD,
    WINDOW_S,
    DelegatedWorld,
    QuickCalls,
)
from tests.contracts.stake.rewards_world import FEED, RewardsWorld, text

ANNA, BEN = RESTAKERS[:2]
POT = 10**18
STAKES = (40, 25, 20, 15)
"""In wdivETH: anna's and ben's together."""


class PaidWorld:
    """A store of four operators whose restakers delegate wdivETH; a tenth of rewards is each operator's."""

    def __init__(self) -> None:
        self.delegated = around = DelegatedWorld()
        self.evm = evm = around.evm
        settings = OWNER, around.token, around.values, TREASURY, WINDOW_S, MAX_COMMISSION_BPS, around.terms.assets
        self.source = evm.create(contracts.load("DelegatedStake"), *settings)
        assets = [bytes.fromhex(a[2:]) for a in around.terms.assets]
        operators = [bytes.fromhex(o[2:]) for o in OPERATORS]
        self.rewards = RewardsWorld(STAKES, evm, operators, [self.source], assets)
        evm.ok(self.source, "connect", around.side.at, PENALTIES, self.rewards.at)
        self.calls = QuickCalls(evm, self.source, contracts.load("DelegatedStake").abi)
        for who in (ANNA, BEN):
            evm.ok(around.token, "approve", self.source, 2**256 - 1, sender=who)
        for operator, stake in zip(OPERATORS, STAKES, strict=True):
            assert self.calls("enroll", 1_000, sender=operator)[0] == ""
            for who, part in ((ANNA, 3), (BEN, 1)):
                assert self.calls("deposit", operator, stake * part * WAD // 4, sender=who)[0] == ""
        evm.ok(around.token, "approve", self.rewards.at, 2**256 - 1, sender=STRANGER)


@pytest.mark.parametrize("place", [0, 2])
def test_an_operator_and_its_restakers_are_paid(place: int) -> None:
    """In ether and in wdivETH; the whole of what the report owes reaches them, but what each division leaves."""
    paid = PaidWorld()
    world, asset = paid.rewards, paid.rewards.assets[place]
    sent = POT if asset == ETHER_RAW else 0
    assert world.call("payFor", FEED, 1, text(asset), POT, value=sent)[0] == ""
    world.next_epoch()
    report = world.report(1, 100, (100, 100, 40, 100))
    assert world.post(report) == ""
    assert world.claim_all(report) == [""] * 4
    due = {leaf.operator: leaf.amount for leaf in report.leaves}
    assert list(due.values()) == [POT * 40 // 100, POT * 25 // 100, POT * 8 // 100, POT * 15 // 100]
    for operator, amount in ((o, due[bytes.fromhex(o[2:])]) for o in OPERATORS):
        before = [paid.delegated.purse(w, text(asset)) for w in (operator, ANNA, BEN)]
        assert paid.calls("claimCommission", text(asset), sender=operator)[0] == ""
        for who in (ANNA, BEN):
            assert paid.calls("claim", text(asset), operator, sender=who)[0] == ""
        after = [paid.delegated.purse(w, text(asset)) for w in (operator, ANNA, BEN)]
        got = [a - b for a, b in zip(after, before, strict=True)]
        wanted = [amount // 10, amount * 9 // 10 * 3 // 4, amount * 9 // 10 // 4]
        assert all(0 <= w - g <= 2 for w, g in zip(wanted, got, strict=True)), (wanted, got)
    assert world.left(1, asset) == report.left(asset) == POT * 12 // 100
    absent = text(world.operators[2])
    assert world.evm.ok(world.set, "jailedUntil", absent) > world.evm.now


def test_nobody_pays_a_source_past_the_rewards_contract() -> None:
    paid = PaidWorld()
    refused = paid.evm.call(paid.source, "reward", 1, OPERATORS[0], ETHER, 5, sender=STRANGER, value=5)[0]
    assert refused == "NotAllowed"


def test_both_know_the_same_assets() -> None:
    paid = PaidWorld()
    listed = tuple(paid.delegated.terms.assets)
    assert paid.evm.ok(paid.source, "assets") == paid.evm.ok(paid.rewards.at, "allAssets") == listed


def test_gas_of_a_claim_is_what_the_docs_say() -> None:
    """The first of an operator in ether, its words of storage all new."""
    paid = PaidWorld()
    world = paid.rewards
    assert world.fund(1, ETHER_RAW, POT) == ""
    world.next_epoch()
    report = world.report(1)
    assert world.post(report) == ""
    leaf = report.leaves[-1]
    assert world.claim(leaf, report.tree.proof(leaf.hash)) == ""
    docs = (Path(__file__).parents[3] / "docs" / "stake.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"claim of ether through the real DelegatedStake costs ([\d,]+)", docs)
    assert abs(world.evm.gas_used - int(told.replace(",", ""))) * 100 <= world.evm.gas_used, world.evm.gas_used
