"""A config, and the lines that name the one to follow it."""

from __future__ import annotations

CONFIG = """
[oracle]
database = "o.db"
[chains.local]
chain_id = 31337
endpoints = ["http://127.0.0.1:1"]
[targets.main]
chain = "local"
store = "0x2222222222222222222222222222222222222222"
[[operators]]
name = "mine"
journal = "mine.db"
signer_url = "http://127.0.0.1:1"
signer_address = "0x3333333333333333333333333333333333333333"
[feeds."ETH/USD"]
sources = [{ type = "coinbase", symbol = "ETH-USD" }, { type = "kraken", symbol = "ETH/USD" }]
"""
NEXT = '[network]\nnext = "next.toml"\nnext_from = "{time}"\n'
