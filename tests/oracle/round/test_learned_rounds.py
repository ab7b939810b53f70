"""Rounds that others sealed and this process learns of later: what is published goes on as with those who made them."""

from __future__ import annotations

from dataclasses import replace

from oracle.audit.recompute import verify
from oracle.model.status import Status
from oracle.round.rounds import Round
from oracle.storage.database import published_by_feed
from tests.oracle.round.halt_world import FEED, START_S, STEP_S, Given, HaltWorld, everybody, outcomes_of


def missed(world: HaltWorld, given: Given) -> Round:
    """A round that comes to nothing here: nobody is heard."""
    world.n += 1
    now_s = START_S + world.n * STEP_S
    folded = world.rounds.fold(now_s, {FEED.feed: outcomes_of(given, now_s * 1_000)}, now_ms=now_s * 1_000)
    done = world.rounds.finish(folded, {})
    world.store.save_round(done.feeds, done.agreements, done.records, done.transitions)
    world.rounds.commit(done)
    return done


def learn(world: HaltWorld, there: Round, late_s: int) -> None:
    """As a process does, which learns it so long after it began; see App."""
    outcome, now_ms = there.outcomes["t"], (there.round_time_s + late_s) * 1_000
    done = world.rounds.learn(outcome, now_ms, {} if there.round_time_s <= world.rounds.newest_sealed_s else None)
    assert done is not None
    world.store.save_round((), done.agreements, done.records, done.transitions)
    world.rounds.commit(done)
    world.rounds.resume((), published_by_feed(world.store, [FEED.feed]))


def test_after_a_restart_it_goes_on_from_what_was_learned_of_a_round_before_its_newest() -> None:
    """Two rounds come to nothing here; the first of them turns out to be sealed."""
    there, here = HaltWorld(), HaltWorld()
    there.run_round(everybody("1.00"))
    here.run_round(everybody("1.00"))
    there.run_round(everybody("1.01"))
    missed(here, everybody("1.01"))
    missed(here, everybody("1.02"))
    learn(here, there.done, late_s=15)
    known = here.rounds.published(FEED.feed)
    assert known is not None
    assert known.report == there.done.records[0].report, "what was sealed last"
    assert known.silent_since_s == START_S + 3 * STEP_S, "and nothing was in the round after it"
    here.restart()
    assert here.rounds.published(FEED.feed) == known
    missed(here, everybody(None))
    here.run_round(everybody("1.02"))
    for round_s in (START_S + n * STEP_S for n in range(1, here.n + 1)):
        checks = list(verify(here.store, FEED.feed, round_s))
        assert all(c.ok for c in checks), (round_s, checks)


def test_a_round_that_is_learned_after_a_newer_one_is_kept_and_changes_nothing_that_is_newer() -> None:
    there, here = HaltWorld(), HaltWorld()
    there.run_round(everybody("1.00"))
    here.run_round(everybody("1.00"))
    there.run_round(everybody("1.01"))
    late = there.done
    missed(here, everybody("1.01"))
    there.run_round(everybody("1.02"))
    here.run_round(everybody("1.02"))
    newest, before = here.done.records[0], here.rounds.published(FEED.feed)
    learn(here, late, late_s=60)
    assert here.store.record(FEED.feed) == newest
    assert here.rounds.published(FEED.feed) == before
    kept = here.store.history(FEED.feed, 0, 1 << 45, 10)
    assert [r.report.round_time_s for r in kept] == [START_S + n * STEP_S for n in (1, 2, 3)]
    assert kept[1].report == late.records[0].report
    assert kept[1].report.status is Status.OK


def test_a_round_that_was_learned_before_it_is_made_here_is_made_all_the_same() -> None:
    """The others' clocks are ahead, or this process was busy: it seals what they sealed, and its own part is stored too."""
    there, here = HaltWorld(), HaltWorld()
    there.run_round(everybody("1.00"))
    learn(here, there.done, late_s=0)
    kept = here.store.record(FEED.feed)
    record = here.run_round(everybody("1.00"))
    assert record is not None
    assert kept is not None
    assert record.report == kept.report
    assert here.store.record(FEED.feed) == kept, "what was stored first"
    assert here.store.result("alpha", FEED.feed, START_S + STEP_S) is not None
    here.run_round(everybody("1.00"))
    for round_s in (START_S + STEP_S, START_S + 2 * STEP_S):
        checks = list(verify(here.store, FEED.feed, round_s))
        assert all(c.ok for c in checks), (round_s, [c for c in checks if not c.ok])


def test_of_two_targets_at_one_store_it_does_not_matter_which_one_heard_of_a_round() -> None:
    """A store has one round; which target's terms it was learned by is chance."""
    there, here = HaltWorld(), HaltWorld()
    there.run_round(everybody("1.00"))
    outcome = there.done.outcomes["t"]
    by_other = replace(outcome, terms=replace(outcome.terms, target="same store"))
    learned = here.rounds.learn(by_other, 0)
    assert learned is not None
    assert [(r.feed, r.seal.target if r.seal else None) for r in learned.records] == [(FEED.feed, "t")]
    domain = replace(outcome.terms.signers.domain, store=b"\1" * 20)
    elsewhere = replace(outcome.terms, signers=replace(outcome.terms.signers, domain=domain))
    assert here.rounds.learn(replace(outcome, terms=elsewhere), 0) is None, "a round of another store is not"
