"""The real set with its store, as the walk through delegated stake needs it: in the place of `BoundSide`."""

from __future__ import annotations

import coincurve

import contracts
from oracle.sign.eip712 import sign_compact
from tests.contracts.evm_process import GUARDIAN, OWNER, STRANGER, Evm
from tests.contracts.stake.delegated_world import OPERATORS, PENALTIES, REWARDS, QuickCalls
from tests.contracts.stake.stake_world import DAY_S, OBSERVED_S, SETTINGS, TIMELOCK, address, spare_key, with_gas

DELAY_S, LONGEST_S, OVERLAP_S, MAX_AGE_S, EVIDENCE_S = 120, 7 * DAY_S, 60, 60, 2 * DAY_S
RULES = SETTINGS | {
    "epochS": 3_600,
    "joinDelayS": OBSERVED_S,
    "evidenceS": EVIDENCE_S,
    "capBps": 10_000,
    "minStake": 10**9,
    "minMembers": 1,
    "maxMembers": len(OPERATORS),
    "timelock": TIMELOCK,
    "migrateDelayS": 30 * DAY_S,
}


class RealSide:
    """StakedSet over the source of the walk. What is drawn is who wants to be a member; who becomes one the set decides."""

    def __init__(self, evm: Evm, source: str) -> None:
        self.evm = evm
        roles = (OWNER, GUARDIAN, MAX_AGE_S, DELAY_S, OVERLAP_S, LONGEST_S)
        founder = address(spare_key(999))
        self.store = evm.create(contracts.load("PriceStore"), roles, [(1, 9_999, 1)], [founder], [1], 1, 1)
        self.book = evm.create(contracts.load("KeyBook"), OWNER)
        rules = tuple(RULES.values())
        self.at = evm.create(contracts.load("StakedSet"), self.store, self.book, with_gas([source]), rules, OWNER)
        for one in (self.at, self.book):
            evm.ok(one, "connect", self.at, PENALTIES, REWARDS)
        evm.ok(self.store, "transferOwnership", self.at)
        evm.ok(self.at, "acceptStore", sender=STRANGER)
        self.answer_s = int(evm.ok(self.at, "answerS"))
        self.calls = QuickCalls(evm, self.at, contracts.load("StakedSet").abi)
        self.keys: dict[str, coincurve.PrivateKey] = {}
        for number, operator in enumerate(OPERATORS):
            key = spare_key(number)
            self.keys[address(key)] = key
            self.evm.ok(self.book, "setKey", self.consent(operator, key), sender=operator)

    def consent(self, operator: str, key: coincurve.PrivateKey) -> tuple[str, int, int, bytes, bytes]:
        expiry = self.evm.now + 1
        signed = sign_compact(key, self.evm.ok(self.book, "consentDigest", operator, 0, expiry))
        return address(key), 0, expiry, signed[:32], signed[32:]

    def freeze(self, operators: tuple[str, ...]) -> tuple[str, ...]:
        """Those join, the others leave, and the set is made once they have waited; nobody if so much has left that none can."""
        for operator in OPERATORS:
            if bool(self.calls.number("isCandidate", operator)) != (operator in operators):
                self.calls("join" if operator in operators else "leave", sender=operator)
        self.evm.jump(max(OBSERVED_S, self.calls.number("nextRotateAt") - self.evm.now))
        error, words = self.calls("rotate", sender=STRANGER)
        if error or not words[0]:
            return ()
        keys, members, _ = self.evm.ok(self.at, "membersOf", words[0])
        digest = self.evm.ok(self.store, "armDigest")
        signed = b"".join(bytes([i]) + sign_compact(self.keys[key], digest) for i, key in enumerate(keys))
        self.evm.ok(self.store, "arm", signed)
        return tuple(members)

    @property
    def epoch(self) -> int:
        """In force in the store: that many sets but one signed."""
        return int(self.evm.ok(self.store, "signerSet")[0])

    def bound_until(self, operator: str) -> int:
        return self.calls.number("boundUntil", operator)
