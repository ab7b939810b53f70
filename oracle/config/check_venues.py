"""[venues.NAME]: names of adapters that are there, and one exchange behind the two addresses of each."""

from __future__ import annotations

from collections.abc import Iterator

from feeds.catalog.exchanges import exchange_of
from feeds.registry import EXCHANGES
from oracle.config.check_groups import exchange_at_address
from oracle.config.sections import Config
from oracle.config.tables.schema import Problem
from oracle.model.suggest import nearest


def venue_problems(config: Config) -> Iterator[Problem]:
    """Sections that change nothing since no adapter has their name, and those of which each half reads another exchange."""
    for name, section in config.venues.items():
        where = f"venues.{name}"
        adapter = EXCHANGES.get(name)
        if adapter is None:
            known = exchange_of(name)
            hint = f"it is called {known} here" if known in EXCHANGES else nearest(name, EXCHANGES)
            yield Problem(where, f"{name!r} is no exchange with an adapter, so nothing reads this section; {hint}")
            continue
        stream = exchange_at_address(section.ws_url or adapter.ws_url)
        requests = exchange_at_address(section.rest_url or adapter.rest_url)
        if None not in (stream, requests) and stream != requests:
            key = "rest_url" if section.rest_url else "ws_url"
            text = f"its stream is {stream}'s and its requests are {requests}'s, two books of one symbol: write both of one"
            yield Problem(f"{where}.{key}", text)
