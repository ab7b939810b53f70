"""Name to adapter, one line each: the only list of what can be read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from feeds.exchanges.binance import Binance
from feeds.exchanges.coinbase import Coinbase
from feeds.exchanges.kraken import Kraken
from feeds.types import ChainAdapter, Exchange

EXCHANGES: Mapping[str, Exchange] = MappingProxyType({
    "binance": Binance(),
    "coinbase": Coinbase(),
    "kraken": Kraken(),
})  # fmt: skip

POOLS: Mapping[str, type[ChainAdapter]] = MappingProxyType({})

RATES: Mapping[str, type[ChainAdapter]] = MappingProxyType({})
