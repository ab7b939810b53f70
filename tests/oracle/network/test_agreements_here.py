"""Operators of one process agree: who is blind, far away, mute or without a journal costs what it must and nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.units import Wad
from oracle.agree.content import is_prepared, lost_feeds, vouching
from oracle.agree.messages import Content, FeedRefusal, Ready
from oracle.agree.outcome import RoundOutcome
from oracle.agree.verify import check_sealed
from oracle.model.types import Report
from oracle.report.wire import encode_items, split_items
from oracle.sign.eip712 import address_of
from oracle.sign.messages import Refusal, RefusalCode, Signature, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.agree.agree_world import ROUND_S as AGREE_ROUND_S
from tests.oracle.agree.agree_world import Members, terms_of
from tests.oracle.network.agreement_world import BRIEF, BRISK, agreements_here, ask_of, led_by
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import KEYS, NOW_MS, ROUND_S, SIGNERS, ScriptedOperator, scripted_operators

FEEDS = tuple(range(5))
PATIENT = replace(BRISK, values_ms=60_000, first_ms=120_000, end_ms=600_000)
"""The first attempt does not end while a test runs."""
NEAR, FAR = report(), replace(report(), market_wad=Wad(2 * report().market_wad))


@pytest.fixture
def operators(tmp_path: Path) -> list[ScriptedOperator]:
    return scripted_operators(tmp_path)


def seen(*feeds: int, round_s: int = ROUND_S, one: Report = NEAR) -> dict[int, Report]:
    return dict.fromkeys(feeds, replace(one, round_time_s=round_s))


async def agree(
    operators: Sequence[Operator], views: Mapping[int, Mapping[int, Report]], round_s: int = ROUND_S, **more: object
) -> RoundOutcome:
    """A round; ``views``: of an operator, where it is not all feeds."""
    reports = {o.name: views.get(i, seen(*FEEDS, round_s=round_s)) for i, o in enumerate(operators)}
    agreements = agreements_here(operators, now_ms=lambda: NOW_MS, **more)  # type: ignore[arg-type]
    return await agreements.agree(ask_of(SIGNERS, round_s, reports, feeds={f"feed{i}": i for i in FEEDS}))


def sealed_feeds(outcome: RoundOutcome) -> tuple[int, ...]:
    if outcome.sealed is None:
        return ()
    check_sealed(outcome.terms, outcome.sealed)
    return tuple(split_items(outcome.sealed.content.items))


# --- what members part on -----------------------------------------------------------------------------------------------


async def test_one_that_refuses_everything_takes_no_feed_along(operators: list[ScriptedOperator]) -> None:
    outcome = await agree(operators, {2: seen(*FEEDS, one=FAR)})
    assert sealed_feeds(outcome) == FEEDS
    assert outcome.members[2].refused == tuple((i, FeedRefusal.OUT_OF_BOUND) for i in FEEDS)


async def test_beside_one_that_refuses_everything_a_blind_one_costs_its_feed_alone(
    operators: list[ScriptedOperator],
) -> None:
    outcome = await agree(operators, {0: seen(*FEEDS[1:]), 2: seen(*FEEDS, one=FAR)}, timing=PATIENT)
    assert sealed_feeds(outcome) == FEEDS[1:]
    assert outcome.sealed is not None
    assert outcome.sealed.content.dropped == (0,)
    assert outcome.sealed.attempt == 1, "it costs no other leader's turn"
    told = [dict(m.refused).get(0) for m in outcome.members]
    assert told == [FeedRefusal.NO_OWN_VIEW, None, FeedRefusal.OUT_OF_BOUND], "who did not vouch for what was left out"


async def test_where_each_is_blind_for_another_feed_all_are_sealed(operators: list[ScriptedOperator]) -> None:
    outcome = await agree(operators, {0: seen(1, 2, 3, 4), 1: seen(0, 2, 3, 4), 2: seen(0, 1, 3, 4)})
    assert sealed_feeds(outcome) == FEEDS


async def test_where_members_part_on_every_feed_the_round_is_over_at_once(operators: list[ScriptedOperator]) -> None:
    """All are here, and have spoken: another leader would hear the same, until the end of the interval."""
    views = {0: seen(*FEEDS), 1: seen(*FEEDS, one=FAR), 2: seen(*FEEDS, one=replace(FAR, market_wad=Wad(1)))}
    outcome = await agree(operators, views, timing=PATIENT)
    assert outcome.sealed is None
    assert {i for m in outcome.members for i, _ in m.refused} == set(FEEDS)
    assert outcome.attempts == 1


@settings(max_examples=60, deadline=None)
@given(
    honest_no=st.frozensets(st.sampled_from(range(3))),
    others_no=st.lists(st.frozensets(st.sampled_from(range(3))), min_size=2, max_size=2),
)
def test_law_honest_members_of_the_threshold_s_weight_lose_no_feed_to_the_others(
    honest_no: frozenset[int], others_no: list[frozenset[int]]
) -> None:
    """What they have is sealed, and nothing else, whatever a minority is blind for or sees far away."""
    terms = terms_of(weights=(3, 2, 2, 1, 1), threshold=7)

    def view(no: frozenset[int], other: Report) -> dict[int, Report]:
        return {i: replace(other if i in no else NEAR, round_time_s=AGREE_ROUND_S) for i in range(3)}

    honest = {i: r for i, r in view(frozenset(), NEAR).items() if i not in honest_no}
    members = Members(terms, [honest] * 3 + [view(no, FAR) for no in others_no])
    members.start()
    members.pass_time(terms.timing.end_ms)
    for state in members.states:
        kept = () if state.sealed is None else tuple(split_items(state.sealed.content.items))
        assert kept == tuple(i for i in range(3) if i not in honest_no)


def test_a_stranger_s_word_weighs_nothing_and_a_refusal_is_of_the_feed_that_it_names() -> None:
    terms = terms_of()
    content = Content(values=(), items=encode_items(seen(0, 1, 2)))
    members = list(terms.members)

    def ready(address: bytes, *no: int) -> Ready:
        return Ready(address, 0, content.hash(), tuple((i, FeedRefusal.OUT_OF_BOUND) for i in no))

    stranger = ready(b"\1" * 20, 0, 1, 2)
    three = [ready(a) for a in members[:3]]
    assert is_prepared(terms, content, [*three, stranger, ready(members[3], 0, 1, 2)])
    assert not is_prepared(terms, content, [*three[:2], stranger, ready(b"\2" * 20)])
    parted = [*three[:2], ready(members[2], 0), ready(members[3], 0)]
    assert not is_prepared(terms, content, parted)
    assert lost_feeds(terms, content, parted) == (0,)
    assert [vouching(terms, parted, i) for i in range(3)] == [2, 4, 4]


# --- who cannot sign ----------------------------------------------------------------------------------------------------


async def test_a_journal_that_cannot_be_written_is_a_typed_refusal(tmp_path: Path) -> None:
    operators = scripted_operators(tmp_path, busy_ms=0)
    with sqlite3.connect(operators[0].journal.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        operators[1].silent = operators[2].silent = RefusalCode.SIGNER
        outcome = await agree(operators, {}, timing=BRIEF)
        assert outcome.sealed is None
        operators[1].silent = operators[2].silent = None
        outcome = await agree(operators, {})
        assert sealed_feeds(outcome) == FEEDS
        assert {(r.operator, r.code) for r in outcome.refusals} == {("op0", RefusalCode.JOURNAL)}
        assert outcome.signed == ("op1", "op2")
        assert "must be in the journal first" in outcome.members[0].why
        assert operators[0].asked == 0, "what is not in the journal is not signed"
        other.execute("ROLLBACK")
    other.close()
    assert (await agree(operators, {}, ROUND_S + 10)).signed == ("op0", "op1", "op2")


@pytest.mark.parametrize("code", [RefusalCode.MUTE, RefusalCode.CLOCK])
async def test_where_too_few_may_sign_anything_nobody_is_asked(tmp_path: Path, code: RefusalCode) -> None:
    """They do not even say what they see, and the round is over at once, not at the end of the interval."""
    operators = scripted_operators(tmp_path)
    if code is RefusalCode.MUTE:
        for one in operators[1:]:
            one.journal.mute(NOW_MS + 1_000)
    outcome = await agree(operators, {}, clock_ok=lambda: code is not RefusalCode.CLOCK)
    assert outcome.sealed is None
    silent = [o.name for o in operators[1:]] if code is RefusalCode.MUTE else [o.name for o in operators]
    assert [(r.operator, r.code) for r in outcome.refusals] == [(n, code) for n in silent]
    assert [o.asked for o in operators] == [0, 0, 0]
    assert f"weight {3 - len(silent)}, 2 are needed" in outcome.why
    assert outcome.terms.timing == BRISK
    assert all(m.why for m in outcome.members if m.name in silent)


async def test_one_that_is_mute_has_no_say_and_costs_no_feed(operators: list[ScriptedOperator]) -> None:
    operators[0].journal.mute(NOW_MS + 1_000)
    for leader in SIGNERS.signers:
        outcome = await agree(operators, {}, order=led_by(leader), timing=PATIENT)
        assert sealed_feeds(outcome) == FEEDS
        assert (outcome.signed, [r.code for r in outcome.refusals]) == (("op1", "op2"), [RefusalCode.MUTE])
        assert "its journal was missing or restored" in outcome.members[0].why
        assert outcome.sealed is not None
        assert outcome.sealed.attempt == 1, "nobody waits for the proposal of one who cannot speak"


async def test_one_that_has_no_key_here_costs_no_attempt_when_it_would_lead(operators: list[ScriptedOperator]) -> None:
    outcome = await agree(operators[1:], {}, timing=PATIENT)
    assert outcome.sealed is not None
    assert (outcome.signed, outcome.sealed.attempt) == (("op1", "op2"), 1)
    assert outcome.members[0].why == f"0x{SIGNERS.signers[0].hex()} does not sign here, and no [network] is configured"


async def test_a_signer_that_answers_late_is_asked_again_in_the_next_attempt(
    operators: list[ScriptedOperator],
) -> None:
    """Each attempt asks a key once; who could not sign in one may in the next, and the round is not lost."""

    class Late(ScriptedOperator):
        async def _sign_preimage(self, preimage: bytes) -> Signature | Refusal:
            self.silent = RefusalCode.SIGNER if self.asked == 0 else None
            return await super()._sign_preimage(preimage)

    late = [Late(o.name, KEYS[i], o.journal, bound_bps=100) for i, o in enumerate(operators)]
    outcome = await agree(late, {}, timing=replace(BRISK, first_ms=300, next_ms=300, guard_ms=50))
    assert sealed_feeds(outcome) == FEEDS
    assert outcome.sealed is not None
    assert outcome.sealed.attempt > 1
    assert max(o.asked for o in late) <= outcome.attempts
    assert {r.code for r in outcome.refusals} == {RefusalCode.SIGNER}


async def test_a_key_that_signed_something_else_vouches_for_no_other_item(operators: list[ScriptedOperator]) -> None:
    """Another process with these journals was first: what it signed binds, feed by feed."""
    for one in operators[:2]:
        one.journal.record(SIGNERS.domain, ROUND_S, {1: b"another"})
    outcome = await agree(operators, {})
    assert sealed_feeds(outcome) == (0, 2, 3, 4)
    assert [m.refused for m in outcome.members] == [((1, FeedRefusal.EQUIVOCATION),)] * 2 + [()]


async def test_a_member_without_weight_has_no_seat(operators: list[ScriptedOperator]) -> None:
    signers = replace(SIGNERS, weights=(1, 1, 0))
    agreements = agreements_here(operators, now_ms=lambda: NOW_MS)
    outcome = await agreements.agree(ask_of(signers, ROUND_S, {o.name: seen(0) for o in operators}))
    assert outcome.sealed is not None
    assert [m.name for m in outcome.members] == ["op0", "op1"]
    assert operators[2].asked == 0


async def test_two_stores_are_two_rounds_with_words_of_their_own(operators: list[ScriptedOperator]) -> None:
    """The same operators, other weights and another chain: what one seals is worth nothing at the other."""
    other = replace(SIGNERS, domain=replace(SIGNERS.domain, chain_id=10), weights=(5, 1, 1), threshold=5)
    agreements = agreements_here(operators, now_ms=lambda: NOW_MS)

    def ask(signers: SignerSet) -> object:
        return agreements.agree(ask_of(signers, ROUND_S, {o.name: seen(0) for o in operators}))

    first, second = await asyncio.gather(ask(SIGNERS), ask(other))  # type: ignore[call-overload]
    assert first.sealed is not None
    assert second.sealed is not None
    assert first.sealed.content.items == second.sealed.content.items
    assert first.terms.binding != second.terms.binding
    assert not set(first.sealed.signatures) & set(second.sealed.signatures)
    for outcome, signers in ((first, SIGNERS), (second, other)):
        cut = await agreements.cut(outcome, (0,))
        assert cut.batch is not None
        assert cut.batch.domain == signers.domain


# --- a crash ------------------------------------------------------------------------------------------------------------


async def test_a_process_that_dies_between_journal_and_store_signs_nothing_else_for_that_round(tmp_path: Path) -> None:
    """What was journalled is bound; the same round made anew of other prices loses what it contradicts, and nothing else."""
    operators = scripted_operators(tmp_path)
    before = await agree(operators, {i: seen(*FEEDS) for i in range(3)})
    assert before.sealed is not None
    for one in operators:
        one.journal.close()
    again = [
        Operator(
            f"op{i}",
            key,
            SignJournal(tmp_path / f"{i}.db", address_of(key), now_ms=NOW_MS, mute_ms=0),
            bound_bps=10_000,
        )
        for i, key in enumerate(KEYS)
    ]
    moved = {**seen(*FEEDS), 2: replace(NEAR, market_wad=Wad(NEAR.market_wad + 1))}
    after = await agree(again, dict.fromkeys(range(3), moved))
    assert sealed_feeds(after) == (0, 1, 3, 4)
    assert after.sealed is not None
    items = split_items(before.sealed.content.items)
    assert all(split_items(after.sealed.content.items)[i] == items[i] for i in (0, 1, 3, 4))
    assert sealed_feeds(await agree(again, {}, ROUND_S + 10)) == FEEDS, "the next round is like any other"


# --- cuts ---------------------------------------------------------------------------------------------------------------


async def test_a_cut_is_of_what_was_sealed_and_who_does_not_sign_is_told(operators: list[ScriptedOperator]) -> None:
    agreements = agreements_here(operators, now_ms=lambda: NOW_MS)
    outcome = await agreements.agree(ask_of(SIGNERS, ROUND_S, {o.name: seen(*FEEDS) for o in operators}))
    operators[0].silent, operators[1].junk = RefusalCode.SIGNER, True
    cut = await agreements.cut(outcome, (3, 1))
    assert (cut.batch, [(r.operator, r.code) for r in cut.refusals]) == (None, [("op0", RefusalCode.SIGNER)])
    operators[1].junk = False
    cut = await agreements.cut(outcome, (3, 1, 3))
    assert cut.batch is not None
    assert cut.batch.signers == ("op1", "op2")
    assert tuple(cut.batch.reports) == (1, 3)
    for feeds in ((), (7,), (0, 7)):
        assert (await agreements.cut(outcome, feeds)).batch is None
