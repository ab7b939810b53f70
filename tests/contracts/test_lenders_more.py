"""Loans over our views from the first unit borrowed to the liquidation, and in halt and depeg, lender by lender.

Unmodified: all of Aave v3 (bytecode of the package) and Pyth's interface, structs and library (sources of the package).
The others' rules are kept by ``Lenders.sol``: no package ships Comet, Euler's vaults, Silo or Liquity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_utils.crypto import keccak
from web3 import Web3
from web3.exceptions import ContractLogicError

from demo.world import anvil, npm
from demo.world.aave import HEALTHY, NOT_COVERED, Reserve, _linked, deploy_aave_market
from demo.world.aave_position import Position
from demo.world.chain import LocalChain, LocalChainError, TransactionReverted, account
from tests.contracts.contract_tools import WAD, Bench, Compiled, Item, compiled, connected

pytestmark = pytest.mark.chain
ZERO = "0x" + "00" * 20
WEETH, USDC, USD = (Web3.to_checksum_address(f"0x{i:040x}") for i in (0xE1, 0xE2, 840))
LENDERS = "tests/contracts/solidity/Lenders.sol"
MAX_AGE_S = 600
OK, WATCH, DEPEG, HALT = 1, 2, 3, 4
USDC_UNIT = 10**6
REFUSED = "0x"
"""A revert without data."""


@pytest.fixture(scope="module")
def own_node() -> Iterator[anvil.Anvil]:
    """A node whose clock these tests may move."""
    with anvil.running() as running:
        yield running


@pytest.fixture(scope="module")
def web3(own_node: anvil.Anvil) -> Iterator[Web3]:
    with connected(own_node.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    made = Bench(web3)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    return made


ETHER = Item(1, market=2_000 * WAD, redemption=0, spread_bps=50)


def price(bench: Bench, ratio: int, *, owed: int = 10_600, status: int = OK, ether: Item = ETHER) -> None:
    """The next round: weETH's market and what its protocol owes, in ten-thousandths of an ether; ether at 2,000 dollars."""
    unit = WAD // 10_000
    weeth = Item(0, market=ratio * unit, redemption=owed * unit, status=status, spread_bps=100)
    bench.push(max(bench.now, last_round_s(bench) + 1), [weeth, ether])


def last_round_s(bench: Bench) -> int:
    return bench.word(0) & 0xFFFFFFFF


def cross(bench: Bench, mode: int = 2) -> Any:
    """The weETH / USD view with 8 decimals."""
    return bench.create("CrossView", bench.view(mode=mode).address, bench.view("ETH/USD", 0, 8).address, 8)


def strict(bench: Bench, source: Any) -> Any:
    return bench.create("StrictFeedView", source.address, MAX_AGE_S, ZERO, 0)


def lender(bench: Bench, name: str, *args: Any) -> Any:
    return bench.deploy(compiled(LENDERS)[name], *args)


def refusal(call: Any) -> str:
    """Selector of the error with which a call reverts, ``0x`` if it has none."""
    with pytest.raises(ContractLogicError) as caught:
        call.call()
    return str(caught.value.data or REFUSED)[:10]


def error(text: str) -> str:
    return "0x" + keccak(text=text)[:4].hex()


# --------------------------------------------------------------------------------------------------------------- Aave


async def test_aave_lends_to_the_last_unit_freezes_in_halt_and_liquidates_in_depeg(
    bench: Bench, own_node: anvil.Anvil
) -> None:
    async with LocalChain(own_node.url) as chain:
        position = await aave(bench, chain)
        assert await position.fund(collateral_ether_wad=102 * WAD, lent_wad=1_000 * WAD) == 100 * WAD
        price(bench, 10_500)
        assert await position.prices_usd() == (2_100 * 10**8, 2_000 * 10**8)
        # 100 tokens of 2,100 dollars carry 168,000 dollars of debt, which Aave counts in units of 1e-8 dollars, rounded down
        most = 84 * WAD + 10**18 // (2_000 * 10**8) - 1
        assert await position.borrow_refused(most + 1) == NOT_COVERED
        await position.borrow(most)
        standing = await position.standing()
        assert (standing.collateral_usd, standing.debt_usd) == (210_000 * 10**8, 168_000 * 10**8)
        assert standing.health_wad == 210_000 * 8_250 * WAD // (168_000 * 10_000)

        price(bench, 10_183)
        assert await position.liquidation_refused() == HEALTHY
        price(bench, 10_181, status=WATCH)
        assert await position.liquidation_refused() is None

        price(bench, 10_181, status=HALT)
        assert await position.liquidation_refused() == ""
        assert await position.borrow_refused(1) == ""
        pool, borrower, liquidator = position.market.pool.functions, position.borrower, position.liquidator
        with pytest.raises(ContractLogicError):
            await pool.withdraw(position.collateral, 1, borrower.address).call({"from": borrower.address})
        with pytest.raises(TransactionReverted):
            await position.liquidate()
        await pool.supply(position.debt, 1, liquidator.address, 0).call({"from": liquidator.address})
        await position.repay(WAD)

        price(bench, 9_900, status=DEPEG)
        done = await position.liquidate()
        half = (most - WAD) // 2
        assert half <= done.repaid <= half + WAD // 10**4, "half of the debt, and seconds of interest"
        assert done.seized == (2_000 * done.repaid // 1_980 * 10_500 + 5_000) // 10_000
        assert (
            await chain.call(chain.token(position.collateral), "balanceOf", position.liquidator.address) == done.seized
        )


async def test_aave_takes_no_price_that_is_too_old(bench: Bench, own_node: anvil.Anvil) -> None:
    async with LocalChain(own_node.url) as chain:
        position = await aave(bench, chain)
        await position.fund(collateral_ether_wad=102 * WAD, lent_wad=1_000 * WAD)
        price(bench, 10_500)
        await position.borrow(80 * WAD)
        bench.at(bench.now + MAX_AGE_S + 1)
        assert await position.borrow_refused(1) == ""
        assert await position.liquidation_refused() == ""
        await position.repay(WAD)
        price(bench, 10_500)
        assert await position.borrow_refused(1) is None


def test_a_library_that_is_not_linked_is_no_code() -> None:
    with pytest.raises(LocalChainError, match="is not linked"):
        _linked(npm.aave("protocol/pool", "Pool"), {"PoolLogic": ZERO})


async def aave(bench: Bench, chain: LocalChain) -> Position:
    """A market of weETH (a token of the demo) and WETH, priced by strict views as the integration guide has it."""
    owner = account(0)
    weth = await chain.create(owner, npm.aave("dependencies/weth", "WETH9"))
    lrt = await chain.create(owner, npm.own("DemoLRT"), 102 * 10**16)
    reserves = (
        Reserve(
            symbol="WETH",
            asset=weth.address,
            source=strict(bench, bench.view("ETH/USD", 0, 8)).address,
            borrowable=True,
        ),
        Reserve(
            symbol="weETH",
            asset=lrt.address,
            source=strict(bench, cross(bench)).address,
            ltv_bps=8_000,
            threshold_bps=8_250,
            bonus_bps=10_500,
        ),
    )
    return Position(
        chain=chain,
        market=await deploy_aave_market(chain, owner, reserves),
        collateral=lrt.address,
        debt=weth.address,
        borrower=account(6),
        lender=account(8),
        liquidator=account(9),
    )


# ------------------------------------------------------------------------------------------------- Compound, Euler, Silo


def test_comet_s_loan_from_the_last_unit_to_absorption(bench: Bench) -> None:
    dollar = strict(bench, bench.create("CrossView", bench.view().address, bench.view("ETH/USD", 0, 8).address, 18))
    collateral = strict(bench, cross(bench))
    with pytest.raises(ContractLogicError, match=error("BadDecimals()")):
        lender(bench, "CometLoan", dollar.address, collateral.address, 0, 0)
    bench.register("USDC/USD", redemption=False)
    base = bench.view("USDC/USD", 0, 8)
    price(bench, 10_500)
    bench.push(bench.now + 1, [Item(2, market=WAD, redemption=0)])
    loan = lender(bench, "CometLoan", collateral.address, base.address, 80 * WAD // 100, 85 * WAD // 100).functions
    bench.send(loan.supply(10 * WAD))
    most = 21_000 * 80 // 100 * USDC_UNIT
    assert refusal(loan.borrow(most + 1)) == error("NotCollateralized()")
    bench.send(loan.borrow(most))
    assert refusal(loan.absorb()) == error("NotLiquidatable()")
    # 16,800 dollars over 85 % of 10 tokens: 0.98823... ether
    price(bench, 9_883)
    assert refusal(loan.absorb()) == error("NotLiquidatable()")
    price(bench, 9_882, status=HALT)
    for call in (loan.absorb(), loan.borrow(1)):
        assert bench.refusal(call) == ("Unusable", 2)
    bench.send(loan.repay(1))
    price(bench, 9_882, status=DEPEG)
    bench.send(loan.absorb())
    assert loan.debt().call() == 0


def test_euler_s_loan_takes_the_bid_of_the_collateral_and_the_ask_of_the_debt(bench: Bench) -> None:
    weeth = bench.create("QuoteView", cross(bench).address, MAX_AGE_S, WEETH, 18, USD, 18)
    ether = bench.create("QuoteView", bench.view("ETH/USD", 0, 18).address, MAX_AGE_S, USDC, 18, USD, 18)
    routes = lender(bench, "EulerRoutes")
    for token, adapter in ((WEETH, weeth), (USDC, ether)):
        bench.send(routes.functions.set(token, USD, adapter.address))
    loan = lender(bench, "EulerLoan", routes.address, WEETH, USDC, USD).functions
    price(bench, 10_500)
    # the cross has (1 + 100 bps) (1 + 50 bps) - 1 of spread, rounded up: 151; ether has 50, and the ask a unit more
    bid, ask = 21_000 * (10_000 - 151), 2_000 * (10_000 + 50)
    most = bid * 9 // 10 * WAD // ask
    bench.send(loan.supply(10 * WAD))
    assert refusal(loan.borrow(most, 9_000)) == error("AccountLiquidity()"), "equal is not enough"
    bench.send(loan.borrow(most - 1, 9_000))
    assert refusal(loan.liquidate(9_000)) == error("Healthy()")
    price(bench, 10_500, ether=replace(ETHER, spread_bps=60))
    bench.send(loan.liquidate(9_000))
    bench.send(loan.supply(10 * WAD))
    price(bench, 10_500, status=HALT)
    assert bench.refusal(loan.borrow(1, 9_000)) == ("Unusable", 2)
    assert refusal(routes.functions.getQuote(1, WEETH, USDC)) == error("NotSupported(address,address)")
    # and the way back: dollars in tokens, rounded down
    price(bench, 10_500)
    assert routes.functions.getQuote(2_100 * WAD, USD, WEETH).call() == WAD
    assert routes.functions.getQuote(2_100 * WAD - 1, USD, WEETH).call() == WAD - 1


def test_silo_s_loan_lends_on_min_and_liquidates_on_the_redemption_rate(bench: Bench) -> None:
    oracles = [
        bench.create("SiloView", cross(bench, mode).address, MAX_AGE_S, WEETH, 18, USDC, 6).address for mode in (2, 1)
    ]
    loan = lender(bench, "SiloLoan", *oracles, WEETH, 80 * WAD // 100, 85 * WAD // 100).functions
    other = bench.create("SiloView", cross(bench).address, MAX_AGE_S, WEETH, 18, USD, 6).address
    with pytest.raises(ContractLogicError, match=error("QuoteTokensDiffer()")):
        lender(bench, "SiloLoan", oracles[0], other, WEETH, 0, 0)
    price(bench, 10_500)
    bench.send(loan.supply(10 * WAD))
    most = 21_000 * 80 // 100 * USDC_UNIT
    assert refusal(loan.borrow(most + 1)) == error("AboveMaxLtv()")
    bench.send(loan.borrow(most))
    price(bench, 9_000, status=DEPEG)
    assert refusal(loan.borrow(0)) == error("AboveMaxLtv()"), "no new loan on a market that fell"
    assert refusal(loan.liquidate()) == error("Solvent()"), (
        "and no liquidation while the protocol owes as much as before"
    )
    # 16,800 dollars over 85 % of 10 tokens: 0.98823... ether
    price(bench, 9_000, owed=9_883, status=DEPEG)
    assert refusal(loan.liquidate()) == error("Solvent()")
    price(bench, 9_000, owed=9_882, status=HALT)
    assert bench.refusal(loan.liquidate()) == ("Unusable", 2)
    bench.send(loan.repay(1))
    price(bench, 9_000, owed=9_882, status=DEPEG)
    bench.send(loan.liquidate())


# ------------------------------------------------------------------------------------------------- Pyth, DIA, Liquity


def test_pyth_s_own_interface_and_library_read_our_view(bench: Bench) -> None:
    made = compiled(LENDERS)
    library = bench.deploy(made["PythUtils"])
    name = "@pythnetwork/pyth-sdk-solidity/PythUtils.sol:PythUtils"
    mark, where = f"__${keccak(text=name).hex()[:34]}$__", library.address[2:].lower()
    assert mark in made["PythLoan"].bytecode
    code = Compiled(abi=made["PythLoan"].abi, bytecode=made["PythLoan"].bytecode.replace(mark, where))
    key, unknown = b"weETH/USD".ljust(32, b"\0"), b"BTC/USD".ljust(32, b"\0")
    pyth = bench.create("PythView", [key], [cross(bench).address])
    loan = bench.deploy(code, pyth.address).functions
    for call in (loan.low(key, 60, 18), loan.unsafe(key), loan.unsafe(unknown)):
        assert refusal(call) == error("PriceFeedNotFound()"), "as Pyth says it"
    price(bench, 10_500)
    time_s = last_round_s(bench)
    # a spread of 151 bps of 2,100 dollars
    conf = 2_100 * 151 * 10**4
    assert loan.unsafe(key).call() == (2_100 * 10**8, conf, -8, time_s - 3)
    assert loan.low(key, 60, 8).call() == 2_100 * 10**8 - conf
    assert loan.low(key, 60, 18).call() == (2_100 * 10**8 - conf) * 10**10
    assert loan.low(key, 60, 0).call() == 2_068
    assert refusal(loan.average(key)) == REFUSED, "there are no averages"
    bench.at(time_s + 58)
    assert refusal(loan.low(key, 60, 18)) == error("StalePrice()"), "as Pyth says it"
    price(bench, 10_500, status=HALT)
    assert refusal(loan.low(key, 60, 18)) == error("StalePrice()")


def test_dia_s_reader_sees_a_halt_by_the_age_of_its_price(bench: Bench) -> None:
    dia = bench.create("DiaView", ["ETH/USD"], [bench.view("ETH/USD", 0, 8).address])
    reader = bench.consumer("DiaReader", dia.address).functions
    now = bench.now
    bench.push(now, [Item(1, market=2_000 * WAD, redemption=0)])
    assert reader.price("ETH/USD", 60).call() == 2_000 * 10**8
    # in a halt the price stays and its age grows with every round
    bench.push(now + 20, [Item(1, market=2_000 * WAD, redemption=0, status=HALT, market_age_s=23)])
    assert dia.functions.getValue("ETH/USD").call() == [2_000 * 10**8, now - 3]
    assert reader.price("ETH/USD", 60).call() == 2_000 * 10**8
    bench.at(now + 50)
    bench.push(now + 60, [Item(1, market=2_000 * WAD, redemption=0, status=HALT, market_age_s=63)])
    bench.at(now + 60)
    assert dia.functions.getValue("ETH/USD").call() == [2_000 * 10**8, now - 3]
    assert refusal(reader.price("ETH/USD", 60)) == REFUSED


def test_a_branch_of_liquity_s_takes_market_and_rate_apart(bench: Bench) -> None:
    day = 86_400
    dollars, market, rate = bench.view("ETH/USD", 0, 8), bench.view(mode=0), bench.view(mode=1)

    def branch(*sources: Any) -> Any:
        return lender(bench, "LiquityBranch", *(s.address for s in sources), day).functions

    plain = branch(dollars, market, rate)
    # market, whether both are within 2 % of 1.06 ether: the higher one then pays a redemption
    for ratio, near in ((105, True), (107, True), (103, False), (109, False)):
        price(bench, ratio * 100)
        low, high = (2_000 * x * WAD // 100 for x in sorted((ratio, 106)))
        assert plain.fetchPrice(False).call() == low
        assert plain.fetchPrice(True).call() == (high if near else low)
    price(bench, 10_500)
    behind = branch(strict(bench, dollars), market, rate)
    for reader in (plain, behind):
        bench.send(reader.fetchPrice(False))
    price(bench, 10_000, status=HALT, ether=replace(ETHER, status=HALT))
    for reader in (plain, behind):
        bench.send(reader.fetchPrice(False))
    assert [r.isShutDown().call() for r in (plain, behind)] == [False, True]
    assert [r.lastGoodPrice().call() for r in (plain, behind)] == [2_100 * WAD] * 2, "a halt brings no price"
