"""One vault's stake, shown for one operator after another while they are observed in parts: the real set over Symbiotic's real core."""

from __future__ import annotations

import contracts
from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import OWNER
from tests.contracts.stake.stake_world import JOIN_S, PENALTIES, REWARDS, StakeWorld, windows_of, with_gas
from tests.contracts.stake.symbiotic_world import ANN, BOB, CURATOR, SHARED_BPS, SymbioticWorld

CARL = "0x" + "00" * 19 + "c1"
TOGETHER = (ANN, BOB, CARL)
VAULT = 300 * WAD


class OneVault:
    """Three operators of one owner, who is the curator of the vault that stands behind all of them; they have joined."""

    def __init__(self) -> None:
        self.symbiotic = symbiotic = SymbioticWorld()
        self.evm = evm = symbiotic.evm
        evm.evm.set_balance(CARL, 10**27)
        self.made = symbiotic.counted(dict.fromkeys(TOGETHER, WAD), VAULT)
        world = StakeWorld(evm)
        rules = tuple((world.settings | {"capBps": 10_000, "minMembers": 1}).values())
        self.set = evm.create(
            contracts.load("StakedSet"), world.store, world.book, with_gas([symbiotic.source], 310_000), rules, OWNER
        )
        self.windows = windows_of(evm, self.set)
        evm.ok(self.set, "connect", self.set, PENALTIES, REWARDS)
        for one in TOGETHER:
            world.new_key(one)
            self.all_to(one)
            evm.ok(self.set, "join", sender=one)
        evm.jump(JOIN_S)

    def all_to(self, who: str) -> None:
        """The curator moves all of the vault's stake behind one of them."""
        for one in sorted(TOGETHER, key=lambda o: o == who):
            shares = WAD if one == who else 0
            self.evm.call(
                self.made.delegator,
                "setOperatorNetworkShares",
                self.symbiotic.subnetwork,
                one,
                shares,
                sender=CURATOR,
            )
        self.evm.jump(2)

    def show_each(self) -> None:
        """Each is observed while it has all."""
        for one in TOGETHER:
            self.all_to(one)
            self.evm.ok(self.windows, "observe", [one])
        self.evm.jump(2)

    def counted(self) -> int:
        """Stake that a freeze would count now, of all three."""
        return sum(row[3] for row in self.evm.ok(self.set, "preview")[0])

    def taken(self) -> int:
        """What leaves the vault if all three are slashed whole, each by its capture."""
        captures = [row[6] for row in self.evm.ok(self.set, "preview")[0]]
        before = self.symbiotic.balance(self.made.vault)
        source = self.symbiotic.source
        for number, (one, capture) in enumerate(zip(TOGETHER, captures, strict=True)):
            if self.evm.ok(source, "slashableOf", one, capture):
                self.symbiotic.seize(one, capture, case=number)
                self.symbiotic.take(number)
        return before - self.symbiotic.balance(self.made.vault)


def test_stake_that_moves_between_observations_counts_once() -> None:
    """All observations of a freeze are of one moment, at which one of them had it; the first, as the others have nothing now."""
    vault = OneVault()
    vault.show_each()
    assert vault.counted() <= vault.taken() * SHARED_BPS // 10_000


def test_stake_that_moves_between_freezes_counts_once() -> None:
    """Each had it when it was asked for the last freeze, and has it when it is asked for this one."""
    vault = OneVault()
    for _ in range(3):
        for one in TOGETHER:
            vault.all_to(one)
            vault.evm.ok(vault.windows, "observe", [one])
            vault.evm.jump(3_601)
            vault.evm.ok(vault.windows, "observe", [one])
    assert vault.counted() <= vault.taken() * SHARED_BPS // 10_000


def test_what_does_not_move_counts_when_operators_are_observed_in_parts() -> None:
    vault = OneVault()
    vault.all_to(ANN)
    for one in TOGETHER:
        vault.evm.ok(vault.windows, "observe", [one])
        vault.evm.jump(60)
    assert vault.counted() == VAULT * SHARED_BPS // 10_000
    assert vault.taken() == VAULT
