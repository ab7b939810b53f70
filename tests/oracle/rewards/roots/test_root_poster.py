"""A report carried to a real chain by several: one lands, and that another one was first costs little and is no error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import coincurve
import pytest
from eth_hash.auto import keccak
from web3 import Web3
from web3.types import RPCEndpoint

from demo.world.anvil import Anvil
from demo.world.chain import account
from oracle.assemble.reporting import turn_after
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.rewards.grounds import make_grounds
from oracle.rewards.posted import post_call
from oracle.rewards.report import epoch_rewards
from oracle.rewards.roots.poster import MOST_REVERTED, PostingPlace, RootPoster
from oracle.sign.eip712 import address_of, sign_compact
from oracle.sign.epoch_words import EpochAttendance
from oracle.sign.keyfiles import LocalSigner
from tests.contracts.contract_tools import Bench, connected
from tests.oracle.rewards.chain_epoch import KEYS, ChainEpoch
from tests.oracle.rewards.rewards_epoch import signed_attendance

pytestmark = pytest.mark.chain
EPOCH, FIRST_PURSE, DEEP = 1, 50, 3


@dataclass
class Poster:
    """One that pays. ``kept``: its transaction, which outlives the process."""

    world: ChainEpoch
    number: int
    now_ms: int = 0
    kept: dict[int, bytes] = field(default_factory=dict)
    made: RootPoster | None = None

    def post(self, data: bytes, *, again: bool = False) -> bytes:
        """A look, ``again`` as a process that was started anew; what is under way afterwards."""

        async def posting() -> None:
            nodes = QuorumRpc([self.world.url], chain_id=31337)
            place = PostingPlace(
                load=lambda e: self.kept.get(e, b""), save=self.kept.__setitem__, now_ms=lambda: self.now_ms
            )
            key = coincurve.PrivateKey(bytes(account(FIRST_PURSE + self.number).key))
            contract = bytes.fromhex(self.world.rewards.address[2:])
            poster = RootPoster(
                nodes, 31337, contract, LocalSigner(key), max_fee_gwei=500, confirmations=DEEP, place=place
            )
            if self.made is not None and not again:
                poster.reverted, poster._sent_ms = self.made.reverted, self.made._sent_ms
            self.made = poster
            try:
                await poster.post(data, EPOCH)
            finally:
                await nodes.close()

        asyncio.run(posting())
        return self.kept.get(EPOCH, b"")


@pytest.fixture
def world(node: Anvil) -> Iterator[ChainEpoch]:
    with connected(node.url) as web3:
        made = ChainEpoch(Bench(web3), node.url)
        for number in range(3):
            request(made, "anvil_setBalance", account(FIRST_PURSE + number).address, hex(10**18))
        yield made
        request(made, "evm_setAutomine", True)


def request(world: ChainEpoch, method: str, *params: object) -> None:
    world.bench.web3.provider.make_request(RPCEndpoint(method), list(params))


@pytest.fixture
def call(world: ChainEpoch) -> bytes:
    frozen, stakes, pots = world.read()
    said = EpochAttendance(domain=world.domain, epoch=EPOCH, rounds=9, counts=(9,) * 4)
    words = {address_of(k): signed_attendance(said, i) for i, k in enumerate(KEYS)}
    report = epoch_rewards(make_grounds(frozen, stakes, words), pots)
    digest = keccak(report.word.preimage())
    return post_call(frozen, report, {address_of(k): sign_compact(k, digest) for k in KEYS[:3]})


def test_two_in_one_block_one_lands_and_neither_goes_on(world: ChainEpoch, call: bytes) -> None:
    """`two_in_one_block_one_lands_and_neither_goes_on`: a revert because another was first is no error, and is not tried again."""
    request(world, "evm_setAutomine", False)
    first, second = Poster(world, 0), Poster(world, 1)
    sent = [Web3.keccak(p.post(call)) for p in (first, second)]
    assert all(p.kept[EPOCH] for p in (first, second))
    request(world, "evm_mine")
    request(world, "evm_setAutomine", True)
    receipts = [world.bench.web3.eth.wait_for_transaction_receipt(tx, timeout=60) for tx in sent]
    assert sorted(r["status"] for r in receipts) == [0, 1]
    assert min(r["gasUsed"] for r in receipts) < 60_000
    assert all(p.post(call) for p in (first, second)), "kept until it is deep"
    request(world, "anvil_mine", hex(DEEP))
    for poster in (first, second):
        assert poster.post(call) == b""
        assert poster.post(call, again=True) == b""
    assert {p.made.reverted.get(EPOCH, 0) for p in (first, second) if p.made is not None} == {0}, "started anew"
    later = Poster(world, 2)
    assert later.post(call) == b"", "the contract would refuse it: nothing is sent"
    assert world.bench.web3.eth.get_transaction_count(account(FIRST_PURSE + 2).address) == 0


def test_a_process_that_starts_anew_follows_what_it_sent(world: ChainEpoch, call: bytes) -> None:
    """`one_transaction_at_a_time`: it is sent again as the same bytes, and raised with the same nonce when blocks leave it out."""
    payer = account(FIRST_PURSE).address
    before = world.bench.web3.eth.get_transaction_count(payer)
    request(world, "evm_setAutomine", False)
    poster = Poster(world, 0)
    raw = poster.post(call)
    poster.now_ms = 10_000
    assert poster.post(call, again=True) == raw
    poster.now_ms = 100_000
    raised = poster.post(call)
    assert raised != raw
    request(world, "evm_mine")
    request(world, "evm_setAutomine", True)
    assert world.bench.web3.eth.wait_for_transaction_receipt(Web3.keccak(raised), timeout=60)["status"] == 1
    assert poster.post(call) == raised
    request(world, "anvil_mine", hex(DEEP))
    assert poster.post(call) == b""
    assert world.bench.web3.eth.get_transaction_count(payer) == before + 1


def test_after_some_that_were_refused_in_a_block_people_have_to_look(world: ChainEpoch, call: bytes) -> None:
    poster = Poster(world, 0)
    raw = poster.post(call)
    assert raw
    world.bench.web3.eth.wait_for_transaction_receipt(Web3.keccak(raw), timeout=60)
    request(world, "anvil_mine", hex(DEEP))
    assert poster.post(call) == b""
    assert poster.made is not None
    poster.made.reverted[EPOCH] = MOST_REVERTED
    assert poster.post(call) == b""
    assert world.rewards.functions.reportOf(EPOCH).call()[0] != bytes(32)


def test_others_wait_a_stage_each_and_then_it_is_the_first_one_s_turn_again() -> None:
    """The rule of pushes: at each moment exactly one may post."""
    order, is_ours = [bytes([n]) * 20 for n in range(3)], turn_after(60)
    for second in range(0, 400, 10):
        able = [m for m in order if is_ours(order, m, 0, second * 1_000)]
        assert able == [order[second // 60 % 3]]
