"""Other protocols' contracts over our views: unmodified where a package ships them, else a reader that does what theirs do.

Unmodified: AaveOracle (bytecode of the package), Morpho and PythAggregatorV3 (sources of the packages, compiled here).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_account import Account
from eth_utils.crypto import keccak
from web3 import Web3
from web3.exceptions import Web3Exception

from demo.world import anvil, npm
from tests.contracts.contract_tools import OWNER_KEY, WAD, Bench, Item, compiled, connected

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


def silent(bench: Bench) -> None:
    for name in ("weETH/ETH", "ETH/USD"):
        bench.register(name, redemption=name == "weETH/ETH")


def test_morpho_lends_against_our_price_and_stops_at_a_halt(web3: Web3) -> None:
    bench = Bench(web3)
    silent(bench)
    me = Account.from_key(OWNER_KEY).address
    morpho = bench.deploy(compiled("@morpho-org/morpho-blue/src/Morpho.sol", "solc19")["Morpho"], me)
    collateral, loan = bench.consumer("Token", "weETH", 18), bench.consumer("Token", "USDC", 6)
    cross = bench.create("CrossView", bench.view().address, bench.view("ETH/USD", 0, 8).address, 8)
    oracle = bench.create("MorphoView", cross.address, 600, 18, 6)
    lltv = 86 * WAD // 100
    market = (loan.address, collateral.address, oracle.address, ZERO, lltv)
    for call in (morpho.functions.enableIrm(ZERO), morpho.functions.enableLltv(lltv)):
        bench.send(call)
    bench.send(morpho.functions.createMarket(market))
    for token in (collateral, loan):
        bench.send(token.functions.mint(me, 10**24))
        bench.send(token.functions.approve(morpho.address, 2**256 - 1))
    bench.send(morpho.functions.supply(market, 10**12, 0, me, b""))
    bench.send(morpho.functions.supplyCollateral(market, 10 * WAD, me, b""))
    usd = Item(1, market=2_000 * WAD, redemption=0)
    now = bench.now
    bench.push(now, [Item(0), usd])
    most = 10 * (105 * 2_000 * 10**6 // 100) * 86 // 100
    borrow = morpho.functions.borrow
    with pytest.raises(Web3Exception, match="insufficient collateral"):
        borrow(market, most + 1, 0, me, me).call({"from": me})
    bench.send(borrow(market, most, 0, me, me))
    liquidate = morpho.functions.liquidate(market, me, WAD, 0, b"")
    with pytest.raises(Web3Exception, match="position is healthy"):
        liquidate.call({"from": me})
    bench.push(now + 1, [Item(0, market=WAD, status=4), usd])
    for call in (liquidate, borrow(market, 1, 0, me, me)):
        assert bench.refusal(call) == ("Unusable", 2)
    bench.send(morpho.functions.repay(market, 1_000, 0, me, b""))
    bench.push(now + 2, [Item(0, market=WAD, status=3), usd])
    bench.send(liquidate)
    assert collateral.functions.balanceOf(me).call() == 10**24 - 10 * WAD + WAD


def test_morpho_s_own_kind_of_oracle_takes_no_empty_feed_for_a_price_of_zero(web3: Web3) -> None:
    """It has no check of its own but of the sign: at a price of 0 everybody would be liquidated, who borrowed or not."""
    bench = Bench(web3)
    silent(bench)
    me = Account.from_key(OWNER_KEY).address
    morpho = bench.deploy(compiled("@morpho-org/morpho-blue/src/Morpho.sol", "solc19")["Morpho"], me)
    collateral, loan = bench.consumer("Token", "weETH", 18), bench.consumer("Token", "WETH", 18)
    oracle = bench.consumer("MorphoOracle", bench.view(mode=0, decimals=8).address, 18, 18)
    lltv = 86 * WAD // 100
    market = (loan.address, collateral.address, oracle.address, ZERO, lltv)
    for call in (morpho.functions.enableIrm(ZERO), morpho.functions.enableLltv(lltv)):
        bench.send(call)
    bench.send(morpho.functions.createMarket(market))
    for token in (collateral, loan):
        bench.send(token.functions.mint(me, 10**24))
        bench.send(token.functions.approve(morpho.address, 2**256 - 1))
    bench.send(morpho.functions.supply(market, 100 * WAD, 0, me, b""))
    bench.send(morpho.functions.supplyCollateral(market, 10 * WAD, me, b""))
    liquidate = morpho.functions.liquidate(market, me, WAD, 0, b"")
    borrow = morpho.functions.borrow(market, WAD, 0, me, me)
    for asked in (oracle.functions.price(), borrow, liquidate):
        assert bench.refusal(asked) == ("NoData",)
    bench.push(bench.now, [Item(0, market=WAD)])
    bench.send(borrow)
    with pytest.raises(Web3Exception, match="position is healthy"):
        liquidate.call({"from": me})
    # a price too small for the feed's decimals is 0 in them, and none
    bench.push(bench.now + 1, [Item(0, market=10**10 - 1)])
    for asked in (oracle.functions.price(), liquidate):
        assert bench.refusal(asked) == ("NoData",)
    bench.push(bench.now + 2, [Item(0, market=10**10)])
    bench.send(liquidate)


@pytest.mark.parametrize("decimals", [1, 6, 8, 17, 18])
def test_chronicle_s_reader_asks_for_decimals_and_a_rate_has_eighteen(web3: Web3, decimals: int) -> None:
    bench = Bench(web3)
    silent(bench)
    reader = bench.consumer("ChronicleReader", bench.view(mode=0, decimals=decimals).address, 60).functions
    for call in (reader.value(WAD), reader.valueByRate(WAD)):
        assert bench.refusal(call) == ("NoData",)
    wad, amount = 1_049_876_543_210_987_654, 3 * WAD
    bench.push(bench.now, [Item(0, market=wad)])
    unit = 10 ** (18 - decimals)
    assert reader.value(amount).call() == 3 * (wad // unit * unit)
    assert reader.valueByRate(amount).call() == 3 * wad
    impatient = bench.consumer("ChronicleReader", bench.view(mode=0, decimals=decimals).address, 2).functions
    assert bench.refusal(impatient.value(amount))[0].startswith("0x" + keccak(text="TooStale(uint256)")[:4].hex())


def test_pyth_s_own_aggregator_reads_our_view(web3: Web3) -> None:
    bench = Bench(web3)
    silent(bench)
    key = b"ETH/USD".ljust(32, b"\0")
    pyth = bench.create("PythView", [key], [bench.view("ETH/USD", 0, 8).address])
    theirs = compiled("@pythnetwork/pyth-sdk-solidity/PythAggregatorV3.sol")["PythAggregatorV3"]
    aggregator = bench.deploy(theirs, pyth.address, key)
    now = bench.now
    bench.push(now, [Item(1, market=2_000 * WAD, redemption=0, spread_bps=30)])
    assert aggregator.functions.latestRoundData().call() == [now - 3, 2_000 * 10**8, now - 3, now - 3, now - 3]
    reader = bench.consumer("PythReader", pyth.address)
    assert reader.functions.price(key, 30).call() == 2_000 * 10**8
    with pytest.raises(Web3Exception):
        reader.functions.price(key, 29).call()


def test_comet_takes_eight_decimals_and_no_zero(web3: Web3) -> None:
    bench = Bench(web3)
    silent(bench)
    reader = bench.consumer("CometReader", bench.view("ETH/USD", 0, 8).address).functions
    with pytest.raises(Web3Exception):
        bench.consumer("CometReader", bench.view("ETH/USD", 0, 18).address)
    with pytest.raises(Web3Exception):
        reader.getPrice().call()
    bench.push(bench.now, [Item(1, market=2_000 * WAD, redemption=0)])
    assert reader.getPrice().call() == 2_000 * 10**8


def test_a_plain_view_never_shuts_liquity_down_in_a_halt_and_a_strict_one_does(web3: Web3) -> None:
    bench = Bench(web3)
    silent(bench)
    view = bench.view("ETH/USD", 0, 8)
    strict = bench.create("StrictFeedView", view.address, 3_600, ZERO, 0)
    bench.push(bench.now, [Item(1, market=2_000 * WAD, redemption=0)])
    readers = [bench.consumer("LiquityReader", v.address, 86_400).functions for v in (view, strict)]
    for reader in readers:
        bench.send(reader.fetchPrice())
    bench.push(bench.now + 1, [Item(1, market=1_900 * WAD, redemption=0, status=4)])
    for reader in readers:
        bench.send(reader.fetchPrice())
    assert [r.isShutDown().call() for r in readers] == [False, True]
    assert readers[0].lastGoodPrice().call() == 2_000 * WAD, "a halt brings no price"


def test_euler_and_silo_and_dia_read_amounts_and_values(web3: Web3) -> None:
    bench = Bench(web3)
    silent(bench)
    source, maximum = bench.view("ETH/USD", 0, 8), 600
    args = (source.address, maximum, WETH, 18, WEETH, 6)
    bench.push(bench.now, [Item(1, market=2_000 * WAD, redemption=0, spread_bps=100)])
    euler = bench.consumer("EulerReader", bench.create("QuoteView", *args).address).functions
    most = 2_000 * 10**6 * 99 // 100 * 80 // 100
    assert [euler.isHealthy(WAD, WETH, debt, WEETH, 8_000).call() for debt in (most, most + 1)] == [True, False]
    silo = bench.consumer("SiloReader", bench.create("SiloView", *args).address, WEETH).functions
    assert silo.value(3 * WAD, WETH).call() == 6_000 * 10**6
    assert bench.refusal(silo.value(1, WEETH)) == ("UnsupportedToken", WEETH.lower())
    dia = bench.create("DiaView", ["ETH/USD"], [source.address])
    reader = bench.consumer("DiaReader", dia.address).functions
    assert reader.price("ETH/USD", 60).call() == 2_000 * 10**8
    with pytest.raises(Web3Exception):
        reader.price("BTC/USD", 60).call()
