"""Aave v3, unmodified, on the local chain: a lender that reads the project's feeds.

Either its price oracle alone, or a whole market. From the Solidity sources of ``@aave/core-v3``: what each
constructor takes, and that a proxy of the addresses provider is initialised with the provider itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from demo.world import npm
from demo.world.chain import ZERO_ADDRESS, LocalChain, LocalChainError

VARIABLE_RATE = 2
"""Aave's number for debt at a variable rate."""
HEALTHY = "45"
"""Aave's error of a liquidation that is refused: the health factor is not below one."""
NOT_COVERED = "36"
"""Aave's error of a borrower whose collateral does not cover the loan."""

_USD_UNIT = 10**8
_RAY = 10**27
_RATES = (80, 0, 4, 75, 1, 75, 1, 8, 20)
"""In percent: best usage; base, slope below it, slope above it; the same two slopes of stable debt, its offset and excess
offset; best share of stable debt. A usual shape: with a tenth lent out a loan costs half a percent a year."""
_LISTING_GAS = 12_000_000
_LIBRARIES = (
    "SupplyLogic",
    "BorrowLogic",
    "LiquidationLogic",
    "EModeLogic",
    "BridgeLogic",
    "ConfiguratorLogic",
    "FlashLoanLogic",
    "PoolLogic",
)
"""In the order of deployment: FlashLoanLogic calls BorrowLogic."""
_LOGIC = "protocol/libraries/logic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """A token of a market. ``ltv_bps`` 0: it cannot be collateral.

    Attributes:
        symbol: of the token, for the names of Aave's own tokens.
        asset: address of the token; 18 decimals.
        source: the Chainlink-like view that prices it in USD with 8 decimals.
        borrowable: whether it may be borrowed.
        ltv_bps: how much may be borrowed against it, of its value.
        threshold_bps: debt above this share of its value may be liquidated.
        bonus_bps: what a liquidator receives for its debt; 10,500 is 5 % more than it is worth.
    """

    symbol: str
    asset: str
    source: str
    borrowable: bool = False
    ltv_bps: int = 0
    threshold_bps: int = 0
    bonus_bps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AaveMarket:
    """The contracts of a market that are called from outside: web3 contract objects."""

    provider: Any
    pool: Any
    configurator: Any
    oracle: Any
    data: Any


async def deploy_aave_oracle(
    chain: LocalChain,
    owner: LocalAccount,
    *,
    assets: Sequence[str],
    sources: Sequence[str],
    base_currency: str = ZERO_ADDRESS,
    base_unit: int = _USD_UNIT,
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


async def deploy_aave_market(chain: LocalChain, owner: LocalAccount, reserves: Sequence[Reserve]) -> AaveMarket:
    """Deploy the whole of Aave v3 and list the reserves. There is no fallback oracle, no cap and no protocol fee.

    Args:
        chain: the local chain; quick if each transaction has its own block.
        owner: pays, and is the market's only admin and its treasury.
        reserves: at least one; the prices of all are in USD with 8 decimals.

    Raises:
        LocalChainError: a library that a contract needs is not in the package.
        TransactionReverted: Aave refused a step, such as a threshold below the loan-to-value.
    """
    libraries = await _libraries(chain, owner)
    configuration = "protocol/configuration"
    provider = await chain.create(owner, npm.aave(configuration, "PoolAddressesProvider"), "demo", owner.address)
    await chain.send(owner, provider, "setACLAdmin", owner.address)
    roles = await chain.create(owner, npm.aave(configuration, "ACLManager"), provider.address)
    await chain.send(owner, roles, "addPoolAdmin", owner.address)
    await chain.send(owner, provider, "setACLManager", roles.address)
    assets, sources = [r.asset for r in reserves], [r.source for r in reserves]
    settings = (assets, sources, ZERO_ADDRESS, ZERO_ADDRESS, _USD_UNIT)
    oracle = await chain.create(owner, npm.aave("misc", "AaveOracle"), provider.address, *settings)
    data = await chain.create(owner, npm.aave("misc", "AaveProtocolDataProvider"), provider.address)
    await chain.send(owner, provider, "setPriceOracle", oracle.address)
    await chain.send(owner, provider, "setPoolDataProvider", data.address)

    pool_code, configurator_code = (
        _linked(npm.aave("protocol/pool", name), libraries) for name in ("Pool", "PoolConfigurator")
    )
    pool = await chain.create(owner, pool_code, provider.address)
    configurator = await chain.create(owner, configurator_code)
    await chain.send(owner, provider, "setPoolImpl", pool.address, gas=_LISTING_GAS)
    await chain.send(owner, provider, "setPoolConfiguratorImpl", configurator.address, gas=_LISTING_GAS)
    await chain.settle()
    market = AaveMarket(
        provider=provider,
        pool=chain.contract(pool_code.abi, await chain.call(provider, "getPool")),
        configurator=chain.contract(configurator_code.abi, await chain.call(provider, "getPoolConfigurator")),
        oracle=oracle,
        data=data,
    )
    await _list(chain, owner, market, reserves)
    return market


async def _libraries(chain: LocalChain, owner: LocalAccount) -> dict[str, str]:
    """Deploy the libraries and return their addresses by name."""
    addresses: dict[str, str] = {}
    for name in _LIBRARIES:
        addresses[name] = (await chain.create(owner, _linked(npm.aave(_LOGIC, name), addresses))).address
    return addresses


def _linked(artifact: npm.NpmArtifact, libraries: Mapping[str, str]) -> npm.NpmArtifact:
    """The artifact with libraries' addresses where solc left its marks, which are hashes of their full names."""
    code = artifact.bytecode
    for name, address in libraries.items():
        full = f"contracts/{_LOGIC}/{name}.sol:{name}"
        code = code.replace(f"__${keccak(text=full).hex()[:34]}$__", address[2:].lower())
    if "__$" in code:
        raise LocalChainError(
            "a library of Aave's is not linked: does _LIBRARIES hold those of this version of the package?"
        )
    return npm.NpmArtifact(abi=artifact.abi, bytecode=code)


async def _list(chain: LocalChain, owner: LocalAccount, market: AaveMarket, reserves: Sequence[Reserve]) -> None:
    """List the reserves, with one set of token implementations and one interest rate strategy for all."""
    tokens = [
        (await chain.create(owner, npm.aave("protocol/tokenization", name), market.pool.address)).address
        for name in ("AToken", "StableDebtToken", "VariableDebtToken")
    ]
    rates = [percent * _RAY // 100 for percent in _RATES]
    strategy = npm.aave("protocol/pool", "DefaultReserveInterestRateStrategy")
    curve = (await chain.create(owner, strategy, market.provider.address, *rates)).address
    listed = [
        (*tokens, 18, curve, r.asset, owner.address, ZERO_ADDRESS, *_names(r.symbol), b"") for r in reserves
    ]  # fmt: skip
    await chain.send(owner, market.configurator, "initReserves", listed, gas=_LISTING_GAS)
    for r in reserves:
        terms = (r.asset, r.ltv_bps, r.threshold_bps, r.bonus_bps)
        await chain.send(owner, market.configurator, "configureReserveAsCollateral", *terms)
        await chain.send(owner, market.configurator, "setReserveBorrowing", r.asset, r.borrowable)
    await chain.settle()


def _names(symbol: str) -> tuple[str, ...]:
    """Name and symbol of a reserve's receipt, of its variable and of its stable debt."""
    kinds = (("", "a"), (" variable debt", "variableDebt"), (" stable debt", "stableDebt"))
    return tuple(text for words, prefix in kinds for text in (f"Aave {symbol}{words}", prefix + symbol))
