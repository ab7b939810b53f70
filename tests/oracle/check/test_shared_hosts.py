"""Names that lead to one address are a hint that two providers are one machine."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from oracle.check.shared_hosts import resolved_by_system, shared_host_notes, shared_party_notes
from oracle.config.resolve import resolve
from oracle.config.sections import Config, parse

ADDRESSES = {
    "a.example": {"192.0.2.1", "192.0.2.2"},
    "b.example": {"192.0.2.2"},
    "c.example": {"192.0.2.3"},
    "gone.example": set[str](),
}


async def by_table(host: str) -> frozenset[str]:
    return frozenset(ADDRESSES[host])


def config(*endpoints: str) -> Config:
    return parse({"chains": {"one": {"chain_id": 1, "endpoints": list(endpoints)}}})


async def test_two_names_of_one_address_are_named() -> None:
    (note,) = await shared_host_notes(
        config("https://a.example", "https://b.example", "https://c.example"), {}, by_table
    )
    assert note.startswith("chains.one.endpoints: a.example:443 and b.example:443 lead to one address, 192.0.2.2: ")


async def test_other_ports_and_other_addresses_are_other_servers() -> None:
    assert await shared_host_notes(config("https://a.example", "https://b.example:8443"), {}, by_table) == []
    assert await shared_host_notes(config("https://a.example", "https://c.example"), {}, by_table) == []
    assert await shared_host_notes(config("https://gone.example", "https://c.example"), {}, by_table) == []


@pytest.mark.loopback
async def test_the_system_knows_this_machine_and_no_nonsense() -> None:
    assert "127.0.0.1" in await resolved_by_system("127.0.0.1")
    assert await resolved_by_system("no..such..host") == frozenset()


async def test_two_parties_at_one_address_are_named_where_they_count_as_two() -> None:
    """A second name of one's own for somebody's server is a second group by its name."""
    ADDRESSES["api.exchange.coinbase.com"] = {"192.0.2.9"}

    def notes(first: str, second: dict[str, str], **keys: str) -> Awaitable[list[str]]:
        one = {"type": "json_http", "name": "one", "url": first, "price": "p", **keys}
        feed = {"sources": [one, second], "min_groups": 1, "accept_single_group": True}
        return shared_party_notes(resolve(parse({"feeds": {"ETH/USD": feed}})), by_table)

    other = {"type": "json_http", "name": "other", "url": "https://b.example/x", "price": "p"}
    (note,) = await notes("https://a.example/x", other)
    assert note == (
        "ETH/USD: one and other count as two groups, and a.example and b.example lead to one address, 192.0.2.2: where one"
        " party runs both, write the same group for both"
    )
    assert await notes("https://c.example/x", other) == []
    assert await notes("https://a.example:8443/x", other) == []
    ADDRESSES["c.example"].add("192.0.2.9")
    native = {"type": "coinbase", "symbol": "ETH-USD"}
    (note,) = await notes("https://c.example/x", native)
    assert "one and coinbase count as two groups" in note
    assert await notes("https://c.example/x", native, group="coinbase") == []
