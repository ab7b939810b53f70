"""Who may push when: one operator at each moment, all of them in turn, in an order that all draw alike."""

from __future__ import annotations

import random
from collections import Counter

from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from oracle.push.stages import Claim, Episode, StagePace, arming_order, next_turn_ms, pace_of, push_order
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet

MEMBERS = tuple(keccak(bytes([i]))[:20] for i in range(8))
PACE = StagePace(silent_ms=1_000, announced_ms=1_500)
T0 = 10**12


def signers(count: int = 8, epoch: int = 1, weights: tuple[int, ...] = ()) -> SignerSet:
    return SignerSet(
        domain=Domain(1, b"\x11" * 20),
        epoch=epoch,
        signers=MEMBERS[:count],
        weights=weights or (1,) * count,
        threshold=count,
    )


episodes = st.builds(
    Episode, feed=st.integers(0, 2**16 - 1), replaced_s=st.integers(0, 2**32 - 1), urgent=st.booleans()
)
payers = st.sets(st.sampled_from(MEMBERS), min_size=1)
claims = st.lists(
    st.builds(Claim, by=st.sampled_from(MEMBERS), heard_ms=st.integers(T0 - 2_000, T0 + 9_000)),
    max_size=4, unique_by=lambda c: c.by,
)  # fmt: skip


@given(episodes, payers)
def test_every_payer_has_exactly_one_place_and_nobody_else_has_one(episode: Episode, paying: set[bytes]) -> None:
    stranger = b"\x77" * 20
    order = push_order(signers(), paying | {stranger}, episode.place())
    assert sorted(order) == sorted(paying)
    for outsider in set(MEMBERS) - paying | {stranger}:
        assert next_turn_ms(order, outsider, T0, (), T0 + 10**9, PACE) is None


@given(episodes, payers, st.randoms(use_true_random=False))
def test_equal_views_give_an_equal_order(episode: Episode, paying: set[bytes], rng: random.Random) -> None:
    listed = list(MEMBERS)
    rng.shuffle(listed)
    other = SignerSet(
        domain=Domain(1, b"\x11" * 20), epoch=1, signers=tuple(listed), weights=tuple(range(1, 9)), threshold=9
    )
    assert push_order(other, sorted(paying), episode.place()) == push_order(signers(), paying, episode.place())


def test_a_member_that_was_removed_has_no_place_and_moves_nobody_else() -> None:
    place = Episode(feed=1, replaced_s=7).place()
    whole = push_order(signers(4), MEMBERS, place)
    gone = whole[1]
    weights = tuple(int(a != gone) for a in MEMBERS[:4])
    assert push_order(signers(4, weights=weights), MEMBERS, place) == tuple(a for a in whole if a != gone)


def test_each_episode_is_drawn_anew_and_all_come_first_equally_often() -> None:
    firsts = Counter(
        push_order(signers(4), MEMBERS, Episode(feed=f, replaced_s=r, urgent=u).place())[0]
        for f in range(4) for r in range(500) for u in (False, True)
    )  # fmt: skip
    assert set(firsts) == set(MEMBERS[:4])
    assert all(900 < n < 1_100 for n in firsts.values()), "1,000 each, and 4 standard deviations are 110"
    assert push_order(signers(8), MEMBERS, b"push") != push_order(signers(8, epoch=2), MEMBERS, b"push")
    assert sorted(arming_order(b"\x01" * 32, MEMBERS)) == sorted(MEMBERS)


@given(episodes, payers, claims, st.integers(-3_000, 40_000))
def test_at_each_moment_exactly_one_may_push_or_an_announced_push_is_waited_for(
    episode: Episode, paying: set[bytes], said: list[Claim], after_ms: int
) -> None:
    order = push_order(signers(), paying, episode.place())
    now_ms = T0 + after_ms
    said = [c for c in said if c.heard_ms <= now_ms]
    if len(order) == 1:
        assert next_turn_ms(order, order[0], T0, said, now_ms, PACE) == now_ms, "nobody is waited for"
        return
    may = [a for a in order if next_turn_ms(order, a, T0, said, now_ms, PACE) == now_ms]
    waiting = any(c.by in paying and now_ms < c.heard_ms + PACE.announced_ms for c in said)
    assert len(may) == (0 if waiting or now_ms < T0 else 1)


@given(episodes, payers, claims)
def test_a_turn_is_a_time_at_which_one_may_and_each_gets_one_within_a_stage_for_every_other(
    episode: Episode, paying: set[bytes], said: list[Claim]
) -> None:
    order = push_order(signers(), paying, episode.place())
    now_ms = max([T0, *(c.heard_ms for c in said)])
    counting = [c for c in said if c.by in paying]
    for address in order:
        at_ms = next_turn_ms(order, address, T0, said, now_ms, PACE)
        assert at_ms is not None
        assert next_turn_ms(order, address, T0, said, at_ms, PACE) == at_ms
        waits_ms = len(counting) * PACE.announced_ms + len(order) * PACE.silent_ms
        assert at_ms - now_ms <= waits_ms


@given(episodes, payers, st.data())
def test_dead_and_lying_ones_cost_a_stage_each(episode: Episode, paying: set[bytes], data: st.DataObject) -> None:
    """All but one are dead, or announce at once what never lands: that one pushes after a stage for each."""
    order = push_order(signers(), paying, episode.place())
    honest = data.draw(st.sampled_from(order))
    liars = data.draw(st.sets(st.sampled_from(order)).map(lambda s: s - {honest}))
    said: list[Claim] = []
    now_ms = T0
    for _ in range(3 * len(order)):
        turns = {a: next_turn_ms(order, a, T0, said, now_ms, PACE) for a in order}
        now_ms, actor = min((at, a) for a, at in turns.items() if at is not None and (a == honest or a in liars))
        if actor == honest:
            break
        liars.remove(actor)
        said.append(Claim(by=actor, heard_ms=now_ms))
    dead = len(order) - 1 - len(said)
    assert now_ms - T0 <= len(said) * PACE.announced_ms + dead * PACE.silent_ms


def test_the_first_waits_for_nobody_and_the_next_one_stage() -> None:
    order = MEMBERS[:3]
    turns = [next_turn_ms(order, a, T0, (), T0, PACE) for a in order]
    assert turns == [T0, T0 + 1_000, T0 + 2_000]
    assert next_turn_ms(order, order[0], T0, (), T0 + 1_000, PACE) == T0 + 3_000, "after the last one it begins anew"
    announced = [Claim(by=order[0], heard_ms=T0 + 400)]
    after = [next_turn_ms(order, a, T0, announced, T0 + 500, PACE) for a in order]
    assert after == [T0 + 3_900, T0 + 1_900, T0 + 2_900], (
        "what is announced is waited for, and then its sender is the last"
    )


def test_a_stage_is_a_block_and_a_half_half_an_interval_at_least_and_shorter_for_what_is_urgent() -> None:
    assert pace_of(12_000, 10) == StagePace(silent_ms=18_000, announced_ms=18_000)
    assert pace_of(2_000, 10) == StagePace(silent_ms=5_000, announced_ms=5_000)
    assert pace_of(250, 1) == StagePace(silent_ms=1_000, announced_ms=1_000)
    assert pace_of(12_000, 10, urgent=True) == StagePace(silent_ms=6_000, announced_ms=18_000)
    assert pace_of(12_000, 10, stage_s=4) == StagePace(silent_ms=4_000, announced_ms=4_000)
