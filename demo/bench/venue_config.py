"""The config of a service that reads the local exchanges of a benchmark: the same for every benchmark that runs one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from demo.bench.venues import BASES, PROBED, symbol_of
from feeds.registry import EXCHANGES
from feeds.types import Instrument

_VENUE = """
[venues.{name}]
ws_url = "{ws}"
rest_url = "{rest}"
"""
_FEED = """
[feeds."{feed}"]
mode = "market"
reference_only = true
min_groups = {groups}
max_age_s = 60
"""
_SOURCE = """
[[feeds."{feed}".sources]]
type = "{venue}"
symbol = "{symbol}"
"""


def venue_config(places: Mapping[str, Sequence[str]]) -> str:
    """The venues with their addresses (stream, REST), and a feed for each base that reads all of them."""
    parts = [_VENUE.format(name=name, ws=ws, rest=rest) for name, (ws, rest) in places.items()]
    for base in BASES:
        parts.append(_FEED.format(feed=f"{base}/USD", groups=len(places) // 2))
        parts += [_source(venue, base) for venue in places]
    parts.append(_FEED.format(feed="USDT/USD", groups=1))
    parts += [_SOURCE.format(feed="USDT/USD", venue=v, symbol=s) for v, s in PROBED.items()]
    return "\n".join(parts)


def _source(venue: str, base: str) -> str:
    """A venue's symbol of a base, by what is traded under it: a quote in USDT is converted, a perpetual is only compared."""
    symbol = symbol_of(venue, base)
    listing = EXCHANGES[venue].listing(symbol)
    text = _SOURCE.format(feed=f"{base}/USD", venue=venue, symbol=symbol)
    if listing.instrument is not Instrument.SPOT:
        return text + 'kind = "reference"\n'
    return (
        text if listing.quote == "USD" else f'{text}pair = "{base}/{listing.quote}"\nconvert = "{listing.quote}/USD"\n'
    )
