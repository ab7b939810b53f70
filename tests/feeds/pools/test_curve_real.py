"""Curve's stable adapters through the real reader, against a pool on a real local chain.

No registry package ships Curve's bytecode, so the pool is our own, written from the formula for this test only: what is
shown is the calls, the decoding of both kinds of return data, the ramp of the amplification, and the arithmetic in the
EVM's integers with divisions in another order than ours.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from demo.world.npm import ROOT, NpmArtifact
from feeds.errors import FeedError
from feeds.pools.curve_ng import CurveNg
from feeds.pools.curve_plain import CurvePlain
from feeds.types import ChainAdapter, Quote
from feeds.units import WAD, mul_div_down, mul_div_up
from tests.feeds.pools.conftest import Pools

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
SOURCE = Path(__file__).parent / "FormulaStable.sol"
COINS = tuple("0x" + f"{i:02x}" * 20 for i in range(0x31, 0x34))
COMPILE = """
const settings = { optimizer: { enabled: true }, outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } };
const input = { language: "Solidity", sources: { s: { content: require("fs").readFileSync(0, "utf8") } }, settings };
process.stdout.write(require("solc").compile(JSON.stringify(input)));
"""


@pytest.fixture(scope="module")
def artifact() -> NpmArtifact:
    if not (ROOT / "node_modules" / "solc").is_dir():
        pytest.skip("solc is missing: run `make setup`")
    done = subprocess.run(
        ["node", "-e", COMPILE], input=SOURCE.read_bytes(), cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    compiled = json.loads(done.stdout)["contracts"]["s"]["FormulaStable"]
    return NpmArtifact(abi=compiled["abi"], bytecode="0x" + compiled["evm"]["bytecode"]["object"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(pools: Pools, artifact: NpmArtifact) -> Any:
    order = (list(COINS[:2]), [812_345 * 10**15, 1_234_567 * 10**15], [WAD, WAD], 20_000, 4_000_000, 0)
    return await pools.chain.create(pools.world.accounts.owner, artifact, *order)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(pools: Pools, artifact: NpmArtifact) -> Any:
    held, rates = [9 * 10**8, 21 * 10**20, 13 * 10**20], [10**30, 1_012_345_678_901_234_567, 1_105_432_109_876_543_210]
    order = (list(COINS), held, rates, 50_000, 4_000_000, 5 * 10**10)
    return await pools.chain.create(pools.world.accounts.owner, artifact, *order)


async def assert_asked(
    pools: Pools, contract: Any, one: ChainAdapter, base: int, quote: int, units: tuple[int, int]
) -> Quote:
    """Bid and ask are what the contract itself says of the notional of 10, at the block of the read."""
    head, got = await pools.quote(one)
    assert got.bid_wad is not None
    assert got.ask_wad is not None
    sold = await pools.call(contract, "get_dy", base, quote, 10 * units[0], head=head)
    assert got.bid_wad == mul_div_down(sold, WAD, 10 * units[1])
    paid = got.ask_wad * 10 * units[1] // WAD
    bought = await pools.call(contract, "get_dy", quote, base, paid, head=head)
    assert bought == pytest.approx(10 * units[0], rel=1e-6)
    assert mul_div_up(paid, WAD * units[0], bought * units[1]) == pytest.approx(got.ask_wad, rel=1e-6)
    return got


async def test_a_plain_pool_in_both_directions(pools: Pools, two: Any) -> None:
    for base, quote in ((0, 1), (1, 0)):
        one = CurvePlain(pool=two.address, coins=COINS[:2], base=COINS[base], quote=COINS[quote], notional="10")
        got = await assert_asked(pools, two, one, base, quote, (WAD, WAD))
        assert got.mean_wad is None
        assert got.virtual_wad == WAD


async def test_three_coins_with_rates_decimals_and_a_growing_fee(pools: Pools, three: Any) -> None:
    units = (10**6, WAD, WAD)
    for base, quote in ((0, 1), (2, 0), (1, 2)):
        one = CurveNg(
            pool=three.address, coins=COINS, decimals=(6, 18, 18), base=COINS[base], quote=COINS[quote],
            notional="10",
        )  # fmt: skip
        await assert_asked(pools, three, one, base, quote, (units[base], units[quote]))


async def test_a_ramping_amplification_is_read_at_the_block(pools: Pools, two: Any) -> None:
    one = CurvePlain(pool=two.address, coins=COINS[:2], base=COINS[1], quote=COINS[0], notional="10")
    before = await assert_asked(pools, two, one, 1, 0, (WAD, WAD))
    await pools.chain.rpc("evm_increaseTime", 86_400)
    await pools.chain.rpc("evm_mine")
    after = await assert_asked(pools, two, one, 1, 0, (WAD, WAD))
    assert after.price_wad > before.price_wad, "a larger A holds the price nearer to 1"


async def test_the_wrong_kind_of_a_pool_is_refused(pools: Pools, two: Any, three: Any) -> None:
    rated = CurvePlain(
        pool=three.address, coins=COINS, decimals=(6, 18, 18), base=COINS[2], quote=COINS[1], notional="10"
    )
    swapped = CurvePlain(pool=two.address, coins=COINS[1::-1], base=COINS[1], quote=COINS[0], notional="10")
    nothing = CurvePlain(pool=COINS[0], coins=COINS[:2], base=COINS[1], quote=COINS[0], notional="10")
    _, results = await pools.quotes(rated=rated, swapped=swapped, nothing=nothing)
    codes = {name: result.code for name, result in results.items() if isinstance(result, FeedError)}
    assert codes == {"rated": "MALFORMED", "swapped": "WRONG_SYMBOL", "nothing": "MALFORMED"}
