"""A small config that is whole, as a table to change, and what is wrong with a changed one."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError


def table(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "chains": {"local": {"chain_id": 31337, "endpoints": ["http://127.0.0.1:1"]}},
        "feeds": {
            "wdivETH/ETH": {
                "mode": "min",
                "sources": [
                    {"type": "coinbase", "symbol": "WDIVETH-ETH"},
                    {"type": "kraken", "symbol": "WDIVETH/ETH"},
                    {
                        "type": "rate_call",
                        "kind": "redemption",
                        "chain": "local",
                        "contract": "0x" + "11" * 20,
                        "function": "convertToAssets(uint256)",
                        "args": ["1000000000000000000"],
                    },
                ],
            },
            "ETH/USD": {
                "sources": [{"type": "coinbase", "symbol": "ETH-USD"}, {"type": "kraken", "symbol": "ETH/USD"}],
            },
            "wdivETH/USD": {"mode": "min", "legs": ["wdivETH/ETH", "ETH/USD"]},
        },
    }
    return base | changes


def spot_sources(feed: str) -> list[dict[str, Any]]:
    """Two exchanges that list the pair of a feed under the names of its coins."""
    base, quote = feed.upper().split("/")
    return [{"type": "coinbase", "symbol": f"{base}-{quote}"}, {"type": "kraken", "symbol": f"{base}/{quote}"}]


def problems(changed: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(parse(changed))
    return str(caught.value)
