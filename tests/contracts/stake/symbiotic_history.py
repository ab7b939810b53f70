"""A random history of stake in three of Symbiotic's vaults, and what was there at each capture by Symbiotic's own word."""

from __future__ import annotations

import random

from eth_utils.address import to_checksum_address

from demo.world.symbiotic import DelegatorKind
from tests.contracts.stake.symbiotic_world import (
    ANN,
    BOB,
    BURNER,
    CURATOR,
    DAY_S,
    DISPUTE_S,
    PENALTIES,
    RITA,
    WAD,
    SymbioticWorld,
    case_id,
)  # fmt: skip

Held = tuple[str, str, int]
"""A vault, an operator, a capture."""


class SymbioticHistory:
    """Deposits, withdrawals, shares, penalties and their ends, in any order, each checked."""

    def __init__(self, world: SymbioticWorld, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        alone = {"kind": DelegatorKind.OPERATOR_NETWORK, "operator": BOB, "network": world.source}
        self.vaults = [
            world.counted({ANN: 1, BOB: 2}, 200 * WAD, veto_s=DAY_S),
            world.counted({ANN: 3, BOB: 1}, 200 * WAD),
            world.counted({BOB: 1}, 200 * WAD, **alone),
        ]
        self.there: dict[Held, int] = {}
        self.gone: dict[Held, int] = {}
        self.entries: dict[int, list[tuple[Held, int]]] = {}
        self.disputed: list[tuple[int, int]] = []
        self.ordered: list[int] = []
        self.slashed = 0
        self.case = 0
        self.done: set[str] = set()

    def step(self) -> None:
        """One act of somebody's, then all that waits is tried again, and the burner's balance looked at."""
        self.world.evm.jump(self.rng.choice([12, 600, 7_200]))
        acts = ["deposit"] * 6 + ["withdraw"] * 3 + ["shares"] * 2 + ["seize"] * 5 + ["settle"] * 4
        getattr(self, self.rng.choice(acts))()
        for number in self.ordered[-6:]:
            error, value = self.world.evm.call(self.world.source, "finish", case_id(number))
            self.slashed += 0 if error else value
        assert self.world.balance(BURNER) == self.slashed

    def deposit(self) -> None:
        self.world.deposit(RITA, self.rng.choice(self.vaults), self.rng.randint(1, 40 * WAD))
        self.done.add("deposit")

    def withdraw(self) -> None:
        vault = self.rng.choice(self.vaults).vault
        most = max(1, self.world.ask(vault, "activeBalanceOf", RITA))
        if not self.world.evm.call(vault, "withdraw", RITA, self.rng.randint(1, most), sender=RITA)[0]:
            self.done.add("withdraw")

    def shares(self) -> None:
        args = (self.world.subnetwork, self.rng.choice([ANN, BOB]), self.rng.randint(0, 5))
        at = self.rng.choice(self.vaults[:2]).delegator
        if not self.world.evm.call(at, "setOperatorNetworkShares", *args, sender=CURATOR)[0]:
            self.done.add("shares")

    def seize(self) -> None:
        """Of a capture of just now or of an earlier case, by any fraction."""
        world, who = self.world, self.rng.choice([ANN, BOB])
        capture = self.rng.choice([*sorted({c for _, _, c in self.there})[-5:], world.evm.now - 12])
        self.case += 1
        args = (who, self.rng.choice([WAD, WAD // 3, WAD // 20]), capture, case_id(self.case))
        if world.evm.call(world.source, "seize", *args, sender=PENALTIES)[0]:
            return
        self.done.add("seize")
        self.disputed.append((self.case, world.evm.now + DISPUTE_S))
        self.entries[self.case] = []
        for _, where, _, amount, _ in world.logs("PutAside"):
            key: Held = (str(to_checksum_address(where[12:])), who, capture)
            self.entries[self.case].append((key, amount))
            self.gone[key] = self.gone.get(key, 0) + amount
        for key, _ in self.entries[self.case]:
            (delegator,) = (v.delegator for v in self.vaults if v.vault == key[0])
            self.there[key] = world.ask(delegator, "stakeAt", world.subnetwork, who, capture - 1, b"")
            assert self.gone[key] <= self.there[key]

    def settle(self) -> None:
        """The oldest dispute ends, one way or the other."""
        if not self.disputed:
            return
        number, until = self.disputed.pop(0)
        if self.rng.random() < 0.3:
            self.world.restore(number)
            for key, amount in self.entries[number]:
                self.gone[key] -= amount
            self.done.add("restore")
            return
        self.world.evm.jump(max(0, until - self.world.evm.now))
        self.slashed += self.world.take(number)
        self.ordered.append(number)
        self.done.add("take")
