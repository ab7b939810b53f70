"""One dishonest operator of five, wherever it sits: whatever it signs as its values or proposes when it leads, the others agree.

Each is a process of its own; what one says comes to the others as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import coincurve
import msgspec
import pytest

from feeds.units import Wad
from oracle.agree.messages import Content, Propose, propose_digest
from oracle.agree.outcome import RoundOutcome
from oracle.agree.state import MemberFault
from oracle.agree.terms import Terms, Timing
from oracle.agree.verify import check_sealed
from oracle.agree.wire import CutAnswer, decode
from oracle.model.types import Report
from oracle.network.seats import LocalMember, Utterance
from oracle.report.wire import decode_items, encode_item, encode_items, split_items
from oracle.round.records import operators_of
from oracle.sign.agreed_reports import median_reports
from oracle.sign.eip712 import Domain, address_of, batch_digest, observed_digest, sign_compact
from oracle.sign.messages import Refusal, Signature, SignedValues, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.network.agreement_world import ApartWorld, ask_of, led_by
from tests.oracle.oracle_build import T0
from tests.oracle.report.reports import report
from tests.oracle.round.round_world import SPECS

KEYS = [coincurve.PrivateKey(bytes([n]) * 32) for n in range(61, 66)]
ADDRESSES = tuple(address_of(k) for k in KEYS)
DOMAIN = Domain(chain_id=31337, store=b"\x44" * 20)
SIGNERS = SignerSet(domain=DOMAIN, epoch=1, signers=ADDRESSES, weights=(1,) * 5, threshold=4)
INDEXES = {"wdivETH/ETH": 0, "ETH/USD": 1}
ROUND_S = T0 // 1_000
SEATS = range(5)
VIEW = {0: replace(report(), round_time_s=ROUND_S), 1: replace(report("2000", "0"), round_time_s=ROUND_S)}
HONEST = encode_items(VIEW)
QUICK = Timing(values_ms=300, grace_ms=30, first_ms=500, next_ms=500, guard_ms=50, end_ms=60_000)
"""A lost attempt costs half a second."""
PATIENT = replace(QUICK, values_ms=30_000, grace_ms=30_000, first_ms=60_000, next_ms=60_000, end_ms=120_000)
"""All are waited for, and no attempt ends."""
Values = Callable[[coincurve.PrivateKey, SignedValues], SignedValues]
Leads = Callable[[Propose], Propose | None]


def signed(
    key: coincurve.PrivateKey, one: SignedValues, items: bytes, round_s: int = ROUND_S, terms: bytes | None = None
) -> SignedValues:
    """The same operator's word for other bytes, another round or other terms, with a good signature."""
    digest = observed_digest(DOMAIN, 1, round_s, items, terms=one.terms if terms is None else terms)
    return replace(one, items=items, signature=sign_compact(key, digest))


def no_status(item: bytes) -> bytes:
    return item[:26] + b"\x0f" + item[27:]


BAD_VALUES: Mapping[str, Values] = {
    "no signature": lambda _, v: replace(v, signature=b"\xff" * 64),
    "a short signature": lambda _, v: replace(v, signature=b""),
    "signed for other values": lambda _, v: replace(v, items=encode_item(0, report("9"))),
    "a status that does not exist": lambda k, v: signed(k, v, no_status(v.items[:30]) + v.items[30:]),
    "half an item": lambda k, v: signed(k, v, v.items[:-1]),
    "a feed twice": lambda k, v: signed(k, v, v.items + v.items[:30]),
    "a feed that the store does not have": lambda k, v: signed(k, v, v.items + encode_item(7, report())),
    "another round signed": lambda k, v: signed(k, v, v.items, ROUND_S + 10),
    "other terms signed": lambda k, v: signed(k, v, v.items, terms=b"\1" * 32),
    "in another's name": lambda _, v: replace(v, address=next(a for a in ADDRESSES if a != v.address)),
    "a stranger's": lambda _, v: signed(coincurve.PrivateKey(b"\7" * 32), v, v.items),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Liar(LocalMember):
    """Says what it is told to as its values, and when it leads; itself it hears what is true."""

    key: coincurve.PrivateKey
    values: Values = lambda _, v: v
    leads: Leads = lambda p: p

    def utter(self, terms: Terms, said: Utterance) -> Sequence[tuple[Utterance, frozenset[bytes] | None]]:
        others = frozenset(terms.members) - {self.address}
        match said:
            case SignedValues():
                return [(said, frozenset()), (self.values(self.key, said), others)]
            case Propose():
                lie = self.leads(said)
                return [(said, frozenset())] + ([] if lie is None else [(self.sign_anew(terms, lie), others)])
            case _:
                return [(said, None)]

    def sign_anew(self, terms: Terms, said: Propose) -> Propose:
        digest = propose_digest(terms.binding, terms.round_time_s, said)
        return msgspec.structs.replace(said, signature=sign_compact(self.network_key, digest))


def operators(folder: Path, kind: Callable[..., Operator] = Operator) -> list[Operator]:
    journals = [SignJournal(folder / f"{i}.db", a, now_ms=0, mute_ms=0, newborn=True) for i, a in enumerate(ADDRESSES)]
    return [kind(f"op{i}", KEYS[i], j, bound_bps=100) for i, j in enumerate(journals)]


def five(
    folder: Path, seat: int, *, leader: int, values: Values = lambda _, v: v, leads: Leads = lambda p: p
) -> ApartWorld:
    """Five operators, the one in this seat lies."""
    made: list[Operator | LocalMember] = [*operators(folder)]
    liar = made[seat]
    assert isinstance(liar, Operator)
    made[seat] = Liar(operator=liar, key=KEYS[seat], values=values, leads=leads)
    return ApartWorld.of(made, timing=QUICK, order=led_by(ADDRESSES[leader]))


async def honest_outcomes(
    world: ApartWorld, seat: int, views: Mapping[int, Mapping[int, Report]] | None = None
) -> list[RoundOutcome]:
    """The round as the honest see it: sealed, all of them with the same. ``views``: by seat, where not all see the same."""
    ask = ask_of(SIGNERS, ROUND_S, {f"op{i}": (views or {}).get(i, VIEW) for i in SEATS}, feeds=INDEXES)
    outcomes = await world.agree(ask)
    honest = [outcomes[a] for i, a in enumerate(ADDRESSES) if i != seat]
    for one in honest:
        assert one.sealed is not None, one.why
        check_sealed(one.terms, one.sealed)
        assert one.sealed.content == honest[0].sealed.content  # type: ignore[union-attr]
    return honest


@pytest.mark.parametrize("seat", SEATS)
@pytest.mark.parametrize("how", BAD_VALUES)
async def test_unsound_values_count_for_nothing_and_cost_no_other(tmp_path: Path, how: str, seat: int) -> None:
    world = five(tmp_path, seat, leader=(seat + 1) % 5, values=BAD_VALUES[how])
    for one in await honest_outcomes(world, seat):
        assert one.sealed is not None
        assert one.sealed.content.items == HONEST
        assert [a for a, _ in one.sealed.content.values] == sorted(a for a in ADDRESSES if a != ADDRESSES[seat])
        assert {v.operator for v in one.used_values} == {f"op{i}" for i in SEATS if i != seat}
        assert all(f"op{seat}" not in operators_of(one, SPECS[f]) for f in INDEXES), "it has signed, and had no values"
    assert {(s, t) for s, t, _ in world.refused} >= {(ADDRESSES[seat], a) for a in ADDRESSES if a != ADDRESSES[seat]}


@pytest.mark.parametrize("seat", SEATS)
async def test_a_leader_whose_own_values_are_unsound_is_of_no_harm(tmp_path: Path, seat: int) -> None:
    world = five(tmp_path, seat, leader=seat, values=BAD_VALUES["no signature"])
    for one in await honest_outcomes(world, seat):
        assert one.sealed is not None
        assert one.sealed.content.items == HONEST


def content(said: Propose, **changes: object) -> Propose:
    return msgspec.structs.replace(said, content=msgspec.structs.replace(said.content, **changes))


def shifted(items: bytes) -> bytes:
    reports = decode_items(items, ROUND_S)
    return encode_items({i: replace(r, market_wad=Wad(r.market_wad * 103 // 100)) for i, r in reports.items()})


def marked(items: bytes) -> bytes:
    """The two high bits of the spread are the store's: they decode to nothing, and no leader may set them."""
    return items[:24] + bytes([items[24] | 0xC0]) + items[25:]


LEADS: Mapping[str, Leads] = {
    "silence": lambda _: None,
    "nothing": lambda p: content(p, items=b""),
    "another price": lambda p: content(p, items=shifted(p.content.items)),
    "bits that decode to nothing": lambda p: content(p, items=marked(p.content.items)),
    "one feed less": lambda p: content(p, items=p.content.items[:30]),
    "one feed less, said to be dropped": lambda p: content(p, items=p.content.items[:30], dropped=(1,)),
    "a feed that nobody has": lambda p: content(p, items=p.content.items + encode_item(7, report())),
    "bytes": lambda p: content(p, items=b"\1" * 31),
    "a feed twice": lambda p: content(p, items=p.content.items + p.content.items[:30]),
    "no such status": lambda p: content(p, items=no_status(p.content.items[:30]) + p.content.items[30:]),
    "backwards": lambda p: content(p, items=p.content.items[30:] + p.content.items[:30]),
    "without values": lambda p: content(p, values=()),
    "of too few": lambda p: content(p, values=p.content.values[:3]),
    "values twice": lambda p: content(p, values=(p.content.values[0], *p.content.values)),
    "values that nobody has": lambda p: content(p, values=(*p.content.values[:4], (p.content.values[4][0], b"\1" * 32))),
    "another's values": lambda p: content(
        p, values=tuple((a, p.content.values[(i + 1) % 5][1]) for i, (a, _) in enumerate(p.content.values))
    ),
    "another step": lambda p: msgspec.structs.replace(p, step=10),
}  # fmt: skip


def heard_in_the_first_attempt(outcome: RoundOutcome) -> set[bytes]:
    """Whose values were there before the second one: all, unless the machine is busy. Whoever leads then has to use them."""
    return {m.address for m in outcome.members if m.values_ms is not None and m.values_ms < QUICK.first_ms}


@pytest.mark.parametrize("how", LEADS)
async def test_a_leader_that_proposes_anything_else_is_passed_over_in_the_same_round(tmp_path: Path, how: str) -> None:
    seat = list(LEADS).index(how) % 5
    world = five(tmp_path, seat, leader=seat, leads=LEADS[how])
    outcomes = await honest_outcomes(world, seat)
    in_time = set.intersection(*map(heard_in_the_first_attempt, outcomes))
    for one in outcomes:
        assert one.sealed is not None
        assert one.sealed.round_time_s == ROUND_S
        assert one.sealed.content.items == HONEST, "every feed, with the agreed values"
        assert one.sealed.attempt >= 2, "the lie came to nothing"
        assert in_time <= {address for address, _ in one.sealed.content.values}
        assert {e.address for e in one.evidence} <= {ADDRESSES[seat]}
        assert {e.kind for e in one.evidence} <= {MemberFault.WRONG_PROPOSAL, MemberFault.TWO_PROPOSALS}


@pytest.mark.parametrize("seat", SEATS)
async def test_a_lie_that_recomputes_for_nobody_is_evidence_against_its_leader(tmp_path: Path, seat: int) -> None:
    world = five(tmp_path, seat, leader=seat, leads=LEADS["another price"])
    for one in await honest_outcomes(world, seat):
        assert [(e.kind, e.address) for e in one.evidence] == [(MemberFault.WRONG_PROPOSAL, ADDRESSES[seat])]


async def test_a_leader_that_leaves_values_out_needs_weight_t_without_them(tmp_path: Path) -> None:
    """Omission alone refuses nothing: what is left must weigh T, and what follows is what the rest says."""

    def omit(said: Propose) -> Propose:
        return content(said, values=said.content.values[1:])

    world = five(tmp_path, 0, leader=0, leads=omit)
    for one in await honest_outcomes(world, 0):
        assert one.sealed is not None
        assert one.sealed.content.items == HONEST
        assert len(one.sealed.content.values) in {4, 5}


async def test_two_different_values_are_evidence_and_either_counts(tmp_path: Path) -> None:
    """To two of the others it says one thing, to two another; either is the median, and all keep the one that was used."""
    steps = [Wad(VIEW[0].market_wad + n * 10**12) for n in range(6)]
    prices = dict(zip(SEATS, (steps[2], steps[0], steps[1], steps[4], steps[5]), strict=True))
    views = {i: {**VIEW, 0: replace(VIEW[0], market_wad=price)} for i, price in prices.items()}
    other = encode_items({**VIEW, 0: replace(VIEW[0], market_wad=steps[3])})

    @dataclass(frozen=True, slots=True, kw_only=True)
    class TwoFaced(LocalMember):
        def utter(self, terms: Terms, said: Utterance) -> Sequence[tuple[Utterance, frozenset[bytes] | None]]:
            del terms
            if not isinstance(said, SignedValues):
                return [(said, None)]
            return [(said, frozenset(ADDRESSES[1:3])), (signed(KEYS[0], said, other), frozenset(ADDRESSES[3:]))]

    made: list[Operator | LocalMember] = [*operators(tmp_path)]
    made[0] = TwoFaced(operator=made[0])  # type: ignore[arg-type]
    world = ApartWorld.of(made, timing=PATIENT, order=led_by(ADDRESSES[1]))
    outcomes = await honest_outcomes(world, 0, views)
    assert outcomes[0].sealed is not None
    assert decode_items(outcomes[0].sealed.content.items, ROUND_S)[0].market_wad == steps[2]
    for one in outcomes:
        assert one.sealed is not None
        again = median_reports({v.address: v.reports for v in one.used_values}, SIGNERS)
        assert encode_items(again) == one.sealed.content.items, (
            "what each keeps is what was used, whichever it heard first"
        )
    found = {(e.kind, e.address) for o in outcomes for e in o.evidence}
    assert found == {(MemberFault.TWO_VALUES, ADDRESSES[0])}, "those who had the other ones asked for these"


async def test_a_leader_that_splits_the_others_costs_an_attempt(tmp_path: Path) -> None:
    """Two contents, both of which recompute: neither gets weight T, and the next leader's does."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Splitting(LocalMember):
        def utter(self, terms: Terms, said: Utterance) -> Sequence[tuple[Utterance, frozenset[bytes] | None]]:
            if not isinstance(said, Propose) or said.step:
                return [(said, None)]
            less = content(said, values=said.content.values[:4])
            digest = propose_digest(terms.binding, terms.round_time_s, less)
            less = msgspec.structs.replace(less, signature=sign_compact(self.network_key, digest))
            return [(said, frozenset(ADDRESSES[1:3])), (less, frozenset(ADDRESSES[3:]))]

    made: list[Operator | LocalMember] = [*operators(tmp_path)]
    made[0] = Splitting(operator=made[0])  # type: ignore[arg-type]
    world = ApartWorld.of(made, timing=QUICK, order=led_by(ADDRESSES[0]))
    for one in await honest_outcomes(world, 0):
        assert one.sealed is not None
        assert one.sealed.attempt >= 2
        assert one.sealed.content.items == HONEST


# --- cuts ---------------------------------------------------------------------------------------------------------------


class OtherBatch(Operator):
    """Signs every batch with another item in it."""

    async def request_signature(
        self, signers: SignerSet, round_time_s: int, items: bytes, *, now_ms: int, clock_ok: bool
    ) -> Signature | Refusal:
        del now_ms, clock_ok
        lie = shifted(items)
        key = KEYS[ADDRESSES.index(self.address)]
        compact = sign_compact(key, batch_digest(signers.domain, signers.epoch, round_time_s, lie))
        return Signature(operator=self.name, address=self.address, compact=compact)


@pytest.mark.parametrize("seat", SEATS)
async def test_a_cut_holds_the_feeds_that_were_asked_for_as_they_were_sealed(tmp_path: Path, seat: int) -> None:
    """Whoever asks, and whatever one of them signs: feeds that nobody asked for, or other prices, are in no batch."""
    made = operators(tmp_path)
    made[seat] = OtherBatch(f"op{seat}", KEYS[seat], made[seat].journal, bound_bps=100)
    world = ApartWorld.of(made, timing=QUICK)
    outcomes = await world.agree(ask_of(SIGNERS, ROUND_S, {f"op{i}": VIEW for i in SEATS}, feeds=INDEXES))
    asking = ADDRESSES[(seat + 1) % 5]
    cut = await world.cut(asking, outcomes[asking], (1,))
    assert cut.batch is not None
    assert tuple(split_items(cut.batch.items)) == (1,)
    assert cut.batch.items == encode_item(1, VIEW[1])
    assert set(cut.batch.addresses) == set(ADDRESSES) - {ADDRESSES[seat]}
    answers = [e.word for _, to, p in world.said if to == asking and isinstance((e := decode(p)).word, CutAnswer)]
    assert len(answers) == 4


async def test_nobody_signs_an_empty_batch_nor_one_of_feeds_that_were_not_sealed(tmp_path: Path) -> None:
    world = ApartWorld.of(operators(tmp_path), timing=QUICK)
    outcomes = await world.agree(
        ask_of(SIGNERS, ROUND_S, {f"op{i}": {0: VIEW[0]} for i in SEATS}, feeds=INDEXES)
    )  # fmt: skip
    at = ADDRESSES[0]
    assert outcomes[at].sealed is not None
    world.said.clear()
    for feeds in ((), (1,), (0, 1)):
        assert (await world.cut(at, outcomes[at], feeds)).batch is None
    assert world.said == [], "nobody is even asked"
    assert (await world.cut(at, replace(outcomes[at], sealed=None), (0,))).batch is None


def test_a_content_is_known_by_its_bytes() -> None:
    """What is agreed on is compared as it is signed, never as it decodes."""
    honest = Content(values=(), items=HONEST)
    other = msgspec.structs.replace(honest, items=marked(HONEST))
    assert decode_items(other.items, ROUND_S) == decode_items(honest.items, ROUND_S)
    assert other.hash() != honest.hash()
