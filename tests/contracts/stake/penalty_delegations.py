"""`Penalties` over the module's own delegations, in real wdivETH. The set, the key book and the token's value are stand-ins."""

from __future__ import annotations

import contracts
from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import OWNER, TREASURY
from tests.contracts.stake.delegated_world import DEMO, ETHER, stand_in
from tests.contracts.stake.penalty_world import ANSWER_S, DAY, STORE, PenaltyWorld, operator, standin

RESTAKER = "0x" + "9" * 40
OWN, DELEGATED = 10 * WAD, 90 * WAD
SEVEN = (3, 2, 2, 1, 1, 1, 1)


class DelegatedPenalties(PenaltyWorld):
    """Operators with a tenth of their pools of their own; the rest is one restaker's."""

    def __init__(self, own: int = OWN) -> None:
        super().__init__(SEVEN, stake=0)
        evm = self.evm
        diva = evm.create(contracts.load("DivETH", DEMO))
        self.token = evm.create(contracts.load("WdivETH", DEMO), diva)
        values = evm.create(stand_in("RateStandIn"), self.token)
        terms = (OWNER, self.token, values, TREASURY, DAY, 2_000, [ETHER])
        self.source = evm.create(contracts.load("DelegatedStake"), *terms)
        self.sources = [self.source]
        self.set = evm.create(standin("SetStandIn"), ANSWER_S)
        evm.ok(self.set, "connect", OWNER, STORE)
        self.penalties = evm.create(contracts.load("Penalties"), *self.arguments())
        evm.ok(self.set, "connect", self.penalties, STORE)
        evm.ok(self.source, "connect", self.set, self.penalties, OWNER)
        evm.evm.message_call(OWNER, self.token, b"", value=2_000 * WAD)
        self.whole = 0
        for number in range(len(SEVEN)):
            self.delegate(operator(number), operator(number), own)
            self.delegate(RESTAKER, operator(number), OWN + DELEGATED - own)
        self.freeze(1)

    def delegate(self, who: str, to: str, tokens: int) -> None:
        evm = self.evm
        evm.evm.set_balance(who, 10**24)
        if who == to:
            evm.ok(self.source, "enroll", 0, sender=who)
        if not tokens:
            return
        evm.ok(self.token, "transfer", who, tokens)
        evm.ok(self.token, "approve", self.source, tokens, sender=who)
        evm.ok(self.source, "deposit", to, tokens, sender=who)
        self.whole += tokens

    def held(self, who: str) -> int:
        return int(self.evm.ok(self.token, "balanceOf", who))

    def tokens(self, number: int, who: str) -> int:
        """Of a restaker with an operator."""
        return int(self.evm.ok(self.source, "positionOf", operator(number), who)[1])

    def pool(self, number: int) -> int:
        return self.tokens(number, operator(number)) + self.tokens(number, RESTAKER)
