"""Name to adapter, one line each: the only list of what can be read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from feeds.exchanges.binance import Binance
from feeds.exchanges.bitfinex import Bitfinex
from feeds.exchanges.bitget import Bitget
from feeds.exchanges.bitstamp import Bitstamp
from feeds.exchanges.bybit import Bybit
from feeds.exchanges.coinbase import Coinbase
from feeds.exchanges.cryptocom import CryptoCom
from feeds.exchanges.gate import Gate
from feeds.exchanges.gemini import Gemini
from feeds.exchanges.htx import Htx
from feeds.exchanges.hyperliquid import Hyperliquid
from feeds.exchanges.json_http import JsonHttp
from feeds.exchanges.kraken import Kraken
from feeds.exchanges.kucoin import Kucoin
from feeds.exchanges.mexc import Mexc
from feeds.exchanges.okx import Okx
from feeds.pools.balancer_stable import BalancerStable
from feeds.pools.balancer_v3 import BalancerV3
from feeds.pools.balancer_weighted import BalancerWeighted
from feeds.pools.curve_crypto import CurveCrypto
from feeds.pools.curve_ng import CurveNg
from feeds.pools.curve_plain import CurvePlain
from feeds.pools.fluid_dex import FluidDex
from feeds.pools.maverick import MaverickV1, MaverickV2
from feeds.pools.uniswap_v2 import UniswapV2
from feeds.pools.uniswap_v3 import UniswapV3
from feeds.pools.uniswap_v4 import UniswapV4
from feeds.rates.amount import AmountCall
from feeds.rates.api3 import Api3
from feeds.rates.call import RateCall
from feeds.rates.chainlink import Chainlink
from feeds.rates.chronicle import Chronicle
from feeds.rates.erc4626 import Erc4626
from feeds.rates.flag import FlagCall
from feeds.rates.path import RatePath
from feeds.rates.pyth import Pyth
from feeds.streams.ccxt_bridge import CcxtSource
from feeds.streams.venue import Exchange
from feeds.types import ChainAdapter

EXCHANGES: Mapping[str, Exchange] = MappingProxyType({
    "binance": Binance(),
    "bitfinex": Bitfinex(),
    "bitget": Bitget(),
    "bitstamp": Bitstamp(),
    "bybit": Bybit(),
    "coinbase": Coinbase(),
    "cryptocom": CryptoCom(),
    "gate": Gate(),
    "gemini": Gemini(),
    "htx": Htx(),
    "hyperliquid": Hyperliquid(),
    "kraken": Kraken(),
    "kucoin": Kucoin(),
    "mexc": Mexc(),
    "okx": Okx(),
})  # fmt: skip

PULLS: Mapping[str, type[JsonHttp | CcxtSource]] = MappingProxyType({
    "json_http": JsonHttp,
    "ccxt": CcxtSource,
})  # fmt: skip
"""Sources that are asked at their own pace: what their keys in the config are."""

POOLS: Mapping[str, type[ChainAdapter]] = MappingProxyType({
    "uniswap_v2": UniswapV2,
    "uniswap_v3": UniswapV3,
    "uniswap_v4": UniswapV4,
    "balancer_stable": BalancerStable,
    "balancer_weighted": BalancerWeighted,
    "balancer_v3": BalancerV3,
    "curve_plain": CurvePlain,
    "curve_ng": CurveNg,
    "curve_crypto": CurveCrypto,
    "maverick_v1": MaverickV1,
    "maverick_v2": MaverickV2,
    "fluid_dex": FluidDex,
})  # fmt: skip

RATES: Mapping[str, type[ChainAdapter]] = MappingProxyType({
    "rate_call": RateCall,
    "erc4626": Erc4626,
    "rate_path": RatePath,
    "flag_call": FlagCall,
    "amount_call": AmountCall,
    "chainlink": Chainlink,
    "pyth": Pyth,
    "chronicle": Chronicle,
    "api3": Api3,
})  # fmt: skip

REFERENCES = frozenset({"chainlink", "pyth", "chronicle", "api3"})
"""Other oracles' feeds: never a market price; one that states an exchange rate may stand in for a rate on an L2."""
