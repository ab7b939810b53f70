"""What the catalogue knows of a token besides its rate: the rules and bands that follow, and what a contract states about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from feeds.catalog.records import Flag, Redemption, Token
from feeds.chains.abi import wad_of
from feeds.units import WAD, mul_div_up

_READ_AGE_S = 120
_LEAST_SLACK_BPS = 10
_YEAR_DAYS = 365

Configured = Callable[[str], str]
"""The config's name of a chain of the catalogue; raises where it has none."""


def rules_of(token: Token) -> dict[str, Any]:
    """Keys of ``[feeds.X.rules]`` that follow from what is known of the token; what is not known is left out.

    The growth cap has from its first day the headroom that Aave's has at its strictest: that of a snapshot as old as the
    youngest that Aave takes, rounded up.
    """
    known: dict[str, Any] = {}
    if token.cap_percent is not None:
        cap_bps = wad_of(token.cap_percent) * 100 // WAD
        slack_bps = mul_div_up(cap_bps, token.cap_delay_days or 0, _YEAR_DAYS)
        known |= {"growth_bps_year": cap_bps, "growth_slack_bps": max(_LEAST_SLACK_BPS, slack_bps)}
    if token.rate_age_s is not None:
        known["cadence_s"] = token.rate_age_s
    if token.redemption is Redemption.CLOSED:
        known["redemption_open"] = False
    return known


def bands_of(token: Token) -> dict[str, Any]:
    """Keys of ``[feeds.X.bands]``: the discount that was measured."""
    return {} if token.normal_bps is None else {"normal_bps": token.normal_bps}


def flags_of(token: Token, configured: Configured) -> list[dict[str, Any]]:
    """Sources of kind ``open``: every contract that tells whether holders can redeem now."""
    return [_flag(f"open {i}" if i > 1 else "open", flag, configured) for i, flag in enumerate(token.open, start=1)]


def _flag(name: str, flag: Flag, configured: Configured) -> dict[str, Any]:
    return {
        "name": name,
        "type": "flag_call",
        "kind": "open",
        "chain": configured(flag.chain),
        "max_age_s": _READ_AGE_S,
        "contract": flag.contract,
        "function": flag.function,
        "args": list(flag.args),
        "returns": flag.word,
        "means": flag.means.value,
    }


def supply_of(token: Token, chain: str, configured: Configured) -> list[dict[str, Any]]:
    """The source of kind ``supply``: the token's own count on a chain; none where its address there is unknown."""
    where = token.address.get(chain)
    if where is None:
        return []
    scale = {} if token.decimals is None else {"scale": token.decimals}
    return [_amount("supply", configured(chain), where, "totalSupply()") | scale]


def backing_of(token: Token, configured: Configured) -> list[dict[str, Any]]:
    """The source of kind ``backing``: what stands behind the supply, in tokens; none where no contract counts it."""
    held = token.backing
    if held is None:
        return []
    read = _amount("backing", configured(held.chain), held.contract, held.function)
    return [read | {"args": list(held.args), "returns": held.word, "scale": held.scale}]


def rails_of(token: Token, chain: str, configured: Mapping[str, str]) -> list[dict[str, Any]]:
    """Both sides of every rail that begins or ends on a chain, as far as the config has the chains; a rail needs two of them.

    Args:
        token: with the rails that are known of it.
        chain: the catalogue's name of the chain that the feed is about.
        configured: the config's name of each chain of the catalogue that it has.
    """
    made: list[dict[str, Any]] = []
    for rail in token.rail:
        beyond = [c for c in rail.beyond if c in configured and c in token.address]
        if chain not in (rail.chain, *rail.beyond) or rail.chain not in {*configured} & {*token.address} or not beyond:
            continue
        lock = _amount("backing", configured[rail.chain], token.address[rail.chain], "balanceOf(address)")
        made.append(lock | {"name": f"{rail.name} lock box", "args": [rail.lock]})
        for far in beyond:
            count = _amount("supply", configured[far], token.address[far], "totalSupply()")
            made.append(count | {"name": f"{rail.name} on {far}"})
        sides = made[-1 - len(beyond) :]
        scale = {} if token.decimals is None else {"scale": token.decimals}
        made[-len(sides) :] = [s | scale | {"rail": rail.name} for s in sides]
    return made


def no_rails(token: Token, chain: str, configured: Mapping[str, str]) -> str:
    """Why no rail of a token can be read, and what to write."""
    known = [r for r in token.rail if chain in (r.chain, *r.beyond)]
    if not known:
        return (
            f"no lock box is recorded of {token.symbol} on {chain}: write both sides as sources of kind supply and backing"
            " with rail = NAME"
        )
    sides = dict.fromkeys(c for r in known for c in (r.chain, *r.beyond))
    if lacking := [c for c in sides if c not in configured]:
        return f"is read on both sides of a bridge: add [chains.NAME] of one of {', '.join(lacking)}"
    placeless = ", ".join(c for c in sides if c not in token.address)
    return f"is read on both sides of a bridge, and {token.symbol} has no address on {placeless}: write it in its block"


def _amount(kind: str, chain: str, contract: str, function: str) -> dict[str, Any]:
    return {
        "name": kind,
        "type": "amount_call",
        "kind": kind,
        "chain": chain,
        "max_age_s": _READ_AGE_S,
        "contract": contract,
        "function": function,
    }
