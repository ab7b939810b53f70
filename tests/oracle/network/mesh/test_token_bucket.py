"""Laws of the buckets: never more than a burst and what time brings, and nothing lost by rounding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oracle.network.mesh.token_bucket import TokenBucket

_US = 1_000_000
rates, bursts = st.integers(1, 10_000), st.integers(1, 10_000)
steps = st.lists(st.tuples(st.integers(-_US, 10 * _US), st.integers(0, 2_000)), max_size=60)


@given(rates, bursts, steps)
def test_law_no_more_is_taken_than_a_burst_and_what_time_brings(
    per_s: int, burst: int, asked: list[tuple[int, int]]
) -> None:
    bucket, now_us, latest_us, taken = TokenBucket(per_s, burst, 0), 0, 0, 0
    for passed_us, count in asked:
        now_us += passed_us
        latest_us = max(latest_us, now_us)
        taken += count if bucket.take(count, now_us) else 0
        assert taken * _US <= burst * _US + latest_us * per_s


@given(rates, bursts, steps)
def test_law_what_a_bucket_asks_to_wait_for_is_there_then_and_not_before(
    per_s: int, burst: int, asked: list[tuple[int, int]]
) -> None:
    bucket, now_us = TokenBucket(per_s, burst, 0), 0
    for passed_us, wanted in asked:
        now_us += abs(passed_us)
        count = min(wanted, burst)
        wait_us = bucket.wait_us(count, now_us)
        if wait_us:
            assert not bucket.take(count, now_us + wait_us - 1)
        assert bucket.take(count, now_us + wait_us)
        now_us += wait_us


@given(rates, bursts, st.lists(st.integers(1, 1_000), max_size=200))
def test_law_small_steps_of_time_bring_as_much_as_large_ones(per_s: int, burst: int, parts: list[int]) -> None:
    slow, quick = TokenBucket(per_s, burst, 0), TokenBucket(per_s, burst, 0)
    assert slow.take(burst, 0)
    assert quick.take(burst, 0)
    now_us = 0
    for part in parts:
        now_us += part
        slow.take(0, now_us)
    assert slow.wait_us(burst, now_us) == quick.wait_us(burst, now_us)


def test_what_is_put_back_never_exceeds_a_burst() -> None:
    bucket = TokenBucket(1, 5, 0)
    bucket.put(3)
    assert bucket.take(5, 0)
    bucket.put(2)
    assert bucket.take(2, 0)
    assert not bucket.take(1, 0)


def test_more_than_a_burst_is_waited_for_as_a_burst() -> None:
    bucket = TokenBucket(1, 5, 0)
    assert bucket.take(5, 0)
    assert bucket.wait_us(1_000, 0) == 5 * _US
