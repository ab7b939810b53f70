"""A reorganisation takes pushes out of the chain: they are noticed, sent again or given up, and the rounds are marked."""

from __future__ import annotations

from pathlib import Path

import pytest

import contracts
from tests.e2e.e2e_tools import service, stand_with_market, until

pytestmark = [pytest.mark.e2e, pytest.mark.chain]


async def test_a_push_that_a_reorganisation_took_out_is_not_believed_to_have_landed(tmp_path: Path) -> None:
    async with stand_with_market(tmp_path) as (stand, _), service(stand) as app:
        await until(lambda: bool(app.targets) and app.targets["local"].counts["landed"] >= 3, "three pushes")
        newest = app.database.pushes("local", ("landed",))[-1]
        assert newest.block is not None
        head = int(await stand.chain.rpc("eth_blockNumber"), 16)
        await stand.chain.rpc("anvil_reorg", max(6, head - newest.block + 1), [])
        assert await stand.chain.rpc("eth_getTransactionReceipt", newest.tx_hash) is None
        before = app.targets["local"].counts["landed"]
        await until(lambda: app.targets["local"].counts["landed"] >= before + 3, "three more pushes")
        marked = app.database.connection.execute("SELECT count(*) FROM rounds WHERE orphaned IS NOT NULL").fetchone()[0]
        assert marked > 0
        for row in app.database.pushes("local", ("landed",)):
            receipt = await stand.chain.rpc("eth_getTransactionReceipt", row.tx_hash)
            assert receipt is not None, f"{row.tx_hash} is journalled as landed and is not in the chain"
            assert receipt["blockHash"] == row.block_hash
        view = stand.chain.contract(contracts.load("FeedView").abi, stand.deployment.views["ETH/USD"])
        round_id, answer, *_ = await view.functions.latestRoundData().call()
        record = app.database.record("ETH/USD", round_id & ((1 << 64) - 1))
        assert record is not None
        assert answer == record.price_wad // 10**10
