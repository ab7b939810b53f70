"""What counts in an instance: attacks on the door. Real keys and signatures; what is no sound word is `Unsound`, nothing else."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.agree.messages import Advance, Advancing, Certificate, Commit, Content, Propose, Ready, SealedRound
from oracle.agree.terms import Terms
from oracle.agree.verify import Unsound, hear_values_of, verify
from oracle.report.wire import ITEM_BYTES
from oracle.sign.eip712 import address_of
from oracle.sign.messages import SignedValues
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.agree.agree_world import (
    Members,
    network_key,
    own_values,
    report_key,
    signed_word,
    terms_of,
    view_of,
)

Word = Propose | Ready | Advancing | Commit | SealedRound
_decode = msgspec.msgpack.Decoder(Propose | Ready | Advancing | Commit | SealedRound).decode
_STRANGER, _WEIGHTLESS = 9, 4
_ORDINARY = settings(max_examples=150, deadline=None)


@cache
def terms() -> Terms:
    """Four members of weight, and one without."""
    return terms_of((1, 1, 1, 1, 0), 3)


def keys(of: int = 5) -> dict[bytes, tuple[bytes, ...]]:
    """Network keys of all, the weightless member's too."""
    return {address_of(report_key(n)): (address_of(network_key(n)),) for n in range(of)}


@cache
def words() -> tuple[Word, ...]:
    """One of each kind and shape: of a round with a dead leader, a parted feed and a certificate that came too late."""
    views = [view_of("1.01", "1.02", "3000")] * 2 + [view_of("1.01", "1.30", "3000")] * 2
    late = Members(
        terms_of((1, 1, 1, 1, 0), 3), [*views, views[0]], reaches=lambda _f, _t, said: not isinstance(said, Commit)
    )
    late.start(0, 1, 2, 3)
    late.pass_time(3_300)
    said = [w for n, w in late.said if n < _WEIGHTLESS and isinstance(w, Propose | Ready | Advancing | Commit)]
    calm = Members(terms(), [view_of("1.01", "1.02", "3000")] * 5)
    calm.start(0, 1, 2, 3)
    calm.pass_time(400)
    sealed = calm.states[0].sealed
    assert sealed is not None
    shapes: dict[object, Word] = {}
    for word in (*said, sealed):
        shape = [bool(getattr(word, f, None)) for f in ("advances", "certificate", "readies", "refused")]
        shapes.setdefault((type(word), *shape), word)
    return tuple(shapes.values())


def outcome(word: Word) -> str:
    """Why it counts for nothing; "" if it counts."""
    try:
        verify(terms(), keys(), word)
    except Unsound as e:
        return str(e)
    return ""


def with_fields(word, **changes):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN003, ANN201
    """A word with other fields."""
    return type(word)(**{f: changes.get(f, getattr(word, f)) for f in word.__struct_fields__})


def of_kind(kind: type, has: str = "") -> Word:
    """A sound word of a kind; ``has``: a field that is not empty."""
    return next(w for w in words() if isinstance(w, kind) and (not has or getattr(w, has)))


def proven(word: Word) -> object:
    """All of a word that is signed by somebody. Of a sealed round: what keys of weight T have signed, and who."""
    if isinstance(word, SealedRound):
        return (word.epoch, word.round_time_s, word.step, word.content.items, word.signatures)
    return word


def test_sound_words_of_all_shapes_count() -> None:
    assert len(words()) >= 9
    assert {type(w) for w in words()} == {Propose, Ready, Advancing, Commit, SealedRound}
    assert [w for w in words() if outcome(w)] == []


@pytest.mark.parametrize("part", range(8))
def test_a_changed_byte_makes_a_word_unsound_or_changes_nothing_that_is_signed(part: int) -> None:
    rng = random.Random(part)
    for word in words():
        raw = msgspec.msgpack.encode(word)
        for place in range(part, len(raw), 8 * (1 + len(raw) // 600)):
            changed = raw[:place] + bytes([raw[place] ^ rng.randrange(1, 256)]) + raw[place + 1 :]
            try:
                other = _decode(changed)
            except (msgspec.DecodeError, ValueError):
                continue
            assert outcome(other) or proven(other) == proven(word), (place, other)


def ready_of(n: int, like: Ready, **changes: object) -> Ready:
    """A ready that this member's network key really signs."""
    made = signed_word(terms(), n, with_fields(like, address=address_of(report_key(n)), **changes))
    assert isinstance(made, Ready)
    return made


def certified(readies: Callable[[tuple[Ready, ...]], tuple[Ready, ...]]) -> Commit:
    """A commit whose certificate has other readies."""
    commit = of_kind(Commit)
    assert isinstance(commit, Commit)
    certificate = commit.certificate
    return with_fields(commit, certificate=with_fields(certificate, readies=readies(certificate.readies)))  # type: ignore[no-any-return]


_FALSE_READIES: dict[str, Callable[[tuple[Ready, ...]], tuple[Ready, ...]]] = {
    "none": lambda _: (),
    "too few": lambda r: r[:2],
    "one twice": lambda r: (r[0], r[0], r[1]),
    "out of order": lambda r: tuple(reversed(r)),
    "a stranger's": lambda r: (*r[:2], ready_of(_STRANGER, r[0])),
    "a weightless member's": lambda r: tuple(sorted((*r[:2], ready_of(_WEIGHTLESS, r[0])), key=lambda x: x.address)),
    "of another step": lambda r: (*r[:-1], with_fields(r[-1], step=r[-1].step + 2)),
    "signed for another step": lambda r: tuple(ready_of(n, x, step=4) for n, x in enumerate(r)),
    "of another content": lambda r: (*r[:-1], with_fields(r[-1], content=bytes(32))),
    "in another's name": lambda r: (*r[:-1], with_fields(r[-1], signature=r[0].signature)),
    "without a signature": lambda r: (*r[:-1], with_fields(r[-1], signature=b"")),
    "that refuse": lambda r: (*r[:1], *(with_fields(x, refused=((0, 1),)) for x in r[1:])),
}


@pytest.mark.parametrize("name", _FALSE_READIES)
def test_a_certificate_with_false_readies_is_none(name: str) -> None:
    assert outcome(certified(_FALSE_READIES[name]))


def test_refusals_that_are_really_signed_take_the_weight_from_a_certificate() -> None:
    """Not of the second step, where nothing is taken back."""
    commit = of_kind(Commit)
    assert isinstance(commit, Commit)
    order = {address_of(report_key(n)): n for n in range(4)}
    for step in (0, 1):
        readies = tuple(ready_of(order[r.address], r, step=step, refused=((0, 1),)) for r in commit.certificate.readies)
        certificate = with_fields(commit.certificate, readies=readies, step=step)
        advance = Advance(address_of(report_key(1)), 2, step, commit.certificate.content.hash())
        word = Advancing(signed_word(terms(), 1, advance), certificate)  # type: ignore[arg-type]
        assert bool(outcome(word)) is (step == 0)


def test_words_of_a_member_without_weight_get_into_no_certificate_and_no_quorum() -> None:
    """They would make it unsound: a signer that was removed could spoil what honest members say."""
    ready = of_kind(Ready)
    assert isinstance(ready, Ready)
    assert outcome(ready_of(_WEIGHTLESS, ready)) == "a word of nobody with weight"
    advance = signed_word(terms(), _WEIGHTLESS, Advance(address_of(report_key(_WEIGHTLESS)), 2))
    assert isinstance(advance, Advance)
    assert outcome(Advancing(advance)) == "a word of nobody with weight"


@pytest.mark.parametrize("step", [-1, -(2**31), 18, 2**16, 2**63])
def test_steps_outside_of_the_round_are_none(step: int) -> None:
    for word in words():
        if "step" in word.__struct_fields__:
            assert outcome(with_fields(word, step=step)) == "no such step" or not isinstance(word, Ready | SealedRound)
            assert outcome(with_fields(word, step=step))
    commit = of_kind(Commit)
    assert isinstance(commit, Commit)
    assert outcome(with_fields(commit, certificate=with_fields(commit.certificate, step=step)))


def test_words_of_another_round_other_terms_or_another_member_count_for_nothing() -> None:
    later = replace(terms(), round_time_s=terms().round_time_s + 10)
    stricter = replace(terms(), signers=replace(terms().signers, threshold=4))
    for word in words():
        for other in (later, stricter):
            if isinstance(word, SealedRound) and other is stricter and len(word.signatures) == 4:
                continue
            with pytest.raises(Unsound):
                verify(other, keys(), word)
        if not isinstance(word, SealedRound):
            with pytest.raises(Unsound):
                verify(terms(), {}, word)


def test_a_proposal_passed_on_with_another_justification_is_nobody_s() -> None:
    """Else whoever passes it on could have an honest leader accused."""
    proposal = of_kind(Propose, "readies")
    assert isinstance(proposal, Propose)
    assert outcome(with_fields(proposal, readies=())).startswith("not signed by")
    assert outcome(with_fields(proposal, advances=proposal.advances[:1])).startswith("not signed by")
    shown = of_kind(Propose, "certificate")
    assert outcome(with_fields(shown, certificate=None)).startswith("not signed by")


def test_an_advance_comes_with_the_certificate_that_it_names() -> None:
    word = of_kind(Advancing, "certificate")
    assert isinstance(word, Advancing)
    assert outcome(Advancing(word.advance)) == "an advance that names a certificate comes with it"
    bare = Advance(word.advance.address, word.advance.step)
    n = next(i for i in range(4) if address_of(report_key(i)) == bare.address)
    signed = signed_word(terms(), n, bare)
    assert isinstance(signed, Advance)
    assert outcome(Advancing(signed)) == ""
    assert outcome(Advancing(signed, word.certificate)) == "an advance with another certificate than it names"


def test_values_count_on_these_terms_of_this_round_with_feeds_of_the_store_and_from_a_member_of_weight() -> None:
    good = own_values(terms(), 1, view_of("1.01", "1.02")).signed
    assert isinstance(hear_values_of(terms(), good), VerifiedValues)
    other = own_values(terms_of((1, 1, 1, 1), 3), 1, view_of("1.01")).signed
    weightless = replace(good, address=address_of(report_key(_WEIGHTLESS)))
    faults = [
        other, weightless, replace(good, round_time_s=1), replace(good, items=good.items[:-1]), replace(good, signature=b""),
        replace(good, items=good.items + good.items), replace(good, items=b""), replace(good, terms=bytes(32)),
    ]  # fmt: skip
    for values in faults:
        with pytest.raises(Unsound):
            hear_values_of(terms(), values)


# --- structures of the right types and any content -----------------------------------------------------------------------

ints = st.one_of(st.integers(-3, 20), st.integers(-(2**63), 2**64 - 1))
addresses = st.one_of(st.sampled_from([address_of(report_key(n)) for n in range(10)]), st.binary(max_size=40))
signatures = st.one_of(st.binary(min_size=64, max_size=64), st.binary(max_size=70))
numbers = st.lists(ints, max_size=3).map(tuple)
contents = st.builds(
    Content,
    values=st.lists(st.tuples(addresses, st.binary(min_size=31, max_size=32)), max_size=6).map(tuple),
    items=st.one_of(st.binary(max_size=90), st.binary(min_size=ITEM_BYTES, max_size=ITEM_BYTES)),
    dropped=numbers,
)
refusals = st.lists(st.tuples(ints, ints), max_size=3).map(tuple)
hashes = st.binary(max_size=33)
any_readies = st.builds(Ready, addresses, ints, hashes, refusals, signatures)
real = st.deferred(lambda: st.sampled_from([w for w in words() if isinstance(w, Ready)]))
many_readies = st.lists(st.one_of(any_readies, real), max_size=5).map(tuple)
certificates = st.builds(Certificate, ints, contents, many_readies)
advances = st.builds(Advance, addresses, ints, ints, hashes, signatures)
words_of: dict[type, st.SearchStrategy[Word]] = {
    Ready: any_readies,
    Propose: st.builds(
        Propose, addresses, ints, contents, st.lists(advances, max_size=4).map(tuple), st.none() | certificates, many_readies,
        signatures,
    ),
    Advancing: st.builds(Advancing, advances, st.none() | certificates),
    Commit: st.builds(Commit, addresses, certificates, signatures),
    SealedRound: st.builds(
        SealedRound, st.one_of(st.just(1), ints), st.one_of(st.just(1_700_000_000), ints), contents, ints,
        st.lists(st.tuples(addresses, signatures), max_size=5).map(tuple), many_readies,
    ),
}  # fmt: skip


@_ORDINARY
@given(st.one_of(list(words_of.values())))
def test_any_word_of_the_right_types_is_unsound(word: Word) -> None:
    assert outcome(word)
    with contextlib.suppress(msgspec.ValidationError):  # what is too long is refused as bytes already
        assert outcome(_decode(msgspec.msgpack.encode(word)))


@_ORDINARY
@given(st.data())
def test_a_real_word_with_any_field_exchanged_is_unsound_or_means_the_same(data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(words()))
    field = data.draw(st.sampled_from(word.__struct_fields__))
    like = data.draw(words_of[type(word)])
    other = with_fields(word, **{field: getattr(like, field)})
    assert outcome(other) or proven(other) == proven(word)


@_ORDINARY
@given(st.binary(max_size=100), addresses, ints, signatures)
def test_any_values_are_unsound(items: bytes, address: bytes, round_time_s: int, signature: bytes) -> None:
    values = SignedValues(
        operator="x",
        address=address,
        round_time_s=round_time_s,
        items=items,
        signature=signature,
        terms=terms().binding,
    )
    with pytest.raises(Unsound):
        hear_values_of(terms(), values)
