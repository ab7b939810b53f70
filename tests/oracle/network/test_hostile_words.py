"""Words of a member that are true and come at the wrong time, or ask for too much: what a process keeps, answers and believes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.agree.messages import SealedRound, Want
from oracle.agree.outcome import RoundOutcome
from oracle.agree.wire import CutAnswer, CutRequest, Fetch, Notice, ValuesWord, decode, encode
from tests.oracle.network.agreement_world import ApartWorld, ask_of
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import ROUND_S, SIGNERS, ScriptedOperator, scripted_operators

ALPHA, BETA, GAMMA = SIGNERS.signers
INTERVAL_S = 60
FEEDS = tuple(range(10))


@pytest.fixture
def world(tmp_path: Path) -> ApartWorld:
    operators: list[ScriptedOperator] = scripted_operators(tmp_path)
    return ApartWorld.of(operators)


async def agree(world: ApartWorld, round_s: int, *silent: bytes) -> dict[bytes, RoundOutcome]:
    view = dict.fromkeys(FEEDS, replace(report(), round_time_s=round_s))
    return await world.agree(ask_of(SIGNERS, round_s, {m.operator.name: view for m in world.members.values()}), *silent)


def sealed_word(outcome: RoundOutcome) -> bytes:
    assert outcome.sealed is not None
    return encode(outcome.terms.binding, outcome.terms.round_time_s, outcome.sealed)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0.002)


async def test_a_round_that_begins_here_is_never_taken_for_one_that_was_fetched(world: ApartWorld) -> None:
    """The others were quicker, and one of them hands their sealed round on: it is heard by the session, and stored once."""
    await agree(world, ROUND_S, GAMMA)
    learned: list[int] = []
    gamma = world.processes[GAMMA]
    gamma.sealed.on_learned = lambda o: learned.append(o.terms.round_time_s)
    await agree(world, ROUND_S + INTERVAL_S)  # gamma asks for what it missed
    await settled()
    assert learned == [ROUND_S]
    third_s = ROUND_S + 2 * INTERVAL_S
    quicker = (await agree(world, third_s, GAMMA))[ALPHA]
    assert gamma.inbox.receive(BETA, sealed_word(quicker)) == ""
    assert learned == [ROUND_S], "its own session has not begun"
    outcome = (await agree(world, third_s))[GAMMA]
    assert outcome.sealed is not None
    assert outcome.sealed.content.items == quicker.sealed.content.items  # type: ignore[union-attr]
    assert learned == [ROUND_S], "or it would be stored twice"


async def test_an_old_sealed_round_that_nobody_asked_for_is_not_learned_again(world: ApartWorld) -> None:
    first = (await agree(world, ROUND_S))[ALPHA]
    learned: list[int] = []
    gamma = world.processes[GAMMA]
    gamma.sealed.on_learned = lambda o: learned.append(o.terms.round_time_s)
    for n in range(1, 5):
        await agree(world, ROUND_S + n * INTERVAL_S)
    gamma.sealed._kept.clear()  # as after an hour of rounds
    assert "over" in gamma.inbox.receive(BETA, sealed_word(first))
    assert learned == []


async def test_a_fetched_round_tells_nothing_that_its_signatures_do_not_prove(world: ApartWorld) -> None:
    outcomes = await agree(world, ROUND_S, GAMMA)
    learned: list[RoundOutcome] = []
    world.processes[GAMMA].sealed.on_learned = learned.append
    await agree(world, ROUND_S + INTERVAL_S)
    await settled()
    sealed, told = outcomes[ALPHA].sealed, learned[0].sealed
    assert sealed is not None
    assert told is not None
    assert told.content.items == sealed.content.items
    assert (told.content.values, told.readies, learned[0].used_values) == ((), (), ())


async def test_values_that_are_asked_for_often_in_one_word_are_handed_over_once(world: ApartWorld) -> None:
    outcome = (await agree(world, ROUND_S))[ALPHA]
    assert outcome.sealed is not None
    wanted = tuple(h for _, h in outcome.sealed.content.values)
    world.said.clear()
    world.processes[ALPHA].inbox.receive(GAMMA, encode(outcome.terms.binding, ROUND_S, Want(GAMMA, wanted * 50)))
    await settled()
    words = [decode(p).word for sender, to, p in world.said if (sender, to) == (ALPHA, GAMMA)]
    assert len(words) == len(wanted)
    assert all(isinstance(w, ValuesWord) for w in words)


async def test_requests_that_are_no_cut_are_not_kept(world: ApartWorld) -> None:
    outcome = (await agree(world, ROUND_S))[ALPHA]
    alpha = world.processes[ALPHA]
    for n in range(200):
        for indexes in ((n + 10,), tuple(range(n % 7, 4_000)), (3, 1, n), (n % 10,) * 50, ()):
            alpha.inbox.receive(GAMMA, encode(outcome.terms.binding, ROUND_S, CutRequest(indexes)))
    assert not alpha.cuts._given.get((GAMMA, ROUND_S))
    alpha.inbox.receive(GAMMA, encode(outcome.terms.binding, ROUND_S, CutRequest((1, 2))))
    assert alpha.cuts._given[GAMMA, ROUND_S] == {(1, 2): 1}


async def test_a_forged_story_is_not_handed_on(world: ApartWorld) -> None:
    """Who took a sealed round from a liar gives others what it proves."""
    honest = (await agree(world, ROUND_S, GAMMA))[ALPHA]
    sealed = honest.sealed
    assert sealed is not None
    gamma = world.processes[GAMMA]
    world.reaches = lambda sender, to: GAMMA not in {sender, to}
    task = asyncio.create_task(agree(world, ROUND_S))
    await settled()
    lie = replace_values(sealed)
    gamma.inbox.receive(BETA, encode(honest.terms.binding, ROUND_S, lie))
    outcome = (await task)[GAMMA]
    assert outcome.sealed is not None
    assert outcome.sealed.content.values in {(), sealed.content.values}
    assert outcome.used_values in {(), outcome.values}


def replace_values(sealed: SealedRound) -> SealedRound:
    content = type(sealed.content)(sealed.content.values[:1], sealed.content.items, ())
    return SealedRound(sealed.epoch, sealed.round_time_s, content, sealed.step, sealed.signatures, sealed.readies)


async def test_a_request_for_what_was_missed_is_answered_a_few_times_a_round(world: ApartWorld) -> None:
    """Some bytes ask for 64 sealed rounds: a flood of them would fill all queues on the way."""
    outcomes = [(await agree(world, ROUND_S + n * INTERVAL_S))[ALPHA] for n in range(3)]
    binding = outcomes[0].terms.binding
    alpha = world.processes[ALPHA].inbox

    async def answers() -> int:
        world.said.clear()
        for _ in range(50):
            alpha.receive(GAMMA, encode(binding, ROUND_S, Fetch()))
            alpha.receive(GAMMA, encode(b"x" * 32, ROUND_S, Fetch()))
        await settled()
        return sum((s, t) == (ALPHA, GAMMA) and isinstance(decode(p).word, SealedRound) for s, t, p in world.said)

    assert await answers() == 4 * 2
    await agree(world, ROUND_S + 3 * INTERVAL_S)
    assert await answers() == 4 * 3, "in the next round again"
    assert {b for _, b in alpha._fetches} == {binding}, "and nothing is kept of terms that nobody knows"


async def test_early_words_wait_for_the_round_of_their_own_store(tmp_path: Path) -> None:
    """Two stores of one process: as the round of the first begins, what is here for the second one's is not thrown away."""
    world = ApartWorld.of(scripted_operators(tmp_path))
    other = replace(SIGNERS, domain=replace(SIGNERS.domain, store=b"\x07" * 20))
    view = {0: replace(report(), round_time_s=ROUND_S)}
    names = {m.operator.name: view for m in world.members.values()}
    await world.agree_apart({a: ask_of(other, ROUND_S, names) for a in (ALPHA, BETA)})
    early = [p for sender, _, p in world.said if sender == ALPHA]
    gamma = world.processes[GAMMA].inbox
    gamma._newest_s[other.domain.store] = ROUND_S - INTERVAL_S
    for payload in early[:3]:
        assert gamma.receive(ALPHA, payload) == ""
    held = list(gamma._early[ALPHA])
    assert held
    await world.agree_apart({GAMMA: replace(ask_of(SIGNERS, ROUND_S, names), order=SIGNERS.signers)} | {
        a: ask_of(SIGNERS, ROUND_S, names) for a in (ALPHA, BETA)
    })  # fmt: skip
    assert gamma._early[ALPHA] == held


async def test_a_members_first_answer_to_a_cut_counts_and_no_other(world: ApartWorld) -> None:
    """Each answer that counts has all signatures looked at anew, so a flood of them would hold up the round."""
    outcome = (await agree(world, ROUND_S))[ALPHA]
    world.reaches = lambda sender, _to: sender == ALPHA
    making = asyncio.create_task(world.cut(ALPHA, outcome, [1]))
    await settled()
    alpha, binding = world.processes[ALPHA], outcome.terms.binding
    (collection,) = alpha.cuts._collections.values()
    alpha.inbox.receive(GAMMA, encode(binding, ROUND_S, CutAnswer(GAMMA, (1,), code="mute", text="first")))
    for n in range(50):
        collection.news.clear()
        alpha.inbox.receive(GAMMA, encode(binding, ROUND_S, CutAnswer(GAMMA, (1,), signature=bytes([n]) * 64)))
        assert not collection.news.is_set()
    assert [r.text for r in (await making).refusals] == ["first"]


async def test_what_a_member_says_to_people_draws_nothing_on_their_terminals(world: ApartWorld) -> None:
    outcome = (await agree(world, ROUND_S))[ALPHA]
    alpha, binding = world.processes[ALPHA], outcome.terms.binding
    lie = "mute\x1b[1A\rall is well\u202e"
    (session,) = alpha.inbox.sessions(SIGNERS.domain.store)
    alpha.inbox.receive(GAMMA, encode(binding, ROUND_S, Notice(lie)))
    assert session._arrivals.troubles[GAMMA] == "mute[1Aall is well"
    world.reaches = lambda sender, _to: sender == ALPHA
    making = asyncio.create_task(world.cut(ALPHA, outcome, [1]))
    await settled()
    alpha.inbox.receive(GAMMA, encode(binding, ROUND_S, CutAnswer(GAMMA, (1,), code="mute", text=lie)))
    assert [r.text for r in (await making).refusals] == ["mute[1Aall is well"]


async def test_what_was_missed_is_learned_from_who_was_asked_and_nobody_cuts_it_short(world: ApartWorld) -> None:
    """One that sends the newest of the missed rounds first would leave a gap before it for good."""
    missed = [(await agree(world, ROUND_S + n * INTERVAL_S, GAMMA))[ALPHA] for n in range(3)]
    gamma, now_s = world.processes[GAMMA], ROUND_S + 3 * INTERVAL_S
    learned: list[int] = []
    gamma.sealed.on_learned = lambda o: learned.append(o.terms.round_time_s)
    asked, other = sorted((ALPHA, BETA), key=lambda a: sorted((ALPHA, BETA)).index(a) != now_s // INTERVAL_S % 2)
    world.reaches = lambda sender, to: GAMMA not in {sender, to} or sender == GAMMA
    task = asyncio.create_task(agree(world, now_s))
    await settled()
    assert "over" in gamma.inbox.receive(other, sealed_word(missed[-1]))
    assert learned == []
    for outcome in missed:
        assert gamma.inbox.receive(asked, sealed_word(outcome)) == ""
    assert learned == [ROUND_S + n * INTERVAL_S for n in range(3)]
    world.reaches = lambda _sender, _to: True
    await task
