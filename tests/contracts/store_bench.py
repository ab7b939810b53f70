"""A store on a node with three tokens of different prices."""

from __future__ import annotations

from typing import Any

from web3 import Web3

from tests.contracts.contract_tools import (
    Bench,
    Item,
)

STRANGER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


def filled(web3: Web3) -> Bench:
    made = Bench(web3)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    made.register("pufETH/ETH", market=False)
    return made


def ask(web3: Web3, method: str, *params: Any) -> None:
    assert "error" not in web3.provider.make_request(method, params)  # type: ignore[arg-type]


def id_of(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


ETH_USD = Item(1, market=2_000 * 10**18, redemption=0)
