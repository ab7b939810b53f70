"""A guardian's pause, as its consumers see it: the table of docs/integrate.md where their code is at hand.

Unmodified: AaveOracle (bytecode of the package) and Morpho (its sources). Liquity's rule is that of its published price feed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3
from web3.exceptions import Web3Exception

from demo.world import anvil, npm
from tests.contracts.contract_tools import OWNER_KEY, WAD, Bench, Item, compiled, connected

pytestmark = pytest.mark.chain
ZERO = "0x" + "00" * 20
WEETH = Web3.to_checksum_address(f"0x{0xE1:040x}")
DAY_S, HOUR_S = 86_400, 3_600
HALT = 2
"""`Unusable`'s reason."""


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    """A node whose clock these tests move."""
    with anvil.running() as running, connected(running.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    made = Bench(web3)
    made.register("weETH/ETH")
    made.push(made.now, [Item(0, market=WAD)])
    return made


def pause(bench: Bench) -> None:
    bench.send(bench.store.functions.pause([0]))


def resume(bench: Bench) -> None:
    """And the first round after it, without which it stays in halt."""
    bench.send(bench.store.functions.resume([0]))
    bench.push(bench.now, [Item(0, market=WAD)])


def test_a_pause_of_a_day_closes_a_branch_of_liquity_s_for_good(bench: Bench) -> None:
    """The plain view shows the last price all the while; what grows is its age, and the resume comes too late."""
    view = bench.view(mode=0, decimals=8)
    readers = [bench.consumer("LiquityReader", view.address, threshold).functions for threshold in (DAY_S, 2 * DAY_S)]
    began = view.functions.latestTimestamp().call()
    pause(bench)
    for passed in (HOUR_S, DAY_S - 60):
        bench.at(began + passed)
        for reader in readers:
            bench.send(reader.fetchPrice())
        assert [r.isShutDown().call() for r in readers] == [False, False]
        assert view.functions.latestAnswer().call() == 10**8
    bench.at(began + DAY_S)
    for reader in readers:
        bench.send(reader.fetchPrice())
    assert [r.isShutDown().call() for r in readers] == [True, False], "a threshold above the pause is what helps"
    resume(bench)
    for reader in readers:
        bench.send(reader.fetchPrice())
    assert [r.isShutDown().call() for r in readers] == [True, False]


def test_aave_lends_on_in_a_pause_over_a_plain_view_and_not_over_a_strict_one(bench: Bench) -> None:
    plain = bench.view(mode=0, decimals=8)
    strict = bench.create("StrictFeedView", plain.address, DAY_S, ZERO, 0)
    provider = bench.deploy(npm.aave("protocol/configuration", "PoolAddressesProvider"), "test", bench.owner.address)

    def oracle(source: str, fallback: str = ZERO) -> Any:
        kind = npm.aave("misc", "AaveOracle")
        made = bench.deploy(kind, provider.address, [WEETH], [source], fallback, ZERO, 10**8)
        return made.functions.getAssetPrice(WEETH)

    over_plain, over_strict = oracle(plain.address), oracle(strict.address)
    other = bench.deploy(npm.aave("misc", "AaveOracle"), provider.address, [WEETH], [plain.address], ZERO, ZERO, 10**8)
    fallen_back = oracle(strict.address, other.address)
    asked = (over_plain, over_strict, fallen_back)
    assert [a.call() for a in asked] == [10**8] * 3
    pause(bench)
    bench.at(bench.now + DAY_S // 2)
    assert over_plain.call() == 10**8
    with pytest.raises(Web3Exception):
        over_strict.call()
    assert fallen_back.call() == 10**8, "a fallback that is set turns a halt into its own price"
    resume(bench)
    assert over_strict.call() == 10**8


def test_morpho_stands_still_in_a_pause_and_repaying_goes_on(bench: Bench) -> None:
    me = Account.from_key(OWNER_KEY).address
    morpho = bench.deploy(compiled("@morpho-org/morpho-blue/src/Morpho.sol", "solc19")["Morpho"], me)
    collateral, loan = bench.consumer("Token", "weETH", 18), bench.consumer("Token", "WETH", 18)
    lltv = 86 * WAD // 100
    oracles = (
        bench.create("MorphoView", bench.view(mode=0).address, DAY_S, 18, 18).address,
        bench.consumer("MorphoOracle", bench.view(mode=0).address, 18, 18).address,
    )
    call = morpho.functions
    for one in (call.enableIrm(ZERO), call.enableLltv(lltv)):
        bench.send(one)
    for token in (collateral, loan):
        bench.send(token.functions.mint(me, 10**24))
        bench.send(token.functions.approve(morpho.address, 2**256 - 1))
    markets = [(loan.address, collateral.address, at, ZERO, lltv) for at in oracles]
    for market in markets:
        bench.send(call.createMarket(market))
        bench.send(call.supply(market, 100 * WAD, 0, me, b""))
        bench.send(call.supplyCollateral(market, 10 * WAD, me, b""))
        bench.send(call.borrow(market, 8 * WAD, 0, me, me))
    pause(bench)
    ours, theirs = markets
    for one in (
        call.borrow(ours, 1, 0, me, me),
        call.withdrawCollateral(ours, 1, me, me),
        call.liquidate(ours, me, WAD, 0, b""),
    ):
        assert bench.refusal(one) == ("Unusable", HALT)
    for one in (
        call.repay(ours, WAD, 0, me, b""),
        call.supply(ours, WAD, 0, me, b""),
        call.withdraw(ours, WAD, 0, me, me),
    ):
        bench.send(one)
    bench.at(bench.now + 10 * DAY_S)
    bench.send(call.borrow(theirs, WAD // 10, 0, me, me))
    resume(bench)
    bench.send(call.borrow(ours, 1, 0, me, me))
