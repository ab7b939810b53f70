"""The watch on a real chain: what landed against what was heard, proven in a registry within the stated blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from eth_typing import HexStr
from web3 import Web3

from demo.world import anvil
from demo.world.chain import account
from demo.world.deploy import MULTICALL3
from oracle.chain.multicall_push import wrap
from oracle.watch.evidence import EvidenceState
from oracle.watch.prover import WITHIN_BLOCKS
from tests.contracts.contract_tools import KEYS, Item, connected
from tests.contracts.guild import Guild
from tests.oracle.push.poked_views import put_multicall3
from tests.oracle.watch.chain_world import Watch, WatchedChain, operator_in, watch_at
from tests.oracle.watch.hidden_push import hidden_push
from tests.oracle.watch.watch_world import file_rows, memory_rows

pytestmark = pytest.mark.chain
ONE, OTHER = [Item(0), Item(1)], [Item(0), Item(1, market=7 * 10**17)]
FOUND, SENT, PROVEN, OWN, REFUSED = (
    EvidenceState.FOUND, EvidenceState.SENT, EvidenceState.PROVEN, EvidenceState.OWN, EvidenceState.REFUSED,
)  # fmt: skip


@pytest.fixture(scope="module")
def node() -> Iterator[tuple[str, Web3]]:
    with anvil.running() as running, connected(running.url) as web3:
        asyncio.run(put_multicall3(running.url))
        yield running.url, web3


@pytest.fixture
def world(node: tuple[str, Web3]) -> Iterator[WatchedChain]:
    url, web3 = node
    guild = Guild(web3)
    for key in KEYS[:3]:
        guild.bond(key)
    yield WatchedChain(url, guild)
    guild.bench.ask("evm_setAutomine", True)


@pytest.fixture
async def watch(world: WatchedChain) -> AsyncIterator[Watch]:
    made = watch_at(world, memory_rows(), payer=5)
    yield made
    await made.close()


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
    world.guild.bench.ask("evm_setAutomine", False)
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
    assert world.guild.functions.penalties(kept.evidence_id).call()[3] == 1, "the id is the contract's"


async def test_a_lie_is_one_within_a_store_and_none_across_two(
    world: WatchedChain, watch: Watch, tmp_path: Path
) -> None:
    """Two stores are two domains: what the same keys say in both may differ, what they say in one may not."""
    elsewhere = WatchedChain(world.url, Guild(world.guild.bench.web3))
    there = watch_at(elsewhere, watch.rows)
    round_s = world.now
    world.push(round_s, ONE)
    elsewhere.push(round_s, OTHER)
    for each in (watch, there):
        await each.chain.look()
    assert (watch.watcher.heard, there.watcher.heard, watch.evidence) == (2, 2, [])
    lie = await elsewhere.sealed_by(operator_in(tmp_path / "second"), round_s, ONE)
    assert lie is not None
    there.watcher.hear(lie)
    (kept,) = watch.evidence
    assert (kept.found.first.domain, kept.found.operator) == (elsewhere.domain, world.signers.signers[0])
    await there.close()


async def test_a_push_inside_another_call_is_read(world: WatchedChain, watch: Watch) -> None:
    """Carried by Multicall3 beside other calls; twice in one transaction, once of them in vain."""
    bench, round_s = world.guild.bench, world.now
    call = world.push_call(round_s, ONE, (0, 2))
    data = wrap(world.domain.store, call, [bytes(19) + b"\x01", world.domain.store])
    sender = account(1).address
    receipt = bench.web3.eth.wait_for_transaction_receipt(
        bench.web3.eth.send_transaction(
            {"from": sender, "to": MULTICALL3, "data": HexStr("0x" + data.hex()), "gas": 1_000_000}
        )
    )
    assert receipt["status"] == 1
    await watch.chain.look()
    heard = watch.rows_of(round_s)
    assert {w.key for w in heard} == {world.signers.signers[0], world.signers.signers[2]}
    assert all(w.is_sound for w in heard)
    assert not watch.chain.unread


async def test_a_push_whose_signers_cannot_be_read_is_told(world: WatchedChain, watch: Watch) -> None:
    """Made by code that hides it: the watch says so once, and goes on."""
    bench, round_s = world.guild.bench, world.now
    code = hidden_push(world.domain.store, world.push_call(round_s, ONE))
    sent = bench.web3.eth.send_transaction(
        {"from": account(1).address, "data": HexStr("0x" + code.hex()), "gas": 1_000_000}
    )
    receipt = bench.web3.eth.wait_for_transaction_receipt(sent)
    assert len(bench.store.events.Pushed().process_receipt(receipt)) == 1, "it did land"
    world.push(round_s + 1, ONE)
    await watch.chain.look()
    await watch.chain.look()
    assert list(watch.chain.unread) == ["0x" + sent.hex()]
    assert [len(watch.rows_of(r)) for r in (round_s, round_s + 1)] == [0, 2]


async def test_a_word_that_a_reorganisation_took_back_is_a_word_and_what_took_its_place_is_read(
    world: WatchedChain, watch: Watch
) -> None:
    bench, round_s = world.guild.bench, world.now
    snapshot = bench.web3.provider.make_request("evm_snapshot", [])["result"]  # type: ignore[arg-type]
    world.push(round_s, ONE, (0, 1))
    world.mine(3)
    await watch.chain.look()
    bench.ask("evm_revert", snapshot)
    world.push(round_s, OTHER, (1, 2))
    world.mine(1)
    await watch.chain.look()
    world.mine(4)
    await watch.chain.look()
    assert [k.found.operator for k in watch.evidence] == [world.signers.signers[1]]


async def test_a_watch_that_was_away_goes_on_where_it_was_as_far_as_it_may(world: WatchedChain, tmp_path: Path) -> None:
    """Words outlive the process: what landed before it stopped contradicts what lands after it started again."""
    path = tmp_path / "watch.db"
    first = watch_at(world, file_rows(path))
    round_s = world.now
    world.push(round_s, ONE)
    await first.chain.look()
    first.watcher.flush()
    await first.close()
    world.mine(5)
    lie = await world.sealed_by(operator_in(tmp_path / "second"), round_s, OTHER)
    assert lie is not None
    second = watch_at(world, file_rows(path), catch_up=100)
    asked = second.chain.read_block
    await second.chain.look()
    assert (asked, second.watcher.heard) == (0, 0), "it goes on behind what it has read"
    second.watcher.hear(lie)
    assert second.states == [FOUND]
    await second.close()
    third = watch_at(world, file_rows(path), catch_up=3)
    world.push(round_s + 1, ONE)
    world.mine(6)
    await third.chain.look()
    assert third.states == [FOUND], "evidence outlives the process too"
    assert third.watcher.heard == 0, "too long ago: those blocks are left out"
    world.push(round_s + 2, ONE)
    await third.chain.look()
    assert third.watcher.heard == 2
    await third.close()


async def test_whoever_is_second_learns_who_was_first(world: WatchedChain, watch: Watch, tmp_path: Path) -> None:
    """Two watches send in one block: one of them lands, the other one's reverts; a third one, without a key, sees it."""
    other, keyless = watch_at(world, memory_rows(), payer=6), watch_at(world, memory_rows())
    await lie(world, tmp_path, watch, other, keyless)
    world.guild.bench.ask("evm_setAutomine", False)
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
    bench = world.guild.bench
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
    world.guild.bench.ask("evm_setAutomine", False)
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
    bench = world.guild.bench
    await lie(world, tmp_path, watch)
    snapshot = bench.web3.provider.make_request("evm_snapshot", [])["result"]  # type: ignore[arg-type]
    for _ in range(2):
        await watch.prover.tick()
    assert watch.states == [PROVEN]
    bench.ask("evm_revert", snapshot)
    world.mine(2)
    assert not world.slashed(0)
    for _ in range(3):
        await watch.prover.tick()
    assert (watch.states, world.slashed(0)) == ([PROVEN], True)


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


async def test_what_the_contract_refuses_for_good_is_told_with_its_reason(world: WatchedChain, tmp_path: Path) -> None:
    """The key has no bond there: tried for some blocks, for a set may become known later than a word."""
    unbonded = WatchedChain(world.url, Guild(world.guild.bench.web3))
    here = watch_at(unbonded, memory_rows(), payer=5)
    await lie(unbonded, tmp_path, here)
    await here.prover.tick()
    assert here.states == [FOUND]
    assert "Unbonded" in here.evidence[0].note
    unbonded.mine(25)
    await here.prover.tick()
    assert here.states == [REFUSED]
    assert "Unbonded" in here.evidence[0].note
    await here.close()


async def lie(world: WatchedChain, folder: Path, *watches: Watch) -> None:
    """The first operator seals one thing and pushes another; these watches know."""
    round_s = world.now
    sealed = await world.sealed_by(operator_in(folder / "sealed"), round_s, ONE)
    assert sealed is not None
    world.push(round_s, OTHER)
    for each in watches:
        each.watcher.hear(sealed)
        await each.chain.look()
        assert len(each.evidence) == 1
