"""The pusher under everything that endpoints, chains and machines do to it. Seeded; the long form resumes.

LRT_ORACLE_PUSH_RUNS=500 runs that many, LRT_ORACLE_PUSH_DONE=FILE keeps the seeds that have passed. Four of eight seeds poke
a view where a push turns its ramp.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import coincurve
import pytest

from demo.world import anvil
from demo.world.chain import account
from oracle.chain.multicall_push import unwrap
from oracle.chain.transaction import data_of
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.model.publication import PushRow
from oracle.push.pusher import OPEN
from oracle.report.wire import split_items
from oracle.sign.eip712 import address_of
from oracle.storage.database import Database
from tests.oracle.push.fault_proxy import KINDS, FaultyNode, Mood
from tests.oracle.push.fault_world import CONFIRMATIONS, KEYS, MAX_PUSH_AGE_S, SPECS, FaultWorld, Place, Seen
from tests.oracle.push.poked_views import put_multicall3, put_view

pytestmark = pytest.mark.chain
RUNS = int(os.environ.get("LRT_ORACLE_PUSH_RUNS", "8"))
DONE = os.environ.get("LRT_ORACLE_PUSH_DONE")
GAS_KEY = bytes(account(2).key)
FAULTY_S, CALM_S, BLOCK_S = 44, 30, 2
WORKER = Path(__file__).with_name("push_worker.py")


def passed() -> set[int]:
    path = Path(DONE) if DONE else None
    return {int(x) for x in path.read_text().split()} if path and path.is_file() else set()


def note_passed(seed: int) -> None:
    if DONE:
        Path(DONE).parent.mkdir(parents=True, exist_ok=True)
        with Path(DONE).open("a", encoding="utf-8") as file:
            file.write(f"{seed}\n")


@pytest.mark.parametrize("seed", [s for s in range(RUNS) if s not in passed()])
async def test_no_duplicate_no_lost_round_no_gap_and_every_outcome_as_it_was(seed: int, tmp_path: Path) -> None:
    await play(seed, tmp_path)
    note_passed(seed)


async def play(seed: int, folder: Path) -> None:
    """One run: scenario by seed, faults for a while, then calm, then the checks."""
    rng = random.Random(seed)
    scenario = ("faults", "kill", "two pushers", "reorgs")[seed % 4]
    with anvil.running(extra=("--base-fee", "1000000000")) as node:
        proxies = [FaultyNode(node.url, seed * 10 + i) for i in range(3)]
        for proxy in proxies:
            await proxy.start()
        try:
            place, now_s = await put_store(node.url, [p.url for p in proxies], seed, folder)
            databases = ("one.db", "two.db") if scenario == "two pushers" else ("one.db",)
            if scenario == "kill":
                stir(proxies, rng)
                now_s = await killed(place, now_s, kill_at=1 + seed // 4 % 14)
            async with FaultWorld(place, now_s, databases) as world:
                await trouble(world, proxies, rng, reorgs=scenario == "reorgs")
                for proxy in proxies:
                    proxy.mood = Mood()
                await world.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
                for second in range(CALM_S):
                    await world.step(mine=second % BLOCK_S == 0)
                await world.settle(CONFIRMATIONS + 2)
                await check(world, scenario)
        finally:
            for proxy in proxies:
                await proxy.stop()


async def put_store(url: str, endpoints: Sequence[str], seed: int, folder: Path) -> tuple[Place, int]:
    deployer = Deployer(url, coincurve.PrivateKey(bytes(account(0).key)))
    settings = StoreSettings(
        signers=tuple(address_of(k) for k in KEYS.values()),
        weights=(1,) * len(KEYS),
        threshold=2,
        max_push_age_s=MAX_PUSH_AGE_S,
    )
    made = await deployer.deploy(settings, [])
    for feed, spec in SPECS.items():
        await deployer.register(made.store, feed, market=spec.has_market, redemption=spec.has_redemption)
    await deployer.close()
    views: tuple[str, ...] = ()
    if seed // 4 % 2:
        await put_multicall3(url)
        views = (await put_view(url, made.store, "wdivETH/ETH"),)
    place = Place(
        seed=seed, node=url, endpoints=tuple(endpoints), chain_id=made.chain_id, store=made.store,
        gas_key=GAS_KEY.hex(), folder=str(folder), views=views,
    )  # fmt: skip
    async with FaultWorld(place, 0) as world:
        await world.rpc("evm_setAutomine", False)
        await world.rpc("anvil_mine", "0x8")  # room for reorganisations that leave the store alone
        return place, int((await world.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)


def stir(proxies: Sequence[FaultyNode], rng: random.Random) -> None:
    """New moods: at most one endpoint lies or is dead, so that two honest ones are left to agree."""
    odd = rng.randrange(len(proxies))
    for i, proxy in enumerate(proxies):
        proxy.mood = Mood(chance=rng.choice((0.0, 0.05, 0.15)), kinds=tuple(rng.sample(KINDS, 4)))
        if i == odd:
            proxy.mood.lies = rng.random() < 0.5
            proxy.mood.dead = not proxy.mood.lies and rng.random() < 0.3


async def trouble(world: FaultWorld, proxies: Sequence[FaultyNode], rng: random.Random, *, reorgs: bool) -> None:
    silent_until_s = 0
    for second in range(FAULTY_S):
        if second % 6 == 0:
            stir(proxies, rng)
        if rng.random() < 0.04:
            base = int((await world.rpc("eth_getBlockByNumber", "latest", False))["baseFeePerGas"], 16)
            await world.rpc("anvil_setNextBlockBaseFeePerGas", hex(min(base * 10, 10**12)))
        if rng.random() < 0.04:
            silent_until_s = second + rng.randint(4, 12)  # blocks stay out: pushes get stuck and grow old
        await world.step(mine=second % BLOCK_S == 0 and second >= silent_until_s)
        if rng.random() < (0.15 if reorgs else 0.03):
            await world.rpc("anvil_reorg", rng.randint(1, 5), [])
            await world.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))


async def killed(place: Place, now_s: int, *, kill_at: int) -> int:
    """Let another process push until it kills itself at a step of the journal; returns its clock."""
    args = [sys.executable, str(WORKER), place.text(), str(now_s), str(kill_at), str(FAULTY_S)]
    env = {**os.environ, "PYTHONPATH": str(WORKER.parents[3])}
    worker = await asyncio.create_subprocess_exec(*args, stdout=asyncio.subprocess.PIPE, env=env)
    out, _ = await worker.communicate()
    assert worker.returncode in {-signal.SIGKILL, 0}, worker.returncode
    return int(out.split()[-1]) if out.split() else now_s


# --- what must hold at the end ------------------------------------------------------------------------------------


async def check(world: FaultWorld, scenario: str) -> None:
    chain = await on_chain(world)
    rows = [r for store in world.stores for r in store.pushes("t")]
    known = {r.tx_hash: r for r in rows}
    assert [t["nonce"] for t in chain] == list(range(len(chain))), "nonces without a gap"
    assert chain, "something landed"
    assert {t["hash"] for t in chain} <= set(known), "nothing is on the chain that no journal knows"
    pool = await world.rpc("txpool_status")
    assert int(pool["queued"], 16) == 0, "no nonce gap left"
    assert int(pool["pending"], 16) == 0, "nothing left waiting"
    no_duplicate(chain, known)
    for store in world.stores:
        outcomes_as_they_were(store, {t["hash"]: t for t in chain}, await world.rpc("eth_blockNumber"))
    for store, seen in zip(world.stores, world.seen, strict=True):
        no_lost_round(store, seen)
        landed = {r.tx_hash for r in store.pushes("t", ("landed",))}
        assert landed or scenario == "two pushers"
    poked = {"0x" + v.hex() for t in chain if t["ok"] for v in unwrap(data_of(known[t["hash"]].raw))[1]}
    assert poked == {v.lower() for v in world.place.views}
    await nothing_left_due(world)


async def on_chain(world: FaultWorld) -> list[dict[str, Any]]:
    """All transactions of the gas key, by nonce, each with its receipt's outcome."""
    found = []
    payer = world.clients[0].payer
    for number in range(int(await world.rpc("eth_blockNumber"), 16) + 1):
        block = await world.rpc("eth_getBlockByNumber", hex(number), True)
        for tx in (t for t in block["transactions"] if t["from"] == payer):
            receipt = await world.rpc("eth_getTransactionReceipt", tx["hash"])
            ok = receipt["status"] == "0x1"
            found.append({"hash": tx["hash"], "nonce": int(tx["nonce"], 16), "ok": ok, "block": receipt["blockHash"]})
    return sorted(found, key=lambda t: t["nonce"])


def no_duplicate(chain: Sequence[dict[str, Any]], known: dict[str, PushRow]) -> None:
    landed = [known[t["hash"]] for t in chain if t["ok"]]
    assert max(Counter((r.round_s, r.items) for r in landed).values()) == 1, "the same batch landed twice"


def outcomes_as_they_were(store: Database, chain: dict[str, dict[str, Any]], head: str) -> None:
    for row in store.pushes("t"):
        told = (row.nonce, row.round_s, row.state, row.note)
        there = chain.get(row.tx_hash)
        if there is None:
            assert row.state in {"replaced", "expired", "refused"}, told
        else:
            assert row.state in ({"landed", "overtaken", "poked"} if there["ok"] else {"reverted", "overtaken"}), told
            assert row.block_hash == there["block"], told
        deep = row.block is not None and row.block + CONFIRMATIONS + 2 <= int(head, 16)
        assert row.final or not deep, told
        assert row.why, told


def no_lost_round(store: Database, seen: Seen) -> None:
    """What was decided is in the journal as a push, or as a refusal with its reason; or it waited for one under way."""
    pushed: dict[int, set[int]] = {}
    for row in store.pushes("t"):
        pushed.setdefault(row.round_s, set()).update(split_items(row.items))
    refused = {n.round_s for n in store.not_pushed("t") if n.error and n.why}
    for round_s, decision, busy in seen.decisions:
        if decision.push and not busy and round_s not in seen.waited:
            assert round_s in refused or set(decision.push) <= pushed.get(round_s, set()), (round_s, decision)


async def nothing_left_due(world: FaultWorld) -> None:
    """After the calm the store holds what the newest rounds say: nothing but what the last blocks may still bring."""
    target = world.targets[0]
    done = target._done
    assert done is not None
    assert not [r for s in world.stores for r in s.pushes("t", OPEN) if r.round_s < world.now_s - 2 * BLOCK_S - 4]
    await target._pusher.refresh()
    for index, report in target._pusher.stored.items():
        late_s = world.now_s - report.round_time_s
        assert late_s <= 16 + 3 * BLOCK_S + 2, (index, late_s)
    assert len(target._pusher.stored) == len(SPECS)
    left = await target._decide(done)
    assert not left.push, left
