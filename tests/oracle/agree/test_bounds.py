"""What others say is bounded where it is decoded: every field of every word, so that nobody's word can be kept at any length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from oracle.agree.messages import (
    MOST_FEEDS,
    MOST_MEMBERS,
    Certificate,
    Commit,
    Content,
    Propose,
    Ready,
    SealedRound,
    Want,
)
from oracle.agree.verify import Unsound, hear_values_of, proven, verify
from oracle.agree.wire import (
    MOST_TEXT,
    BadPayload,
    CutAnswer,
    CutRequest,
    Envelope,
    Notice,
    PushingWord,
    ValuesWord,
    decode,
    encode,
)
from oracle.sign.eip712 import address_of, observed_digest, sign_compact
from oracle.sign.messages import SignedValues
from tests.oracle.agree.agree_world import (
    DOMAIN,
    ROUND_S,
    Members,
    network_key,
    report_key,
    signed_word,
    terms_of,
    view_of,
)

BINDING = bytes(32)
_SHORT = (int, bool, type(None))


def unbounded(hint: Any, name: str) -> Iterator[str]:
    """Names of what has no longest length in a type that comes from others."""
    metas: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *found = get_args(hint)
        metas = tuple(found)
    bounded = any(getattr(m, "max_length", None) is not None for m in metas)
    parts = get_args(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        for field, of_field in get_type_hints(hint, include_extras=True).items():
            yield from unbounded(of_field, f"{hint.__name__}.{field}")
    elif hint in {bytes, str} or (get_origin(hint) is tuple and Ellipsis in parts):
        if not bounded:
            yield name
    elif not parts and hint not in _SHORT:
        yield f"{name}: {hint}"
    for part in parts:
        if part is not Ellipsis:
            yield from unbounded(part, name)


def test_every_field_of_a_word_is_bounded() -> None:
    assert sorted(set(unbounded(Envelope, "Envelope"))) == []


class _Loose(msgspec.Struct, array_like=True):
    text: str
    some: tuple[Annotated[bytes, msgspec.Meta(max_length=1)], ...]


def test_a_field_without_a_bound_is_found() -> None:
    assert sorted(unbounded(_Loose, "")) == ["_Loose.some", "_Loose.text"]


ADDRESS, LONG = bytes(20), b"x" * 100_000
READY = Ready(ADDRESS, 0, bytes(32))
TOO_LONG = [
    Notice("x" * (MOST_TEXT + 1)),
    CutAnswer(ADDRESS, (1,), code="mute", text="x" * 100_000),
    CutRequest(tuple(range(MOST_FEEDS + 1))),
    Want(ADDRESS, (bytes(32),) * (MOST_MEMBERS + 1)),
    PushingWord(((0, 0),) * (MOST_FEEDS + 1), urgent=False, tx_hash=bytes(32)),
    ValuesWord(ADDRESS, 1, bytes(32), LONG * 2, bytes(64)),
    Ready(ADDRESS, 0, LONG),
    Ready(ADDRESS, 0, bytes(32), signature=LONG),
    SealedRound(1, ROUND_S, Content((), b"x" * 30), 0, (), (READY,) * (MOST_MEMBERS + 1)),
]


@pytest.mark.parametrize("word", TOO_LONG, ids=lambda w: type(w).__name__)
def test_what_is_too_long_is_no_word(word: Any) -> None:
    with pytest.raises(BadPayload):
        decode(encode(BINDING, ROUND_S, word))


def test_the_longest_that_is_a_word() -> None:
    for word in (
        Notice("x" * MOST_TEXT),
        CutRequest(tuple(range(MOST_FEEDS))),
        Want(ADDRESS, (bytes(32),) * MOST_MEMBERS),
    ):
        assert decode(encode(BINDING, ROUND_S, word)).word == word


def test_values_of_more_feeds_than_the_store_has_are_not_even_decoded() -> None:
    terms = terms_of()
    item = bytes(30)
    items = b"".join(n.to_bytes(2, "big") + item[2:] for n in range(len(terms.indexes) + 1))
    digest = observed_digest(DOMAIN, 1, ROUND_S, items, terms=terms.binding)
    signed = SignedValues(
        operator="", address=address_of(report_key(0)), round_time_s=ROUND_S, items=items,
        signature=sign_compact(report_key(0), digest), terms=terms.binding,
    )  # fmt: skip
    with pytest.raises(Unsound, match="more feeds than the store has"):
        hear_values_of(terms, signed)
    with pytest.raises(Unsound, match="not signed by a signer"):
        hear_values_of(terms, replace(signed, address=b"\x99" * 20))


def test_a_ready_for_no_hash_is_no_ready() -> None:
    terms = terms_of()
    keys = {address_of(report_key(0)): (address_of(network_key(0)),)}
    for content in (b"", bytes(31)):
        said = signed_word(terms, 0, Ready(address_of(report_key(0)), 0, content))
        assert isinstance(said, Ready)
        with pytest.raises(Unsound, match="names the content"):
            verify(terms, keys, said)


# --- what a sealed round does not prove -----------------------------------------------------------------------------------


def sealed_by(members: Members) -> SealedRound:
    members.start()
    members.pass_time(400)
    sealed = members.states[0].sealed
    assert sealed is not None
    return sealed


def forged(sealed: SealedRound) -> list[SealedRound]:
    """The same items and signatures, with another story of how they came about."""
    content = sealed.content
    stories = [
        msgspec.structs.replace(content, values=content.values[:2]),
        msgspec.structs.replace(content, values=(content.values[0],) * 2),
        msgspec.structs.replace(content, values=()),
    ]
    told = [msgspec.structs.replace(sealed, content=c) for c in stories]
    return [*told, *(msgspec.structs.replace(s, readies=()) for s in told),
            msgspec.structs.replace(sealed, readies=sealed.readies[:1])]  # fmt: skip


def test_what_the_signatures_of_a_sealed_round_do_not_prove_is_left_out_unless_readies_prove_it() -> None:
    terms = terms_of()
    members = Members(terms, [view_of("1.01", "1.02")] * 4)
    sealed = sealed_by(members)
    assert proven(terms, members.keys, sealed) == sealed
    for story in forged(sealed):
        heard = verify(terms, members.keys, story).said
        assert isinstance(heard, SealedRound)
        assert (heard.content.items, heard.signatures, heard.step) == (sealed.content.items, sealed.signatures, 0)
        assert (heard.content.values, heard.content.dropped, heard.readies) == ((), (), ())


@pytest.mark.parametrize("certified", ["never", "before", "after"])
def test_nobody_can_tell_a_member_another_story_of_a_round(certified: str) -> None:
    """A forged list of values would be stored beside the items, and every audit of the round fail."""
    views = [view_of("1.01", "1.02"), view_of("1.011", "1.02"), view_of("1.012", "1.02"), view_of("1.013", "1.02")]
    sealed = sealed_by(Members(terms_of(), views))
    for story in forged(sealed):
        told = Members(terms_of(), views, reaches=lambda _f, to, said: to != 3 or not isinstance(said, Commit | Ready))
        told.start()
        commit = Commit(
            sealed.signatures[0][0], Certificate(0, sealed.content, sealed.readies), sealed.signatures[0][1]
        )
        said = {"never": [story], "before": [commit, story], "after": [story, commit]}[certified]
        for word in said:
            told.deliver(3, word)
        kept = told.states[3].sealed
        assert kept is not None
        assert kept.content.values == (() if certified == "never" else sealed.content.values)
        assert kept.content.items == sealed.content.items


def test_a_proposal_within_the_bounds_goes_round() -> None:
    terms = terms_of()
    members = Members(terms, [view_of("1.01", "1.02")] * 4)
    members.start()
    said = next(w for _, w in members.said if isinstance(w, Propose))
    assert decode(encode(terms.binding, ROUND_S, said)).word == said
