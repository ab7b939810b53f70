"""The local exchanges by name, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from demo.venues.binance import BinanceWire
from demo.venues.bitfinex import BitfinexWire
from demo.venues.bitget import BitgetWire
from demo.venues.bitstamp import BitstampWire
from demo.venues.bybit import BybitWire
from demo.venues.coinbase import CoinbaseWire
from demo.venues.cryptocom import CryptoComWire
from demo.venues.gate import GateWire
from demo.venues.gemini import GeminiWire
from demo.venues.htx import HtxWire
from demo.venues.hyperliquid import HyperliquidWire
from demo.venues.kraken import KrakenWire
from demo.venues.kucoin import KucoinWire
from demo.venues.mexc import MexcWire
from demo.venues.okx import OkxWire
from demo.venues.protocols import WireProtocol

_WIRES: tuple[WireProtocol, ...] = (
    BinanceWire(),
    BitfinexWire(),
    BitgetWire(),
    BitstampWire(),
    BybitWire(),
    CoinbaseWire(),
    CryptoComWire(),
    GateWire(),
    GeminiWire(),
    HtxWire(),
    HyperliquidWire(),
    KrakenWire(),
    KucoinWire(),
    MexcWire(),
    OkxWire(),
)  # fmt: skip
WIRES: Mapping[str, WireProtocol] = MappingProxyType({w.name: w for w in _WIRES})
"""Every venue's side of its wire protocol."""
