"""Real Uniswap v3 pools on the local chain: deployment, price, and a swap that ends at a given price."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from demo.world import npm
from demo.world.chain import NO_DEADLINE, ZERO_ADDRESS, LocalChain

_WAD = 10**18
_CARDINALITY = 300
_NEAR_TICKS = 1_000
_MAX_TICK = 887_272
_FEE_TIERS = {100: 1, 500: 10}
"""Fee (hundredths of a bp) -> tick spacing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniswap:
    """The protocol's contracts: web3 contract objects."""

    factory: Any
    positions: Any
    router: Any
    weth: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UniswapPool:
    """A pool of ``token`` and WETH. Prices are WETH per token, 1e18."""

    name: str
    address: str
    token: str
    weth: str
    fee: int
    router: Any
    contract: Any

    @property
    def token_is_first(self) -> bool:
        """Whether ``token`` is the pool's token0."""
        return _is_first(self.token, self.weth)

    async def spot(self, chain: LocalChain) -> int:
        """Price between selling and buying, without the fee."""
        sqrt_x96: int = (await chain.call(self.contract, "slot0"))[0]
        square = sqrt_x96 * sqrt_x96
        return (square * _WAD) >> 192 if self.token_is_first else (_WAD << 192) // square

    async def move(self, chain: LocalChain, signer: LocalAccount, target_wad: int) -> str | None:
        """Send the swap that ends at ``target_wad``; None if the pool is there already. Returns the transaction."""
        limit = _sqrt_x96(target_wad, token_is_first=self.token_is_first)
        now = (await chain.call(self.contract, "slot0"))[0]
        if limit == now:
            return None
        selling = (limit < now) == self.token_is_first
        given, taken = (self.token, self.weth) if selling else (self.weth, self.token)
        balance = await chain.call(chain.token(given), "balanceOf", signer.address)
        order = (given, taken, self.fee, signer.address, NO_DEADLINE, balance, 0, limit)
        return await chain.send(signer, self.router, "exactInputSingle", order)

    async def sale(self, chain: LocalChain, seller: str, amount: int) -> int:
        """WETH (1e18) that ``seller`` would receive for ``amount`` (1e18) of the token; nothing is sent."""
        return await self._quote(chain, seller, (self.token, self.weth), amount)

    async def purchase(self, chain: LocalChain, buyer: str, amount: int) -> int:
        """Tokens (1e18) that ``buyer`` would receive for ``amount`` (1e18) of WETH; nothing is sent."""
        return await self._quote(chain, buyer, (self.weth, self.token), amount)

    async def _quote(self, chain: LocalChain, account: str, path: tuple[str, str], amount: int) -> int:
        order = (*path, self.fee, account, NO_DEADLINE, amount, 0, 0)
        return int(await chain.call(self.router, "exactInputSingle", order, sender=account))


async def deploy(chain: LocalChain, owner: LocalAccount, weth: str) -> Uniswap:
    """Deploy factory, position manager and router, with the fee tier of 1 bp enabled."""
    factory = await chain.create(owner, npm.uniswap("v3-core", "UniswapV3Factory"))
    await chain.send(owner, factory, "enableFeeAmount", 100, _FEE_TIERS[100])
    manager, router = (npm.uniswap("v3-periphery", name) for name in ("NonfungiblePositionManager", "SwapRouter"))
    return Uniswap(
        factory=factory,
        positions=await chain.create(owner, manager, factory.address, weth, ZERO_ADDRESS),
        router=await chain.create(owner, router, factory.address, weth),
        weth=weth,
    )


async def create_pool(
    chain: LocalChain, owner: LocalAccount, protocol: Uniswap, *, name: str, token: str, fee: int, price_wad: int
) -> UniswapPool:
    """Create a pool at ``price_wad`` with 3,000 ether a side within 10 % of it and 1,000 a side over the full range.

    The owner must have approved the position manager for both tokens.
    """
    first = _is_first(token, protocol.weth)
    pair = (token, protocol.weth) if first else (protocol.weth, token)
    sqrt_x96 = _sqrt_x96(price_wad, token_is_first=first)
    await chain.send(
        owner, protocol.positions, "createAndInitializePoolIfNecessary", *pair, fee, sqrt_x96, gas=10_000_000
    )
    await chain.settle()
    address = await chain.call(protocol.factory, "getPool", *pair, fee)
    contract = chain.contract(npm.uniswap("v3-core", "UniswapV3Pool").abi, address)
    await chain.send(owner, contract, "increaseObservationCardinalityNext", _CARDINALITY, gas=10_000_000)
    spacing = _FEE_TIERS[fee]
    tick = (await chain.call(contract, "slot0"))[1]
    near = ((tick - _NEAR_TICKS) // spacing * spacing, (tick + _NEAR_TICKS) // spacing * spacing)
    full = (-(_MAX_TICK // spacing) * spacing, _MAX_TICK // spacing * spacing)
    for ticks, ether in ((near, 3_000), (full, 1_000)):
        token_amount = ether * _WAD * _WAD // price_wad
        amounts = (token_amount, ether * _WAD) if first else (ether * _WAD, token_amount)
        position = (*pair, fee, *ticks, *amounts, 0, 0, owner.address, NO_DEADLINE)
        await chain.send(owner, protocol.positions, "mint", position, gas=2_000_000)
    await chain.settle()
    return UniswapPool(
        name=name,
        address=address,
        token=token,
        weth=protocol.weth,
        fee=fee,
        router=protocol.router,
        contract=contract,
    )


def _is_first(token: str, other: str) -> bool:
    return int(token, 16) < int(other, 16)


def _sqrt_x96(price_wad: int, *, token_is_first: bool) -> int:
    numerator, denominator = (price_wad, _WAD) if token_is_first else (_WAD, price_wad)
    return math.isqrt((numerator << 192) // denominator)
