"""Which RPC endpoints have been down for long, as sentences for /readyz. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from feeds.chains.endpoint import EndpointState
from feeds.units import MS

DOWN_MS = 60_000
"""A shorter outage is nobody's business: the others of its chain answer, or sources say that they have none."""


def endpoint_warnings(chains: Mapping[str, Sequence[EndpointState]], now_ms: int) -> Iterator[str]:
    """A sentence a chain of which any endpoint has been down for over a minute; hosts and no addresses, as those may hold keys."""
    for chain, states in chains.items():
        down = [
            (s, s.down_since_ms) for s in states if s.down_since_ms is not None and now_ms - s.down_since_ms > DOWN_MS
        ]
        if not down:
            continue
        named = "; ".join(f"{s.name} for {(now_ms - since) // MS} s ({_why(s)})" for s, since in down)
        if len(down) == len(states):
            yield f"chain {chain}: no endpoint is well, so its sources have no price: {named}"
        else:
            yield f"chain {chain}: {len(down)} of {len(states)} endpoints are down: {named}"


def _why(state: EndpointState) -> str:
    return "no answer yet" if state.error is None else state.error.code
