"""How long the words of a round are, as the limits of the mesh and the formula of `join` take them to be."""

from __future__ import annotations

from oracle.agree.messages import Advance, Certificate, Commit, Content, FeedRefusal, Propose, Ready, SealedRound
from oracle.agree.wire import ValuesWord, Word, encode
from oracle.network.mesh.limits import MAX_PAYLOAD
from oracle.report.wire import ITEM_BYTES
from tests.oracle.agree.agree_world import ROUND_S

SIGNATURE, HASH = b"\x05" * 64, b"\x06" * 32


def size(word: Word) -> int:
    return len(encode(HASH, ROUND_S, word))


def words(members: int, feeds: int) -> dict[str, int]:
    """Sizes of one of each kind, in bytes. "least": with as many readies as it takes."""
    addresses = [n.to_bytes(20, "big") for n in range(1, members + 1)]
    items = bytes(ITEM_BYTES * feeds)
    content = Content(tuple((a, HASH) for a in addresses), items)
    readies = tuple(Ready(a, 0, HASH, (), SIGNATURE) for a in addresses)
    refusing = tuple((i, FeedRefusal.OUT_OF_BOUND.value) for i in range(feeds))
    refusals = tuple(Ready(a, 0, HASH, refusing, SIGNATURE) for a in addresses)
    advances = tuple(Advance(a, 2, 0, HASH, SIGNATURE) for a in addresses)
    least, whole = Certificate(0, content, readies[: 2 * members // 3 + 1]), Certificate(0, content, readies)
    return {
        "values": size(ValuesWord(addresses[0], 1, HASH, items, SIGNATURE)),
        "ready": size(readies[0]),
        "commit, least": size(Commit(addresses[0], least, SIGNATURE)),
        "commit": size(Commit(addresses[0], whole, SIGNATURE)),
        "proposal": size(Propose(addresses[0], 0, content, signature=SIGNATURE)),
        "later proposal": size(Propose(addresses[0], 2, content, advances, whole, signature=SIGNATURE)),
        "second step": size(Propose(addresses[0], 3, content, advances, None, refusals, SIGNATURE)),
        "sealed": size(SealedRound(1, ROUND_S, content, 0, tuple((a, SIGNATURE) for a in addresses), readies)),
    }


def test_words_of_31_members_and_40_feeds_are_as_long_as_the_limits_say() -> None:
    long = {name: round(length / 1_000, 1) for name, length in words(31, 40).items()}
    assert (long["values"], long["ready"]) == (1.4, 0.2)
    assert 5.5 < long["commit, least"] < long["commit"] < 7.5
    assert long["proposal"] == 3.1
    assert 8 < long["sealed"] < 10
    assert max(long["later proposal"], long["second step"]) < 15


def test_the_largest_word_of_a_large_set_fits_into_a_frame() -> None:
    assert max(words(100, 200).values()) < MAX_PAYLOAD
