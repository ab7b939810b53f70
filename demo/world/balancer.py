"""Real Balancer v2 composable stable pools on the local chain: deployment, price, and a swap that ends at a given price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from demo.world import npm, stable
from demo.world.chain import MAX_UINT, NO_DEADLINE, ZERO_ADDRESS, LocalChain, LocalChainError

AMPLIFICATION = 200
FEE_WAD = 4 * 10**14
"""Swap fee, 4 bps of the amount in, 1e18."""

_WAD = 10**18
_SIDE_WAD = 5_000 * 10**18
_TASK = "20230206-composable-stable-pool-v3"
_HALF_WAD = 5 * 10**17
_GIVEN_IN = 0
_INIT = 0
_POOL_REGISTERED = keccak(text="PoolRegistered(bytes32,address,uint8)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """The protocol's contracts: web3 contract objects."""

    vault: Any
    pool_factory: Any
    weth: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerPool:
    """A pool of ``token`` (scaled by the rate that the token itself states) and WETH. Prices are WETH per token, 1e18."""

    name: str
    address: str
    token: str
    weth: str
    pool_id: str
    vault: Any
    contract: Any

    async def spot(self, chain: LocalChain) -> int:
        """Price between selling and buying, without the fee, at the rate that a swap in the next block will use."""
        curve, rate = await self._curve(chain)
        return round(curve.price() * rate * _WAD)

    async def move(self, chain: LocalChain, signer: LocalAccount, target_wad: int) -> str | None:
        """Send the swap that ends at ``target_wad``; None if the pool is there already. Returns the transaction."""
        curve, rate = await self._curve(chain)
        amount = stable.swap_to_price(curve, target_wad / _WAD / rate, fee=FEE_WAD / _WAD)
        selling = amount > 0
        in_wad = round(amount / rate * _WAD) if selling else round(-amount * _WAD)
        if in_wad == 0:
            return None
        swap, funds = self._order(signer.address, selling=selling, amount=in_wad)
        return await chain.send(signer, self.vault, "swap", swap, funds, 0, NO_DEADLINE)

    async def sale(self, chain: LocalChain, seller: str, amount: int) -> int:
        """WETH (1e18) that ``seller`` would receive for ``amount`` (1e18) of the token; nothing is sent."""
        return await self._quote(chain, seller, selling=True, amount=amount)

    async def purchase(self, chain: LocalChain, buyer: str, amount: int) -> int:
        """Tokens (1e18) that ``buyer`` would receive for ``amount`` (1e18) of WETH; nothing is sent."""
        return await self._quote(chain, buyer, selling=False, amount=amount)

    async def _quote(self, chain: LocalChain, account: str, *, selling: bool, amount: int) -> int:
        swap, funds = self._order(account, selling=selling, amount=amount)
        return int(await chain.call(self.vault, "swap", swap, funds, 0, NO_DEADLINE, sender=account))

    def _order(self, account: str, *, selling: bool, amount: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        given, taken = (self.token, self.weth) if selling else (self.weth, self.token)
        return (self.pool_id, _GIVEN_IN, given, taken, amount, b""), (account, False, account, False)

    async def _curve(self, chain: LocalChain) -> tuple[stable.TwoCoinCurve, float]:
        tokens, balances, _ = await chain.call(self.vault, "getPoolTokens", self.pool_id)
        balance_of = dict(zip(tokens, balances, strict=True))
        value, _, precision = await chain.call(self.contract, "getAmplificationParameter")
        rate = await chain.call(chain.token(self.token), "getRate") / _WAD
        base, quote = balance_of[self.token] / _WAD * rate, balance_of[self.weth] / _WAD
        return stable.TwoCoinCurve(amplification=value / precision, base=base, quote=quote), rate


async def deploy(chain: LocalChain, owner: LocalAccount, weth: str) -> Balancer:
    """Deploy the vault with its authorizer, the provider of protocol fees (all zero) and the pool factory."""
    authorizer = await chain.create(owner, npm.balancer("20210418-authorizer", "Authorizer"), owner.address)
    vault = await chain.create(owner, npm.balancer("20210418-vault", "Vault"), authorizer.address, weth, 0, 0)
    provider = npm.balancer("20220725-protocol-fee-percentages-provider", "ProtocolFeePercentagesProvider")
    fees = await chain.create(owner, provider, vault.address, _HALF_WAD, _HALF_WAD)
    factory = npm.balancer(_TASK, "ComposableStablePoolFactory")
    version = '{"name":"ComposableStablePool","version":3}'
    return Balancer(
        vault=vault,
        pool_factory=await chain.create(owner, factory, vault.address, fees.address, version, version),
        weth=weth,
    )


async def create_pool(
    chain: LocalChain, owner: LocalAccount, protocol: Balancer, *, name: str, token: str, rate_wad: int
) -> BalancerPool:
    """Create a pool with 5,000 ether a side; the owner must have approved the vault for both tokens.

    The rate is read anew in every block that swaps (cache of 0 s), so a slash reaches the pool with its next swap.
    """
    tokens = sorted((token, protocol.weth), key=lambda address: int(address, 16))
    rates = [token if each == token else ZERO_ADDRESS for each in tokens]
    order = (name, name, tokens, AMPLIFICATION, rates, [0, 0], [False, False], FEE_WAD, ZERO_ADDRESS)
    created = await chain.send(owner, protocol.pool_factory, "create", *order, gas=12_000_000)
    await chain.settle()
    pool_id, address = await _registered(chain, created)
    registered = (await chain.call(protocol.vault, "getPoolTokens", pool_id))[0]
    amounts = {token: _SIDE_WAD * _WAD // rate_wad, protocol.weth: _SIDE_WAD}
    joined = [amounts.get(each, MAX_UINT // 2**144) for each in registered]
    user_data = encode(["uint256", "uint256[]"], [_INIT, joined])
    request = (registered, [MAX_UINT] * len(registered), user_data, False)
    await chain.send(owner, protocol.vault, "joinPool", pool_id, owner.address, owner.address, request, gas=2_000_000)
    await chain.settle()
    contract = chain.contract(npm.balancer(_TASK, "ComposableStablePool").abi, address)
    return BalancerPool(
        name=name,
        address=address,
        token=token,
        weth=protocol.weth,
        pool_id=pool_id,
        vault=protocol.vault,
        contract=contract,
    )


async def _registered(chain: LocalChain, transaction: str) -> tuple[str, str]:
    receipt = await chain.receipt(transaction)
    for log in receipt["logs"]:
        if log["topics"][0] == "0x" + _POOL_REGISTERED.hex():
            return log["topics"][1], to_checksum_address("0x" + log["topics"][2][-40:])
    raise LocalChainError(f"transaction {transaction} registered no pool")
