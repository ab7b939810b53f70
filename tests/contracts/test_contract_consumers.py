"""Other protocols' contracts, unmodified, over our views."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from contract_tools import WAD, Bench, Item, connected
from web3 import Web3
from web3.exceptions import Web3Exception

from demo import anvil, npm

pytestmark = pytest.mark.chain
ZERO = "0x" + "00" * 20
WEETH, WETH, SILENT = (Web3.to_checksum_address(f"0x{i:040x}") for i in (0xE1, 0xE2, 0xE3))
"""Assets: AaveOracle takes any address for one."""


@pytest.fixture(scope="module")
def web3(node: anvil.Anvil) -> Iterator[Web3]:
    with connected(node.url) as w:
        yield w


def test_aave_reads_a_view_and_a_cross_and_does_not_take_a_feed_without_data(web3: Web3) -> None:
    bench = Bench(web3)
    for name, redemption in (("weETH/ETH", True), ("ETH/USD", False), ("silent/USD", False)):
        bench.register(name, redemption=redemption)

    def view(name: str, mode: int, decimals: int) -> str:
        args = (bench.store.address, name.encode().ljust(32, b"\0"), mode, decimals, 3_600)
        return str(bench.create("FeedView", *args).address)

    ether, silent = view("ETH/USD", 0, 8), view("silent/USD", 0, 8)
    cross = bench.create("CrossView", view("weETH/ETH", 2, 18), ether, 8).address
    provider = bench.deploy(npm.aave("protocol/configuration", "PoolAddressesProvider"), "test", bench.owner.address)
    sources = {WETH: ether, WEETH: cross, SILENT: silent}
    usd = (ZERO, 10**8)
    oracle = bench.deploy(
        npm.aave("misc", "AaveOracle"), provider.address, list(sources), list(sources.values()), ZERO, *usd
    ).functions
    ratio, dollars = 1_049_999_999_999_999_999, 2_000_123_456_789_012_345_678
    bench.push(bench.now, [Item(0, market=ratio), Item(1, market=dollars, redemption=0)])
    assert oracle.getAssetsPrices([WETH, WEETH]).call() == [dollars // 10**10, ratio * dollars // WAD // 10**10]
    # latestAnswer is 0, so Aave asks its fallback oracle, and there is none
    with pytest.raises(Web3Exception):
        oracle.getAssetPrice(SILENT).call()
    bench.push(bench.now + 1, [Item(2, market=WAD, redemption=0)])
    assert oracle.getAssetPrice(SILENT).call() == 10**8
