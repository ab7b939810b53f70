"""Proofs on a real chain: once, by whoever is first, within the stated blocks, and never against a key of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import coincurve
import pytest

from demo.world.chain import account
from oracle.sign.eip712 import address_of, sign_compact
from oracle.watch.evidence import EvidenceState
from oracle.watch.prover import WITHIN_BLOCKS
from oracle.watch.words import SignedWord, WordKind
from tests.contracts.contract_tools import Item
from tests.oracle.watch.chain_world import ONE, OTHER, Watch, WatchedChain, lie, operator_in, watch_at, watched_chain
from tests.oracle.watch.watch_world import memory_rows

pytestmark = pytest.mark.chain
FOUND, SENT, PROVEN, OWN, REFUSED = (
    EvidenceState.FOUND, EvidenceState.SENT, EvidenceState.PROVEN, EvidenceState.OWN, EvidenceState.REFUSED,
)  # fmt: skip


async def test_a_restored_backup_is_proven_within_the_stated_blocks(
    world: WatchedChain, watch: Watch, tmp_path: Path
) -> None:
    """One key in two processes, the second without the first one's journal: one seals a round, the other's batch lands."""
    round_s = world.now
    first = await world.sealed_by(operator_in(tmp_path / "first"), round_s, ONE)
    second = await world.sealed_by(operator_in(tmp_path / "second"), round_s, OTHER)
    assert first is not None
    assert second is not None
    watch.watcher.hear(first)
    await watch.chain.look()
    await watch.prover.tick()
    assert watch.evidence == []
    world.push(round_s, OTHER)
    world.bench.ask("evm_setAutomine", False)
    await watch.chain.look()
    (kept,) = watch.evidence
    assert (kept.state, kept.found.operator, kept.found.index) == (FOUND, world.signers.signers[0], 1)
    await watch.prover.tick()
    assert watch.states == [SENT]
    for _ in range(WITHIN_BLOCKS):
        world.mine()
        await watch.prover.tick()
    (kept,) = watch.evidence
    assert kept.state is PROVEN
    assert kept.blocks is not None
    assert kept.blocks <= WITHIN_BLOCKS
    assert [world.slashed(n) for n in range(3)] == [True, False, False]
    assert kept.prover == bytes.fromhex(account(5).address[2:])
    named = await watch.contract.name_of(kept.found)
    assert world.judge.evm.ok(world.judge.penalties, "isProven", named), "by the contract's own name of it"


async def test_whoever_is_second_learns_who_was_first(world: WatchedChain, watch: Watch, tmp_path: Path) -> None:
    """Two watches send in one block: one of them lands, the other one's reverts; a third one, without a key, sees it."""
    other, keyless = watch_at(world, memory_rows(), payer=6), watch_at(world, memory_rows())
    await lie(world, tmp_path, watch, other, keyless)
    world.bench.ask("evm_setAutomine", False)
    for each in (watch, other, keyless):
        await each.prover.tick()
    assert [each.states for each in (watch, other, keyless)] == [[SENT], [SENT], [FOUND]]
    for _ in range(3):
        world.mine()
        for each in (watch, other, keyless):
            await each.prover.tick()
    ends = [each.evidence[0] for each in (watch, other, keyless)]
    assert [e.state for e in ends] == [PROVEN] * 3
    assert len({(e.prover, e.tx_hash, e.landed_block) for e in ends}) == 1
    assert ends[0].prover in {bytes.fromhex(account(n).address[2:]) for n in (5, 6)}
    assert sorted(e.note for e in ends) == ["", "somebody else was first", "somebody else was first"]
    await other.close()
    await keyless.close()


async def test_a_proof_that_blocks_leave_out_pays_more(world: WatchedChain, watch: Watch, tmp_path: Path) -> None:
    bench = world.bench
    await lie(world, tmp_path, watch)
    bench.ask("evm_setAutomine", False)
    await watch.prover.tick()
    for _ in range(2):
        bench.ask("anvil_setNextBlockBaseFeePerGas", 90 * 10**9)
        world.mine()
        await watch.prover.tick()
    (kept,) = watch.evidence
    sent = watch.rows.proofs(kept.evidence_id)
    assert (kept.state, len(sent), {s.nonce for s in sent}) == (SENT, 2, {sent[0].nonce})
    world.mine()
    await watch.prover.tick()
    assert watch.states == [PROVEN]
    assert watch.evidence[0].tx_hash == sent[1].tx_hash
    assert watch.rows.proofs() == []


async def test_a_proof_is_sent_once_and_followed_by_the_next_process(
    world: WatchedChain, watch: Watch, tmp_path: Path
) -> None:
    await lie(world, tmp_path, watch)
    world.bench.ask("evm_setAutomine", False)
    await watch.prover.tick()
    nonces = [s.nonce for s in watch.rows.proofs()]
    again = watch_at(world, watch.rows, payer=5)
    for _ in range(3):
        await again.prover.tick()
    assert [s.nonce for s in watch.rows.proofs()] == nonces
    world.mine()
    await again.prover.tick()
    assert again.states == [PROVEN]
    await again.close()


async def test_a_proof_that_a_reorganisation_takes_back_is_sent_again(
    world: WatchedChain, watch: Watch, tmp_path: Path
) -> None:
    bench = world.bench
    await lie(world, tmp_path, watch)
    snapshot = bench.web3.provider.make_request("evm_snapshot", [])["result"]  # type: ignore[arg-type]
    bench.ask("evm_setAutomine", False)
    await mined(world, watch, 2)
    assert watch.states == [PROVEN]
    bench.ask("evm_revert", snapshot)
    world.mine(2)
    assert not world.slashed(0)
    await mined(world, watch, 3)
    assert (watch.states, world.slashed(0)) == ([PROVEN], True)


async def mined(world: WatchedChain, watch: Watch, looks: int) -> None:
    """Looks of a prover, each followed by a block."""
    for _ in range(looks):
        await watch.prover.tick()
        world.mine()


async def test_nobody_proves_against_a_key_of_his_own(world: WatchedChain, tmp_path: Path) -> None:
    """It is told, kept, and the operator signs no more."""
    silenced: list[bytes] = []
    mine = watch_at(world, memory_rows(), payer=5, own=[world.signers.signers[0]], on_own=silenced.append)
    await lie(world, tmp_path, mine)
    for _ in range(2):
        await mine.prover.tick()
    assert mine.states == [OWN]
    assert set(silenced) == {world.signers.signers[0]}
    assert not world.slashed(0)
    await mine.close()


async def test_one_proof_in_an_epoch_is_enough(world: WatchedChain, watch: Watch, tmp_path: Path) -> None:
    """Who lies in every round is proven once; gas for the others would take nothing more."""
    round_s = world.now
    for n in range(12):
        for name, said in (("a", ONE), ("b", OTHER)):
            word = await world.sealed_by(operator_in(tmp_path / f"{name}{n}"), round_s + n, said)
            assert word is not None
            watch.watcher.hear(word)
    world.bench.ask("evm_setAutomine", False)
    payer = account(5).address
    before = world.bench.web3.eth.get_transaction_count(payer)
    for _ in range(6):
        await watch.prover.tick()
        world.mine()
    assert sorted(watch.states) == [PROVEN, *[EvidenceState.SPARE] * 11]
    assert world.bench.web3.eth.get_transaction_count(payer) == before + 1


async def test_what_is_refused_is_not_in_the_way_of_what_is_not(
    world: WatchedChain, watch: Watch, tmp_path: Path
) -> None:
    """Many keys that speak for nobody say two things, and then an operator's: it is proven in the stated blocks."""
    round_s = world.now
    for n in range(12):
        for said in (ONE, OTHER):
            watch.watcher.hear(stranger_word(world, 100 + n, round_s, said))
    await watch.prover.tick()
    await lie(world, tmp_path, watch, before=12)
    world.bench.ask("evm_setAutomine", False)
    for _ in range(WITHIN_BLOCKS):
        world.mine()
        await watch.prover.tick()
    assert watch.states.count(PROVEN) == 1
    assert world.slashed(0)


def stranger_word(world: WatchedChain, key: int, round_s: int, said: list[Item]) -> SignedWord:
    """By a key that nobody knows."""
    secret = coincurve.PrivateKey(key.to_bytes(32, "big"))
    bare = SignedWord(
        key=address_of(secret), domain=world.domain, kind=WordKind.BATCH, step=0, epoch=1, round_time_s=round_s,
        items=b"".join(i.packed() for i in said), signature=b"",
    )  # fmt: skip
    return replace(bare, signature=sign_compact(secret, bare.digest))


async def test_what_the_contract_refuses_for_good_is_told_with_its_reason(world: WatchedChain, tmp_path: Path) -> None:
    """The key speaks for nobody there: tried for some blocks, for a set may become known later than a word."""
    unknown = watched_chain(world.url, world.bench.web3, ())
    here = watch_at(unknown, memory_rows(), payer=5)
    await lie(unknown, tmp_path, here)
    await here.prover.tick()
    assert here.states == [FOUND]
    assert "UnknownKey" in here.evidence[0].note
    unknown.mine(25)
    await here.prover.tick()
    assert here.states == [REFUSED]
    assert "UnknownKey" in here.evidence[0].note
    await here.close()
