"""From real pools and venues to a price that an unmodified lender reads."""

from __future__ import annotations

from pathlib import Path

import pytest

import contracts
from demo.settings import PUSHED
from demo.testbed import Testbed
from demo.world.aave import deploy_aave_oracle
from oracle.audit.recompute import verify
from oracle.deploy.views import decimals_of
from oracle.report.wire import decode_item, split_items
from tests.e2e.e2e_tools import service, stand_with_market, until

pytestmark = [pytest.mark.e2e, pytest.mark.chain]
MASK = (1 << 64) - 1


async def test_every_landed_round_is_the_api_s_price_and_aave_reads_it(tmp_path: Path) -> None:
    async with stand_with_market(tmp_path) as (stand, _), service(stand) as app:
        target_ready = lambda: bool(app.targets) and set(PUSHED) <= set(app.targets["local"].onchain)  # noqa: E731
        await until(target_ready, "every feed on chain")
        await until(lambda: app.targets["local"].counts["landed"] >= 4, "four pushes")
        chain, views = stand.chain, stand.deployment.views
        indexes = {i: f for f, i in app.targets["local"].indexes.items()}
        checked = 0
        for row in app.database.pushes("local", ("landed",)):
            for index, item in split_items(row.items).items():
                spec = app.resolved.specs[indexes[index]]
                record = app.database.record(spec.feed, row.round_s)
                assert record is not None
                assert decode_item(item, row.round_s)[1] == record.report
                view = chain.contract(contracts.load("FeedView").abi, views[spec.feed])
                answer = await view.functions.latestRoundData().call(block_identifier=row.block)
                assert answer[0] & MASK == row.round_s
                assert answer[1] == record.price_wad // 10 ** (18 - decimals_of(spec))
                checked += 1
        assert checked >= 8
        for feed in ("wdivETH/USD", "divETH/USD", "demoLRT/USD"):
            head = int(await chain.rpc("eth_blockNumber"), 16)
            price = 10**18
            for leg in app.resolved.specs[feed].legs:
                view = chain.contract(contracts.load("FeedView").abi, views[leg])
                round_id, *_ = await view.functions.latestRoundData().call(block_identifier=head)
                record = app.database.record(leg, round_id & MASK)
                assert record is not None
                price = price * record.price_wad // 10**18
            cross = chain.contract(contracts.load("CrossView").abi, views[feed])
            answer = await cross.functions.latestRoundData().call(block_identifier=head)
            assert answer[1] == price // 10**10
        await aave_reads(stand)
        newest = app.database.record("wdivETH/ETH")
        assert newest is not None
        for feed in app.resolved.specs:
            checks = list(verify(app.database, feed, newest.report.round_time_s))
            assert checks
            assert all(c.ok for c in checks), checks


async def aave_reads(stand: Testbed) -> None:
    chain, world, views = stand.chain, stand.world, stand.deployment.views
    assets = [world.weth, world.wdiv_eth, world.lrt]
    sources = [views["ETH/USD"], views["wdivETH/USD"], views["demoLRT/USD"]]
    oracle = await deploy_aave_oracle(chain, world.accounts.user, assets=assets, sources=sources)
    head = int(await chain.rpc("eth_blockNumber"), 16)
    got = await oracle.functions.getAssetsPrices(assets).call(block_identifier=head)
    for asset, source, price in zip(assets, sources, got, strict=True):
        view = chain.contract(contracts.load("FeedView").abi, source)
        assert price == await view.functions.latestAnswer().call(block_identifier=head), asset
        assert 1_900 * 10**8 < price < 2_300 * 10**8
