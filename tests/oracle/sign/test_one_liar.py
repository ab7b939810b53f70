"""One dishonest operator of five, wherever it sits: whatever it signs as its values or proposes when it leads, the others agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import coincurve
import pytest

from oracle.model.types import Report
from oracle.report.wire import encode_item, encode_items, split_items
from oracle.round.rounds import Round, Rounds
from oracle.round.seat import SignerSeat
from oracle.sign.eip712 import Domain, address_of, observed_digest, sign_compact
from oracle.sign.local_cosigners import LocalCosigners
from oracle.sign.messages import Proposal, Refusal, RefusalCode, SignedValues, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.sign.signed_batch import CollectedSignatures, collect_signatures
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.oracle_build import T0
from tests.oracle.report.reports import report
from tests.oracle.round.round_world import SPECS, member, observed

KEYS = [coincurve.PrivateKey(bytes([n]) * 32) for n in range(61, 66)]
DOMAIN = Domain(chain_id=31337, store=b"\x44" * 20)
SIGNERS = SignerSet(
    domain=DOMAIN, epoch=1, signers=tuple(address_of(k) for k in KEYS), weights=(1,) * 5, threshold=3
)  # fmt: skip
INDEXES = {"wdivETH/ETH": 0, "ETH/USD": 1}
ROUND_S = T0 // 1_000
SEATS = range(5)


def signed(key: coincurve.PrivateKey, one: SignedValues, items: bytes, round_s: int = ROUND_S) -> SignedValues:
    """The same operator's word for other bytes, or another round, with a good signature."""
    digest = observed_digest(DOMAIN, 1, round_s, items)
    return replace(one, items=items, signature=sign_compact(key, digest))


def no_status(item: bytes) -> bytes:
    return item[:26] + b"\x0f" + item[27:]


BAD_VALUES: Mapping[str, Callable[[coincurve.PrivateKey, SignedValues], SignedValues]] = {
    "no signature": lambda _, v: replace(v, signature=b"\xff" * 64),
    "a short signature": lambda _, v: replace(v, signature=b""),
    "signed for other values": lambda _, v: replace(v, items=encode_item(0, report("9"))),
    "a status that does not exist": lambda k, v: signed(k, v, no_status(v.items[:30]) + v.items[30:]),
    "half an item": lambda k, v: signed(k, v, v.items[:-1]),
    "a feed twice": lambda k, v: signed(k, v, v.items + v.items[:30]),
    "another round on it": lambda _, v: replace(v, round_time_s=ROUND_S + 1_000),
    "another round signed": lambda k, v: replace(signed(k, v, v.items, ROUND_S + 10), round_time_s=ROUND_S + 10),
    "in another's name": lambda _, v: replace(v, address=address_of(KEYS[2] if v.address != address_of(KEYS[2]) else KEYS[3])),
    "a stranger's": lambda _, v: signed(coincurve.PrivateKey(b"\7" * 32), v, v.items),
}  # fmt: skip


class Liar(Operator):
    """Signs and leads as it is told to."""

    key: coincurve.PrivateKey
    values: Callable[[coincurve.PrivateKey, SignedValues], SignedValues] = staticmethod(lambda _, v: v)
    leads: Callable[[Proposal], Proposal] = staticmethod(lambda p: p)

    def sign_values(self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report]) -> SignedValues:
        return self.values(self.key, super().sign_values(signers, round_time_s, view))

    def propose(
        self, signers: SignerSet, round_time_s: int, values: Sequence[VerifiedValues], feeds: Sequence[int]
    ) -> Proposal:
        return self.leads(super().propose(signers, round_time_s, values, feeds))

    def examine(self, signers: SignerSet, proposal: Proposal) -> None:
        """It signs everything."""


class Five:
    """Five operators, one of them told to lie."""

    def __init__(self, folder: Path, seat: int) -> None:
        self.operators: list[Operator] = []
        for i, key in enumerate(KEYS):
            journal = SignJournal(folder / f"{i}.db", address_of(key), now_ms=0, mute_ms=0, newborn=True)
            self.operators.append((Liar if i == seat else Operator)(f"op{i}", key, journal, bound_bps=100))
        liar = self.operators[seat]
        assert isinstance(liar, Liar)
        liar.key = KEYS[seat]
        self.liar = liar
        members = [replace(member(name=o.name), signer=o) for o in self.operators]
        self.rounds = Rounds(SPECS, members, SignerSeat(target="t", signers=SIGNERS, indexes=INDEXES))

    def round(self) -> Round:
        return self.rounds.run(ROUND_S, observed(), now_ms=T0)

    async def vote(self, values: Sequence[VerifiedValues]) -> CollectedSignatures:
        desk = LocalCosigners(self.operators, SIGNERS, now_ms=lambda: T0, clock_ok=lambda: True)
        return await collect_signatures(desk, SIGNERS, values, tuple(INDEXES.values()))


@pytest.mark.parametrize("seat", SEATS)
@pytest.mark.parametrize("how", BAD_VALUES)
async def test_unsound_values_make_their_operator_mute_and_no_other(tmp_path: Path, how: str, seat: int) -> None:
    five = Five(tmp_path, seat)
    honest = five.round()
    five.liar.values = BAD_VALUES[how]
    done = five.round()
    assert [r.report for r in done.records] == [r.report for r in honest.records]
    assert {v.operator for v in done.values} == {f"op{i}" for i in SEATS if i != seat}
    assert [(r.operator, r.code) for r in done.refusals] == [(f"op{seat}", RefusalCode.BAD_VALUES)]
    assert done.mute == {f"op{seat}"}
    assert all(f"op{seat}" not in r.operators for r in done.records)
    collected = await five.vote(done.values)
    assert collected.batch is not None
    assert tuple(split_items(collected.batch.items)) == (0, 1)


@pytest.mark.parametrize("how", BAD_VALUES)
async def test_a_cosigner_refuses_a_proposal_made_from_such_values(tmp_path: Path, how: str) -> None:
    """A leader that takes them in gets a typed no from everybody, and never an exception."""
    five = Five(tmp_path, 0)
    good = five.round().values
    signed = [v.signed for v in good]
    bad = (BAD_VALUES[how](KEYS[0], signed[0]), *signed[1:])
    fair = Proposal(leader="op0", round_time_s=ROUND_S, items=signed[0].items, values=bad)
    for one in five.operators[1:]:
        one.expect_values(good)
        answer = one.cosign(SIGNERS, fair, now_ms=T0, clock_ok=True)
        assert isinstance(answer, Refusal)
        assert answer.code is RefusalCode.BAD_VALUES


async def test_a_cosigner_refuses_a_proposal_that_leaves_out_values_which_it_knows_of(tmp_path: Path) -> None:
    """Enough weight is left, and what is proposed follows from it: yet who is left out is the leader's choice."""
    five = Five(tmp_path, 0)
    good = five.round().values
    leader, *others = five.operators
    fair, partial = (leader.propose(SIGNERS, ROUND_S, values, [0, 1]) for values in (good, good[1:]))
    for one in others:
        one.expect_values(good)
        answer = one.cosign(SIGNERS, partial, now_ms=T0, clock_ok=True)
        assert isinstance(answer, Refusal)
        assert answer.code is RefusalCode.BAD_VALUES
        assert "leaves out the values of 1 operator" in answer.text
        assert not isinstance(one.cosign(SIGNERS, fair, now_ms=T0, clock_ok=True), Refusal)


LEADS: Mapping[str, Callable[[Proposal], Proposal]] = {
    "nothing": lambda p: replace(p, items=b""),
    "one feed less": lambda p: replace(p, items=p.items[:30]),
    "bytes": lambda p: replace(p, items=b"\1" * 31),
    "a feed twice": lambda p: replace(p, items=p.items + p.items[:30]),
    "no such status": lambda p: replace(p, items=no_status(p.items[:30]) + p.items[30:]),
    "another round": lambda p: replace(p, round_time_s=ROUND_S + 10),
    "backwards": lambda p: replace(p, items=p.items[30:] + p.items[:30]),
    "without a value": lambda p: replace(p, values=p.values[1:]),
    "without values": lambda p: replace(p, values=()),
    "junk values": lambda p: replace(p, values=(replace(p.values[0], items=b"\1"), *p.values[1:])),
}  # fmt: skip


@pytest.mark.parametrize("seat", SEATS)
@pytest.mark.parametrize("how", LEADS)
async def test_a_leader_that_proposes_anything_else_is_passed_over_in_the_same_round(
    tmp_path: Path, how: str, seat: int
) -> None:
    five = Five(tmp_path, seat)
    values = five.round().values
    five.liar.leads = LEADS[how]
    collected = await five.vote(values)
    assert collected.batch is not None
    assert collected.batch.round_time_s == ROUND_S
    assert collected.batch.items == values[0].signed.items, "every feed that was asked for, with the agreed values"


def _all(items: bytes, proposal: Proposal) -> Proposal:
    return replace(proposal, items=items)


async def test_a_leader_s_feeds_that_nobody_asked_for_are_not_signed(tmp_path: Path) -> None:
    for seat in SEATS:
        (folder := tmp_path / str(seat)).mkdir()
        five = Five(folder, seat)
        values = five.round().values
        five.liar.leads = partial(_all, values[0].signed.items)
        desk = LocalCosigners(five.operators, SIGNERS, now_ms=lambda: T0, clock_ok=lambda: True)
        collected = await collect_signatures(desk, SIGNERS, values, (1,))
        assert collected.batch is not None
        assert tuple(split_items(collected.batch.items)) == (1,)


async def test_nobody_signs_an_empty_batch(tmp_path: Path) -> None:
    five = Five(tmp_path, 0)
    values = tuple(v.signed for v in five.round().values)
    empty = Proposal(leader="op0", round_time_s=ROUND_S, items=encode_items({}), values=values)
    answer = five.operators[1].cosign(SIGNERS, empty, now_ms=T0, clock_ok=True)
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.NOT_RECOMPUTED
