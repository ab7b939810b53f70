"""A store's operators between rounds, readers and pushes: what is sealed is what they sign, and no key is asked for two things."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from feeds.types import Outcome
from feeds.units import MS
from oracle.chain.quorum_rpc import ChainError
from oracle.model.types import Report
from oracle.push.attestation import Attesters
from oracle.report.wire import split_items
from oracle.round.rounds import Round, Rounds
from oracle.round.seat import HomeStore, SignerSeat
from oracle.sign.eip712 import NO_TERMS, address_of
from oracle.sign.messages import Refusal, RefusalCode, SignedValues, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.network.agreement_world import agreed_round, agreements_here
from tests.oracle.round.round_world import SPECS, member, observed
from tests.oracle.sign.sign_world import DOMAIN, KEYS, SIGNERS

INDEXES = {"wdivETH/ETH": 0, "ETH/USD": 1}
ROUND_S = 1_700_000_000
ELSEWHERE = replace(SIGNERS, domain=replace(DOMAIN, chain_id=10))


class Slow(Operator):
    """Its key is somewhere else: an answer takes a while, and may not come. ``asked``: for the values of which rounds."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.asked: list[tuple[int, int]] = []
        self.gone: list[bool] = []

    async def request_values(
        self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report], terms: bytes = NO_TERMS
    ) -> SignedValues | Refusal:
        self.asked.append((signers.domain.chain_id, round_time_s))
        await asyncio.sleep(0)
        if self.gone:
            return self.refuse(RefusalCode.SIGNER, "gone")
        return self.sign_values(signers, round_time_s, view, terms)


class Hall:
    """Three operators with slow keys, rounds that are agreed at the stores that have a seat, and attesters of any."""

    def __init__(self, folder: Path) -> None:
        self.operators = [
            Slow(f"op{i}", k, SignJournal(folder / f"{i}.db", address_of(k), now_ms=0, mute_ms=0), bound_bps=100)
            for i, k in enumerate(KEYS)
        ]
        members = [replace(member(name=o.name), signer=o) for o in self.operators]
        self.rounds = Rounds(SPECS, members, HomeStore(target="main", feeds=frozenset(INDEXES)))
        self.seat("main", SIGNERS)
        self.agreements = agreements_here(self.operators, now_ms=lambda: ROUND_S * MS)

    def seat(self, target: str, signers: SignerSet) -> None:
        self.rounds.take_seat(SignerSeat(target=target, signers=signers, indexes=INDEXES))

    def attesters(self, target: str, signers: SignerSet) -> Attesters:
        made = Attesters(target, self.operators, now_ms=lambda: ROUND_S * MS, collect=self.agreements.cut)
        made.take_seats(signers, INDEXES)
        return made

    async def round(self, round_s: int = ROUND_S, given: Mapping[str, Sequence[Outcome]] | None = None) -> Round:
        for operator in self.operators:
            operator.asked.clear()
        done = await agreed_round(self.rounds, self.agreements, round_s, given or observed(round_s * MS))
        self.rounds.commit(done)
        return done

    def asked(self) -> list[list[tuple[int, int]]]:
        return [o.asked for o in self.operators]


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    return Hall(tmp_path)


async def test_what_was_published_is_signed_and_no_key_is_asked_for_its_values_again(hall: Hall) -> None:
    """One whose values did not come signs what was sealed without it: its items are fixed, and it has signed no other."""
    hall.operators[1].gone.append(True)
    done = await hall.round()
    assert done.outcomes["main"].signed[:1] == ("op0",)
    assert [v.operator for v in done.outcomes["main"].used_values] == ["op0", "op2"]
    assert hall.asked() == [[(DOMAIN.chain_id, ROUND_S)]] * 3
    assert [(r.operator, r.code) for r in done.refusals] == [("op1", RefusalCode.SIGNER)]
    attesters = hall.attesters("main", SIGNERS)
    published = {r.feed: r.report for r in done.records if r.feed in INDEXES}
    assert attesters.reports(done) == published
    signed = await attesters.collect_signatures(done, [0, 1])
    assert signed is not None
    assert signed.batch is not None
    sealed = done.outcomes["main"].sealed
    assert sealed is not None
    assert (signed.batch.items, signed.refusals) == (sealed.content.items, ())
    assert signed.batch.signers == ("op0", "op1", "op2")
    assert hall.asked() == [[(DOMAIN.chain_id, ROUND_S)]] * 3, "once, for the round"


async def test_whoever_wants_a_batch_gets_the_same_bytes_and_a_cut_of_it_is_of_the_same_items(hall: Hall) -> None:
    done = await hall.round()
    attesters = hall.attesters("main", SIGNERS)
    answers = await asyncio.gather(*(attesters.collect_signatures(done, feeds) for feeds in [[0, 1]] * 5 + [[1]]))
    batches = [a.batch for a in answers if a is not None and a.batch is not None]
    assert len(batches) == 6
    assert len({b.items for b in batches[:5]}) == 1
    assert split_items(batches[5].items) == {1: split_items(batches[0].items)[1]}
    assert [a.refusals for a in answers if a is not None] == [()] * 6
    first = asyncio.create_task(attesters.collect_signatures(done, [0]))
    await asyncio.sleep(0)
    first.cancel()
    again = await attesters.collect_signatures(done, [0])
    assert again is not None
    assert again.batch is not None, "a reader that goes takes it from no other"


async def test_each_store_seals_for_itself_and_a_key_is_asked_once_at_each(hall: Hall) -> None:
    hall.seat("second", ELSEWHERE)
    done = await hall.round()
    assert [sorted(asked) for asked in hall.asked()] == [[(10, ROUND_S), (DOMAIN.chain_id, ROUND_S)]] * 3
    for target, signers in (("main", SIGNERS), ("second", ELSEWHERE)):
        signed = await hall.attesters(target, signers).collect_signatures(done, [0, 1])
        assert signed is not None
        assert signed.batch is not None
        assert signed.batch.domain == signers.domain


async def test_a_signer_that_the_store_removed_since_holds_up_no_push_of_the_others(hall: Hall) -> None:
    """It is a member of rounds for another half minute, for everybody alike; the store counts it for nothing at once."""
    done = await hall.round()
    removed = replace(SIGNERS, weights=(1, 1, 0))
    signed = await hall.attesters("main", removed).collect_signatures(done, [0])
    assert signed is not None
    assert signed.batch is not None
    assert signed.batch.epoch == SIGNERS.epoch
    alone = await hall.attesters("main", replace(SIGNERS, weights=(1, 0, 0))).collect_signatures(done, [0])
    assert alone is not None
    assert alone.batch is None, "what is left does not weigh the threshold"
    for other in (replace(SIGNERS, epoch=2), replace(SIGNERS, signers=SIGNERS.signers[::-1])):
        assert await hall.attesters("main", other).collect_signatures(done, [0]) is None


async def test_of_two_targets_at_one_store_the_round_is_known_by_the_home_store_s_name(hall: Hall) -> None:
    """Whichever was connected first: what is counted of the round, and learned later, is of the one that publishes."""
    told = []
    hall.agreements = agreements_here(
        hall.operators, now_ms=lambda: ROUND_S * MS, on_outcome=lambda o: told.append(o.terms.target)
    )
    hall.rounds = Rounds(SPECS, hall.rounds.members, HomeStore(target="main", feeds=frozenset(INDEXES)))
    for target in ("backup", "main"):
        hall.seat(target, SIGNERS)
    done = await hall.round()
    assert told == ["main"]
    assert set(done.outcomes) == {"main", "backup"}


async def test_two_targets_at_one_store_have_one_round_and_each_its_outcome(hall: Hall) -> None:
    """A backup with another gas key in the same config: nobody is asked twice, and what one signs the other may push."""
    hall.seat("backup", SIGNERS)
    done = await hall.round()
    assert hall.asked() == [[(DOMAIN.chain_id, ROUND_S)]] * 3
    assert [(t, o.terms.target) for t, o in done.outcomes.items()] == [("main", "main"), ("backup", "backup")]
    assert done.outcomes["main"].sealed == done.outcomes["backup"].sealed
    assert {a.target for a in done.agreements} == {"main", "backup"}
    signed = [await hall.attesters(t, SIGNERS).collect_signatures(done, [0, 1]) for t in ("main", "backup")]
    assert len({s.batch.items for s in signed if s is not None and s.batch is not None}) == 1


async def test_a_reader_of_the_next_round_keeps_no_push_of_this_one_from_being_signed(hall: Hall) -> None:
    """A look at a slow chain may take longer than a round: its cut comes when somebody has asked for a newer report."""
    hall.seat("second", ELSEWHERE)
    for target, signers in (("main", SIGNERS), ("second", ELSEWHERE)):
        attesters = hall.attesters(target, signers)
        now_s = ROUND_S + (100 if signers is ELSEWHERE else 0)
        first, second = await hall.round(now_s), await hall.round(now_s + 10)
        for done in (first, second, first):
            signed = await attesters.collect_signatures(done, [0, 1])
            assert signed is not None
            assert signed.batch is not None
            assert signed.batch.round_time_s == done.round_time_s
            assert signed.refusals == ()


async def test_it_keeps_a_few_rounds_and_no_more(hall: Hall) -> None:
    for i in range(8):
        await hall.round(ROUND_S + 10 * i)
    assert len(hall.agreements.inbox._sessions) <= 4
    assert hall.agreements._under_way == {}


async def test_what_was_sealed_for_the_set_before_is_worth_nothing(hall: Hall) -> None:
    done = await hall.round()
    attesters = hall.attesters("main", SIGNERS)
    fresh = replace(SIGNERS, epoch=2)
    attesters.take_seats(fresh, INDEXES)
    assert await attesters.collect_signatures(done, [0, 1]) is None
    hall.seat("main", fresh)
    signed = await attesters.collect_signatures(await hall.round(ROUND_S + 10), [0, 1])
    assert signed is not None
    assert signed.batch is not None
    assert (signed.batch.epoch, tuple(split_items(signed.batch.items))) == (2, (0, 1))


async def test_nothing_is_signed_without_a_seat_or_of_a_round_that_was_not_sealed(hall: Hall) -> None:
    attesters = hall.attesters("main", SIGNERS)
    for operator in hall.operators[:2]:
        operator.gone.append(True)
    lost = await hall.round()
    assert (lost.records, dict(attesters.reports(lost))) == ((), {})
    assert "values of weight" in lost.unsealed
    assert await attesters.collect_signatures(lost, [0, 1]) is None
    quorum = attesters.quorum(lost)
    assert quorum is not None
    assert quorum.weight < quorum.threshold
    assert [m for m in quorum.missing if m.startswith("op0 did not sign the newest round: gone")] != []
    attesters.leave_seats()
    with pytest.raises(ChainError, match="not connected"):
        await attesters.collect_signatures(lost, [0, 1])


async def test_of_a_set_that_has_expired_nothing_can_be_brought_to_a_push(hall: Hall) -> None:
    done = await hall.round()
    for expires_s, weight in ((ROUND_S + 1, 3), (ROUND_S, 0)):
        quorum = hall.attesters("main", replace(SIGNERS, expires_s=expires_s)).quorum(done)
        assert quorum is not None
        assert (quorum.weight, quorum.reachable) == (weight, bool(weight))
        assert any(f"epoch 1 expired at {ROUND_S} (Unix s)" in m for m in quorum.missing) is not bool(weight)


def test_a_key_that_is_to_come_is_no_stranger(hall: Hall) -> None:
    two = replace(SIGNERS, signers=SIGNERS.signers[:2], weights=SIGNERS.weights[:2])
    attesters = hall.attesters("main", SIGNERS)
    with capture_logs() as logs:
        assert attesters.take_seats(two, INDEXES, SIGNERS.signers) == sum(two.weights)
    assert logs == []
    with capture_logs() as logs:
        attesters.take_seats(two, INDEXES)
    assert [line["operators"] for line in logs] == [["op2"]]
