"""How often the same bytes go to nodes that do not take them: laws over random histories of refusals."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from oracle.chain.node_refusals import ACTION_OF, SendAction, SendOutcome
from oracle.push.sending.rebroadcast import UNCHANGED, RebroadcastPolicy

LONGEST_S = 15
KINDS = st.sampled_from([s for s in SendOutcome if ACTION_OF[s] in (SendAction.AGAIN, SendAction.REBUILD)])


class Clock:
    ms = 0


def play(kinds: list[SendOutcome], gaps_ms: list[int]) -> list[tuple[int, SendOutcome]]:
    """Sends of one transaction, (time, what was said), until it is made anew; a look after each gap."""
    clock = Clock()
    policy = RebroadcastPolicy(LONGEST_S, lambda: clock.ms)
    answers = iter(kinds)
    sends: list[tuple[int, SendOutcome]] = []
    for gap_ms in [0, *gaps_ms]:
        clock.ms += gap_ms
        act = policy.action(1)
        if act in (SendAction.REBUILD, SendAction.RAISE):
            break
        if act is SendAction.NOTHING:
            continue
        kind = next(answers, None)
        if kind is None:
            break
        sends.append((clock.ms, kind))
        policy.note_refused(1, kind)
    return sends


@given(st.lists(KINDS, max_size=40), st.lists(st.integers(1, 3_000), min_size=40, max_size=80))
def test_what_is_not_understood_goes_unchanged_twice_at_most(kinds: list[SendOutcome], gaps_ms: list[int]) -> None:
    sends = play(kinds, gaps_ms)
    blind = [i for i, (_, kind) in enumerate(sends) if ACTION_OF[kind] is SendAction.REBUILD and i + 1 >= UNCHANGED]
    assert blind in ([], [len(sends) - 1]), "it ends with the second send that was not understood"


@given(
    st.lists(st.just(SendOutcome.RATE_LIMITED), min_size=40, max_size=40),
    st.lists(st.just(500), min_size=300, max_size=300),
)
def test_an_endpoint_that_asks_for_fewer_requests_gets_fewer(kinds: list[SendOutcome], gaps_ms: list[int]) -> None:
    pauses = [b - a for (a, _), (b, _) in pairwise(play(kinds, gaps_ms))]
    assert pauses[:5] == [1_000, 2_000, 4_000, 8_000, 15_000]
    assert set(pauses[5:]) == {LONGEST_S * 1_000}


def test_a_fee_is_raised_at_once_and_where_nothing_changes_tried_again_after_each_pause() -> None:
    clock = Clock()
    policy = RebroadcastPolicy(LONGEST_S, lambda: clock.ms)
    assert policy.action(1) is None
    policy.note_refused(1, SendOutcome.BELOW_BASE_FEE)
    assert policy.action(1) is SendAction.RAISE
    policy.note_stuck(1)
    assert policy.action(1) is SendAction.NOTHING
    clock.ms = 1_000
    assert policy.action(1) is SendAction.RAISE, "the market may ask for more by now"
    policy.note_refused(1, SendOutcome.BELOW_BASE_FEE)
    assert policy.action(1) is SendAction.NOTHING, "still stuck, and slower"
    policy.forget(1)
    assert policy.action(1) is None
