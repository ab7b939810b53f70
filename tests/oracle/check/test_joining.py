"""What a seat needs, step by step: what is done, and what is left to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.check.joining import SeatStep, seat_steps
from oracle.check.seat_reading import SeatReading, seat_place
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.network.mesh.roster import Peer
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet

OWN, ALPHA = b"\x22" * 20, b"\x11" * 20
SET = SignerSet(
    domain=Domain(chain_id=31_337, store=b"\x33" * 20), epoch=1,
    signers=(OWN, *(bytes([n]) * 20 for n in range(1, 5))), weights=(1,) * 5, threshold=4,
)  # fmt: skip
READING = SeatReading(signers=SET, others=frozenset(SET.signers[1:]), head_ahead_ms=-4_000, entries={})
CONFIG = parse(
    {
        "feeds": {"ETH/USD": {"sources": [{"type": "coinbase", "symbol": "ETH-USD"}, {"type": "kraken", "symbol": "ETH/USD"}]}},
        "chains": {"local": {"chain_id": 31_337, "endpoints": ["http://127.0.0.1:1"]}},
        "targets": {"main": {"chain": "local", "store": "0x" + "33" * 20}},
        "operators": [{"name": "mine", "keyfile": "mine.json", "journal": "mine.db"}],
        "network": {"listen": "0.0.0.0:8651", "url": "wss://mine.example:8651"},
    }
)  # fmt: skip
PEERS = {ALPHA: Peer(address=ALPHA, name="alpha", urls=("wss://alpha.example:8651",))}


def todo(
    reading: SeatReading = READING, own: bytes = OWN, peers: dict[bytes, Peer] | None = None
) -> dict[str, SeatStep]:
    """The steps with something left to do, by name."""
    place = seat_place(resolve(CONFIG).config, "main", PEERS if peers is None else peers)
    return {s.what: s for s in seat_steps(place, reading, own) if s.todo}


def test_a_member_with_everything_has_nothing_left_to_do() -> None:
    assert todo() == {}


def test_who_has_no_weight_asks_for_a_seat_and_who_knows_nobody_for_a_contact() -> None:
    left = todo(own=b"\x99" * 20, peers={})
    assert set(left) == {"seat", "contact"}
    assert "setSigners" in left["seat"].line
    assert "[network.peers]" in left["contact"].line


@pytest.mark.parametrize(("threshold", "too_low"), [(5, False), (4, False), (3, True)])
def test_a_threshold_of_two_thirds_or_less_is_told_before_a_seat_is_taken(threshold: int, too_low: bool) -> None:
    left = todo(replace(READING, signers=replace(SET, threshold=threshold)))
    assert ("threshold" in left) is too_low
    if too_low:
        assert "setSigners with 4 or more" in left["threshold"].line


def test_a_block_from_the_future_tells_of_a_clock_that_is_behind() -> None:
    assert "NTP" in todo(replace(READING, head_ahead_ms=3_000))["clock"].line
