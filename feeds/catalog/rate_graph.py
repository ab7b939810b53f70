"""The rate graph: from each token, edge by edge, to ether. Units are typed: a rate in frxETH is not one in ETH. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feeds.catalog.records import Rate, Token, Unit
from feeds.errors import LrtOracleError

ETH = "ETH"
_MOST_STEPS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RateStep:
    """One edge on the way: one ``base`` is owed so many ``quote``."""

    base: str
    quote: str
    rate: Rate


class OpenGraph(LrtOracleError, ValueError):
    """A token's rates do not lead to the unit that was asked for."""


class RateGraph:
    """Derivations along rates.

    Args:
        tokens: by symbol.
        units: by symbol; wrapped ether is one ether.
    """

    def __init__(self, tokens: Mapping[str, Token], units: Mapping[str, Unit]) -> None:
        self._first = {s: t.rate for s, t in tokens.items() if t.rate is not None}
        self._first |= {s: Rate(unit=u.par, par="wrapped one to one") for s, u in units.items() if u.par is not None}

    def path(self, base: str, quote: str = ETH, *, first: Rate | None = None) -> tuple[RateStep, ...]:
        """Steps from base to quote, the first along another edge where one is given.

        Raises:
            OpenGraph: the rates end elsewhere, or go in a circle.
        """
        steps: list[RateStep] = []
        at, edge = base, first or self._first.get(base)
        while at != quote:
            if edge is None:
                raise OpenGraph(f"{base} leads to {at}, which has no rate: its value in {quote} is open")
            if len(steps) == _MOST_STEPS or any(s.base == edge.unit for s in steps):
                raise OpenGraph(f"the rates of {base} go in a circle: {', '.join(s.base for s in steps)}")
            steps.append(RateStep(base=at, quote=edge.unit, rate=edge))
            at, edge = edge.unit, self._first.get(edge.unit)
        return tuple(steps)

    def at_par(self, base: str, quote: str) -> bool:
        """Whether one base is exactly one quote, in either direction (stETH and ETH, WETH and ETH; not frxETH and ETH)."""
        return base == quote or self._par_root(base) == self._par_root(quote)

    def _par_root(self, symbol: str) -> str:
        visited = {symbol}
        while (edge := self._first.get(symbol)) is not None and _hard(edge) and edge.unit not in visited:
            symbol = edge.unit
            visited.add(symbol)
        return symbol


def _hard(edge: Rate) -> bool:
    return edge.par is not None and not edge.soft


def chains_of(steps: Sequence[RateStep]) -> frozenset[str]:
    """Chains that a derivation is read on."""
    return frozenset(s.rate.chain for s in steps if s.rate.chain is not None)
