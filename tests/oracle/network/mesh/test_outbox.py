"""Laws of what waits for a peer: bounded in bytes and time, in order, every message accounted for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oracle.network.mesh.outbox import Outbox

MOST, KEEP_US = 1_000, 100
_PUSH = st.tuples(st.just("push"), st.integers(0, 1_200), st.integers(0, 60))
_POP = st.tuples(st.just("pop"), st.just(0), st.integers(0, 60))


@given(st.lists(st.one_of(_PUSH, _POP), max_size=80))
def test_law_bounds_order_and_account(steps: list[tuple[str, int, int]]) -> None:
    box, now_us, number = Outbox(MOST, KEEP_US), 0, 0
    out: list[tuple[int, int]] = []
    pushed_at: dict[int, int] = {}
    for what, size, passed_us in steps:
        now_us += passed_us
        if what == "push":
            pushed_at[number] = now_us
            box.push(number, bytes(size), now_us)
            number += 1
        elif (one := box.pop(now_us)) is not None:
            out.append((one.kind, now_us))
        assert box.held <= MOST
        assert len(out) + box.dropped + box.expired + len(box) == number
    assert [k for k, _ in out] == sorted(k for k, _ in out), "first in, first out"
    assert all(at - pushed_at[k] <= KEEP_US for k, at in out), "nothing comes out that waited too long"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 300)), max_size=60))
def test_law_what_is_carried_goes_after_our_own_and_gives_way_first(pushed: list[tuple[bool, int]]) -> None:
    box, alone, same = (Outbox(MOST, KEEP_US) for _ in range(3))
    for number, (is_own, size) in enumerate(pushed):
        box.push(number, bytes(size), 0, is_own=is_own)
        same.push(number, bytes(size), 0, is_own=is_own)
        if is_own:
            alone.push(number, bytes(size), 0)
        assert box.held <= MOST
    waiting = box.drain(0)
    assert waiting == [same.pop(0) for _ in range(len(same))], "one by one as all at once"
    own = [w.kind for w in waiting if pushed[w.kind][0]]
    assert own == [w.kind for w in alone.drain(0)], "as if nothing were carried"
    assert [w.kind for w in waiting][: len(own)] == own


def test_the_oldest_give_way_and_are_counted() -> None:
    box = Outbox(3 * (100 + 64), 1_000)
    for n in range(5):
        box.push(n, bytes(100), 0)
    assert [w.kind for w in box.drain(0)] == [2, 3, 4]
    assert (box.dropped, box.held, len(box)) == (2, 0, 0)


def test_a_flood_of_empty_messages_is_bounded_too() -> None:
    box = Outbox(64 * 10, 1_000)
    for n in range(1_000):
        box.push(n, b"", 0)
    assert len(box) == 10


def test_what_waited_too_long_is_gone_and_counted() -> None:
    box = Outbox(MOST, KEEP_US)
    box.push(1, b"a", 0)
    box.push(2, b"b", 50)
    box.expire(101)
    assert (box.expired, len(box)) == (1, 1)
    assert box.pop(151) is None
    assert (box.expired, box.held) == (2, 0)
