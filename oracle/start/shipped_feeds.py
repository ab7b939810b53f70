"""The feeds that a new config can begin with: those of the repository's config.toml, and providers' rates on other chains.

``feeds.toml`` beside this file is the part of config.toml that has them: ``python -m oracle.start.shipped_feeds`` (``make docs``) writes it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from feeds.catalog.records import Compares
from oracle.config.resolve import needed_feeds, resolve
from oracle.config.sections import parse
from oracle.config.tables.catalog import shipped
from oracle.config.tables.schema import ConfigError
from oracle.model.suggest import nearest
from oracle.start.refusals import StartRefused

HOME_CHAIN = "ethereum"
"""Where the shipped feeds are read."""
_FILE = Path(__file__).with_name("feeds.toml")
_FIRST, _BEHIND = "# --- ether and the coin", "# --- on an L2"
_HEAD = "# The feeds of config.toml, for `lrt-oracle init`: written by `make docs`.\n\n"
_BLOCK = re.compile(r'^\[feeds\."(?P<name>[^"]+)"\].*?(?=^\[feeds\.|^# ---|\Z)', re.MULTILINE | re.DOTALL)
_NOWHERE = "https://endpoint.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedFeed:
    """A feed as it is written in a config. ``needs``: feeds without which it has no price."""

    name: str
    text: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChain:
    """A chain on which a config can begin."""

    name: str
    chain_id: int


def chain_named(name: str) -> StartChain:
    """A chain with feeds.

    Raises:
        StartRefused: there are none on it.
    """
    chains = _chains()
    if name not in chains:
        raise StartRefused(f"--chain {name!r}: no shipped feed is read there; {nearest(name, chains)}")
    return chains[name]


@cache
def _chains() -> Mapping[str, StartChain]:
    facts = shipped().chains
    others = (n for n, c in facts.items() if n != HOME_CHAIN and not c.testnet and feeds_on(n))
    ids = ((n, facts[n].chain_id) for n in (HOME_CHAIN, *others))
    return {n: StartChain(name=n, chain_id=i) for n, i in ids if i is not None}


def chain_names() -> tuple[str, ...]:
    """Of all chains with feeds; the home of the tokens first."""
    return tuple(_chains())


@cache
def feeds_on(chain: str) -> Mapping[str, ShippedFeed]:
    """The feeds that can be read with endpoints of a chain, by name, in the order in which a config has them."""
    return _at_home() if chain == HOME_CHAIN else _by_providers(chain)


def chosen_feeds(chain: str, names: Iterable[str]) -> tuple[ShippedFeed, ...]:
    """Feeds, and those that they need, in the order in which a config has them; all without names.

    Raises:
        StartRefused: with what comes near to a name that is not known.
    """
    known = feeds_on(chain)
    waiting = [_known_name(name, chain, known) for name in names] or list(known)
    taken: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in taken:
            taken.add(name)
            waiting += known[name].needs
    return tuple(feed for name, feed in known.items() if name in taken)


def _known_name(name: str, chain: str, known: Mapping[str, ShippedFeed]) -> str:
    if name in known:
        return name
    plain = f"{name}@{chain}"
    if plain in known:
        return plain
    raise StartRefused(
        f"--feed {name!r} is not among the {len(known)} shipped feeds of {chain}; {nearest(name, known)}. Another one is written by"
        f" hand (docs/config.md): `lrt-oracle catalog list --token {name.split('/', maxsplit=1)[0]}` has its sources"
    )


def _at_home() -> Mapping[str, ShippedFeed]:
    text = _FILE.read_text(encoding="utf-8")
    blocks = {m["name"]: m[0].rstrip() + "\n" for m in _BLOCK.finditer(text)}
    resolved = resolve(parse({"chains": _chain_table(HOME_CHAIN), **tomllib.loads(text)}))
    return {
        name: ShippedFeed(name=name, text=block, needs=tuple(needed_feeds(resolved.specs[name])))
        for name, block in blocks.items()
        if name in resolved.specs  # others are off
    }


def _by_providers(chain: str) -> Mapping[str, ShippedFeed]:
    """Redemption rates that providers state there: the chain has no contract of the token's own for it."""
    catalog = shipped()
    found: dict[str, ShippedFeed] = {}
    for reference in catalog.references:
        name = f"{reference.base}/ETH@{chain}"
        if reference.chain != chain or reference.kind is not Compares.EXCHANGE_RATE or name in found:
            continue
        text = (
            f'[feeds."{name}"]\nmode = "redemption"\nreference_only = true\nreason = "one provider states the rate"\n'
            f'catalog = ["via {reference.provider}"]\n'
        )
        if _stands(chain, text):
            found[name] = ShippedFeed(name=name, text=text)
    return found


def _stands(chain: str, text: str) -> bool:
    """Whether a feed can be read now: its token and source are not dead."""
    try:
        resolve(parse({"chains": _chain_table(chain), **tomllib.loads(text)}))
    except ConfigError:
        return False
    return True


def _chain_table(chain: str) -> dict[str, Any]:
    return {chain: {"chain_id": shipped().chains[chain].chain_id, "endpoints": [_NOWHERE]}}


def feeds_part(config: str) -> str:
    """What ``feeds.toml`` has of the text of config.toml."""
    return _HEAD + config[config.index(_FIRST) : config.index(_BEHIND)].rstrip() + "\n"


if __name__ == "__main__":
    _FILE.write_text(feeds_part(Path(sys.argv[1] if len(sys.argv) > 1 else "config.toml").read_text(encoding="utf-8")))
