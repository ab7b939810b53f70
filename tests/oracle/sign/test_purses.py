"""Where an operator says that it pays: read back as it was signed, and refused where others would not take it."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from oracle.sign.announcement import (
    MOST_PURSES,
    Announcement,
    BadAnnouncement,
    Purse,
    announcement_preimage,
    read_announcement,
    signed_announcement,
)
from oracle.sign.eip712 import Domain, address_of, sign_compact
from tests.oracle.sign.sign_world import DOMAIN, KEYS


def purse(number: int, chain_id: int = 1, *, store: bytes = b"", gas_key: bytes = b"\x05" * 20) -> Purse:
    return Purse(domain=Domain(chain_id, store or bytes([number]) * 20), gas_key=gas_key)


def said(*purses: Purse) -> Announcement:
    return Announcement(counter=1, network_key=b"\x03" * 20, urls=("wss://a.example:1",), purses=purses)


@pytest.mark.parametrize(
    "purses", [(), (purse(1),), (purse(1), purse(1, 10)), tuple(purse(i, 2**64 - 1) for i in range(MOST_PURSES))]
)
def test_it_is_read_back_as_it_was_signed(purses: tuple[Purse, ...]) -> None:
    compact = sign_compact(KEYS[0], keccak(announcement_preimage(DOMAIN, said(*purses))))
    raw = signed_announcement(address_of(KEYS[0]), said(*purses), compact).raw
    got = read_announcement(DOMAIN, raw)
    assert (got.address, got.said) == (address_of(KEYS[0]), said(*purses))


@pytest.mark.parametrize(
    "purses",
    [
        (purse(1), purse(1, gas_key=b"\x06" * 20)),
        tuple(purse(i) for i in range(MOST_PURSES + 1)),
        (purse(1, 2**64),),
        (purse(1, store=b"\x01" * 19),),
        (purse(1, gas_key=b"\x01" * 21),),
    ],
)
def test_what_others_would_not_take_is_not_signed(purses: tuple[Purse, ...]) -> None:
    with pytest.raises(BadAnnouncement):
        announcement_preimage(DOMAIN, said(*purses))
