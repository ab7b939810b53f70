"""A sealed round is verified from what is stored: its values, what follows from them, and who signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from feeds.units import Bps, Wad
from oracle.audit.recompute import verify
from oracle.model.canonical_json import dump
from oracle.model.publication import Absent, Record
from oracle.report.wire import decode_items, encode_items
from oracle.sign.messages import Agreement, SignerSet
from oracle.storage.database import Database
from tests.oracle.round.halt_world import FEED, START_S, STEP_S, HaltWorld, everybody

ROUND_S = START_S + STEP_S


def checked(change: Callable[[Agreement], Agreement] = lambda a: a) -> dict[str, tuple[bool, str]]:
    """A round that three operators sealed, stored, and verified; ``change``: of what is stored."""
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    done = world.done
    world.store.connection.execute("DELETE FROM agreements")
    world.store.save_round((), [change(a) for a in done.agreements], (), ())
    return {c.what: (c.ok, c.detail) for c in verify(world.store, FEED.feed, ROUND_S)}


def edited_items(agreement: Agreement) -> bytes:
    reports = decode_items(agreement.items, agreement.round_time_s)
    return encode_items({i: replace(r, market_wad=Wad(r.market_wad + 1)) for i, r in reports.items()})


def write_record(store: Database, record: Record) -> None:
    """Put it in the place of the one that is stored."""
    at = (record.feed, record.report.round_time_s)
    store.connection.execute("UPDATE records SET body = ? WHERE feed = ? AND round_s = ?", (dump(record), *at))


def test_a_sealed_round_says_what_it_rests_on() -> None:
    found = checked()
    assert all(ok for ok, _ in found.values())
    assert found["signed values"] == (True, "3 operators signed theirs")
    assert found["sealed items"] == (True, "1 feeds follow from the values")
    assert found["seal"] == (True, "weight 3 of 3 signed, 2 are needed")
    assert found["signer set"][0]
    assert found["signers"] == (True, "signed, with values of it: alpha, beta, gamma")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda a: replace(a, values=(replace(a.values[0], signature=a.values[1].signature), *a.values[1:])), "signed values"),
        (lambda a: replace(a, values=a.values[:1]), "sealed items"),
        (lambda a: replace(a, seals=a.seals[:1]), "seal"),
        (lambda a: replace(a, seals=((a.seals[0][0], a.seals[1][1]), *a.seals[1:])), "seal"),
        (lambda a: replace(a, step=a.step + 2), "seal"),
        (lambda a: replace(a, round_time_s=a.round_time_s, signers=replace(a.signers, epoch=2)), "seal"),
        (lambda a: replace(a, signers=replace(a.signers, domain=replace(a.signers.domain, store=b"\1" * 20))), "seal"),
        (lambda a: replace(a, items=edited_items(a)), "seal"),
        (lambda a: replace(a, signers=replace(a.signers, threshold=1)), "signer set"),
        (lambda a: replace(a, signers=replace(a.signers, weights=(9, 1, 1))), "signer set"),
        (lambda a: replace(a, feeds=("another/ETH",)), "signer set"),
        (lambda a: replace(a, rules=bytes(31) + b"\1"), "signer set"),
        (lambda a: replace(a, version=a.version + 1), "signer set"),
    ],
)  # fmt: skip
def test_what_was_changed_is_found(change: Callable[[Agreement], Agreement], what: str) -> None:
    assert checked(change)[what][0] is False


def test_a_round_of_which_not_all_values_were_heard_is_verified_by_its_seal() -> None:
    """Who learns that a round was sealed may lack a value that is in it: a part of them gives other items, and is not kept."""
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    outcome = world.done.outcomes["t"]
    again = HaltWorld()
    folded = again.rounds.fold(ROUND_S, {}, now_ms=ROUND_S * 1_000)
    learned = again.rounds.finish(folded, {"t": replace(outcome, used_values=outcome.used_values[1:])})
    assert [a.values for a in learned.agreements] == [()]
    again.store.save_round(learned.feeds, learned.agreements, learned.records, learned.transitions)
    found = {c.what: (c.ok, c.detail) for c in verify(again.store, FEED.feed, ROUND_S)}
    assert all(ok for ok, _ in found.values()), found
    assert found["signed values"] == (True, "it was sealed by others: not all of their values were heard here")


def test_a_record_that_says_it_is_sealed_needs_what_was_sealed() -> None:
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    world.store.connection.execute("DELETE FROM agreements")
    found = {c.what: c.ok for c in verify(world.store, FEED.feed, ROUND_S)}
    assert found["seal"] is False


# --- what a record says of its seal -----------------------------------------------------------------------------------------


def sealed_by_two() -> HaltWorld:
    """Gamma is silent: its journal is mute."""
    world = HaltWorld()
    world.operators["gamma"].journal.mute((ROUND_S + 60) * 1_000)
    assert world.run_round(everybody("1.00")) is not None
    return world


def of_seal(**changes: object) -> Callable[[Record], Record]:
    def change(record: Record) -> Record:
        assert record.seal is not None
        return replace(record, seal=replace(record.seal, **changes))  # type: ignore[arg-type]

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (of_seal(weight=3), "signers"),
        (of_seal(threshold=1), "signers"),
        (of_seal(total=2), "signers"),
        (of_seal(epoch=2), "signers"),
        (of_seal(attempt=2), "signers"),
        (of_seal(missing=()), "signers"),
        (of_seal(missing=(Absent(operator="alpha", why="asleep"),)), "signers"),
        (of_seal(target="elsewhere"), "seal"),
        (lambda r: replace(r, operators=("alpha", "beta", "gamma")), "signers"),
        (lambda r: replace(r, operators=("alpha",)), "signers"),
        (lambda r: replace(r, seal=None), "seal"),
        (lambda r: replace(r, signed_at_ms=None), "seal"),
        (lambda r: replace(r, report=replace(r.report, spread_bps=Bps(1))), "published report"),
        (lambda r: replace(r, price_wad=Wad(r.price_wad + 1)), "price"),
        (lambda r: replace(r, deviation_bps=Bps(1)), "price"),
    ],
)  # fmt: skip
def test_a_record_that_says_something_else_of_its_seal_is_found(change: Callable[[Record], Record], what: str) -> None:
    world = sealed_by_two()
    (record,) = world.done.records
    write_record(world.store, record)
    assert all(c.ok for c in verify(world.store, FEED.feed, ROUND_S)), "the control"
    write_record(world.store, change(record))
    found = {c.what for c in verify(world.store, FEED.feed, ROUND_S) if not c.ok}
    assert what in found


def test_a_feed_that_was_not_in_what_was_sealed_is_not_taken_for_sealed() -> None:
    """Its own view with the seal of the round beside it: the signatures are true, and not over this feed."""
    world = sealed_by_two()
    (agreement,) = world.done.agreements
    world.store.connection.execute("DELETE FROM agreements")
    other = replace(agreement, feeds=("another/ETH",))
    world.store.save_round((), [other], (), ())
    found = {c.what: c.ok for c in verify(world.store, FEED.feed, ROUND_S)}
    assert found["seal"]
    assert not found["published report"]


# --- of a round whose values are not known -----------------------------------------------------------------------------------


def learned_after_one_that_was_heard() -> tuple[HaltWorld, Agreement]:
    """Of the second round only the seal is stored."""
    world = HaltWorld()
    world.run_round(everybody("1.00"))
    world.run_round(everybody("1.00"))
    (agreement,) = world.done.agreements
    return world, replace(agreement, values=())


@pytest.mark.parametrize(
    ("signers", "ok"),
    [
        (lambda s: s, True),
        (lambda s: replace(s, threshold=1), False),
        (lambda s: replace(s, weights=(5, 1, 1)), False),
        (lambda s: replace(s, signers=s.signers[:2], weights=s.weights[:2]), False),
    ],
)
def test_its_set_is_held_against_that_of_a_round_whose_values_are(
    signers: Callable[[SignerSet], SignerSet], ok: bool
) -> None:
    world, agreement = learned_after_one_that_was_heard()
    world.store.connection.execute("DELETE FROM agreements WHERE round_s = ?", (agreement.round_time_s,))
    world.store.save_round((), [replace(agreement, signers=signers(agreement.signers))], (), ())
    checks = {c.what: c for c in verify(world.store, FEED.feed, agreement.round_time_s)}
    assert checks["signer set"].ok is ok
    assert checks["signer set"].detail.endswith(f"as of round {ROUND_S}, whose values were signed for it")


def test_who_joined_later_verifies_what_it_learned_of_rounds_before() -> None:
    """It made no round then, and no other round of the set is stored."""
    world, newcomer = HaltWorld(), HaltWorld()
    world.run_round(everybody("1.00"))
    learned = newcomer.rounds.learn(replace(world.done.outcomes["t"], used_values=()), 0)
    assert learned is not None
    newcomer.store.save_round((), learned.agreements, learned.records, learned.transitions)
    newcomer.rounds.commit(learned)
    newcomer.n = 1
    newcomer.run_round(everybody("1.00"))
    checks = list(verify(newcomer.store, FEED.feed, ROUND_S))
    assert all(c.ok for c in checks), checks
    assert {c.what for c in checks} >= {"fold of alpha", "signer set", "seal", "signers", "price"}
