"""Aave's price oracle, unmodified, on the local chain: a lender that reads the project's feeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_account.signers.local import LocalAccount

from demo import npm
from demo.chain import ZERO_ADDRESS, Chain


async def deploy_aave_oracle(
    chain: Chain,
    owner: LocalAccount,
    *,
    assets: Sequence[str],
    sources: Sequence[str],
    base_currency: str = ZERO_ADDRESS,
    base_unit: int = 10**8,
) -> Any:
    """Deploy ``AaveOracle`` with its ``PoolAddressesProvider`` and return it as a contract object.

    Args:
        chain: the local chain.
        owner: pays, and owns the provider.
        assets: token addresses.
        sources: for each asset the Chainlink-like view that prices it.
        base_currency: what the prices are in; the zero address stands for USD.
        base_unit: one unit of it, with the decimals of the sources.
    """
    addresses = npm.aave("protocol/configuration", "PoolAddressesProvider")
    provider = await chain.create(owner, addresses, "demo", owner.address)
    oracle = npm.aave("misc", "AaveOracle")
    return await chain.create(
        owner, oracle, provider.address, list(assets), list(sources), ZERO_ADDRESS, base_currency, base_unit
    )
