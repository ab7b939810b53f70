"""The local exchanges by name, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from demo.venue_binance import BinanceWire
from demo.venue_bitfinex import BitfinexWire
from demo.venue_bitget import BitgetWire
from demo.venue_bitstamp import BitstampWire
from demo.venue_bybit import BybitWire
from demo.venue_coinbase import CoinbaseWire
from demo.venue_cryptocom import CryptoComWire
from demo.venue_gate import GateWire
from demo.venue_gemini import GeminiWire
from demo.venue_htx import HtxWire
from demo.venue_hyperliquid import HyperliquidWire
from demo.venue_kraken import KrakenWire
from demo.venue_kucoin import KucoinWire
from demo.venue_mexc import MexcWire
from demo.venue_okx import OkxWire
from demo.venue_protocols import WireProtocol

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
