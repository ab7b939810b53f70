"""The pusher with two endpoints, the common case of a small operator: both fail now and then, one or the other is behind."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from demo.world import anvil
from tests.oracle.push.fault_proxy import KINDS, FaultyNode, Mood
from tests.oracle.push.fault_run import BLOCK_S, CALM_S, check, put_seeded_store, trouble
from tests.oracle.push.fault_world import CONFIRMATIONS, FaultWorld
from tests.oracle.push.lagging_node import LaggingNode

pytestmark = pytest.mark.chain
BEHIND = ((0, 0), (0, 1), (0, 4), (3, 0))


@pytest.mark.parametrize("seed", [0, 1, 2])
async def test_faults_lags_and_reorganisations_leave_no_wrong_outcome(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    with anvil.running(extra=("--base-fee", "1000000000")) as node:
        lagging_nodes = [LaggingNode(node.url), LaggingNode(node.url)]
        for lagging in lagging_nodes:
            await lagging.start()
        proxies = [FaultyNode(lagging.url, seed * 10 + i) for i, lagging in enumerate(lagging_nodes)]
        for proxy in proxies:
            await proxy.start()

        def stir(proxies: Sequence[FaultyNode], rng: random.Random) -> None:
            """New moods and lags; neither lies, for two cannot outvote a liar."""
            for proxy in proxies:
                proxy.mood = Mood(chance=rng.choice((0.0, 0.05, 0.15)), kinds=tuple(rng.sample(KINDS, 4)))
            for lagging, lag in zip(lagging_nodes, rng.choice(BEHIND), strict=True):
                lagging.lag = lag

        try:
            place, now_s = await put_seeded_store(node.url, [p.url for p in proxies], seed, tmp_path)
            async with FaultWorld(place, now_s, timeout_ms=600) as world:
                await trouble(world, proxies, rng, reorgs=seed == 2, stir=stir)
                for proxy, lagging in zip(proxies, lagging_nodes, strict=True):
                    proxy.mood, lagging.lag = Mood(), 0
                await world.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
                for second in range(CALM_S):
                    await world.step(mine=second % BLOCK_S == 0)
                await world.settle(CONFIRMATIONS + 2)
                await check(world, "two endpoints")
                assert world.targets[0].pusher.foreign_nonces == 0, "nobody else uses the key"
        finally:
            for server in (*proxies, *lagging_nodes):
                await server.stop()
