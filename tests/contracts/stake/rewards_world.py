"""Rewards over a real store on an EVM in this process, with members, tokens and sources to fund and pay with.

Frozen sets are stand-ins (`solidity/RewardsStandIn.sol`): a test writes down who was frozen. So are sources, unless others are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import coincurve
from eth_hash.auto import keccak

import contracts
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import CheckedGrounds, make_grounds
from oracle.rewards.report import ETHER, EpochRewards, RewardLeaf, epoch_rewards
from oracle.sign.eip712 import Domain, address_of, sign_compact
from oracle.sign.epoch_words import EpochAttendance, RewardsWord, SignedAttendance
from oracle.sign.signed_batch import packed_signatures
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import OWNER, STRANGER, Evm

STAND_INS = "tests/contracts/solidity/RewardsStandIn.sol"
JAIL_S, PROVABLE_S = 86_400, 20 * 86_400
CLAIM_S, REPORT_S = 180 * 86_400, 30 * 86_400
FEED = b"weETH/ETH".ljust(32, b"\0")
NO_ADDRESS = "0x" + "00" * 20
MANY_KEYS = sorted((coincurve.PrivateKey((i + 1_000).to_bytes(32, "big")) for i in range(31)), key=address_of)


def text(address: bytes) -> str:
    return "0x" + address.hex()


@dataclass
class RewardsWorld:
    """A store in epoch 1, whose set is frozen; ``weights``: of its members; T is the least above two thirds.

    ``operators``, ``sources`` and ``assets``: others than the stand-ins.
    """

    weights: Sequence[int] = (40, 25, 20, 15)
    evm: Evm = field(default_factory=Evm)
    operators: list[bytes] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    assets: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = MANY_KEYS[: len(self.weights)]
        self.signers = [address_of(k) for k in self.keys]
        self.operators = self.operators or [keccak(s)[:20] for s in self.signers]
        self.threshold = 2 * sum(self.weights) // 3 + 1
        who = (OWNER, OWNER, 3_600, 0, 0, 0)
        listed = [text(s) for s in self.signers]
        strong = self.threshold
        self.store = self.evm.create(
            contracts.load("PriceStore"), who, [(1, 9_999, 1)], listed, list(self.weights), self.threshold, strong
        )
        assert self.evm.ok(self.store, "register", FEED, True, True, 0) == 0
        self.domain = Domain(chain_id=1, store=bytes.fromhex(self.store[2:]))
        stand_ins = compiled(STAND_INS)
        self.set = self.evm.create(stand_ins["FrozenSetStandIn"], self.store)
        self.sources = self.sources or [self.evm.create(stand_ins["SourceStandIn"]) for _ in range(2)]
        self.token = self.evm.create(compiled()["Token"], "wdivETH", 18)
        self.quiet = self.evm.create(stand_ins["QuietToken"])
        self.odd = self.evm.create(compiled()["OddToken"])
        made = (self.token, self.quiet, self.odd)
        self.assets = self.assets or [ETHER, *(bytes.fromhex(t[2:]) for t in made)]
        listed = [text(a) for a in self.assets]
        self.at = self.evm.create(contracts.load("Rewards"), self.set, self.sources, listed, JAIL_S)
        for token in (self.token, self.quiet, self.odd):
            self.evm.ok(token, "mint", STRANGER, 10**30)
        for token in (self.token, self.odd):
            self.evm.ok(token, "approve", self.at, 2**255, sender=STRANGER)
        self.freeze(1)

    # --- epochs --------------------------------------------------------------------------------------------------

    def freeze(self, epoch: int) -> None:
        members = [text(s) for s in self.signers], [text(o) for o in self.operators], list(self.weights)
        self.evm.ok(self.set, "freeze", epoch, *members, self.threshold, self.evm.now + PROVABLE_S)

    def next_epoch(self) -> int:
        """The store goes on to the next epoch, with the same members."""
        listed = [text(s) for s in self.signers]
        self.evm.ok(self.store, "setSigners", listed, list(self.weights), self.threshold, self.threshold)
        epoch = int(self.evm.ok(self.at, "presentEpoch"))
        self.freeze(epoch)
        return epoch

    def frozen(self, epoch: int) -> FrozenEpoch:
        """As the contract has it."""
        capture, _, threshold, _ = self.evm.ok(self.set, "frozenOf", epoch)
        keys, operators, weights = self.evm.ok(self.set, "membersOf", epoch)
        return FrozenEpoch(
            domain=self.domain,
            epoch=epoch,
            keys=tuple(bytes.fromhex(k[2:]) for k in keys),
            operators=tuple(bytes.fromhex(o[2:]) for o in operators),
            weights=tuple(weights),
            threshold=threshold,
            capture_s=capture,
        )

    # --- funds ---------------------------------------------------------------------------------------------------

    def fund(self, epoch: int, asset: bytes, amount: int, *, sent: int | None = None) -> str:
        value = (amount if asset == ETHER else 0) if sent is None else sent
        return self.call("fund", epoch, text(asset), amount, value=value)[0]

    def call(self, name: str, *args: Any, value: int = 0, sender: str = STRANGER) -> tuple[str, Any]:
        return self.evm.call(self.at, name, *args, sender=sender, value=value)

    def left(self, epoch: int, asset: bytes = ETHER) -> int:
        return int(self.evm.ok(self.at, "potOf", epoch, text(asset))[1])

    def pots(self, epoch: int) -> Mapping[bytes, int]:
        funded = {a: int(self.evm.ok(self.at, "potOf", epoch, text(a))[0]) for a in self.assets}
        return {a: n for a, n in funded.items() if n}

    def held(self, asset: bytes) -> int:
        if asset == ETHER:
            return int(self.evm.evm.get_balance(self.at))
        return int(self.evm.ok(text(asset), "balanceOf", self.at))

    def given(self, operator: bytes, asset: bytes = ETHER, source: int = 0) -> int:
        return int(self.evm.ok(self.sources[source], "given", text(operator), text(asset)))

    # --- reports -------------------------------------------------------------------------------------------------

    def grounds(self, epoch: int, rounds: int = 100, counts: Sequence[int] | None = None) -> CheckedGrounds:
        """All members say the same: so many rounds, and so many of each."""
        frozen = self.frozen(epoch)
        counted = tuple(counts or [rounds] * len(self.keys))
        said = EpochAttendance(domain=self.domain, epoch=epoch, rounds=rounds, counts=counted)
        words = {
            address_of(k): SignedAttendance(
                said=said, address=address_of(k), signature=sign_compact(k, keccak(said.preimage()))
            )
            for k in self.keys
        }
        stakes = [(3 * w, w)[: len(self.sources)] for w in self.weights]
        return make_grounds(frozen, stakes, words)

    def report(self, epoch: int, rounds: int = 100, counts: Sequence[int] | None = None) -> EpochRewards:
        return epoch_rewards(self.grounds(epoch, rounds, counts), self.pots(epoch))

    def signed(self, said: RewardsWord, who: Sequence[int] | None = None) -> bytes:
        digest = keccak(said.preimage())
        keys = [self.keys[i] for i in (range(len(self.keys)) if who is None else who)]
        signed = {address_of(k): sign_compact(k, digest) for k in keys}
        return packed_signatures(self.frozen(said.epoch).signers, signed)

    def post(self, report: EpochRewards, who: Sequence[int] | None = None) -> str:
        return self.post_word(report.word, report.grounds.raw, who)

    def post_word(self, said: RewardsWord, grounds: bytes, who: Sequence[int] | None = None) -> str:
        absent = [text(a) for a in said.absent]
        return self.call("post", said.epoch, said.root, absent, grounds, self.signed(said, who))[0]

    def claim(self, leaf: RewardLeaf, proof: Sequence[bytes]) -> str:
        args = (leaf.epoch, text(leaf.operator), leaf.source, text(leaf.asset), leaf.amount, list(proof))
        return self.call("claim", *args)[0]

    def claim_all(self, report: EpochRewards) -> list[str]:
        return [self.claim(leaf, report.tree.proof(leaf.hash)) for leaf in report.leaves]
