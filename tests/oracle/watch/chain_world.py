"""A store on a local chain and penalties for it, operators' words for it, and a watch with or without a key that pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import coincurve
from web3 import Web3

from demo.world.chain import account
from oracle.chain.store_reads import StoreReads
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.messages import Signature, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.watch.chain_words import ChainWords, WatchedBlocks
from oracle.watch.evidence import EvidenceState, KeptEvidence
from oracle.watch.kept import WatchRows
from oracle.watch.proof_contract import ProofContract
from oracle.watch.prover import Prover
from oracle.watch.watcher import Watcher
from oracle.watch.words import SignedWord, WordKind
from tests.contracts.contract_tools import KEYS, Bench, Item, signatures
from tests.contracts.courts import Judge, judge
from tests.contracts.node_evm import NodeEvm

PRICE = 105 * 10**16
REPORT_KEYS = [coincurve.PrivateKey(bytes.fromhex(k[2:])) for k in KEYS[:3]]


@dataclass
class WatchedChain:
    """One chain with a store, and penalties that know some of its signers."""

    url: str
    bench: Bench
    judge: Judge

    @cached_property
    def domain(self) -> Domain:
        return Domain(chain_id=31_337, store=bytes.fromhex(self.bench.store.address[2:]))

    @property
    def signers(self) -> SignerSet:
        keys = tuple(address_of(k) for k in REPORT_KEYS)
        return SignerSet(domain=self.domain, epoch=1, signers=keys, weights=(1, 1, 1), threshold=2)

    @property
    def now(self) -> int:
        return self.bench.now

    def reads(self) -> StoreReads:
        return StoreReads((self.url,), self.domain)

    def contract(self, payer: int | None) -> ProofContract:
        """The penalties; ``payer``: number of the account that pays."""
        signer = None if payer is None else LocalSigner(coincurve.PrivateKey(bytes(account(payer).key)))
        penalties = bytes.fromhex(self.judge.penalties[2:])
        return ProofContract((self.url,), 31_337, penalties, signer, max_fee_gwei=500)

    def push(self, round_s: int, items: Sequence[Item], who: Sequence[int] = (0, 1)) -> Any:
        return self.bench.push(round_s, items, who)

    def push_call(self, round_s: int, items: Sequence[Item], who: Sequence[int] = (0, 1)) -> bytes:
        """Calldata of a push."""
        bench = self.bench
        batch = bench.batch(round_s, items)
        call = bench.store.functions.push(batch, signatures(bench.digest(batch), who))
        return bytes.fromhex(call._encode_transaction_data()[2:])

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.bench.ask("evm_mine")

    def slashed(self, n: int) -> bool:
        return n in self.judge.guilty()

    async def sealed_by(self, operator: Operator, round_s: int, items: Sequence[Item]) -> SignedWord | None:
        """Its word on a round's certificate, by the real signer; None where it refuses."""
        packed = b"".join(i.packed() for i in items)
        answer = await operator.request_seal(self.signers, round_s, 0, packed, now_ms=round_s * 1_000, clock_ok=True)
        if not isinstance(answer, Signature):
            return None
        return SignedWord(
            key=answer.address, domain=self.domain, kind=WordKind.SEALED, step=0, epoch=1, round_time_s=round_s, items=packed,
            signature=answer.compact,
        )  # fmt: skip


def watched_chain(url: str, web3: Web3, people: Sequence[int] = (0, 1, 2)) -> WatchedChain:
    """A new store on a node; whose keys the penalties know, by number."""
    bench = Bench(web3, max_age=3_600)
    bench.register("weETH/ETH")
    bench.register("wstETH/ETH")
    domain = Domain(chain_id=31_337, store=bytes.fromhex(bench.store.address[2:]))
    keys = {n: "0x" + address_of(REPORT_KEYS[n]).hex() for n in people}
    return WatchedChain(url, bench, judge(NodeEvm(web3), domain, keys))


@dataclass
class Watch:
    """One that watches."""

    rows: WatchRows
    watcher: Watcher
    store: StoreReads
    chain: ChainWords
    contract: ProofContract
    prover: Prover

    async def close(self) -> None:
        await self.store.close()
        await self.contract.close()

    @property
    def evidence(self) -> list[KeptEvidence]:
        return self.rows.evidence()

    def rows_of(self, round_s: int) -> list[SignedWord]:
        """Words that are kept of a round."""
        self.watcher.flush()
        return self.rows.words(self.store.domain, round_s)

    @property
    def states(self) -> list[EvidenceState]:
        return [k.state for k in self.evidence]


def watch_at(
    world: WatchedChain,
    rows: WatchRows,
    payer: int | None = None,
    own: Sequence[bytes] = (),
    on_own: Callable[[bytes], None] = lambda _: None,
    **blocks: int,
) -> Watch:
    watcher = Watcher(rows, lambda: 1, own=own, on_own=on_own)
    store, contract = world.reads(), world.contract(payer)
    chain = ChainWords(store, rows, watcher.hear, WatchedBlocks(**blocks))
    return Watch(rows, watcher, store, chain, contract, Prover(contract, rows))


def operator_in(folder: Path, key: int = 0) -> Operator:
    """The real signer with a journal of its own, as if it had signed nothing yet."""
    folder.mkdir(exist_ok=True)
    report_key = REPORT_KEYS[key]
    journal = SignJournal(folder / "journal.db", address_of(report_key), now_ms=0, mute_ms=0, newborn=True)
    return Operator(name=f"o{key}", key=report_key, journal=journal, bound_bps=100)


ONE, OTHER = [Item(0), Item(1)], [Item(0), Item(1, market=7 * 10**17)]
"""What an operator says, and what no honest one says beside it."""


async def lie(world: WatchedChain, folder: Path, *watches: Watch, before: int = 0) -> None:
    """The first operator seals one thing and pushes another; these watches know."""
    round_s = world.now
    sealed = await world.sealed_by(operator_in(folder / "sealed"), round_s, ONE)
    assert sealed is not None
    world.push(round_s, OTHER)
    for each in watches:
        each.watcher.hear(sealed)
        await each.chain.look()
        assert len(each.evidence) == before + 1
