"""Names that lead to one address are a hint that two providers are one machine."""

from __future__ import annotations

import pytest

from oracle.check.shared_hosts import resolved_by_system, shared_host_notes
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
