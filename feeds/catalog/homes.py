"""The chain that a token is issued on; on every other one it is a copy that a bridge stands for. Pure."""

from __future__ import annotations

from feeds.catalog.records import Token

_MAINNET = "ethereum"


def home_of(token: Token) -> str | None:
    """The chain where its rate is read; of a token whose rate is read nowhere Ethereum if it is there, else the only one."""
    if token.rate and token.rate.chain:
        return token.rate.chain
    chains = tuple(token.address)
    return _MAINNET if _MAINNET in chains else chains[0] if len(chains) == 1 else None
