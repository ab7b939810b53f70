"""Blocks of a real chain are replaced: a report that was in them is posted again, and stake that was read there is not kept.

The chain, the store and Rewards are real; frozen sets and sources are stand-ins.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import coincurve
import pytest
from web3.types import RPCEndpoint

from demo.world.anvil import Anvil
from demo.world.chain import account
from feeds.units import MS
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.posted import RewardsReads, post_call
from oracle.rewards.roots.duty import RootDuty, RootProcess, RootSettings
from oracle.rewards.roots.kept import kept_stakes
from oracle.rewards.roots.peers import NoRootPeers
from oracle.rewards.roots.poster import PostingPlace, RootPoster
from oracle.sign.eip712 import address_of
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database
from tests.contracts.contract_tools import Bench, connected
from tests.oracle.rewards.chain_epoch import KEYS, POT, THRESHOLD, WEIGHTS, ChainEpoch

pytestmark = pytest.mark.chain
EPOCH, DEEP, INTERVAL_S, ATTEMPT_S = 1, 12, 1, 4
PURSE = account(60)
_NONE = bytes(32)


@pytest.fixture
def over(node: Anvil) -> Iterator[ChainEpoch]:
    with connected(node.url) as web3:
        made = ChainEpoch(Bench(web3), node.url)
        ask(made, "anvil_setBalance", PURSE.address, hex(POT))
        freeze(made, 2, made.bench.now + 1_000_000)
        ask(made, "anvil_mine", hex(DEEP))
        yield made
        ask(made, "evm_setAutomine", True)


def ask(world: ChainEpoch, method: str, *params: object) -> object:
    answer = world.bench.web3.provider.make_request(RPCEndpoint(method), list(params))
    assert "error" not in answer, answer
    return answer["result"]


def freeze(world: ChainEpoch, epoch: int, until: int) -> None:
    signers = [address_of(k) for k in KEYS]
    world.bench.send(world.set.functions.freeze(epoch, signers, world.operators, list(WEIGHTS), THRESHOLD, until))


def root(world: ChainEpoch) -> bytes:
    return bytes(world.rewards.functions.reportOf(EPOCH).call()[0])


class Alone:
    """A process with all operators of the set, so that it decides by itself."""

    def __init__(self, world: ChainEpoch, folder: Path) -> None:
        self.now_ms = (world.bench.now + 3 * INTERVAL_S) * MS
        self.database = Database(folder / "o.db")
        self.journals = [
            SignJournal(folder / str(i), address_of(k), now_ms=self.now_ms, mute_ms=0, newborn=True)
            for i, k in enumerate(KEYS)
        ]
        for n in range(10):
            self.database.save_attended("main", EPOCH, world.capture_s + n, {0, 1, 2, 3})
        operators = [
            Operator(f"member{i}", k, j, bound_bps=100)
            for i, (k, j) in enumerate(zip(KEYS, self.journals, strict=True))
        ]
        nodes, contract = QuorumRpc([world.url], chain_id=31337), bytes.fromhex(world.rewards.address[2:])
        place = PostingPlace(
            load=lambda e: self.database.posting("main", e), save=lambda e, raw: self.database.save_posting("main", e, raw),
            now_ms=lambda: self.now_ms,
        )  # fmt: skip
        signer = LocalSigner(coincurve.PrivateKey(bytes(PURSE.key)))
        self.duty = RootDuty(
            RootSettings(
                target="main", domain=world.domain, contract=contract, interval_s=INTERVAL_S, attempt_s=ATTEMPT_S,
                confirmations=DEEP,
            ),
            nodes,
            RootProcess(
                database=self.database, operators=operators, now_ms=lambda: self.now_ms, clock_ok=lambda: True,
                on_clone=lambda _: None, peers=NoRootPeers(), turn=lambda *_: True,
            ),
            RootPoster(nodes, 31337, contract, signer, max_fee_gwei=500, confirmations=DEEP, place=place),
        )  # fmt: skip

    async def sign(self) -> None:
        await self.duty.look()
        for _ in range(40):
            self.now_ms += 500
            await self.duty.agree()
        assert self.duty.sessions[EPOCH].is_signed

    def call(self) -> bytes:
        session = self.duty.sessions[EPOCH]
        report = session.book.decided
        assert report is not None
        return post_call(session.terms.frozen, report, {k: w.signature for k, w in session.book.signed.items()})


@asynccontextmanager
async def alone(world: ChainEpoch, folder: Path) -> AsyncIterator[Alone]:
    made = Alone(world, folder)
    try:
        yield made
    finally:
        await made.duty.close()
        made.database.close()
        for journal in made.journals:
            journal.close()


@pytest.mark.parametrize("by", ["itself", "another"])
async def test_a_report_that_is_taken_out_is_posted_again(over: ChainEpoch, tmp_path: Path, by: str) -> None:
    """`a_report_that_is_taken_out_is_posted_again`: until its block is deep, what was signed is kept."""
    async with alone(over, tmp_path) as process:
        duty, bench = process.duty, over.bench
        await process.sign()
        paid = bench.web3.eth.get_transaction_count(PURSE.address)
        if by == "itself":
            await duty.post()
            sent = bench.web3.keccak(process.database.posting("main", EPOCH))
        else:
            to, data = over.rewards.address, process.call()
            sent = bench.web3.eth.send_transaction({"from": bench.owner.address, "to": to, "data": data})
        bench.web3.eth.wait_for_transaction_receipt(sent, timeout=60)
        first, raw = root(over), process.database.posting("main", EPOCH)
        assert (first != _NONE, bool(raw)) == (True, by == "itself")
        await duty.look()
        await duty.post()
        assert (duty.posted, set(duty.sessions)) == (EPOCH, {EPOCH})
        ask(over, "evm_setAutomine", False)
        ask(over, "anvil_reorg", 1, [])
        ask(over, "anvil_dropAllTransactions")
        assert root(over) == _NONE
        await duty.look()
        assert duty.posted == 0
        await duty.post()
        again = process.database.posting("main", EPOCH)
        assert again == raw or by == "another", "the same bytes"
        ask(over, "evm_mine")
        bench.web3.eth.wait_for_transaction_receipt(bench.web3.keccak(again), timeout=60)
        assert root(over) == first
        ask(over, "anvil_mine", hex(DEEP - 1))
        await duty.look()
        await duty.post()
        assert set(duty.sessions) == {EPOCH}
        ask(over, "evm_mine")
        await duty.look()
        assert (duty.posted, set(duty.sessions)) == (EPOCH, set())
        assert bench.web3.eth.get_transaction_count(PURSE.address) == paid + 1


async def test_a_nonce_that_a_reorganisation_set_free_holds_no_report_up(over: ChainEpoch, tmp_path: Path) -> None:
    """What this key had sent before the report was taken out with it, and is not sent again."""
    async with alone(over, tmp_path) as process:
        bench = over.bench
        await process.sign()
        free = bench.web3.eth.get_transaction_count(PURSE.address)
        ask(over, "anvil_setNonce", PURSE.address, hex(free + 1))
        await process.duty.post()
        raw = process.database.posting("main", EPOCH)
        bench.web3.eth.wait_for_transaction_receipt(bench.web3.keccak(raw), timeout=60)
        ask(over, "evm_setAutomine", False)
        ask(over, "anvil_reorg", 1, [])
        ask(over, "anvil_dropAllTransactions")
        ask(over, "anvil_setNonce", PURSE.address, hex(free))
        assert root(over) == _NONE
        await process.duty.post()
        process.now_ms += 100_000
        await process.duty.post()
        again = process.database.posting("main", EPOCH)
        assert again != raw
        ask(over, "evm_mine")
        bench.web3.eth.wait_for_transaction_receipt(bench.web3.keccak(again), timeout=60)
        assert root(over) != _NONE


async def test_stake_is_kept_of_a_deep_freeze_alone(over: ChainEpoch, tmp_path: Path) -> None:
    """`stake_is_kept_of_a_deep_freeze_alone`: two freezes of one epoch in one second, of which one was taken out."""
    async with alone(over, tmp_path) as process:
        duty, bench = process.duty, over.bench
        before, at = ask(over, "evm_snapshot"), bench.now + 100
        until = at + 1_000_000

        def frozen_with(stake: int) -> None:
            for operator in over.operators:
                bench.send(over.sources[0].functions.setStake(operator, stake))
            ask(over, "evm_setNextBlockTimestamp", at)
            freeze(over, 3, until)

        async def kept() -> tuple[FrozenEpoch, object]:
            await duty.look()
            nodes = QuorumRpc([over.url], chain_id=31337)
            try:
                reads = await RewardsReads.open(nodes, bytes.fromhex(over.rewards.address[2:]), over.domain)
                frozen = await reads.frozen(3)
            finally:
                await nodes.close()
            assert frozen is not None
            return frozen, kept_stakes(process.database, "main", frozen)

        frozen_with(7)
        first, stakes = await kept()
        assert stakes is None
        assert ask(over, "evm_revert", before)
        frozen_with(5)
        ask(over, "anvil_mine", hex(DEEP))
        second, stakes = await kept()
        assert first == second, "nothing but the stake is another"
        assert stakes == ((5, 1),) * len(KEYS)
