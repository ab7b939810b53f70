"""The trader that makes prices on the local chain: real swaps to a target price, small noise, rebases and slashes."""

from __future__ import annotations

import asyncio
import random

from demo.world import npm
from demo.world.chain import LocalChain
from demo.world.deploy import DemoWorld, Pool

_WAD = 10**18
_BPS_WAD = 10**14
_DAY_S = 86_400


class Trader:
    """Acts on the pools of a world by their names; prices are WETH per token, 1e18.

    Every action sends at once and waits for no block, so that several fit into one; reads see what was sent. ``settle``
    waits for all that was sent and raises ``TransactionReverted`` for what failed: call it once a tick.
    """

    def __init__(self, chain: LocalChain, world: DemoWorld, *, seed: int = 1) -> None:
        self._chain = chain
        self._world = world
        self._random = random.Random(seed)
        self._lock = asyncio.Lock()
        self._premiums: dict[str, int] = {}
        self._div_eth = chain.contract(npm.own("DivETH").abi, world.div_eth)
        self._lrt = chain.contract(npm.own("DemoLRT").abi, world.lrt)

    async def spot(self, pool: str) -> int:
        """Price between selling and buying."""
        return await self._pool(pool).spot(self._chain)

    async def rate(self, pool: str) -> int:
        """Redemption rate of the pool's token: ether per token, 1e18."""
        return int(await self._chain.call(self._chain.token(self._pool(pool).token), "getRate"))

    async def sale_price(self, pool: str, amount: int) -> int:
        """Price realised by a sale of ``amount`` (1e18) of the token, fee and impact included; nothing is sold."""
        paid = await self._pool(pool).sale(self._chain, self._world.accounts.trader.address, amount)
        return paid * _WAD // amount

    async def purchase_price(self, pool: str, amount: int) -> int:
        """Price realised by spending ``amount`` (1e18) of WETH, fee and impact included; nothing is bought."""
        bought = await self._pool(pool).purchase(self._chain, self._world.accounts.trader.address, amount)
        return amount * _WAD // bought

    async def move(self, pool: str, target_wad: int) -> str | None:
        """Swap until the pool's price is ``target_wad``; returns the transaction, None if there is nothing to do.

        The ratio of the target to the token's rate becomes the level that ``noise`` keeps to.
        """
        async with self._lock:
            self._premiums[pool] = target_wad * _WAD // await self.rate(pool)
            return await self._move(pool, target_wad)

    async def noise(self, pool: str, amplitude_bps: int) -> str | None:
        """Swap to a random price within ``amplitude_bps`` of the last ``move``'s level; returns the transaction.

        The level follows the token's rate, as arbitrage makes it: after a slash of 1 % the noise is 1 % lower.
        """
        async with self._lock:
            rate = await self.rate(pool)
            if pool not in self._premiums:
                self._premiums[pool] = await self.spot(pool) * _WAD // rate
            level = self._premiums[pool] * rate // _WAD
            step = self._random.randint(-amplitude_bps * _BPS_WAD, amplitude_bps * _BPS_WAD)
            return await self._move(pool, level + level * step // _WAD)

    async def rebase(self, delta_bps: float, *, reported_at_s: int | None = None) -> str:
        """Report that all staked ether changed by ``delta_bps``: rewards if positive, a slash if negative.

        Args:
            delta_bps: change of the ether per share; a day of rewards is about 0.8.
            reported_at_s: Unix time of the report; None takes the pending block's.
        """
        if reported_at_s is None:
            reported_at_s = await self._chain.block_time_s("pending")
        ether = await self._chain.call(self._div_eth, "totalEther")
        post_ether = ether + ether * round(delta_bps * _BPS_WAD) // _WAD
        owner = self._world.accounts.owner
        return await self._chain.send(owner, self._div_eth, "rebase", reported_at_s, _DAY_S, post_ether, 0)

    async def set_lrt_rate(self, rate_wad: int) -> str:
        """Report a new rate of the demo's LRT: ether per token, 1e18."""
        return await self._chain.send(self._world.accounts.owner, self._lrt, "setRate", rate_wad)

    async def settle(self) -> None:
        """Wait until all that was sent is mined; TransactionReverted for the first that failed."""
        await self._chain.settle()

    def _pool(self, name: str) -> Pool:
        return self._world.pools[name]

    async def _move(self, pool: str, target_wad: int) -> str | None:
        return await self._pool(pool).move(self._chain, self._world.accounts.trader, target_wad)
