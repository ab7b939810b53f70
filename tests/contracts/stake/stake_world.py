"""A store whose signers are decided by stake, on an EVM in this process: operators with keys, and sources that say what they are told.

The store, the set and the book are the real ones. The sources are stand-ins: what the real ones say is tested with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import coincurve
from eth_abi import encode
from eth_utils.crypto import keccak

import contracts
from oracle.sign.eip712 import Domain, address_of, batch_bytes, batch_digest, sign_compact
from tests.contracts.contract_tools import WAD, Item, compiled, error_of
from tests.contracts.evm_process import GUARDIAN, KEYS, OWNER, STRANGER, Evm

SOURCES = "tests/contracts/solidity/StakeSources.sol"
ETHER = 10**18
ZERO = "0x" + "00" * 20
TIMELOCK, PENALTIES, REWARDS = ("0x" + c * 40 for c in "123")
HOUR_S, DAY_S = 3_600, 86_400
DELAY_S, OVERLAP_S, MAX_AGE_S, LONGEST_S = 2 * HOUR_S, 600, 60, 4 * DAY_S
EPOCH_S, JOIN_S, EVIDENCE_S = DAY_S, 2 * HOUR_S, DAY_S
OBSERVED_S = HOUR_S
"""For so long a freeze takes what was observed."""
ANSWER_S = OBSERVED_S + DELAY_S + LONGEST_S + OVERLAP_S + MAX_AGE_S + EVIDENCE_S
SETTINGS = {
    "epochS": EPOCH_S,
    "joinDelayS": JOIN_S,
    "evidenceS": EVIDENCE_S,
    "capBps": 3_400,
    "minStake": 10 * ETHER,
    "minMembers": 3,
    "maxMembers": 7,
    "thresholdBps": 6_700,
    "stepBps": 8_000,
    "timelock": TIMELOCK,
    "migrateDelayS": ANSWER_S + 1,
}
SOURCE_GAS = 200_000
"""What each source is given to tell one operator's stake."""
FOUNDERS = (KEYS[0], KEYS[1], KEYS[2])
ANSWERS, REVERTS, BURNS, BOMB, SHORT, ENTERS, LONG = range(7)
"""Manners of a source."""
MEMBER, TOO_NEW, TOO_LITTLE, OTHERS = range(4)
"""Why a candidate is in the next set, or is not."""


def address(key: coincurve.PrivateKey) -> str:
    return "0x" + address_of(key).hex()


def spare_key(number: int) -> coincurve.PrivateKey:
    return coincurve.PrivateKey((10_000 + number).to_bytes(32, "big"))


def operator(number: int) -> str:
    return f"0x{0x0B << 128 | number:040x}"


def error_in(text: str) -> str:
    """Name of the error that the EVM reports."""
    output = text.split("output: ")[1].split(" ", maxsplit=1)[0] if "output: " in text else ""
    return str(error_of(output)[0]) if len(output) > 2 else "Reverted"


def with_gas(sources: Sequence[str], gas: int = SOURCE_GAS) -> list[tuple[str, int]]:
    """Sources as the set is told them, each with as much gas."""
    return [(s, gas) for s in sources]


def windows_of(evm: Any, set_: str) -> str:
    """What the set keeps of sources' words, ready to be called."""
    return str(evm.know(str(evm.ok(set_, "windows")), contracts.load("StakeWindows")))


@dataclass(frozen=True)
class Row:
    """A candidate in a preview."""

    operator: str
    key: str
    place: int
    stake: int
    before: int
    weight: int
    capture: int


class StakeWorld:
    """Everything connected; no operator yet."""

    def __init__(
        self,
        evm: Any = None,
        *,
        sources: int = 1,
        source_gas: int = SOURCE_GAS,
        longest_s: int = LONGEST_S,
        **changes: Any,
    ) -> None:
        self.evm = evm = evm or Evm()
        self.source_gas = source_gas
        self.settings = SETTINGS | changes
        roles = (OWNER, GUARDIAN, MAX_AGE_S, DELAY_S, OVERLAP_S, longest_s)
        signers = [address(k) for k in FOUNDERS]
        limits = [(1, 9_999, 1)]
        self.store = evm.create(contracts.load("PriceStore"), roles, limits, signers, [1, 1, 1], 2, 3)
        self.book = evm.create(contracts.load("KeyBook"), OWNER)
        self.sources = [evm.create(compiled(SOURCES)["ToldStake"]) for _ in range(sources)]
        self.set = evm.create(contracts.load("StakedSet"), *self.arguments())
        self.windows = windows_of(evm, self.set)
        for one in self.sources:
            evm.ok(one, "enterInto", self.set)
        for one in (self.set, self.book):
            evm.ok(one, "connect", self.set, PENALTIES, REWARDS)
        evm.ok(self.store, "transferOwnership", self.set)
        evm.ok(self.set, "acceptStore", sender=STRANGER)
        self.keys: dict[str, coincurve.PrivateKey] = {}
        self.made = 0

    def arguments(self, **changes: Any) -> tuple[Any, ...]:
        """Of the set's constructor."""
        told = changes.pop("sources", with_gas(self.sources, self.source_gas))
        return self.store, self.book, told, tuple((self.settings | changes).values()), OWNER

    def refusal(self, **changes: Any) -> str:
        """The error with which a set of other settings is refused; empty if it is made."""
        artifact = contracts.load("StakedSet")
        kinds = [
            "address",
            "address",
            "(address,uint96)[]",
            "(" + ",".join(["uint256"] * 9 + ["address", "uint256"]) + ")",
            "address",
        ]
        try:
            self.evm.evm.deploy(OWNER, artifact.bytecode + encode(kinds, self.arguments(**changes)))
        except RuntimeError as e:
            return error_in(str(e))
        return ""

    # ------------------------------------------------------------------------------------------------------ operators

    def consent(self, who: str, key: coincurve.PrivateKey, **changes: Any) -> tuple[Any, ...]:
        """Key, nonce, expiry, r, vs."""
        nonce = changes.get("nonce", self.evm.ok(self.book, "nonceOf", who))
        expiry = changes.get("expiry", self.evm.now + HOUR_S)
        signed = sign_compact(key, self.evm.ok(self.book, "consentDigest", changes.get("of", who), nonce, expiry))
        return address(key), nonce, expiry, signed[:32], signed[32:]

    def new_key(self, who: str) -> str:
        """The operator's next key; its address."""
        self.made += 1
        key = spare_key(self.made)
        self.keys[address(key)] = key
        self.evm.ok(self.book, "setKey", self.consent(who, key), sender=who)
        return address(key)

    def tell(self, who: str, value: int, source: int = 0) -> None:
        self.evm.ok(self.sources[source], "tell", who, value)

    def behave(self, who: str, manner: int, source: int = 0) -> None:
        self.evm.ok(self.sources[source], "behave", who, manner)

    def enter(self, number: int, stake: int = 100 * ETHER) -> str:
        """An operator with a key and stake that has joined."""
        who = operator(number)
        self.new_key(who)
        self.tell(who, stake)
        self.evm.ok(self.set, "join", sender=who)
        return who

    def enter_all(self, *stakes: int) -> list[str]:
        """Operators from 1 on, with so much ether each, who have waited long enough."""
        made = [self.enter(i + 1, s * ETHER) for i, s in enumerate(stakes)]
        self.evm.jump(JOIN_S)
        return made

    # ------------------------------------------------------------------------------------------------------- rotation

    def rotate(self) -> int:
        return int(self.evm.ok(self.set, "rotate", sender=STRANGER))

    def rotation(self) -> tuple[str, Any]:
        return self.evm.call(self.set, "rotate", sender=STRANGER)

    def rotate_at_once(self) -> int:
        """As soon as anybody can."""
        self.evm.jump(max(0, self.evm.ok(self.set, "nextRotateAt") - self.evm.now))
        return self.rotate()

    def arm(self) -> None:
        """All members of the next set sign; then its time comes."""
        epoch, active_at = self.evm.ok(self.store, "nextSigners")
        keys, _, _ = self.members(epoch)
        digest = self.evm.ok(self.store, "armDigest")
        self.evm.ok(self.store, "arm", self.signed(digest, keys))
        self.evm.jump(active_at - self.evm.now)
        assert self.epoch == epoch

    def change(self) -> int:
        """A whole rotation, a day after the last one at the earliest."""
        epoch = self.rotate_at_once()
        self.arm()
        return epoch

    def signed(self, digest: bytes, keys: list[str], *, only: list[str] | None = None) -> bytes:
        """Signatures of members of a set, given as their keys in its order."""
        return b"".join(
            bytes([i]) + sign_compact(self.keys[k], digest) for i, k in enumerate(keys) if only is None or k in only
        )

    def push(self, epoch: int, round_time_s: int, *, only: list[str] | None = None) -> str:
        """The first token's price, signed by members of an epoch; the error."""
        domain = Domain(chain_id=1, store=bytes.fromhex(self.store[2:]))
        items = Item(0, market=WAD, redemption=WAD).packed()
        digest = batch_digest(domain, epoch, round_time_s, items)
        keys, _, _ = self.members(epoch)
        batch = batch_bytes(epoch, round_time_s, items)
        return self.evm.call(self.store, "push", batch, self.signed(digest, keys, only=only))[0]

    def register(self) -> None:
        """The first token, by the timelock."""
        data = keccak(text="register(bytes32,bool,bool,uint8)")[:4]
        name = b"wdivETH/ETH".ljust(32, b"\0")
        arguments = encode(["bytes32", "bool", "bool", "uint8"], [name, True, True, 0])
        self.evm.ok(self.set, "govern", data + arguments, sender=TIMELOCK)

    # ----------------------------------------------------------------------------------------------------------- read

    @property
    def epoch(self) -> int:
        """In force in the store."""
        return int(self.evm.ok(self.store, "signerSet")[0])

    def members(self, epoch: int) -> tuple[list[str], list[str], list[int]]:
        """Keys, operators and weights of the set that was frozen for it."""
        keys, operators, weights = self.evm.ok(self.set, "membersOf", epoch)
        return list(keys), list(operators), list(weights)

    def weights(self, epoch: int) -> dict[str, int]:
        """By operator, as they were frozen."""
        _, operators, weights = self.members(epoch)
        return dict(zip(operators, weights, strict=True))

    def in_store(self) -> dict[str, int]:
        """Weights of the keys in the store's present set."""
        _, _, signers, weights = self.evm.ok(self.store, "signerSet")
        return dict(zip(signers, weights, strict=True))

    def preview(self) -> tuple[dict[str, Row], int, int]:
        """Rows by operator, T and W."""
        rows, threshold, _, total = self.evm.ok(self.set, "preview")
        return {r[0]: Row(*r) for r in rows}, threshold, total
