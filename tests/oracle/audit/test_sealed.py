"""A sealed round is verified from what is stored: its values, what follows from them, and who signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from oracle.audit.recompute import verify
from oracle.sign.messages import Agreement
from tests.oracle.round.halt_world import FEED, START_S, STEP_S, HaltWorld, everybody

ROUND_S = START_S + STEP_S


def checked(change: Callable[[Agreement], Agreement] = lambda a: a) -> dict[str, tuple[bool, str]]:
    """A round that three operators sealed, stored, and verified; ``change``: of what is stored."""
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    done = world.done
    world.store.connection.execute("DELETE FROM agreements")
    world.store.save_round((), [change(a) for a in done.agreements], (), ())
    return {c.what: (c.ok, c.detail) for c in verify(world.store, FEED.feed, ROUND_S)}


def test_a_sealed_round_says_what_it_rests_on() -> None:
    found = checked()
    assert all(ok for ok, _ in found.values())
    assert found["signed values"] == (True, "3 operators signed theirs")
    assert found["sealed items"] == (True, "1 feeds follow from the values")
    assert found["seal"] == (True, "weight 3 of 3 signed, 2 are needed")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda a: replace(a, values=(replace(a.values[0], signature=a.values[1].signature), *a.values[1:])), "signed values"),
        (lambda a: replace(a, values=a.values[:1]), "sealed items"),
        (lambda a: replace(a, seals=a.seals[:1]), "seal"),
        (lambda a: replace(a, seals=((a.seals[0][0], a.seals[1][1]), *a.seals[1:])), "seal"),
        (lambda a: replace(a, step=a.step + 2), "seal"),
    ],
)  # fmt: skip
def test_what_was_changed_is_found(change: Callable[[Agreement], Agreement], what: str) -> None:
    assert checked(change)[what][0] is False


def test_a_round_of_which_not_all_values_were_heard_is_verified_by_its_seal() -> None:
    """Who learns that a round was sealed may lack a value that is in it: a part of them gives other items, and is not kept."""
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    outcome = world.done.outcomes["t"]
    again = HaltWorld()
    folded = again.rounds.fold(ROUND_S, {}, now_ms=ROUND_S * 1_000)
    learned = again.rounds.finish(folded, {"t": replace(outcome, used_values=outcome.used_values[1:])})
    assert [a.values for a in learned.agreements] == [()]
    again.store.save_round(learned.feeds, learned.agreements, learned.records, learned.transitions)
    found = {c.what: (c.ok, c.detail) for c in verify(again.store, FEED.feed, ROUND_S)}
    assert all(ok for ok, _ in found.values()), found
    assert found["signed values"] == (True, "it was sealed by others: not all of their values were heard here")


def test_a_record_that_says_it_is_sealed_needs_what_was_sealed() -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    world.store.connection.execute("DELETE FROM agreements")
    found = {c.what: c.ok for c in verify(world.store, FEED.feed, ROUND_S)}
    assert found["seal"] is False
