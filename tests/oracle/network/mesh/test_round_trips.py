"""Round trips and clock offsets: the quickest of the last pings is believed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oracle.network.mesh.round_trips import RoundTrip, RoundTrips, measured

_MS = 1_000


@given(st.integers(-3_600_000, 3_600_000), st.integers(0, 5_000), st.integers(0, 5_000))
def test_law_the_offset_is_wrong_by_half_the_trip_at_most(offset_ms: int, there_ms: int, back_ms: int) -> None:
    sent_ms = 1_800_000_000_000
    their_ms = sent_ms + there_ms + offset_ms
    received_ms = sent_ms + there_ms + back_ms
    sample = measured(7 * _MS, (7 + there_ms + back_ms) * _MS, their_ms, received_ms)
    assert sample.trip_us == (there_ms + back_ms) * _MS
    assert abs(sample.offset_us - offset_ms * _MS) <= sample.trip_us // 2


def test_the_quickest_of_the_last_eight_counts() -> None:
    trips = RoundTrips()
    assert trips.best is None
    trips.add(RoundTrip(1, 100))
    for n in range(7):
        trips.add(RoundTrip(10 + n, n))
    assert trips.best == RoundTrip(1, 100)
    trips.add(RoundTrip(50, 50))
    assert trips.best == RoundTrip(10, 0), "the first is forgotten: clocks drift"


def test_of_equals_the_newest_counts() -> None:
    trips = RoundTrips()
    trips.add(RoundTrip(5, 1))
    trips.add(RoundTrip(5, 2))
    assert trips.best == RoundTrip(5, 2)
