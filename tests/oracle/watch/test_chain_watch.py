"""What landed on a real chain is read, whoever carried it, over restarts and reorganisations, and held against what was heard."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_typing import HexStr

from demo.world.chain import account
from demo.world.deploy import MULTICALL3
from oracle.chain.multicall_push import wrap
from oracle.watch.evidence import EvidenceState
from tests.oracle.watch.chain_world import ONE, OTHER, Watch, WatchedChain, operator_in, watch_at, watched_chain
from tests.oracle.watch.hidden_push import hidden_push
from tests.oracle.watch.watch_world import file_rows

pytestmark = pytest.mark.chain
FOUND, SENT, PROVEN, OWN, REFUSED = (
    EvidenceState.FOUND, EvidenceState.SENT, EvidenceState.PROVEN, EvidenceState.OWN, EvidenceState.REFUSED,
)  # fmt: skip


async def test_a_lie_is_one_within_a_store_and_none_across_two(
    world: WatchedChain, watch: Watch, tmp_path: Path
) -> None:
    """Two stores are two domains: what the same keys say in both may differ, what they say in one may not."""
    elsewhere = watched_chain(world.url, world.bench.web3)
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
    bench, round_s = world.bench, world.now
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
    bench, round_s = world.bench, world.now
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
    bench, round_s = world.bench, world.now
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
