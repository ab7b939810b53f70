"""One run of the pusher under faults: the store, the trouble, the process that kills itself, and what must hold at the end."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import coincurve

from demo.world import anvil
from demo.world.chain import account
from oracle.chain.multicall_push import unwrap
from oracle.chain.transaction import data_of
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.model.publication import OPEN, PushRow, PushState
from oracle.report.wire import split_items
from oracle.sign.eip712 import address_of
from oracle.storage.database import Database
from tests.oracle.push.fault_proxy import KINDS, FaultyNode, Mood
from tests.oracle.push.fault_world import CONFIRMATIONS, KEYS, MAX_PUSH_AGE_S, SPECS, FaultWorld, Place, TargetEvents
from tests.oracle.push.poked_views import put_multicall3, put_view

FAULTY_S, CALM_S, BLOCK_S = 44, 30, 2
GAS_KEY = bytes(account(2).key)


WORKER = Path(__file__).with_name("push_worker.py")


async def play(seed: int, folder: Path) -> None:
    """One run: scenario by seed, faults for a while, then calm, then the checks."""
    rng = random.Random(seed)
    scenario = ("faults", "kill", "two pushers", "reorgs")[seed % 4]
    with anvil.running(extra=("--base-fee", "1000000000")) as node:
        proxies = [FaultyNode(node.url, seed * 10 + i) for i in range(3)]
        for proxy in proxies:
            await proxy.start()
        try:
            place, now_s = await put_seeded_store(node.url, [p.url for p in proxies], seed, folder)
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


async def put_seeded_store(url: str, endpoints: Sequence[str], seed: int, folder: Path) -> tuple[Place, int]:
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


async def trouble(
    world: FaultWorld,
    proxies: Sequence[FaultyNode],
    rng: random.Random,
    *,
    reorgs: bool,
    stir: Callable[[Sequence[FaultyNode], random.Random], None] = stir,
) -> None:
    """A while of faults: moods that change, base fees that jump, blocks that stay out, reorganisations."""
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
    rows = [r for database in world.databases for r in database.pushes("t")]
    known = {r.tx_hash: r for r in rows}
    assert [t["nonce"] for t in chain] == list(range(len(chain))), "nonces without a gap"
    assert chain, "something landed"
    assert {t["hash"] for t in chain} <= set(known), "nothing is on the chain that no journal knows"
    pool = await world.rpc("txpool_status")
    assert int(pool["queued"], 16) == 0, "no nonce gap left"
    assert int(pool["pending"], 16) == 0, "nothing left waiting"
    no_duplicate(chain, known)
    for database in world.databases:
        outcomes_as_they_were(database, {t["hash"]: t for t in chain}, await world.rpc("eth_blockNumber"))
    for database, events in zip(world.databases, world.events, strict=True):
        no_lost_round(database, events)
        landed = {r.tx_hash for r in database.pushes("t", (PushState.LANDED,))}
        assert landed or scenario == "two pushers"
    poked = {"0x" + v.hex() for t in chain if t["ok"] for v in unwrap(data_of(known[t["hash"]].raw))[1]}
    assert poked == {v.lower() for v in world.place.views}
    await nothing_left_due(world)


async def on_chain(world: FaultWorld) -> list[dict[str, Any]]:
    """All transactions of the gas key, by nonce, each with its receipt's outcome."""
    transactions = []
    payer = world.clients[0].payer
    for number in range(int(await world.rpc("eth_blockNumber"), 16) + 1):
        block = await world.rpc("eth_getBlockByNumber", hex(number), True)
        for tx in (t for t in block["transactions"] if t["from"] == payer):
            receipt = await world.rpc("eth_getTransactionReceipt", tx["hash"])
            ok = receipt["status"] == "0x1"
            transactions.append(
                {"hash": tx["hash"], "nonce": int(tx["nonce"], 16), "ok": ok, "block": receipt["blockHash"]}
            )
    return sorted(transactions, key=lambda t: t["nonce"])


def no_duplicate(chain: Sequence[dict[str, Any]], known: dict[str, PushRow]) -> None:
    landed = [known[t["hash"]] for t in chain if t["ok"]]
    assert max(Counter((r.round_s, r.items) for r in landed).values()) == 1, "the same batch landed twice"


def outcomes_as_they_were(database: Database, chain: dict[str, dict[str, Any]], head: str) -> None:
    for row in database.pushes("t"):
        outcome = (row.nonce, row.round_s, row.state, row.note)
        there = chain.get(row.tx_hash)
        if there is None:
            assert row.state in {"replaced", "expired", "refused"}, outcome
        else:
            assert row.state in ({"landed", "overtaken", "poked"} if there["ok"] else {"reverted", "overtaken"}), (
                outcome
            )
            assert row.block_hash == there["block"], outcome
        deep = row.block is not None and row.block + CONFIRMATIONS + 2 <= int(head, 16)
        assert row.final or not deep, outcome
        assert row.why, outcome


def no_lost_round(database: Database, events: TargetEvents) -> None:
    """What was decided is in the journal as a push, or as a refusal with its reason; or it waited for one under way."""
    pushed: dict[int, set[int]] = {}
    for row in database.pushes("t"):
        pushed.setdefault(row.round_s, set()).update(split_items(row.items))
    refused = {n.round_s for n in database.not_pushed("t") if n.error and n.why}
    for round_s, decision, busy in events.decisions:
        if decision.push and not busy and round_s not in events.deferred:
            assert round_s in refused or set(decision.push) <= pushed.get(round_s, set()), (round_s, decision)


async def nothing_left_due(world: FaultWorld) -> None:
    """After the calm the store holds what the newest rounds say: nothing but what the last blocks may still bring."""
    target = world.targets[0]
    done = target.newest
    assert done is not None
    assert not [r for s in world.databases for r in s.pushes("t", OPEN) if r.round_s < world.now_s - 2 * BLOCK_S - 4]
    await target.pusher.refresh()
    for index, report in target.stored.items():
        late_s = world.now_s - report.round_time_s
        assert late_s <= 16 + 3 * BLOCK_S + 2, (index, late_s)
    assert len(target.stored) == len(SPECS)
    left = await target.due_now.decide(done)
    assert not left.push, left
