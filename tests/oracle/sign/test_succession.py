"""A round belongs to the set in force at its roundTime: over random rotations, whenever somebody looked."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from oracle.round.seat import SignerSeat
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet
from oracle.sign.succession import Succession

DOMAIN = Domain(chain_id=1, store=b"\x01" * 20)
LOOK_S, MOST_LAG_S = 30, 12
ARMED = st.tuples(st.integers(0, 60), st.integers(LOOK_S + MOST_LAG_S + 1, 90))
"""Of a rotation: how long after the one before it is armed, and how long before its own time."""


def epoch(number: int, weight: int = 1) -> SignerSet:
    return SignerSet(domain=DOMAIN, epoch=number, signers=(bytes([number]) * 20,), weights=(weight,), threshold=1)


@given(st.lists(ARMED, min_size=1, max_size=5), st.integers(0, LOOK_S - 1), st.integers(0, MOST_LAG_S))
def test_every_round_goes_to_the_set_in_force_at_its_time(
    rotations: list[tuple[int, int]], phase: int, lag_s: int
) -> None:
    """Looks come every 30 s, at a block that is up to 12 s old."""
    times = list(accumulate((t for pair in rotations for t in pair), initial=LOOK_S + MOST_LAG_S))[1:]
    arms, changes = times[::2], times[1::2]

    def in_force(at_s: int) -> int:
        return 1 + sum(c <= at_s for c in changes)

    known: Succession | None = None
    for now_s in range(phase, changes[-1] + LOOK_S):
        block_s = now_s - lag_s
        if now_s % LOOK_S == phase:
            number = in_force(block_s)
            comes = number <= len(changes) and arms[number - 1] <= block_s
            coming = (epoch(number + 1), changes[number - 1]) if comes else None
            known = (known or Succession(present=epoch(number))).updated(epoch(number), coming)
        assert known is not None
        assert known.at(now_s).epoch == in_force(now_s)
        seat = SignerSeat(target="t", signers=known.present, indexes={}, after=known.after, from_s=known.from_s)
        assert seat.at(now_s).signers == known.at(now_s), "rounds and pushes go by the same rule"


def test_a_set_that_is_only_to_come_changes_nothing_and_what_is_taken_back_neither() -> None:
    """Control: whoever is not armed is nobody; a reorganisation or the owner may take an armed one back."""
    before = Succession(present=epoch(1)).updated(epoch(1), None)
    assert before.at(10**9) == epoch(1)
    sure = before.updated(epoch(1), (epoch(2), 100))
    assert (sure.at(99), sure.at(100)) == (epoch(1), epoch(2))
    assert sure.updated(epoch(1), None).at(10**9) == epoch(1)


def test_a_weight_that_was_taken_counts_at_once() -> None:
    sure = Succession(present=epoch(1)).updated(epoch(1), (epoch(2), 100))
    assert sure.updated(epoch(2, weight=0), None).at(100) == epoch(2, weight=0)
    assert sure.updated(epoch(2, weight=0), None).at(99) == epoch(1), "a round of before is still the other set's"
