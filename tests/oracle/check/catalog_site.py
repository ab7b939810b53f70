"""A catalogue of an operator's own over real pools on a local chain, some of them dead, and how to verify it."""

from __future__ import annotations

import asyncio
import time
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from demo.world import npm, uniswap
from demo.world.chain import NO_DEADLINE, LocalChain
from demo.world.deploy import DemoWorld, deploy
from feeds.chain_follower import ChainPlan
from feeds.chains.abi import checksummed, selector
from oracle.check.catalog.findings import EntryResult
from oracle.check.catalog.report import CatalogReport
from oracle.check.catalog.verify import ChainVerdict, VerifyPace, verify_catalog
from oracle.config.feed_sources import chains_of
from oracle.config.sections import Config, parse
from tests.feeds.pools import npm_pools
from tests.oracle.config.tiny_contract import chainlink, runtime, words

CHAIN = "local"
NOWHERE = "0x7777777777777777777777777777777777777777"
QUICK = VerifyPace(weight=6, pause_ms=0, tries=2, retry_ms=10)
FINE = {"chain local", "unit WETH", "pool fine", "pool curve", "reference fresh"}
CHANGED = {
    "token wdivETH", "token divETH", "pool other fee", "pool other coins", "reference misnamed", "reference lives on",
}  # fmt: skip
DEAD = {"token demoLRT", "pool drained", "pool nowhere", "pool paused", "reference stale", "reference silent"}
MARKED = {"reference long gone"}
"""The entries by their state."""
_WAD = 10**18
_HEARTBEAT_S = 3_600
_MOST = 2**128 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogSite:
    """Where everything is; ``feeds``: contracts of other oracles by name, made of constants."""

    url: str
    world: DemoWorld
    curve: str
    spare: str
    feeds: Mapping[str, str]

    def catalog(self, more: str = "") -> str:
        """The operator's blocks: TOML, and further blocks."""
        return f"{self._tokens()}\n{self._pools()}\n{self._references()}\n{more}"

    def config(self, more: str = "", *, urls: Iterable[str] = ()) -> Config:
        """A config over these blocks."""
        table = tomllib.loads(self.catalog(more))
        endpoints = list(urls) or [self.url]
        table["chains"] = {"here": {"chain_id": self.world.chain_id, "endpoints": endpoints, "max_head_age_s": 86_400}}
        return parse(table)

    def _tokens(self) -> str:
        """The chain, wrapped ether and two tokens; divETH with decimals that it does not have."""
        world = self.world
        return f"""
[[chain]]
name = "{CHAIN}"
chain_id = {world.chain_id}

[[unit]]
extends = true
symbol = "WETH"
address.{CHAIN} = "{world.weth}"

[[token]]
replaces = true
symbol = "wdivETH"
kind = "LST"
protocol = "Demo"
decimals = 18
address.{CHAIN} = "{world.wdiv_eth}"
rate.unit = "ETH"
rate.chain = "{CHAIN}"
rate.contract = "{world.wdiv_eth}"
rate.function = "getRate()"

[[token.second]]
unit = "ETH"
chain = "{CHAIN}"
contract = "{world.lrt}"
function = "getRate()"

[[token]]
replaces = true
symbol = "divETH"
kind = "LST"
protocol = "Demo"
decimals = 6
address.{CHAIN} = "{world.div_eth}"

[[token]]
symbol = "demoLRT"
kind = "LRT"
protocol = "Demo"
address.{CHAIN} = "{world.lrt}"
rate.unit = "ETH"
rate.chain = "{CHAIN}"
rate.contract = "{NOWHERE}"
rate.function = "getRate()"
"""

    def _pools(self) -> str:
        world, ids = self.world, self.world.pool_ids()
        pools, weth = world.pools, world.weth
        vault = f'vault = "{world.vault}"\n'
        return "".join([
            pool("fine", "wdivETH", "uniswap_v3", _sorted(("wdivETH", world.wdiv_eth), weth), pools["wdiveth_uniswap"].address,
                 "fee_millionths = 100\n"),
            pool("drained", "demoLRT", "uniswap_v3", _sorted(("demoLRT", world.lrt), weth), pools["demolrt_uniswap"].address,
                 "fee_millionths = 500\n"),
            pool("other fee", "wdivETH", "uniswap_v3", _sorted(("wdivETH", world.wdiv_eth), weth), self.spare,
                 "fee_millionths = 3000\n"),
            pool("nowhere", "wdivETH", "uniswap_v3", _sorted(("wdivETH", world.wdiv_eth), weth), NOWHERE),
            pool("other coins", "demoLRT", "balancer_stable", self._with_share("wdiveth_balancer"),
                 pools["wdiveth_balancer"].address, f'{vault}pool_id = "{ids["wdiveth_balancer"]}"\n'),
            pool("paused", "demoLRT", "balancer_stable", self._with_share("demolrt_balancer"),
                 pools["demolrt_balancer"].address, f'{vault}pool_id = "{ids["demolrt_balancer"]}"\n'),
            pool("curve", "wdivETH", "curve_ng", ["wdivETH", "WETH"], self.curve),
        ])  # fmt: skip

    def _with_share(self, name: str) -> list[str]:
        """demoLRT, wrapped ether and a pool's own share, in the order of their addresses."""
        places = {"demoLRT": self.world.lrt, "WETH": self.world.weth, "BPT": self.world.pools[name].address}
        return sorted(places, key=lambda coin: int(places[coin], 16))

    def _references(self) -> str:
        return "".join([
            reference("fresh", self.feeds["fresh"], f"heartbeat_s = {_HEARTBEAT_S}\n"),
            reference("stale", self.feeds["stale"], f"heartbeat_s = {_HEARTBEAT_S}\n"),
            reference("silent", self.feeds["silent"]),
            reference("misnamed", self.feeds["misnamed"]),
            reference("lives on", self.feeds["lives on"], 'dead_why = "retired"\ndead_source = ["a list"]\n'),
            reference("long gone", self.feeds["long gone"],
                      f'heartbeat_s = {_HEARTBEAT_S}\ndead_why = "retired"\ndead_source = ["a list"]\n'),
        ])  # fmt: skip


def pool(name: str, token: str, family: str, coins: list[str], address: str, more: str = "") -> str:
    """A block."""
    listed = ", ".join(f'"{c}"' for c in coins)
    return (
        f'[[pool]]\nname = "{name}"\nchain = "{CHAIN}"\ntoken = "{token}"\nfamily = "{family}"\n'
        f'coins = [{listed}]\naddress = "{address}"\n{more}\n'
    )


def reference(name: str, address: str, more: str = "") -> str:
    """A block."""
    return (
        f'[[reference]]\nname = "{name}"\nprovider = "chainlink"\nchain = "{CHAIN}"\nkind = "market"\n'
        f'base = "wdivETH"\nquote = "ETH"\naddress = "{address}"\n{more}\n'
    )


def _sorted(token: tuple[str, str], weth: str) -> list[str]:
    """A token and wrapped ether in the order of their addresses."""
    symbol, where = token
    return [symbol, "WETH"] if int(where, 16) < int(weth, 16) else ["WETH", symbol]


async def build(url: str) -> CatalogSite:
    """Deploy the demo's world on a fresh node, and end some of it."""
    async with LocalChain(url) as chain:
        world = await deploy(chain)
        spare = await _spare_pool(chain, world)
        order = (
            [world.wdiv_eth, world.weth],
            [4_000 * _WAD, 4_200 * _WAD],
            [105 * _WAD // 100, _WAD],
            20_000,
            4_000_000,
            0,
        )
        curve = await chain.create(world.accounts.owner, npm_pools.compiled("FormulaStable"), *order)
        await _drain(chain, world, "demolrt_uniswap")
        await _pause(chain, world, "demolrt_balancer")
        feeds = await _feeds(chain)
        return CatalogSite(url=url, world=world, curve=curve.address, spare=spare, feeds=feeds)


async def _spare_pool(chain: LocalChain, world: DemoWorld) -> str:
    owner = world.accounts.owner
    artifacts = {
        "factory": ("v3-core", "UniswapV3Factory"),
        "positions": ("v3-periphery", "NonfungiblePositionManager"),
    }
    places = {"factory": world.uniswap_factory, "positions": world.position_manager}
    made = {k: chain.contract(npm.uniswap(*artifacts[k]).abi, where) for k, where in places.items()}
    router = chain.contract(npm.uniswap("v3-periphery", "SwapRouter").abi, world.swap_router)
    protocol = uniswap.Uniswap(**made, router=router, weth=world.weth)
    pool = await uniswap.create_pool(
        chain, owner, protocol, name="spare", token=world.wdiv_eth, fee=500, price_wad=105 * 10**16
    )
    return pool.address


async def _drain(chain: LocalChain, world: DemoWorld, name: str) -> None:
    """Take the liquidity out of every position in a pool of Uniswap, but for one unit, as such pools are left."""
    held: Any = world.pools[name]
    owner = world.accounts.owner
    manager = chain.contract(npm.uniswap("v3-periphery", "NonfungiblePositionManager").abi, world.position_manager)
    for number in range(1, await chain.call(manager, "totalSupply") + 1):
        position = await chain.call(manager, "positions", number)
        if {position[2], position[3]} == {held.token, held.weth}:
            order = (number, position[7] - 1, 0, 0, NO_DEADLINE)
            await chain.send(owner, manager, "decreaseLiquidity", order)
            await chain.send(owner, manager, "collect", (number, owner.address, _MOST, _MOST))
    await chain.settle()


async def _pause(chain: LocalChain, world: DemoWorld, name: str) -> None:
    """Pause a pool of Balancer as its governance does."""
    held: Any = world.pools[name]
    owner = world.accounts.owner
    where = await chain.call(held.vault, "getAuthorizer")
    authorizer = chain.contract(npm.balancer("20210418-authorizer", "Authorizer").abi, where)
    action = await chain.call(held.contract, "getActionId", selector("pause()"))
    await chain.send(owner, authorizer, "grantRole", action, owner.address)
    await chain.send(owner, held.contract, "pause")
    await chain.settle()


async def _feeds(chain: LocalChain) -> dict[str, str]:
    """Feeds of another oracle, by what is the matter with them."""
    now_s, price = int(time.time()) - 60, 105 * 10**16
    old, older = now_s - 2 * _HEARTBEAT_S, now_s - 40 * 86_400
    codes = {
        "fresh": chainlink("WDIVETH / ETH", 18, price, now_s),
        "stale": chainlink("WDIVETH / ETH", 18, price, old),
        "silent": chainlink("WDIVETH / ETH", 18, price, older),
        "misnamed": chainlink("DIVETH / USD", 8, 4_000 * 10**8, now_s),
        "lives on": chainlink("WDIVETH / ETH", 18, price, now_s),
        "long gone": chainlink("WDIVETH / ETH", 18, price, old),
        "up": runtime({"latestRoundData()": words(1, 0, 1, 1, 1)}),
        "down": runtime({"latestRoundData()": words(1, 1, 1, 1, 1)}),
    }
    places = {}
    for i, (name, code) in enumerate(codes.items()):
        places[name] = checksummed(bytes([0xD0 + i]) * 20)
        await chain.rpc("anvil_setCode", places[name], "0x" + code.hex())
    return places


def plans(config: Config) -> dict[str, ChainPlan]:
    """How to read the local chain, by the catalogue's name of it."""
    return {CHAIN: chains_of(config)["here"]}


async def verdict(
    config: Config, *, notional: str = "1", before: Iterable[EntryResult] = (), pace: VerifyPace = QUICK
) -> ChainVerdict:
    """Verify the local chain."""
    (found,) = await verify_catalog(config.catalog, plans(config), notional=notional, before=before, pace=pace)
    return found


def verified(config: Config, **options: Any) -> dict[str, EntryResult]:
    """Results by the entries' own names."""
    found = asyncio.run(verdict(config, **options))
    return {f"{r.kind} {r.name}": r for r in found.results}


def report(config: Config, **options: Any) -> CatalogReport:
    """The report on the local chain."""
    return CatalogReport(notional="1", chains=(asyncio.run(verdict(config, **options)),))
