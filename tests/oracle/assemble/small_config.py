"""A config as small as it can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import parse


def small_config(database: Path, **sections: Any) -> ResolvedConfig:
    """One feed of two venues, with further sections if given."""
    sources = [{"type": "coinbase", "symbol": "ETH-USD"}, {"type": "kraken", "symbol": "ETH/USD"}]
    oracle = {"database": str(database), **sections.pop("oracle", {})}
    return resolve(parse({"oracle": oracle, "feeds": {"ETH/USD": {"sources": sources}}, **sections}))
