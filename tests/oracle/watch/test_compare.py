"""Two words of an operator that differ are found, whatever they were signed as; what an honest one says is no contradiction."""

from __future__ import annotations

import random
from itertools import product

import pytest

from oracle.sign.eip712 import Domain
from oracle.watch.compare import Comparer, Contradiction, WordJudgement
from oracle.watch.words import SignedWord, WordKind, items_of
from tests.oracle.watch.watch_world import ADDRESSES, HERE, ROUND_S, SEALED, A, B, items, word_by


def heard(*words: SignedWord, **options: object) -> list[Contradiction]:
    comparer = Comparer(**options)  # type: ignore[arg-type]
    return [j.contradiction for j in map(comparer.hear, words) if j.contradiction is not None]


@pytest.mark.parametrize(("first", "second"), list(product(WordKind, WordKind)))
def test_two_words_that_differ_are_found(first: WordKind, second: WordKind) -> None:
    a, b = word_by(0, A, first), word_by(0, B, second, step=7 * (second is SEALED))
    (found,) = heard(a, word_by(1, B, second), b)
    assert (found.operator, found.first, found.second, found.index) == (ADDRESSES[0], a, b, 1)
    assert a.is_sound
    assert b.is_sound


def test_two_epochs_are_one_round() -> None:
    (found,) = heard(word_by(0, A, epoch=1), word_by(0, B, SEALED, epoch=2))
    assert {found.first.epoch, found.second.epoch} == {1, 2}


def test_another_round_store_or_chain_is_another_thing() -> None:
    away = Domain(chain_id=1, store=HERE.store)
    other = Domain(chain_id=HERE.chain_id, store=bytes(20))
    words = [
        word_by(0, A),
        word_by(0, B, round_s=ROUND_S + 10),
        word_by(0, B, domain=away),
        word_by(0, B, domain=other),
    ]
    assert heard(*words) == []


def test_a_rotated_key_is_the_same_operator() -> None:
    """An old and a new key that say two things are one lie; without a book of keys they are two operators."""
    words = word_by(0, A, epoch=1), word_by(1, B, epoch=2)
    assert heard(*words) == []
    (found,) = heard(*words, operator_of=lambda key: b"\x99" * 20 if key in ADDRESSES[:2] else key)
    assert (found.operator, found.first.key, found.second.key) == (b"\x99" * 20, ADDRESSES[0], ADDRESSES[1])


def test_who_a_key_belongs_to_may_become_known_later() -> None:
    book: dict[bytes, bytes] = {}
    comparer = Comparer(operator_of=lambda key: book.get(key, key))
    for word in (word_by(0, A), word_by(1, B), word_by(2, B)):
        comparer.hear(word)
    assert comparer.regroup() == []
    book |= {ADDRESSES[0]: b"\x99" * 20, ADDRESSES[1]: b"\x99" * 20}
    assert [f.operator for f in comparer.regroup()] == [b"\x99" * 20]
    assert comparer.regroup() == [], "told once"


def test_a_lie_between_batches_of_single_tokens_is_found() -> None:
    """Each of them brought something new: none of them may be forgotten."""
    singles = [word_by(0, items((i, "1.05"))) for i in range(40)]
    (found,) = heard(*singles, word_by(0, items((17, "1.04"), (60, "1")), SEALED))
    assert (found.index, found.first) == (17, singles[17])


def test_the_first_item_of_a_token_counts_as_in_the_store() -> None:
    twice = items((0, "1.05"), (0, "1.04"))
    assert heard(word_by(0, items((0, "1.05"))), word_by(0, twice)) == []
    assert len(heard(word_by(0, items((0, "1.04"))), word_by(0, twice))) == 1
    assert list(items_of(twice)) == [0]


def test_who_lies_in_every_word_is_found_once_a_round() -> None:
    words = [word_by(0, items((0, f"1.0{n}"))) for n in range(9)]
    assert len(heard(*words)) == 1


def test_what_says_nothing_new_is_not_kept() -> None:
    comparer = Comparer()
    whole = word_by(0, A, SEALED)
    assert comparer.hear(whole) == WordJudgement(is_new=True)
    again = [word_by(0, A, SEALED, step=3), word_by(0, A), word_by(0, A[:30]), word_by(0, A[30:], epoch=2)]
    assert [comparer.hear(w) for w in again] == [WordJudgement(is_new=False)] * 4


def test_memory_is_bounded_and_an_old_lie_is_found_in_what_was_kept() -> None:
    kept: dict[int, list[SignedWord]] = {}
    asked: list[int] = []

    def recall(_: Domain, round_s: int) -> list[SignedWord]:
        asked.append(round_s)
        return kept.get(round_s, [])

    comparer = Comparer(recall, most_rounds=50)
    for n in range(500):
        word = word_by(0, A, round_s=ROUND_S + 10 * n)
        kept[word.round_time_s] = [word]
        comparer.hear(word)
    assert len(comparer) == 50
    before = len(asked)
    found = comparer.hear(word_by(0, B, round_s=ROUND_S)).contradiction
    assert found is not None
    assert found.first == kept[ROUND_S][0]
    assert comparer.hear(word_by(1, A, round_s=ROUND_S + 10 * 499)) == WordJudgement(is_new=True)
    assert len(asked) == before + 1, "a round in memory is asked of nobody"


def test_the_order_in_which_words_are_heard_changes_nothing() -> None:
    rng = random.Random(5)
    words = [word_by(0, A, SEALED), word_by(0, A), word_by(0, A[:30]), word_by(0, B[30:], epoch=2), word_by(1, B)]
    for _ in range(50):
        rng.shuffle(words)
        (found,) = heard(*words)
        assert (found.operator, found.index) == (ADDRESSES[0], 1)
