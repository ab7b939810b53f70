"""An epoch of a real store with a real Rewards contract; frozen sets and sources are stand-ins (`RewardsStandIn.sol`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from eth_hash.auto import keccak
from web3 import Web3

from oracle.chain.quorum_rpc import QuorumRpc
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.posted import RewardsReads
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.epoch_words import RewardsWord
from tests.contracts.contract_tools import Bench, compiled
from tests.oracle.rewards.rewards_epoch import ALL_KEYS

KEYS = ALL_KEYS[:4]
WEIGHTS, THRESHOLD, POT = (40, 25, 20, 15), 67, 10**18
STAND_INS = "tests/contracts/solidity/RewardsStandIn.sol"


class ChainEpoch:
    """Epoch 1 of a store, funded and ended, with four members; stakes changed after the freeze."""

    def __init__(self, bench: Bench, url: str) -> None:
        self.bench, self.url = bench, url
        signers = [Web3.to_checksum_address(address_of(k)) for k in KEYS]
        self.operators = [Web3.to_checksum_address(keccak(address_of(k))[:20]) for k in KEYS]
        who = (bench.owner.address, bench.owner.address, 3_600, 0, 0, 0)
        strong = [(1, 9_999, 1)], signers, list(WEIGHTS), THRESHOLD, THRESHOLD
        self.store = bench.create("PriceStore", who, *strong)
        stand_ins = compiled(STAND_INS)
        self.set = bench.deploy(stand_ins["FrozenSetStandIn"], self.store.address)
        self.sources = [bench.deploy(stand_ins["SourceStandIn"]) for _ in range(2)]
        self.rewards = bench.create(
            "Rewards", self.set.address, [s.address for s in self.sources], ["0x" + "00" * 20], 3_600
        )
        self._stake(3)
        until = bench.now + 1_000_000
        bench.send(self.set.functions.freeze(1, signers, self.operators, list(WEIGHTS), THRESHOLD, until))
        self.capture_s = bench.now
        bench.at(bench.now + 60)
        self._stake(1)
        fund = self.rewards.functions.fund(1, "0x" + "00" * 20, POT)
        call = {"from": bench.owner.address, "value": POT}
        bench.web3.eth.wait_for_transaction_receipt(fund.transact(call))
        bench.send(self.store.functions.setSigners(signers, list(WEIGHTS), THRESHOLD, THRESHOLD))
        self.domain = Domain(chain_id=31337, store=bytes.fromhex(self.store.address[2:]))

    def _stake(self, part: int) -> None:
        """Of each operator so many parts in the first source, and one in the other."""
        for operator in self.operators:
            for source, stake in zip(self.sources, (part, 1), strict=True):
                self.bench.send(source.functions.setStake(operator, stake))

    def read(self) -> tuple[FrozenEpoch, tuple[tuple[int, ...], ...], Mapping[bytes, int]]:
        async def reading() -> tuple[FrozenEpoch, tuple[tuple[int, ...], ...], Mapping[bytes, int]]:
            nodes = QuorumRpc([self.url], chain_id=31337)
            try:
                reads = await RewardsReads.open(nodes, bytes.fromhex(self.rewards.address[2:]), self.domain)
                assert await reads.frozen(9) is None
                frozen = await reads.frozen(1)
                assert frozen is not None
                return frozen, await reads.stakes(frozen), await reads.pots(1)
            finally:
                await nodes.close()

        return asyncio.run(reading())

    def post(self, said: RewardsWord, grounds: bytes, signatures: bytes) -> None:
        absent = [Web3.to_checksum_address(a) for a in said.absent]
        self.bench.send(self.rewards.functions.post(said.epoch, said.root, absent, grounds, signatures))
