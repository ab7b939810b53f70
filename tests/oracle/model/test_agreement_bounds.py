"""The bounds of agreement, against their definitions by trying every faulty weight."""

from __future__ import annotations

import pytest

from oracle.model.agreement_bounds import bounds_text, honest_median_weight, least_threshold, tolerated_weight

NETWORKS = {(5, 4): (1, 1), (13, 9): (4, 4), (21, 15): (6, 7), (31, 21): (10, 10)}
"""W and T: faulty weight with which agreement holds, and with which the median is honest."""


@pytest.mark.parametrize(("network", "bounds"), NETWORKS.items())
def test_the_bounds_of_networks_as_they_are_made(network: tuple[int, int], bounds: tuple[int, int]) -> None:
    total, threshold = network
    assert least_threshold(total) == threshold
    assert (tolerated_weight(*network), honest_median_weight(threshold)) == bounds


def test_the_least_threshold_is_the_first_that_lets_anybody_be_faulty() -> None:
    """F weighs as much as may stay silent, and less than two sets of the threshold's weight have in common."""
    for total in range(1, 200):
        for threshold in range(total // 2 + 1, total + 1):
            live = [f for f in range(total) if total - f >= threshold]
            safe = [f for f in live if 2 * threshold - total > f]
            assert tolerated_weight(total, threshold) == max(safe, default=-1)
            assert honest_median_weight(threshold) == max(f for f in range(total) if 2 * f < threshold)
            assert (threshold >= least_threshold(total)) == (3 * threshold > 2 * total)


def test_a_third_less_one_is_tolerated_at_the_least_threshold() -> None:
    for total in range(4, 200):
        assert tolerated_weight(total, least_threshold(total)) == (total - 1) // 3
        assert tolerated_weight(total, total * 2 // 3) < (total - 1) // 3 + (total % 3 == 0)


def test_the_sentence_has_the_figures() -> None:
    assert bounds_text(5, 4) == (
        "agreement holds for a faulty weight f <= min(W - T, 2T - W - 1) = 1, and the median lies within honest values for"
        " f < T/2, so up to 1 (W = 5, T = 4)"
    )
