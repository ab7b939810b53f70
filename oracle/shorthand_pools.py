"""How each family of pools of the catalogue is read: the adapter and its keys. One function a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from feeds.facts import EXPECTED_DECIMALS, Pool
from oracle.catalog import Catalog

Reader: TypeAlias = Callable[[Catalog, Pool, str, str], dict[str, Any]]
"""Keys of the source, given the catalogue, the pool, and the symbols of the priced coin and of the other one."""


def _coins(catalog: Catalog, pool: Pool, base: str, quote: str) -> dict[str, Any]:
    """Addresses and decimals of both coins; a coin without an address is left out, which the adapter then misses."""
    out: dict[str, Any] = {}
    for key, symbol in (("base", base), ("quote", quote)):
        where = catalog.address_of(symbol, pool.chain)
        if where is not None:
            out[key] = where
        token = catalog.tokens.get(symbol)
        decimals = EXPECTED_DECIMALS if token is None or token.decimals is None else token.decimals
        if decimals != EXPECTED_DECIMALS:
            out[f"{key}_decimals"] = decimals
    return out


def _uniswap_v3(catalog: Catalog, pool: Pool, base: str, quote: str) -> dict[str, Any]:
    fee = {"fee": pool.fee_millionths} if pool.fee_millionths else {}
    return {"type": "uniswap_v3", "pool": pool.address, **_coins(catalog, pool, base, quote), **fee}


def _balancer_stable(catalog: Catalog, pool: Pool, base: str, quote: str) -> dict[str, Any]:
    place = {"vault": pool.vault, "pool": pool.address, "pool_id": pool.pool_id}
    known = {k: v for k, v in place.items() if v is not None}
    return {"type": "balancer_stable", **known, **_coins(catalog, pool, base, quote)}


READERS: Mapping[str, Reader] = MappingProxyType({
    "uniswap_v3": _uniswap_v3,
    "balancer_stable": _balancer_stable,
})  # fmt: skip
