"""What words of others are worth: a key that was replaced soon speaks for nobody, and liars never set the clock."""

from __future__ import annotations

import random

from oracle.network.peer_words import SpeakingKeys, clock_offset_ms

KEEP_MS = 20_000
OLD, NEW, NEWEST = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20


def test_a_key_that_was_replaced_speaks_for_two_rounds_more_and_then_for_nobody() -> None:
    keys = SpeakingKeys(KEEP_MS)
    keys.note(b"alice", OLD, 1_000)
    keys.note(b"bob", OLD, 1_000)
    for now_ms in (1_000, 1_000 + KEEP_MS, 1 << 40):
        keys.note(b"bob", OLD, now_ms)
        assert keys.at(now_ms) == {b"alice": (OLD,), b"bob": (OLD,)}, "one that was not replaced speaks on"
    keys.note(b"alice", NEW, 5_000)
    keys.note(b"alice", NEW, 5_000 + KEEP_MS - 1)
    assert keys.at(5_000 + KEEP_MS - 1)[b"alice"] == (NEW, OLD), "its words are on their way"
    assert keys.at(5_000 + KEEP_MS)[b"alice"] == (NEW,)
    assert keys.at(5_000)[b"alice"] == (NEW,), "and a clock that goes back brings nothing back"


def test_of_keys_replaced_one_after_the_other_the_last_two_speak() -> None:
    keys = SpeakingKeys(KEEP_MS)
    for n, key in enumerate((OLD, NEW, NEWEST)):
        keys.note(b"alice", key, n)
    assert keys.at(3) == {b"alice": (NEWEST, NEW)}


def test_two_thirds_or_less_do_not_say_what_the_time_is() -> None:
    members = [bytes([n]) for n in range(6)]
    offsets = dict(zip(members[:5], (0, -70, -80, 9_000, 9_000), strict=True))
    assert clock_offset_ms(offsets, dict.fromkeys(members, 1)) == 0
    del offsets[members[2]]
    assert clock_offset_ms(offsets, dict.fromkeys(members, 1)) is None


def test_one_that_is_alone_says_nothing() -> None:
    assert clock_offset_ms({b"me": 0}, {b"me": 1}) is None
    assert clock_offset_ms({b"me": 0}, {}) is None


def test_law_liars_of_less_than_a_third_never_move_the_clock_beyond_the_honest_ones() -> None:
    """Whoever is linked: the others may be cut off by those who lie."""
    drawn = random.Random(5)
    said = 0
    for _ in range(3_000):
        weights = {bytes([n]): drawn.randint(1, 9) for n in range(drawn.randint(2, 13))}
        whole, lying = sum(weights.values()), set()
        for member in drawn.sample(sorted(weights), len(weights)):
            if 3 * (sum(weights[m] for m in lying) + weights[member]) < whole:
                lying.add(member)
        honest = {m: drawn.randint(-50, 50) for m in weights if m not in lying}
        kept = drawn.sample(sorted(honest), drawn.randint(1, len(honest)))
        lie = drawn.choice([-(10**9), 10**9])
        offset = clock_offset_ms({m: honest[m] for m in kept} | dict.fromkeys(lying, lie), weights)
        if offset is not None:
            said += 1
            assert min(honest[m] for m in kept) <= offset <= max(honest[m] for m in kept)
    assert said > 500
