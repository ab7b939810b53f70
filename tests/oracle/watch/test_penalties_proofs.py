"""Proofs in the real Penalties over stand-ins of set, book and source: by operators that keys speak for, for every store it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import coincurve
import pytest
from web3 import Web3

from demo.world import anvil
from demo.world.chain import account
from oracle.sign.keyfiles import LocalSigner
from oracle.watch.compare import Contradiction
from oracle.watch.evidence import EvidenceState, word_of
from oracle.watch.kept import WatchRows
from oracle.watch.proof_contract import ProofContract
from oracle.watch.prover import WITHIN_BLOCKS, Prover
from oracle.watch.watcher import Watcher
from tests.contracts.contract_tools import connected
from tests.contracts.evm_process import FIRST_S
from tests.contracts.node_evm import NodeEvm
from tests.contracts.stake.penalty_world import Lie, PenaltyWorld, key, operator
from tests.oracle.watch.watch_world import memory_rows

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def node() -> Iterator[tuple[str, Web3]]:
    with anvil.running(extra=("--timestamp", str(FIRST_S))) as running, connected(running.url) as web3:
        yield running.url, web3


@dataclass
class Desk:
    """A penalties contract, and who proves in it."""

    url: str
    world: PenaltyWorld
    made: list[ProofContract]

    def contract(self, payer: int | None) -> ProofContract:
        signer = None if payer is None else LocalSigner(coincurve.PrivateKey(bytes(account(payer).key)))
        at = bytes.fromhex(self.world.penalties[2:])
        self.made.append(ProofContract((self.url,), 31_337, at, signer, max_fee_gwei=500))
        return self.made[-1]

    def found(self, lie: Lie, domain: int = 0) -> Contradiction:
        """As a watch finds it that knows keys and no book."""
        words = self.world.words(lie, domain=domain)
        a, b = (
            word_of(self.world.domains[domain], bytes.fromhex(key(k)[2:]), w)
            for k, w in zip(lie.keys, words, strict=True)
        )
        return Contradiction(operator=a.key, first=a, second=b, index=0)

    async def settle(self, prover: Prover) -> None:
        """Looks, each followed by a block."""
        for _ in range(WITHIN_BLOCKS + 1):
            await prover.tick()
            self.world.evm.web3.provider.make_request("evm_mine", [])  # type: ignore[attr-defined]


@pytest.fixture
async def desk(node: tuple[str, Web3]) -> AsyncIterator[Desk]:
    url, web3 = node
    made = Desk(url, PenaltyWorld((3, 2, 2, 1, 1), evm=NodeEvm(web3)), [])
    yield made
    for contract in made.made:
        await contract.close()


def kept(rows: WatchRows, found: Contradiction) -> WatchRows:
    rows.add(found, EvidenceState.FOUND, 1)
    return rows


@pytest.mark.parametrize("domain", [0, 1])
async def test_a_lie_is_proven_in_whatever_store_the_contract_takes(desk: Desk, domain: int) -> None:
    found = desk.found(Lie(keys=(1, 1)), domain)
    first, late = kept(memory_rows(), found), kept(memory_rows(), found)
    stake = desk.world.stake(1)
    payer = desk.contract(5)
    await desk.settle(Prover(payer, first))
    (proven,) = first.evidence()
    assert (proven.state, proven.blocks is not None and proven.blocks <= WITHIN_BLOCKS) == (EvidenceState.PROVEN, True)
    assert desk.world.ok("isProven", await payer.name_of(found))
    assert await payer.name_of(found) != found.evidence_id, "by the operator, not by its key"
    assert desk.world.stake(1) < stake
    await desk.settle(Prover(desk.contract(None), late))
    (seen,) = late.evidence()
    assert (seen.state, seen.prover, seen.tx_hash) == (EvidenceState.PROVEN, proven.prover, proven.tx_hash)
    assert seen.note == "somebody else was first"


async def test_what_the_contract_does_not_take_is_told_with_its_own_reason(desk: Desk) -> None:
    strangers, elsewhere = desk.found(Lie(keys=(8, 8))), desk.found(Lie(keys=(1, 1)))
    desk.world.domains.append(type(desk.world.domains[0])(chain_id=7, store=b"\x07" * 20))
    other = desk.found(Lie(keys=(2, 2)), 2)
    assert elsewhere.first.domain != other.first.domain
    for found, why in ((strangers, "UnknownKey"), (other, "AnotherStore")):
        rows = kept(memory_rows(), found)
        await desk.settle(Prover(desk.contract(5), rows, is_patient=False))
        assert (rows.evidence()[0].state, why in rows.evidence()[0].note) == (EvidenceState.REFUSED, True)


async def test_a_word_that_is_too_old_is_late(desk: Desk) -> None:
    found = desk.found(Lie(keys=(1, 1)))
    evm = desk.world.evm
    evm.jump(30 * 86_400)
    desk.world.freeze(2)
    rows = kept(memory_rows(), found)
    await desk.settle(Prover(desk.contract(5), rows))
    assert rows.evidence()[0].state is EvidenceState.LATE
    assert "TooLate" in rows.evidence()[0].note


async def test_an_old_and_a_new_key_are_one_operator_by_the_book(desk: Desk) -> None:
    """Keys alone contradict nothing; once the book has said whose they are the watch finds one lie, and it is proven."""
    desk.world.evm.ok(desk.world.book, "set", operator(1), key(7))
    desk.world.freeze(2, keys={1: 7})
    found = desk.found(Lie(keys=(1, 7), epochs=(1, 2)))
    watcher = Watcher(memory_rows(), lambda: 1)
    for word in (found.first, found.second):
        watcher.hear(word)
    assert watcher.rows.evidence() == []
    prover = Prover(desk.contract(5), watcher.rows)
    watcher.learn(await prover.operators(watcher.keys))
    (made,) = watcher.rows.evidence()
    assert made.found.operator == bytes.fromhex(operator(1)[2:])
    await desk.settle(prover)
    assert watcher.rows.evidence()[0].state is EvidenceState.PROVEN
    assert desk.world.ok("isProven", made.evidence_id)
