"""Blocks of an operator's own catalogue, configs over them, and what is wrong with a config."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import load, parse
from oracle.config.tables.schema import ConfigError

ONE, TWO = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
WSTETH = "0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0"
CONFIG = """
[chains.main]
chain_id = 1
endpoints = ["http://127.0.0.1:1"]

[feeds."newETH/ETH"]
mode = "redemption"
reference_only = true
catalog = ["rate"]
"""
TOKEN = f"""
[[token]]
symbol = "newETH"
kind = "LRT"
protocol = "New Protocol"
address.ethereum = "{ONE}"
cap_percent = "9.5"
rate.unit = "ETH"
rate.chain = "ethereum"
rate.contract = "{ONE}"
rate.function = "getRate()"
"""
POOL = f"""
[[pool]]
name = "uniswap_v3 newETH/WETH"
chain = "ethereum"
token = "newETH"
family = "uniswap_v3"
coins = ["newETH", "WETH"]
address = "{TWO}"
"""
REFERENCE = f"""
[[reference]]
name = "chainlink newETH/ETH"
provider = "chainlink"
chain = "ethereum"
kind = "market"
base = "newETH"
quote = "ETH"
address = "{TWO}"
"""
SYMBOL = '[[symbol]]\nvenue = "okx"\nsymbol = "NEWETH-ETH"\npair = "newETH/ETH"\n'
UNIT = f'[[unit]]\nsymbol = "wNEW"\npar = "newETH"\naddress.ethereum = "{TWO}"\n'
CHAIN = f'[[chain]]\nname = "nova"\nchain_id = 424242\nsequencer = "{ONE}"\n'
REPLACED = TOKEN.replace("newETH", "wstETH").replace(f'ethereum = "{ONE}"', f'ethereum = "{WSTETH}"')


def written(folder: Path, config: str, **files: str) -> Path:
    """A config file, and catalogue files beside it: ``lst__a`` is ``lst/a.toml``."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    path = folder / "config.toml"
    path.write_text(config)
    return path


def wrong(config: str | Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        resolve(load(config) if isinstance(config, Path) else parse(tomllib.loads(config)))
    return {p.key: p.text for p in caught.value.problems}


def called(resolved: ResolvedConfig, feed: str) -> list[bytes]:
    """The contracts that a feed's sources ask first."""
    return [c.to for s in resolved.sources if s.feed == feed and s.adapter for c in next(s.adapter.read())]


ALL = TOKEN + POOL + REFERENCE.replace(TWO, "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb") + SYMBOL + CHAIN + UNIT.replace(
    TWO, "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB"
)  # fmt: skip
