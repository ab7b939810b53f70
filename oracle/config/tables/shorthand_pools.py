"""How each family of pools of the catalogue is read: the adapter and its keys. One function a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from feeds.catalog.records import EXPECTED_DECIMALS, CatalogPool
from oracle.config.tables.catalog import Catalog

Reader: TypeAlias = Callable[[Catalog, CatalogPool, str, str], dict[str, Any]]
"""Keys of the source, given the catalogue, the pool, and the symbols of the priced coin and of the other one."""


NATIVE = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"
"""How Curve and Fluid write a chain's own coin, which has no contract."""


def _address(catalog: Catalog, pool: CatalogPool, symbol: str) -> str | None:
    """Address of a coin; ether without a wrapper is the native one."""
    return NATIVE if symbol == "ETH" else catalog.address_of(symbol, pool.chain)


def _decimals(catalog: Catalog, symbol: str) -> int:
    known = catalog.tokens.get(symbol) or catalog.units.get(symbol)
    return EXPECTED_DECIMALS if known is None or known.decimals is None else known.decimals


def _coins(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
    """Addresses and decimals of both coins; a coin without an address is left out, which the adapter then misses."""
    out: dict[str, Any] = {}
    for key, symbol in (("base", base), ("quote", quote)):
        if (where := _address(catalog, pool, symbol)) is not None:
            out[key] = where
        if (decimals := _decimals(catalog, symbol)) != EXPECTED_DECIMALS:
            out[f"{key}_decimals"] = decimals
    return out


def _uniswap_v3(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
    fee = {"fee": pool.fee_millionths} if pool.fee_millionths else {}
    return {"type": "uniswap_v3", "pool": pool.address, **_coins(catalog, pool, base, quote), **fee}


def _fork(family: str, dialect: str) -> Reader:
    """A fork of a Uniswap pool: the same keys and its dialect."""

    def reader(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
        return {**_uniswap_v3(catalog, pool, base, quote), "type": family, "dialect": dialect}

    return reader


def _uniswap_v2(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
    return {**_uniswap_v3(catalog, pool, base, quote), "type": "uniswap_v2"}


def _balancer_meta(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
    return {**_balancer_stable(catalog, pool, base, quote), "variant": "meta"}


def _balancer_v3(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
    """The boosted pools of staking tokens are stable ones; a wrapped coin of theirs is priced as what it wraps."""
    place = {"vault": pool.vault, "pool": pool.address, "variant": "stable"}
    wraps: dict[str, Any] = {}
    for key, symbol in (("base_wraps", base), ("quote_wraps", quote)):
        inner = catalog.unwrapped(symbol)
        if inner != symbol and (where := _address(catalog, pool, inner)) is not None:
            wraps[key] = where
    return {"type": "balancer_v3", **place, **_coins(catalog, pool, base, quote), **wraps}


def _uniswap_v4(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
    """A pool of Uniswap v4 by its key; the id beside it is held against the key's hash."""
    key = {"fee": pool.fee_millionths, "spacing": pool.spacing, "hooks": pool.hooks, "pool_id": pool.pool_id}
    known = {k: v for k, v in key.items() if v is not None}
    return {"type": "uniswap_v4", "state_view": pool.resolver, **_coins(catalog, pool, base, quote), **known}


def _balancer_stable(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
    place = {"vault": pool.vault, "pool": pool.address, "pool_id": pool.pool_id}
    known = {k: v for k, v in place.items() if v is not None}
    return {"type": "balancer_stable", **known, **_coins(catalog, pool, base, quote)}


def _curve(kind: str) -> Reader:
    """A pool of Curve: all its coins in its own order, and which two of them are meant."""

    def reader(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
        held = [_address(catalog, pool, c) for c in pool.coins]
        decimals = [_decimals(catalog, c) for c in pool.coins]
        own = _coins(catalog, pool, base, quote)
        pair: dict[str, Any] = {k: own[k] for k in ("base", "quote") if k in own}
        known: dict[str, Any] = {"coins": held} if None not in held else {}
        scaled: dict[str, Any] = {"decimals": decimals} if set(decimals) != {EXPECTED_DECIMALS} else {}
        return {"type": kind, "pool": pool.address, **known, **pair, **scaled}

    return reader


def _fluid(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
    return {"type": "fluid_dex", "resolver": pool.resolver, "pool": pool.address, **_coins(catalog, pool, base, quote)}


def _maverick_v1(catalog: Catalog, pool: CatalogPool, base: str, quote: str) -> dict[str, Any]:
    """Maverick holds wrapped ether where the list says ether."""
    wrapped = ["WETH" if c == "ETH" else c for c in (base, quote)]
    place = {"quoter": pool.resolver, "pool": pool.address, "base_is_a": pool.coins[0] == base}
    return {"type": "maverick_v1", **place, **_coins(catalog, pool, *wrapped)}


READERS: Mapping[str, Reader] = MappingProxyType({
    "uniswap_v3": _uniswap_v3,
    "uniswap_v4": _uniswap_v4,
    "pancakeswap_v3": _fork("uniswap_v3", "pancake"),
    "slipstream": _fork("uniswap_v3", "slipstream"),
    "velodrome_v2": _fork("uniswap_v2", "solidly"),
    "uniswap_v2": _uniswap_v2,
    "balancer_stable": _balancer_stable,
    "balancer_meta": _balancer_meta,
    "balancer_v3": _balancer_v3,
    "curve_plain": _curve("curve_plain"),
    "curve_steth_ng": _curve("curve_plain"),
    "curve_ng": _curve("curve_ng"),
    "curve_crypto": _curve("curve_crypto"),
    "fluid": _fluid,
    "maverick_v1": _maverick_v1,
})  # fmt: skip
