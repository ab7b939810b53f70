"""A store's operators between rounds, readers and pushes: asked once for a round, and what is published is what they sign."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from feeds.types import Outcome
from feeds.units import MS
from oracle.model.types import Report
from oracle.push.attestation import Attesters
from oracle.report.wire import split_items
from oracle.round.rounds import Round, Rounds
from oracle.round.seat import SignerSeat
from oracle.sign.eip712 import address_of
from oracle.sign.messages import Refusal, RefusalCode, SignedValues, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.round.round_world import SPECS, member, observed
from tests.oracle.sign.sign_world import DOMAIN, KEYS, SIGNERS

INDEXES = {"wdivETH/ETH": 0, "ETH/USD": 1}
ROUND_S = 1_700_000_000
ELSEWHERE = replace(SIGNERS, domain=replace(DOMAIN, chain_id=10))


class Slow(Operator):
    """Its key is somewhere else: an answer takes a while, and may not come. Copies of it share what they were asked."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.asked: list[tuple[int, int]] = []
        self.gone: list[bool] = []

    async def request_values(
        self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report]
    ) -> SignedValues | Refusal:
        self.asked.append((signers.domain.chain_id, round_time_s))
        await asyncio.sleep(0)
        if self.gone:
            self.take_view(round_time_s, view)
            return self.refuse(RefusalCode.SIGNER, "gone")
        return self.sign_values(signers, round_time_s, view)


class Hall:
    """Three operators with slow keys, rounds that are agreed at one store, and seats at any."""

    def __init__(self, folder: Path) -> None:
        self.operators = [
            Slow(f"op{i}", k, SignJournal(folder / f"{i}.db", address_of(k), now_ms=0, mute_ms=0), bound_bps=100)
            for i, k in enumerate(KEYS)
        ]
        members = [replace(member(name=o.name), signer=o) for o in self.operators]
        self.rounds = Rounds(SPECS, members, SignerSeat(target="main", signers=SIGNERS, indexes=INDEXES))

    def attesters(self, signers: SignerSet) -> Attesters:
        made = Attesters("t", self.operators, now_ms=lambda: ROUND_S * MS, clock_ok=lambda: True)
        made.take_seats(signers, INDEXES)
        return made

    async def round(self, round_s: int = ROUND_S, given: Mapping[str, Sequence[Outcome]] | None = None) -> Round:
        folded = self.rounds.fold(round_s, given or observed(round_s * MS), now_ms=round_s * MS)
        done = self.rounds.finish(folded, [await request.send() for request in folded.requests])
        self.rounds.commit(done)
        for operator in self.operators:
            operator.asked.clear()
        return done


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    return Hall(tmp_path)


async def test_what_was_published_is_signed_and_no_key_is_asked_for_it_again(hall: Hall) -> None:
    """One that did not sign in the round is not heard now, though its key is back; one whose key went then, counts."""
    hall.operators[1].gone.append(True)
    done = await hall.round()
    assert [v.operator for v in done.values] == ["op0", "op2"]
    hall.operators[1].gone.clear()
    hall.operators[0].gone.append(True)
    attesters = hall.attesters(SIGNERS)
    assert await attesters.signed_values(done) == done.values
    assert [o.asked for o in hall.operators] == [[], [], []]
    signed = await attesters.collect_signatures(done.values, [0, 1])
    assert signed.batch is not None
    assert signed.batch.signers == ("op0", "op2")
    published = {r.feed: r.report for r in done.records}
    assert hall.rounds.specs.keys() == published.keys()
    assert signed.batch.items == done.values[0].signed.items
    assert [(r.operator, r.code) for r in signed.refusals] == [("op1", RefusalCode.NO_OWN_VIEW)]


async def test_for_another_store_each_is_asked_once_however_many_want_to_know(hall: Hall) -> None:
    done = await hall.round()
    attesters = hall.attesters(ELSEWHERE)
    answers = await asyncio.gather(*(attesters.signed_values(done) for _ in range(5)))
    assert len({id(f) for f in answers}) == 1
    assert len(answers[0]) == 3
    assert [o.asked for o in hall.operators] == [[(10, ROUND_S)]] * 3
    first = asyncio.create_task(hall.attesters(ELSEWHERE).signed_values(done))
    await asyncio.sleep(0)
    first.cancel()
    assert await attesters.signed_values(done) == answers[0], "a reader that goes takes it from no other"


async def test_a_reader_of_the_next_round_keeps_no_push_of_this_one_from_being_signed(hall: Hall) -> None:
    """A look at a slow chain may take longer than a round: its vote comes when somebody has asked for a newer report."""
    for signers in (SIGNERS, ELSEWHERE):
        attesters = hall.attesters(signers)
        now_s = ROUND_S + (100 if signers is ELSEWHERE else 0)
        first, second = await hall.round(now_s), await hall.round(now_s + 10)
        values_of = {d.round_time_s: await attesters.signed_values(d) for d in (first, second)}
        for done in (first, second, first):
            signed = await attesters.collect_signatures(values_of[done.round_time_s], [0, 1])
            assert signed.batch is not None
            assert signed.batch.round_time_s == done.round_time_s
            assert signed.refusals == ()


async def test_it_keeps_a_few_rounds_and_no_more(hall: Hall) -> None:
    attesters = hall.attesters(ELSEWHERE)
    rounds = [await hall.round(ROUND_S + 10 * i) for i in range(6)]
    for done in rounds:
        await attesters.signed_values(done)
    assert len(attesters._values) == 4
    assert all(len(o.rounds_in_view) <= 4 and len(o._expected) <= 4 for o in attesters._members)
    for operator in hall.operators:
        operator.asked.clear()
    assert await attesters.signed_values(rounds[0]) == (), "long gone"
    assert await attesters.signed_values(rounds[-1]) != ()
    assert [o.asked for o in hall.operators] == [[], [], []]


async def test_values_for_the_set_before_are_worth_nothing(hall: Hall) -> None:
    done = await hall.round()
    attesters = hall.attesters(ELSEWHERE)
    asking = asyncio.create_task(attesters.signed_values(done))
    await asyncio.sleep(0)
    attesters.take_seats(replace(ELSEWHERE, epoch=2), INDEXES)
    assert await asking == ()
    fresh = await attesters.signed_values(done)
    signed = await attesters.collect_signatures(fresh, [0, 1])
    assert signed.batch is not None
    assert (signed.batch.epoch, tuple(split_items(signed.batch.items))) == (2, (0, 1))


def test_a_key_that_is_to_come_is_no_stranger(hall: Hall) -> None:
    two = replace(SIGNERS, signers=SIGNERS.signers[:2], weights=SIGNERS.weights[:2])
    attesters = hall.attesters(SIGNERS)
    with capture_logs() as logs:
        assert attesters.take_seats(two, INDEXES, SIGNERS.signers) == sum(two.weights)
    assert logs == []
    with capture_logs() as logs:
        attesters.take_seats(two, INDEXES)
    assert [line["operators"] for line in logs] == [["op2"]]
